//! Clusters in parts, and links that lose something: in the end all know the same, and each name runs once.

use std::collections::BTreeSet;
use std::time::Duration;

use skep_core::event::{Registration, Reply, Request, WorkerSpec};
use skep_core::id::CallId;

use super::{KINDS, cluster, millis};
use crate::calls::{managed, name};
use crate::faults::kind;
use crate::network::{Packet, Side};
use crate::world::{ProcessId, SiteId, World};

/// An update of a log.
const DELTA: u16 = 0x0022;

impl World {
    /// The ways between two sites are open again.
    fn mend_pair(&mut self, here: SiteId, there: SiteId) {
        self.mend_path(here, there);
        self.mend_path(there, here);
    }

    fn all_run_once(&self, names: impl IntoIterator<Item = String>, seed: u64) {
        for name in names {
            assert!(self.runs_on(&name).is_some(), "seed {seed}: {name} runs nowhere, or twice");
        }
    }

    /// What of updates is on its way from here to there is lost, and nobody is told. How many there were.
    fn lose_updates(&mut self, here: ProcessId, there: ProcessId) -> usize {
        let mut lost = 0;
        for link in self.network.open.clone() {
            for side in Side::BOTH {
                let (to, from) = (self.link(link).process(side), self.link(link).process(side.other()));
                if (from, to) != (here, there) {
                    continue;
                }
                self.end(link, side).inward.packets.retain(|(_, packet)| {
                    let is_update =
                        matches!(packet, Packet::Bytes(bytes) if bytes[4..6] == DELTA.to_le_bytes());
                    lost += usize::from(is_update);
                    !is_update
                });
            }
        }
        lost
    }
}

#[test]
pub fn two_halves_that_meet_again_link_by_link_become_one() {
    for seed in 0..4 {
        let (mut world, nodes) = cluster(seed, 4);
        world.settings.innocents = false;
        for number in 0..60 {
            assert!(world.register(nodes[number % 4], &format!("n{number}")).is_ok());
        }
        let sites: Vec<SiteId> = nodes.iter().map(|&node| world[node].site).collect();
        world.cut_off(&sites[..2]);
        world.wait(millis(4000));
        for number in 0..10 {
            let node = nodes[number % 4];
            assert!(world.register(node, &format!("late-{number}")).is_ok());
            assert!(world.unregister(node, &format!("n{number}")).is_ok());
        }
        for (here, there) in [(1, 2), (0, 3), (1, 3), (0, 2)] {
            world.mend_pair(sites[here], sites[there]);
            let pause = world.random.between(millis(0), millis(1500));
            world.wait(pause);
        }
        world.oracle.heal(world.now);
        world.rest();
        let late = (0..10).map(|number| format!("late-{number}"));
        world.all_run_once((10..60).map(|number| format!("n{number}")).chain(late), seed);
        for number in 0..10 {
            let removed = name(&format!("n{number}"));
            assert!(!world[nodes[0]].places.contains_key(&removed), "seed {seed}: {removed} is back");
        }
    }
}

#[test]
pub fn one_of_three_that_was_cut_off_comes_back_to_the_same_names() {
    for seed in 0..4 {
        let (mut world, nodes) = cluster(seed, 3);
        world.settings.innocents = false;
        for number in 0..40 {
            assert!(world.register(nodes[number % 3], &format!("n{number}")).is_ok());
        }
        let alone = world[nodes[seed as usize % 3]].site;
        world.cut_off(&[alone]);
        world.wait(millis(6000));
        world.mend_cut();
        world.rest();
        world.all_run_once((0..40).map(|number| format!("n{number}")), seed);
    }
}

/// Four nodes, of which one hears all and is heard by nobody; the others; and what the first of them registered then.
fn granted_by_who_is_not_heard(
    seed: u64,
    worker: &WorkerSpec,
) -> (World, Vec<ProcessId>, Vec<(String, Registration)>) {
    let (mut world, nodes) = cluster(seed, 4);
    world.settings.innocents = false;
    let mute = nodes[seed as usize % 4];
    let others: Vec<ProcessId> = nodes.into_iter().filter(|&node| node != mute).collect();
    world.oracle.split(world.now);
    for &other in &others {
        world.cut(world[mute].site, world[other].site);
    }
    let names: Vec<String> = (0..16).map(|number| format!("n{number}")).collect();
    let register = |text: &String| Request::Register { name: name(text), worker: worker.clone() };
    let ask = |text| world.ask_and_keep(others[0], Duration::from_secs(10), register(text));
    let calls: Vec<CallId> = names.iter().map(ask).collect();
    let mut heard = |call| match world.answer(call) {
        Reply::Registered(Ok(registration)) => registration,
        answer => panic!("seed {seed}: {answer:?}"),
    };
    let registrations: Vec<Registration> = calls.into_iter().map(&mut heard).collect();
    (world, others, names.into_iter().zip(registrations).collect())
}

