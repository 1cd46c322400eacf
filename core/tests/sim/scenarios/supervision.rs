//! What becomes of workers that end by themselves: restarted together, moved, given up; and remembered by others.

use skep_core::Input;
use skep_core::event::{Exit, Ownership, Reply, Request, WorkerSpec};
use skep_core::id::{Epoch, Kind, Payload, Reason};
use skep_core::placement::{Bond, Place, Together};
use skep_core::supervisor::PastIntensity;

use super::{NAMES, millis};
use crate::calls::{managed, name};
use crate::faults::kind;
use crate::network::Told;
use crate::world::{ProcessId, Settings, World};

fn bound(key: &str, bond: Bond, rank: u16) -> WorkerSpec {
    let place = Place::anywhere().together(Together { key: name(key), bond, rank });
    WorkerSpec::Managed { kind: Kind::new(kind::PLAIN).expect("a good kind"), args: Payload::empty(), place }
}

/// Nodes that restart little.
fn cluster(seed: u64, count: usize) -> (World, Vec<ProcessId>) {
    let mut world = World::new(Settings::calm(seed));
    let kinds = &[kind::PLAIN, kind::LIMITED, kind::WANDERING];
    let sites: Vec<_> = NAMES[..count].iter().map(|name| world.site(name, kinds)).collect();
    sites.into_iter().for_each(|site| world.boot(site));
    world.rest();
    let nodes = world.all_running();
    (world, nodes)
}

impl World {
    fn start_of(&self, text: &str) -> (ProcessId, Epoch) {
        match self.active_copies(&name(text))[..] {
            [copy] => copy,
            ref copies => panic!("{text} runs as {copies:?}"),
        }
    }

    fn owner(&mut self, process: ProcessId, text: &str) -> Ownership {
        match self.call(process, Request::Owner { name: name(text) }) {
            Reply::Owner(Ok(owner)) => owner,
            other => panic!("{text} is owned: {other:?}"),
        }
    }

    /// The worker of this name ends by itself, on this node.
    fn fail(&mut self, text: &str) -> ProcessId {
        let (process, epoch) = self.start_of(text);
        self[process].workers.remove(&(name(text), epoch));
        self.oracle.copies.ended(process, &name(text), epoch);
        let exit = Exit::Failed(Reason::new("had enough"));
        self.tell(process, Input::WorkerExited { name: name(text), epoch, exit });
        process
    }

    /// It ends so often that one more restart is one too many, each time where it runs then.
    fn fail_often(&mut self, text: &str) {
        for _ in 0..3 {
            let (_, last) = self.start_of(text);
            self.fail(text);
            let again =
                |world: &Self| matches!(world.active_copies(&name(text))[..], [(_, epoch)] if epoch > last);
            self.wait_until(millis(3000), "it runs again", again);
            self.wait(millis(100)); // and the others know
        }
    }
}

#[test]
pub fn names_of_one_key_run_on_one_node_wherever_that_is() {
    let mut are_spread = false;
    for seed in 0..5 {
        let (mut world, nodes) = cluster(seed, 3);
        let names: Vec<String> = (0..24).map(|number| format!("n{number}")).collect();
        for (number, text) in names.iter().enumerate() {
            let key = format!("key-{}", number % 6);
            assert!(world.claim(nodes[number % 3], text, bound(&key, Bond::OneForOne, 0)).is_ok());
        }
        let check = |world: &World, when: &str| {
            let mut places = Vec::new();
            for key in 0..6 {
                let of_key: Vec<_> =
                    names.iter().skip(key).step_by(6).map(|text| world.start_of(text).0).collect();
                assert!(
                    of_key.iter().all(|process| *process == of_key[0]),
                    "seed {seed}, {when}: {of_key:?}"
                );
                places.push(of_key[0]);
            }
            places
        };
        world.rest();
        check(&world, "at first");
        let site = world.site(NAMES[3], &[kind::PLAIN]);
        world.boot(site);
        world.rest();
        check(&world, "after a join");
        world.crash(nodes[0], Told::ByEnd);
        world.rest();
        let places = check(&world, "after a death");
        are_spread |= places.iter().any(|place| *place != places[0]);
    }
    assert!(are_spread, "not all on one");
}

