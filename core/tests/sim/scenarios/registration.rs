//! Names are claimed: once, twice at once, by callers who give up, just before a crash.

use skep_core::error::{RegisterError, UnregisterError};
use skep_core::event::{Exit, Reply, Request, WorkerSpec};
use skep_core::{Input, Instant};

use super::{NAMES, cluster, millis};
use crate::calls::{managed, name};
use crate::faults::kind;
use crate::network::Told;
use crate::world::{Settings, World};

#[test]
pub fn the_scene_two_nodes_one_worker_a_kill_a_takeover() {
    let (mut world, nodes) = cluster(1, 2);
    let registered = world.register(nodes[0], "SingletonName").expect("the name is free");
    let holder = world.runs_on("SingletonName").expect("it runs");
    assert_eq!(registered.life, world[holder].life);
    for &node in &nodes {
        assert_eq!(
            world.register(node, "SingletonName"),
            Err(RegisterError::AlreadyRegistered { holder: registered.clone() })
        );
        assert_eq!(world.locate(node, "SingletonName"), Ok(registered.clone()));
    }
    let other = nodes.into_iter().find(|&node| node != holder).expect("there are two");
    world.crash(holder, Told::ByEnd);
    let took = world.wait_until(millis(50), "it runs on the other", |world| {
        world.runs_on("SingletonName") == Some(other)
    });
    println!("killed to running again: {took:?}");
    assert!(world.locate(other, "SingletonName").expect("it is registered").epoch > registered.epoch);
    world.rest();
}

#[test]
pub fn of_two_claims_at_once_one_wins_and_the_other_hears_who() {
    for seed in 0..50 {
        for worker in [managed(kind::PLAIN), managed(kind::SLOW), WorkerSpec::Attached] {
            let (mut world, nodes) = cluster(seed, 2 + seed as usize % 3);
            let register = Request::Register { name: name("x"), worker };
            let first = world.ask_and_keep(nodes[0], millis(4000), register.clone());
            world.wait(millis(seed % 3));
            let second = world.ask_and_keep(nodes[1], millis(4000), register);
            let answers = [world.answer(first), world.answer(second)];
            let (mut won, mut lost) = (Vec::new(), Vec::new());
            for answer in answers {
                match answer {
                    Reply::Registered(Ok(registration)) => won.push(registration),
                    Reply::Registered(Err(RegisterError::AlreadyRegistered { holder })) => lost.push(holder),
                    other => panic!("seed {seed}: {other:?}"),
                }
            }
            assert_eq!((won.len(), &won), (1, &lost), "seed {seed}: one wins, the other hears who");
            world.rest();
        }
    }
}

#[test]
pub fn a_thousand_names_survive_a_kill_right_after_their_acknowledgement() {
    let (mut world, nodes) = cluster(5, 3);
    let calls: Vec<_> = (0..1000)
        .map(|number| {
            let register =
                Request::Register { name: name(&format!("n{number}")), worker: managed(kind::PLAIN) };
            world.ask_and_keep(nodes[number % 3], millis(5000), register)
        })
        .collect();
    for call in calls {
        let answer = world.answer(call);
        assert!(matches!(answer, Reply::Registered(Ok(_))), "{answer:?}");
    }
    world.crash(nodes[1], Told::ByReset);
    world.rest();
    for number in 0..1000 {
        assert!(world.runs_on(&format!("n{number}")).is_some(), "n{number}");
    }
}

#[test]
pub fn an_acknowledged_name_survives_the_kill_of_any_node_at_the_moment_of_its_acknowledgement() {
    for seed in 0..60 {
        let (mut world, nodes) = cluster(seed, 2 + seed as usize % 3);
        let victim = nodes[seed as usize / 3 % nodes.len()];
        let caller = nodes[seed as usize % nodes.len()];
        if world.register(caller, "x").is_ok() {
            world.crash(victim, Told::ByReset);
            world.rest();
            assert!(world.runs_on("x").is_some(), "seed {seed}");
        }
    }
}

#[test]
pub fn an_acknowledged_removal_survives_the_kill_of_any_node_at_the_moment_of_its_acknowledgement() {
    for seed in 0..60 {
        let (mut world, nodes) = cluster(seed, 2 + seed as usize % 3);
        let victim = nodes[seed as usize / 3 % nodes.len()];
        let caller = nodes[seed as usize % nodes.len()];
        assert!(world.register(nodes[0], "x").is_ok());
        world.wait(millis(seed % 7));
        if world.unregister(caller, "x").is_ok() {
            world.crash(victim, Told::ByReset);
            world.rest();
            assert!(world.active_copies(&name("x")).is_empty(), "seed {seed}");
        }
    }
}

