//! A cut, users on both sides of it, and what becomes of what they registered.

use skep_core::error::LookupError;
use skep_core::event::WorkerSpec;

use super::{NAMES, cluster, millis};
use crate::calls::{managed, name};
use crate::faults::kind;
use crate::groups::group;
use crate::world::{ProcessId, Settings, SiteId, World};

/// So many of the five nodes are on the smaller side.
const SMALL: usize = 2;

/// Five nodes, those of the smaller side first, which does not hear the larger one any more.
fn cut_in_two(seed: u64) -> (World, Vec<ProcessId>) {
    let mut world = World::new(Settings { innocents: false, ..Settings::calm(seed) });
    let sites: Vec<SiteId> =
        NAMES[..5].iter().map(|name| world.site(name, &[kind::STAYING, kind::PLAIN])).collect();
    sites.into_iter().for_each(|site| world.boot(site));
    world.rest();
    let mut nodes = world.all_running();
    nodes.sort_by_key(|&node| world[node].life); // the lowest lives first: without its size the smaller side would win
    let sites: Vec<SiteId> = nodes[..SMALL].iter().map(|&node| world[node].site).collect();
    world.cut_off(&sites);
    world.wait(millis(3000));
    (world, nodes)
}

/// Registers it on each side; its workers stay where they are, so that one can see who won.
fn register_on_both(world: &mut World, name: &str, nodes: [ProcessId; 2]) {
    for node in nodes {
        assert!(world.claim(node, name, managed(kind::STAYING)).is_ok(), "{name} is free on this side");
    }
}

#[test]
pub fn a_name_that_both_sides_of_a_cut_registered_stays_on_the_larger_one() {
    for seed in 0..3 {
        let (mut world, nodes) = cut_in_two(seed);
        let (small, large) = nodes.split_at(SMALL);
        for number in 0..8 {
            let name = format!("n{number}");
            register_on_both(&mut world, &name, [small[number % 2], large[number % 3]]);
        }
        world.mend_cut();
        world.rest();
        let runs_on: Vec<Option<ProcessId>> =
            (0..8).map(|number| world.runs_on(&format!("n{number}"))).collect();
        let on_large = |node: &Option<ProcessId>| node.is_some_and(|node| large.contains(&node));
        assert!(runs_on.iter().all(on_large), "seed {seed}: {runs_on:?}, the larger side is {large:?}");
    }
}

#[test]
pub fn what_is_unregistered_while_two_registrations_stand_runs_nowhere() {
    for seed in 0..3 {
        let (mut world, nodes) = cut_in_two(seed);
        let (small, large) = nodes.split_at(SMALL);
        let names: Vec<String> = (0..8).map(|number| format!("n{number}")).collect();
        for name in &names {
            register_on_both(&mut world, name, [small[0], large[0]]);
        }
        world.mend_cut();
        let are_one = |world: &World| nodes.iter().all(|&node| world[node].places == world[nodes[0]].places);
        world.wait_until(millis(10_000), "all know of both, and took neither away yet", are_one);
        for name in &names {
            assert!(world.unregister(large[0], name).is_ok(), "seed {seed}: {name}");
        }
        world.rest();
        for name in &names {
            assert_eq!(world.runs_on(name), None, "seed {seed}: {name} was removed");
        }
    }
}

#[test]
pub fn attached_workers_outlive_a_cut_with_their_groups_whoever_took_their_nodes_for_gone() {
    for seed in 0..6 {
        let (mut world, nodes) = cluster(seed, 5);
        let text = |number: usize| format!("n{number}");
        for (number, &node) in nodes.iter().enumerate() {
            assert!(world.claim(node, &text(number), WorkerSpec::Attached).is_ok(), "seed {seed}");
            assert_eq!(world.join(node, "group", &text(number)), Ok(()));
        }
        world.rest();
        let before = world[nodes[0]].places.clone();
        let alone: Vec<SiteId> = nodes[..1].iter().map(|&node| world[node].site).collect();
        world.cut_off(&alone);
        world.wait(millis(5000));
        assert_eq!(
            world.locate(nodes[0], &text(1)),
            Err(LookupError::NotFound),
            "its node is gone from here"
        );
        assert_eq!(world.locate(nodes[1], &text(0)), Err(LookupError::NotFound), "and from there");
        assert!(
            world.claim(nodes[2], &text(0), WorkerSpec::Attached).is_ok(),
            "so that another may have its name"
        );
        world.mend_cut();
        world.rest();
        for &node in &nodes {
            for (number, &holder) in nodes.iter().enumerate() {
                let holder = if number == 0 { nodes[2] } else { holder };
                let stands = world[node].places.get(&name(&text(number))).and_then(|place| place.holder);
                assert_eq!(stands, Some(world[holder].life), "seed {seed}: n{number}");
            }
            let (now, was) = (&world[node].places[&name("n1")], &before[&name("n1")]);
            assert_eq!(now.epoch, was.epoch, "its worker is the same");
            let seats = world[node].groups[&group("group")].len();
            assert_eq!(seats, 4, "seed {seed}: all but the one that lost its name");
        }
    }
}