#[test]
pub fn the_end_of_one_restarts_those_that_it_binds_in_their_order_and_no_others() {
    for (bond, restarted) in
        [(Bond::OneForOne, &["b"][..]), (Bond::OneForAll, &["a", "b", "c"]), (Bond::RestForOne, &["b", "c"])]
    {
        let (mut world, nodes) = cluster(3, 3);
        for (rank, text) in (1..).zip(["a", "b", "c"]) {
            assert!(world.claim(nodes[0], text, bound("key", bond, rank)).is_ok());
        }
        assert!(world.claim(nodes[0], "other", bound("another key", bond, 9)).is_ok());
        world.rest();
        let all = ["a", "b", "c", "other"];
        let before = all.map(|text| world.start_of(text).1);
        world.fail("b");
        world.rest();
        let after = all.map(|text| world.start_of(text).1);
        let anew: Vec<&str> = (0..4).filter(|&at| after[at] > before[at]).map(|at| all[at]).collect();
        assert_eq!(anew, restarted, "{bond:?}");
        let starts = anew.iter().map(|text| world.start_of(text).1);
        assert!(starts.is_sorted(), "{bond:?}: in the order of their ranks");
    }
}

#[test]
pub fn a_worker_that_is_restarted_too_often_is_given_up_with_those_that_it_binds() {
    let (mut world, nodes) = cluster(4, 2);
    for (text, bond) in [("a", Bond::OneForAll), ("b", Bond::OneForOne)] {
        let spec = match bound("key", bond, 1) {
            WorkerSpec::Managed { args, place, .. } => {
                WorkerSpec::Managed { kind: Kind::new(kind::LIMITED).expect("a good kind"), args, place }
            }
            attached => attached,
        };
        assert!(world.claim(nodes[0], text, spec).is_ok());
    }
    world.rest();
    world.fail_often("a");
    let now = world.now;
    ["a", "b"].iter().for_each(|text| world.oracle.worker_gave_up(now, &name(text)));
    let holder = world.fail("a");
    world.rest();
    assert_eq!(world[holder].gave_up, [(name("a"), PastIntensity::GiveUp)]);
    assert_eq!(["a", "b"].map(|text| world.runs_on(text)), [None, None]);
    for text in ["a", "b"] {
        assert!(world.claim(nodes[1], text, managed(kind::PLAIN)).is_ok(), "{text} is free");
    }
}

#[test]
pub fn a_failover_does_not_forget_that_a_worker_is_crash_looping() {
    for seed in 0..4 {
        let (mut world, nodes) = cluster(seed, 3);
        assert!(world.claim(nodes[0], "n", managed(kind::LIMITED)).is_ok());
        world.rest();
        world.fail_often("n");
        let (holder, _) = world.start_of("n");
        world.crash(holder, Told::ByEnd);
        world.wait_until(
            millis(2000),
            "it runs elsewhere",
            |world| matches!(world.active_copies(&name("n"))[..], [(process, _)] if process != holder),
        );
        world.wait(millis(200));
        let now = world.now;
        world.oracle.worker_gave_up(now, &name("n"));
        let heir = world.fail("n");
        world.rest();
        assert_eq!(world[heir].gave_up, [(name("n"), PastIntensity::GiveUp)], "seed {seed}");
        assert_eq!(world.runs_on("n"), None, "seed {seed}");
    }
}

#[test]
pub fn a_worker_that_is_restarted_too_often_goes_on_elsewhere_if_it_is_to() {
    for seed in 0..4 {
        let (mut world, nodes) = cluster(seed, 3);
        assert!(world.claim(nodes[0], "n", managed(kind::WANDERING)).is_ok());
        world.rest();
        let (first, _) = world.start_of("n");
        world.fail_often("n");
        assert_eq!(world.start_of("n").0, first, "seed {seed}: so often it is restarted");
        world.fail("n");
        world.rest();
        let (second, _) = world.start_of("n");
        assert_ne!(first, second, "seed {seed}");
        assert_eq!(world[first].gave_up, [(name("n"), PastIntensity::Move)], "seed {seed}");
        for &node in &nodes {
            let owner = world.owner(node, "n");
            let left = world[first].name.clone();
            assert_eq!(
                (owner.life, owner.passed_over.as_ref()),
                (world[second].life, Some(&left)),
                "{}",
                owner.why
            );
            let words = format!("{left} restarted it too often, and is passed over");
            assert!(owner.why.contains(&words), "{}", owner.why);
        }
        let third = nodes.iter().copied().find(|node| ![first, second].contains(node)).expect("one of three");
        for node in [second, third] {
            world.crash(node, Told::ByEnd);
            world.rest();
        }
        assert_eq!(world.runs_on("n"), Some(first), "seed {seed}: it is better than none");
        let owner = world.owner(first, "n");
        assert_eq!((owner.life, owner.passed_over), (world[first].life, None), "{}", owner.why);
        assert!(owner.why.contains("restarted it too often, but nobody else may run it"), "{}", owner.why);
    }
}