#[test]
pub fn a_removal_ends_what_an_arbiter_that_nobody_heard_made_of_the_same_claim() {
    let mut twice = 0;
    for seed in 0..6 {
        let (mut world, others, granted) = granted_by_who_is_not_heard(seed, &managed(kind::PLAIN));
        let names: Vec<String> = granted.into_iter().map(|(text, _)| text).collect();
        for text in &names {
            twice += usize::from(world.active_copies(&name(text)).len() > 1);
            assert_eq!(world.unregister(others[1], text), Ok(()), "seed {seed}: {text}");
        }
        let (again, gone) = names.split_at(8);
        for text in again {
            assert!(world.register(others[2], text).is_ok(), "seed {seed}: {text}");
        }
        world.mend_cut();
        world.rest();
        world.all_run_once(again.iter().cloned(), seed);
        for text in gone {
            assert_eq!(world.active_copies(&name(text)), [], "seed {seed}: {text} is back");
            assert!(!world[others[2]].places.contains_key(&name(text)), "seed {seed}: {text} is back");
        }
    }
    assert!(twice > 0, "no claim was granted on both sides");
}

#[test]
pub fn what_two_arbiters_made_of_one_attached_claim_is_one_the_one_that_its_caller_heard_of() {
    for seed in 0..6 {
        let (mut world, others, granted) = granted_by_who_is_not_heard(seed, &WorkerSpec::Attached);
        world.mend_cut();
        world.rest();
        for (text, registration) in granted {
            let stands = world.locate(others[1], &text).map(|stands| (stands.node, stands.epoch));
            assert_eq!(stands, Ok((registration.node, registration.epoch)), "seed {seed}: {text}");
        }
    }
}

#[test]
pub fn a_place_in_a_group_is_kept_whichever_of_two_registrations_of_one_claim_goes_on() {
    let mut other_wins = 0;
    for seed in 0..6 {
        let (mut world, others, granted) = granted_by_who_is_not_heard(seed, &managed(kind::PLAIN));
        for (text, _) in &granted {
            assert_eq!(world.join(others[0], "group", text), Ok(()), "seed {seed}: {text}");
        }
        world.mend_cut();
        world.rest();
        let names: BTreeSet<&str> = granted.iter().map(|(text, _)| text.as_str()).collect();
        for &node in &others {
            let seats: BTreeSet<&str> = world.names_in(node, "group").into_iter().collect();
            assert_eq!(seats, names, "seed {seed}");
        }
        for (text, heard) in granted {
            let stands = world.locate(others[1], &text).expect("it stands");
            other_wins += usize::from(stands.node != heard.node);
        }
    }
    assert!(other_wins > 0, "the one that its caller heard of always won");
}

#[test]
pub fn an_update_that_is_lost_between_any_two_is_repaired_in_seconds() {
    for seed in 0..3 {
        let (mut world, nodes) = cluster(seed, 3);
        for (round, (here, there)) in [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)].into_iter().enumerate()
        {
            let mut lost = 0;
            for number in 0..40 {
                let text = format!("n{round}-{number}");
                let request = Request::Register { name: name(&text), worker: managed(kind::PLAIN) };
                world.ask(nodes[number % 3], millis(2000), request);
                let until = world.now + millis(2);
                while matches!(world.step(until), Ok(true)) {
                    lost += world.lose_updates(nodes[here], nodes[there]);
                }
            }
            assert!(lost > 0, "seed {seed}: nothing was on its way");
            world.wait_until(Duration::from_secs(5), "all know the same", |world| {
                let (first, rest) = (&world[nodes[0]].places, &nodes[1..]);
                first.len() == 40 * (round + 1) && rest.iter().all(|&node| world[node].places == *first)
            });
        }
        world.rest();
    }
}

#[test]
pub fn slow_starts_and_moves_delay_nobody_else() {
    const SOON: Duration = Duration::from_millis(20);
    for seed in 0..3 {
        let (mut world, nodes) = cluster(seed, 3);
        let swift = |world: &mut World, round: &str| {
            for number in 0..20 {
                let (text, begin) = (format!("{round}-{number}"), world.now);
                assert!(world.register(nodes[number % 3], &text).is_ok());
                assert!(world.locate(nodes[(number + 1) % 3], &text).is_ok());
                assert!(world.unregister(nodes[(number + 2) % 3], &text).is_ok());
                let took = world.now.since(begin);
                assert!(took <= SOON, "seed {seed}: {text} waited for {took:?} behind a slow one");
            }
        };
        for number in 0..30 {
            let worker = managed(kind::SLOW);
            let request = Request::Register { name: name(&format!("slow-{number}")), worker };
            world.ask(nodes[number % 3], millis(5000), request);
        }
        swift(&mut world, "starts");
        world.rest();
        let site = world.site("d", KINDS);
        world.boot(site);
        world.wait_until(millis(2000), "it is up", |world| {
            world.running(site).is_some_and(|joined| world[joined].formed.is_some())
        });
        let is_preparing = |world: &World| {
            let joined = world.running(site).expect("it runs");
            world[joined].workers.values().any(|worker| worker.kind == kind::SLOW)
        };
        world.wait_until(millis(2000), "slow ones move", is_preparing);
        swift(&mut world, "moves");
        world.rest();
    }
}
