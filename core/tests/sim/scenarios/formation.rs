//! Nodes find each other: at once, late, again, and twice under one name.

use std::collections::BTreeSet;

use skep_core::error::{RegisterError, RetireReason};
use skep_core::event::{Reply, Request};

use super::{NAMES, cluster, millis};
use crate::calls::{managed, name};
use crate::faults::kind;
use crate::network::Told;
use crate::process::Running;
use crate::world::{Settings, World};

#[test]
pub fn simultaneous_boots_form_in_well_under_a_second() {
    for count in [2, 3, 4, 5, 6, 7, 10] {
        for seed in 0..20 {
            let mut world = World::new(Settings::calm(seed));
            for site in NAMES[..count].iter().map(|name| world.site(name, &[kind::PLAIN])).collect::<Vec<_>>()
            {
                world.boot(site);
            }
            // callers do not wait for the formation to ask
            let nodes = world.all_running();
            for &node in &nodes {
                let register = Request::Register { name: name("early"), worker: managed(kind::PLAIN) };
                world.ask(node, millis(3000), register);
            }
            let formed = |world: &World| nodes.iter().all(|&node| world[node].formed.is_some());
            world.wait_until(millis(900), "all are up", formed);
            world.rest();
            assert!(world.runs_on("early").is_some(), "seed {seed}: one of {count} callers registered it");
        }
    }
}

#[test]
pub fn newcomers_that_meet_each_other_first_wait_for_the_cluster_that_is_slow_to_answer() {
    for seed in 0..20 {
        let (mut world, nodes) = cluster(seed, 1);
        assert!(world.register(nodes[0], "n").is_ok());
        world.freeze(nodes[0], Running::Frozen);
        let newcomers: Vec<_> = NAMES[1..3].iter().map(|name| world.site(name, super::KINDS)).collect();
        newcomers.into_iter().for_each(|site| world.boot(site));
        let asked: Vec<_> = world.all_running().into_iter().filter(|&node| node != nodes[0]).collect();
        let register = || Request::Register { name: name("n"), worker: managed(kind::PLAIN) };
        let calls: Vec<_> =
            asked.iter().map(|&node| world.ask_and_keep(node, millis(3000), register())).collect();
        world.wait(millis(100));
        world.thaw(nodes[0]);
        world.wait(millis(1000));
        for call in calls {
            let reply = world.oracle.replies.get(&call);
            let holder = match reply {
                Some(Reply::Registered(Err(RegisterError::AlreadyRegistered { holder }))) => holder.life,
                other => panic!("seed {seed}: {other:?}"),
            };
            assert_eq!(holder, world[nodes[0]].life, "seed {seed}");
        }
        world.rest();
    }
}

#[test]
pub fn nodes_that_drew_one_life_in_one_moment_form_all_the_same() {
    for count in [2, 3, 4, 7] {
        for seed in 0..20 {
            let mut world = World::new(Settings { one_moment: true, ..Settings::calm(seed) });
            for site in NAMES[..count].iter().map(|name| world.site(name, &[kind::PLAIN])).collect::<Vec<_>>()
            {
                world.boot(site);
            }
            let formed = |world: &World| {
                let up = world.all_running();
                up.len() == count && up.iter().all(|&node| world[node].formed.is_some())
            };
            world.wait_until(millis(900), "all are up", formed);
            world.rest();
            let lives: BTreeSet<_> = world.all_running().iter().map(|&node| world[node].life).collect();
            assert_eq!(lives.len(), count, "seed {seed}: each has a life of its own");
            let nodes = world.all_running();
            assert!(nodes.iter().all(|&node| world.members(node).len() >= count), "seed {seed}");
        }
    }
}

#[test]
pub fn a_node_alone_forms_and_serves() {
    let mut world = World::new(Settings::calm(1));
    let site = world.site("a", &[kind::PLAIN]);
    world.boot(site);
    world.wait(millis(300));
    let a = world.running(site).expect("it runs");
    assert!(world.register(a, "x").is_ok());
    assert_eq!(world.runs_on("x"), Some(a));
}

#[test]
pub fn a_late_node_learns_what_the_others_know() {
    let (mut world, nodes) = cluster(2, 2);
    for number in 0..50 {
        assert!(world.register(nodes[0], &format!("n{number}")).is_ok());
    }
    let site = world.site("late", &[kind::PLAIN]);
    world.boot(site);
    let late = world.running(site).expect("it runs");
    world.wait_until(millis(900), "the late node is up", |world| world[late].formed.is_some());
    assert_eq!(world[late].places.len(), 50, "it came up before it had caught up");
    world.rest();
}

#[test]
pub fn a_node_that_returns_under_its_old_name_is_someone_new() {
    let (mut world, nodes) = cluster(3, 3);
    for number in 0..30 {
        assert!(world.register(nodes[0], &format!("n{number}")).is_ok());
    }
    assert!(world.attach(nodes[1], "mine").is_ok());
    world.crash(nodes[1], Told::ByEnd);
    let back = world.restart(nodes[1]);
    assert!(world[back].life > world[nodes[1]].life);
    world.rest();
    assert!(world.locate(nodes[0], "mine").is_err(), "what was attached to the old life is gone");
    for number in 0..30 {
        assert!(world.runs_on(&format!("n{number}")).is_some());
    }
}

#[test]
pub fn a_second_live_node_of_one_name_is_refused_and_the_first_not_disturbed() {
    for seed in 0..20 {
        let (mut world, nodes) = cluster(seed, 3);
        assert!(world.register(nodes[0], "x").is_ok());
        let site = world.site("a", &[kind::PLAIN]);
        world.boot(site);
        let twin = world.running(site).expect("it runs");
        world.wait_until(millis(3000), "the second is refused", |world| {
            matches!(world[twin].retired, Some(RetireReason::NameInUse { .. }))
        });
        world.rest();
        assert!(
            nodes.iter().all(|&node| world[node].lives() && !world.was_counted_down(node)),
            "seed {seed}"
        );
    }
}

#[test]
pub fn all_restart_at_once_and_form_again() {
    let (mut world, nodes) = cluster(4, 4);
    assert!(world.register(nodes[0], "x").is_ok());
    nodes.iter().for_each(|&node| world.crash(node, Told::ByReset));
    world.wait(millis(10));
    for &node in &nodes {
        world.restart(node);
    }
    world.rest();
    assert!(world.register(world.all_running()[2], "x").is_ok(), "with all nodes its name went too");
    world.rest();
}
