//! Members go silent, return, are cut off, or are said to be dead: who is counted down, when, and who is not.

use skep_core::config::Detection;
use skep_core::event::Status;

use super::{cluster, millis};
use crate::network::Told;
use crate::process::Running;

/// Messages and one round of gossip come on top of the bound.
const SLACK: u64 = 150;

#[test]
pub fn a_frozen_node_is_counted_down_within_the_bound() {
    for count in [2, 3, 5, 7] {
        for seed in 0..10 {
            let (mut world, nodes) = cluster(seed, count);
            world.oracle.split(world.now);
            let bound = Detection::within(world.settings.detection).bound();
            world.freeze(nodes[0], Running::Frozen);
            let took = world.wait_until(bound + millis(SLACK), "all count it down", |world| {
                nodes[1..].iter().all(|&node| world.counts_down(node, nodes[0]))
            });
            assert!(took > millis(300), "{took:?}: too rash for a pause of a scheduler");
        }
    }
}

#[test]
pub fn a_short_pause_changes_nothing() {
    for seed in 0..20 {
        let (mut world, nodes) = cluster(seed, 2 + seed as usize % 4);
        assert!(world.register(nodes[0], "x").is_ok());
        world.freeze(nodes[0], Running::Frozen);
        world.wait(millis(250));
        world.thaw(nodes[0]);
        world.rest();
        assert!(nodes.iter().all(|&node| !world.was_counted_down(node)), "seed {seed}");
    }
}

#[test]
pub fn a_thawed_node_does_not_accuse_the_rest() {
    for seed in 0..20 {
        let (mut world, nodes) = cluster(seed, 3 + seed as usize % 3);
        assert!(world.register(nodes[1], "x").is_ok());
        world.oracle.split(world.now);
        world.freeze(nodes[0], Running::Frozen);
        world.wait(millis(5000));
        world.thaw(nodes[0]);
        world.oracle.heal(world.now);
        world.rest();
        assert!(nodes[1..].iter().all(|&node| !world.was_counted_down(node)), "seed {seed}");
        assert_eq!(world.status(nodes[1], nodes[0]), Some(Status::Up), "it refuted its death");
    }
}

#[test]
pub fn a_clock_that_leaps_does_not_cut_a_suspicion_short() {
    let mut kept = 0;
    for seed in 0..20 {
        let (mut world, nodes) = cluster(seed, 2);
        world.oracle.split(world.now);
        let (one, other) = (world[nodes[0]].site, world[nodes[1]].site);
        world.cut(one, other);
        world.cut(other, one);
        world.wait_until(millis(900), "it is suspected", |world| !world[nodes[0]].suspected.is_empty());
        if world.open_link(nodes[0], nodes[1]).is_none() {
            continue; // their link broke, and to dial takes longer than a suspicion
        }
        kept += 1;
        world.mend_network();
        world.leap(nodes[0], millis(3000));
        world.oracle.heal(world.now);
        world.rest();
        assert!(!world.counts_down(nodes[0], nodes[1]), "seed {seed}: it had no time to refute it");
    }
    assert!(kept >= 10, "{kept} links were left");
}

#[test]
pub fn a_killed_node_is_down_and_its_names_run_again_in_milliseconds() {
    for seed in 0..30 {
        let (mut world, nodes) = cluster(seed, 3);
        for number in 0..12 {
            assert!(world.register(nodes[0], &format!("n{number}")).is_ok());
        }
        let victim = nodes[seed as usize % 3];
        world.crash(victim, if seed % 2 == 0 { Told::ByEnd } else { Told::ByReset });
        world.wait_until(millis(20), "all names run", |world| {
            (0..12).all(|number| world.runs_on(&format!("n{number}")).is_some())
        });
        world.rest();
    }
}

#[test]
pub fn a_node_that_refuses_one_but_is_heard_by_another_is_not_counted_down() {
    for seed in 0..20 {
        let (mut world, nodes) = cluster(seed, 3 + seed as usize % 3);
        let (liar, victim) = (world[nodes[0]].site, world[nodes[1]].site);
        world.network.refusing.insert((liar, victim), 1);
        world.break_links(liar, victim, millis(5));
        world.wait(millis(3000));
        assert!(!world.was_counted_down(nodes[1]), "seed {seed}");
        world.network.refusing.clear();
        world.rest();
    }
}

#[test]
pub fn a_lasting_cut_between_one_pair_is_bridged() {
    for seed in 0..20 {
        let (mut world, nodes) = cluster(seed, 3 + seed as usize % 3);
        let (one, other) = (world[nodes[0]].site, world[nodes[1]].site);
        world.cut(one, other);
        world.cut(other, one);
        world.wait(millis(10_000));
        assert!(nodes.iter().all(|&node| !world.was_counted_down(node)), "seed {seed}");
        let suspicions: usize = nodes.iter().map(|&node| world[node].suspected.len()).sum();
        assert!(suspicions < 5, "seed {seed}: others were not asked before {suspicions} suspicions");
        for number in 0..10 {
            for node in [nodes[0], nodes[1]] {
                let text = format!("n{number}-{}", node.0);
                assert!(world.register(node, &text).is_ok(), "seed {seed}: {text}");
                assert!(world.locate(nodes[0], &text).is_ok(), "seed {seed}: {text}");
                assert!(world.locate(nodes[1], &text).is_ok(), "seed {seed}: {text}");
            }
        }
        world.mend_network();
        world.rest();
    }
}

#[test]
pub fn one_broken_link_disturbs_nobody() {
    for seed in 0..20 {
        let (mut world, nodes) = cluster(seed, 2 + seed as usize % 3);
        let (one, other) = (world[nodes[0]].site, world[nodes[1]].site);
        world.break_links(one, other, millis(20));
        world.rest();
        assert!(nodes.iter().all(|&node| !world.was_counted_down(node)), "seed {seed}");
    }
}

#[test]
pub fn a_node_that_dies_while_another_syncs_leaves_no_name_behind() {
    for seed in 0..30 {
        let (mut world, nodes) = cluster(seed, 2);
        for number in 0..100 {
            assert!(world.register(nodes[0], &format!("n{number}")).is_ok());
        }
        world.wait(crate::oracle::QUIET);
        let site = world.site("late", super::KINDS);
        world.boot(site);
        world.wait(std::time::Duration::from_micros(seed * 100));
        world.crash(nodes[seed as usize % 2], Told::ByEnd);
        world.rest();
        world.all_run(100);
    }
}