#[test]
pub fn a_worker_that_ends_at_once_is_restarted_under_its_name() {
    for seed in 0..10 {
        let (mut world, nodes) = cluster(seed, 2);
        let registered = world.register(nodes[0], "x").expect("the name is free");
        let holder = world.runs_on("x").expect("it runs");
        world.kill_worker(holder, "x");
        world.wait_until(millis(200), "it runs again", |world| world.runs_on("x").is_some());
        world.rest();
        assert_eq!(world.runs_on("x"), Some(holder), "seed {seed}: it was restarted where it was");
        assert!(world.locate(nodes[1], "x").expect("it is registered").epoch > registered.epoch);
    }
}

#[test]
pub fn a_caller_who_gives_up_leaves_no_ghost() {
    for seed in 0..20 {
        let (mut world, nodes) = cluster(seed, 3);
        let register = Request::Register { name: name("x"), worker: managed(kind::SLOW) };
        let call = world.ask_and_keep(nodes[0], millis(1 + seed), register);
        assert_eq!(world.answer(call), Reply::Registered(Err(RegisterError::Timeout)));
        world.rest(); // no copy runs that the registry does not name
    }
}

#[test]
pub fn what_was_removed_can_be_registered_again_with_a_later_epoch() {
    let (mut world, nodes) = cluster(6, 3);
    assert_eq!(world.unregister(nodes[2], "x"), Err(UnregisterError::NotFound));
    let first = world.register(nodes[0], "x").expect("the name is free");
    assert_eq!(world.unregister(nodes[1], "x"), Ok(()));
    assert_eq!(world.runs_on("x"), None, "it is stopped before the caller hears so");
    let second = world.register(nodes[2], "x").expect("the name is free again");
    assert!(second.epoch > first.epoch);
    world.rest();
}

#[test]
pub fn an_attached_worker_ends_and_its_name_is_free() {
    let (mut world, nodes) = cluster(7, 2);
    let attached = world.attach(nodes[0], "x").expect("the name is free");
    assert!(attached.attached);
    let input = Input::WorkerExited { name: name("x"), epoch: attached.epoch, exit: Exit::Finished };
    world.oracle.worker_gave_up(world.now, &name("x"));
    world.tell(nodes[0], input);
    world.rest();
    assert!(world.locate(nodes[1], "x").is_err());
    assert!(world.register(nodes[1], "x").is_ok());
}

#[test]
pub fn a_kind_that_nobody_knows_is_an_error_at_once() {
    let (mut world, nodes) = cluster(8, 2);
    let before = world.now;
    assert_eq!(world.claim(nodes[0], "x", managed("nothing")), Err(RegisterError::UnknownKind));
    assert!(world.now.since(before) < millis(100));
}

#[test]
pub fn traffic_at_rest_does_not_grow_with_the_names() {
    let spent = |names: usize| {
        let (mut world, nodes) = cluster(9, 3);
        for number in 0..names {
            assert!(world.register(nodes[number % 3], &format!("n{number}")).is_ok());
        }
        world.rest();
        let before = world[nodes[0]].bytes_sent;
        world.wait(millis(5000));
        world[nodes[0]].bytes_sent - before
    };
    let (few, many) = (spent(3), spent(600));
    println!("bytes that one of three sends in 5 s at rest: {few} with 3 names, {many} with 600");
    assert!(many < few + few / 5, "{few} bytes in 5 s with 3 names, {many} with 600");
}

impl World {
    /// A worker panics.
    fn kill_worker(&mut self, holder: crate::world::ProcessId, text: &str) {
        let name = name(text);
        let (_, epoch) = self.active_copies(&name)[0];
        self[holder].workers.remove(&(name.clone(), epoch));
        self.oracle.ended(holder, &name, epoch);
        let exit = Exit::Failed(skep_core::id::Reason::new("killed"));
        self.tell(holder, Input::WorkerExited { name, epoch, exit });
        assert!(self.now > Instant::ZERO);
    }
}

/// Its arbiter, who asked for it as well, dies before it has written down what it told another node to start.
#[test]
pub fn what_was_started_for_nobody_has_stopped_before_its_name_is_started_again() {
    let mut tried = 0;
    for seed in 0..24 {
        let mut world = World::new(Settings::calm(seed));
        let kinds = [kind::PLAIN, kind::STUBBORN, kind::RARE, kind::PLAIN];
        for (node, kinds) in NAMES.iter().zip(kinds) {
            let site = world.site(node, &[kinds]);
            world.boot(site);
        }
        world.rest();
        let nodes = world.all_running();
        let text = format!("x{seed}");
        let request = Request::Register { name: name(&text), worker: managed(kind::STUBBORN) };
        world.ask(nodes[0], millis(3000), request);
        let runs = |world: &World| !world.active_copies(&name(&text)).is_empty();
        world.wait_until(millis(3000), "it runs", runs);
        world.crash(nodes[0], Told::ByReset);
        let known = world.all_running().iter().any(|&node| world[node].places.contains_key(&name(&text)));
        tried += u32::from(!known);
        for _ in 0..20 {
            if world.claim(nodes[3], &text, managed(kind::RARE)).is_ok() {
                break;
            }
        }
        world.rest();
        assert!(world.runs_on(&text).is_some(), "seed {seed}");
    }
    assert!(tried > 2, "all was written down in time");
}
