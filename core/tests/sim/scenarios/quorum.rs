//! Names that run only where enough members are: stopped with the quorum, kept, and back with it.

use std::num::NonZeroU16;

use skep_core::error::{NoQuorum, RegisterError, UnregisterError};
use skep_core::event::{Reply, Request};
use skep_core::placement::StrategyId;

use super::{KINDS, NAMES, millis};
use crate::calls::{managed, name};
use crate::faults::kind;
use crate::network::Told;
use crate::world::{ProcessId, STOP_GRACE, Settings, SiteId, World};

/// So many nodes, of which so many must be there, at rest. No name may ever run twice.
fn cluster_with_quorum(seed: u64, count: usize, needed: u16) -> (World, Vec<ProcessId>) {
    let needed = NonZeroU16::new(needed).expect("a quorum of at least one");
    let strategy = StrategyId::StaticQuorum(needed);
    let mut world = World::new(Settings { strategy, exclusive: true, ..Settings::calm(seed) });
    let sites: Vec<SiteId> = NAMES[..count].iter().map(|name| world.site(name, KINDS)).collect();
    sites.into_iter().for_each(|site| world.boot(site));
    world.rest();
    let nodes = world.all_running();
    (world, nodes)
}

impl World {
    fn has_quorum(&self, node: ProcessId) -> bool {
        self[node].quorum_lost.is_none()
    }

    fn runs_nothing(&self, node: ProcessId) -> bool {
        !self[node].workers.values().any(crate::hosts::Worker::is_active)
    }

    fn cut_nodes_off(&mut self, nodes: &[ProcessId]) {
        let sites: Vec<SiteId> = nodes.iter().map(|&node| self[node].site).collect();
        self.cut_off(&sites);
    }
}

#[test]
pub fn names_that_are_stopped_with_the_quorum_are_kept_and_return_with_it() {
    let (mut world, nodes) = cluster_with_quorum(1, 3, 2);
    let kinds = [kind::PLAIN, kind::STUBBORN];
    let names: Vec<String> = (0..30).map(|number| format!("n{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        assert!(world.claim(nodes[number % 3], name, managed(kinds[number % 2])).is_ok());
    }
    assert!(world.attach(nodes[0], "attached").is_ok());
    world.rest();
    world.crash(nodes[1], Told::ByEnd);
    world.rest();
    assert!(names.iter().all(|name| world.runs_on(name).is_some()), "two of three are a quorum");

    world.crash(nodes[2], Told::ByEnd);
    world.wait_until(millis(100), "the last one knows that it is alone", |world| !world.has_quorum(nodes[0]));
    let took = world.wait_until(millis(2000), "nothing runs", |world| world.runs_nothing(nodes[0]));
    assert!(took <= STOP_GRACE + millis(20), "stubborn ones are stopped by force after the grace: {took:?}");
    let lack = NoQuorum { present: 1, needed: 2 };
    assert_eq!(world.register(nodes[0], "new"), Err(RegisterError::NoQuorum(lack)));
    assert_eq!(world.unregister(nodes[0], "n0"), Err(UnregisterError::NoQuorum(lack)));
    assert!(world.locate(nodes[0], "n0").is_ok(), "it is registered all the same");
    world.wait(millis(10_000));
    assert!(world.runs_nothing(nodes[0]));

    world.restart(nodes[1]);
    world.rest();
    for name in names.iter().map(String::as_str) {
        assert!(world.runs_on(name).is_some(), "{name} is back");
    }
    assert!(world.locate(nodes[0], "attached").is_ok(), "it was told, lived, and kept its name");
    assert!(world.unregister(nodes[0], "n0").is_ok());
}

#[test]
pub fn the_minor_side_of_a_cut_has_stopped_before_the_other_one_starts() {
    for seed in 0..10 {
        let (mut world, nodes) = cluster_with_quorum(seed, 5, 3);
        for number in 0..40 {
            assert!(world.register(nodes[number % 5], &format!("n{number}")).is_ok());
        }
        let (minor, major) = nodes.split_at(2);
        world.cut_nodes_off(minor);
        world.wait_until(millis(20_000), "the minor side stops and the other one takes over", |world| {
            let all = (0..40)
                .all(|number| world.runs_on(&format!("n{number}")).is_some_and(|node| major.contains(&node)));
            all && minor.iter().all(|&node| world.runs_nothing(node) && !world.has_quorum(node))
        });
        assert!(world.register(major[0], "new").is_ok(), "seed {seed}");
        assert_eq!(
            world.register(minor[0], "other"),
            Err(RegisterError::NoQuorum(NoQuorum { present: 2, needed: 3 })),
            "seed {seed}"
        );
        world.mend_cut();
        world.rest();
        for number in 0..40 {
            assert!(world.runs_on(&format!("n{number}")).is_some(), "seed {seed}: n{number}");
        }
    }
}

#[test]
pub fn one_of_many_that_is_cut_off_notices_in_time() {
    for seed in 0..5 {
        let (mut world, nodes) = cluster_with_quorum(seed, 10, 6);
        for number in 0..60 {
            assert!(world.register(nodes[number % 10], &format!("n{number}")).is_ok());
        }
        let alone = nodes[seed as usize];
        world.cut_nodes_off(&[alone]);
        world.wait_until(millis(20_000), "the others take over", |world| {
            (0..60).all(|number| world.runs_on(&format!("n{number}")).is_some_and(|node| node != alone))
        });
        assert!(!world.has_quorum(alone), "seed {seed}: it stopped before");
        world.mend_cut();
        world.rest();
    }
}

#[test]
pub fn a_member_that_changes_sides_takes_the_quorum_with_it_and_no_name_runs_twice() {
    for seed in 0..10 {
        let (mut world, nodes) = cluster_with_quorum(seed, 5, 3);
        world.cut_nodes_off(&nodes[3..]);
        world.wait(millis(12_000));
        for number in 0..40 {
            assert!(world.register(nodes[number % 3], &format!("n{number}")).is_ok(), "seed {seed}");
        }
        world.mend_network();
        world.cut_nodes_off(&nodes[..2]);
        world.wait_until(millis(20_000), "the new quorum runs all", |world| {
            (0..40).all(|number| {
                world.runs_on(&format!("n{number}")).is_some_and(|node| nodes[2..].contains(&node))
            })
        });
        world.mend_cut();
        world.rest();
    }
}

/// A second quorum, in which nobody remembers what the first one did, runs what that one removed and registered anew.
#[test]
pub fn what_a_second_quorum_took_over_stops_before_what_the_first_one_registered_returns() {
    for seed in 0..32 {
        let (mut world, nodes) = cluster_with_quorum(seed, 5, 4);
        let names: Vec<String> = (0..40).map(|number| format!("n{number}")).collect();
        for name in &names {
            assert!(world.register(nodes[4], name).is_ok(), "seed {seed}");
        }
        world.rest();
        let (first, last) = nodes.split_at(4);
        world.cut_nodes_off(last);
        world.wait_until(millis(20_000), "the first quorum runs all", |world| {
            names.iter().all(|name| world.runs_on(name).is_some_and(|node| first.contains(&node)))
        });
        for name in &names {
            assert_eq!(world.unregister(nodes[0], name), Ok(()), "seed {seed}");
            assert!(world.register(nodes[0], name).is_ok(), "seed {seed}");
        }
        for &node in &first[2..] {
            world[node].is_leaving = true;
            assert_eq!(world.call(node, Request::Leave), Reply::Left, "seed {seed}");
        }
        world.wait(millis(20));
        world.mend_network();
        let late: Vec<SiteId> = NAMES[5..7].iter().map(|name| world.site(name, KINDS)).collect();
        world.cut_nodes_off(&first[..2]);
        late.into_iter().for_each(|site| world.boot(site));
        for &node in &first[2..] {
            world.restart(node);
        }
        world.wait_until(millis(20_000), "the second quorum runs all", |world| {
            names.iter().all(|name| world.runs_on(name).is_some_and(|node| !first.contains(&node)))
        });
        let paths = [(0, 4), (1, 5), (0, 2), (1, 6), (0, 3), (1, 4), (0, 5), (1, 2), (0, 6), (1, 3)];
        world.mend_one_by_one(&paths, millis(50));
        world.rest();
        assert!(names.iter().all(|name| world.runs_on(name).is_some()), "seed {seed}");
    }
}

#[test]
pub fn a_node_that_starts_below_the_quorum_waits_for_it() {
    let (mut world, nodes) = cluster_with_quorum(2, 1, 2);
    assert!(!world.has_quorum(nodes[0]));
    let lack = NoQuorum { present: 1, needed: 2 };
    assert_eq!(world.register(nodes[0], "x"), Err(RegisterError::NoQuorum(lack)));
    let owner = world.call(nodes[0], Request::Owner { name: name("x") });
    assert!(
        matches!(&owner, Reply::Owner(Ok(found)) if found.why.contains("no quorum: 1 of 2")),
        "{owner:?}"
    );
    let site = world.site("late", KINDS);
    world.boot(site);
    world.rest();
    assert!(world.register(nodes[0], "x").is_ok());
}
