//! Lives that ended are forgotten, and so are those that only could not be reached.

use std::time::Duration;

use skep_core::error::LookupError;

use super::{KINDS, NAMES, millis};
use crate::calls::managed;
use crate::faults::kind;
use crate::network::Told;
use crate::process::Running;
use crate::world::{ProcessId, Settings, SiteId, World};

const FORGET_AFTER: Duration = Duration::from_secs(5);

/// So many nodes that forget soon; `rare` alone has the kind that not all have.
fn forgetful(seed: u64, count: usize, rare: usize) -> (World, Vec<ProcessId>) {
    let calm = Settings::calm(seed);
    let mut world = World::new(Settings { forget_after: FORGET_AFTER, innocents: false, ..calm });
    let kinds = |number: usize| if number == rare { [KINDS, &[kind::RARE]].concat() } else { KINDS.to_vec() };
    let sites: Vec<SiteId> = (0..count).map(|number| world.site(NAMES[number], &kinds(number))).collect();
    sites.into_iter().for_each(|site| world.boot(site));
    world.rest();
    let nodes = world.all_running();
    (world, nodes)
}

impl World {
    fn fades(&mut self) {
        if let Err(violation) = self.return_to_baseline() {
            self.give_up(&violation.0);
        }
    }
}

#[test]
pub fn lives_that_ended_are_forgotten_and_nothing_of_them_is_left() {
    for seed in 0..3 {
        let (mut world, mut nodes) = forgetful(seed, 3, 0);
        for round in 0..12 {
            let (one, other) = (nodes[round % 3], nodes[(round + 1) % 3]);
            for number in 0..6 {
                assert!(world.register(one, &format!("n{round}-{number}")).is_ok());
            }
            world.rest();
            for number in 0..3 {
                assert!(world.unregister(other, &format!("n{round}-{number}")).is_ok());
            }
            let told = if round % 2 == 0 { Told::ByReset } else { Told::Never };
            world.crash(one, told);
            nodes[round % 3] = world.restart(one);
            world.rest();
        }
        world.fades();
        let left = world[nodes[0]].places.len();
        assert_eq!(left, 12 * 3, "seed {seed}: the names that nobody removed");
    }
}

#[test]
pub fn a_name_that_nobody_can_run_outlives_the_forgetting_of_its_holder() {
    let (mut world, nodes) = forgetful(1, 3, 1);
    assert!(world.claim(nodes[0], "only-there", managed(kind::RARE)).is_ok());
    assert_eq!(world.runs_on("only-there"), Some(nodes[1]));
    world.rest();
    world.crash(nodes[1], Told::ByReset);
    world.wait(FORGET_AFTER * 4);
    let back = world.restart(nodes[1]);
    world.wait_until(millis(5000), "it runs again", |world| world.runs_on("only-there") == Some(back));
    world.rest();
}

#[test]
pub fn two_sides_that_forgot_each_other_become_one_without_losing_or_raising_a_name() {
    for (seed, lasts) in [(1, FORGET_AFTER * 2), (2, FORGET_AFTER * 5), (3, FORGET_AFTER * 2)] {
        let (mut world, nodes) = forgetful(seed, 5, 0);
        for number in 0..10 {
            assert!(world.register(nodes[number % 5], &format!("old-{number}")).is_ok());
        }
        world.rest();
        let small: Vec<SiteId> = nodes[..2].iter().map(|&node| world[node].site).collect();
        world.cut_off(&small);
        world.wait(millis(3000));
        assert_eq!(
            world.unregister(nodes[4], "old-0"),
            Ok(()),
            "removed where the other side cannot hear it"
        );
        for number in 0..6 {
            assert!(world.register(nodes[number % 5], &format!("new-{number}")).is_ok());
        }
        world.wait(lasts);
        world.mend_cut();
        world.rest();
        let lives = |world: &World, node: ProcessId| world[node].lives();
        assert!(nodes[2..].iter().all(|&node| lives(&world, node)), "the larger side goes on");
        assert!(!nodes[..2].iter().any(|&node| lives(&world, node)), "the smaller one takes new lives");
        let there = world.all_running()[0];
        assert_eq!(
            world.locate(there, "old-0"),
            Err(LookupError::NotFound),
            "seed {seed}: what was removed is back"
        );
        for name in (1..10).map(|n| format!("old-{n}")).chain((0..6).map(|n| format!("new-{n}"))) {
            assert!(world.runs_on(&name).is_some(), "seed {seed}: {name} is lost");
        }
        world.fades();
    }
}

#[test]
pub fn whoever_stood_still_for_longer_than_forgetting_comes_back_as_someone_new() {
    let (mut world, nodes) = forgetful(1, 3, 0);
    for number in 0..9 {
        assert!(world.register(nodes[number % 3], &format!("n{number}")).is_ok());
    }
    world.rest();
    world.oracle.split(world.now);
    world.freeze(nodes[1], Running::Frozen);
    world.wait(FORGET_AFTER * 2);
    world.thaw(nodes[1]);
    world.oracle.heal(world.now);
    world.rest();
    assert!(world[nodes[0]].lives() && world[nodes[2]].lives(), "those who were there go on");
    assert!(!world[nodes[1]].lives(), "its old life knows what is no longer so");
    (0..9).for_each(|number| assert!(world.runs_on(&format!("n{number}")).is_some(), "n{number} is lost"));
    world.fades();
}

#[test]
pub fn who_hears_that_it_was_forgotten_blames_nobody() {
    for seed in 0..3 {
        let calm = Settings::calm(seed);
        let mut world = World::new(Settings {
            forget_after: FORGET_AFTER,
            detection: millis(500),
            innocents: false,
            ..calm
        });
        for name in &NAMES[..3] {
            let site = world.site(name, KINDS);
            world.boot(site);
        }
        world.rest();
        let nodes = world.all_running();
        for number in 0..12 {
            // they take their time to stop, which is the time in which it could
            assert!(world.claim(nodes[number % 3], &format!("n{number}"), managed(kind::STUBBORN)).is_ok());
        }
        world.rest();
        world.oracle.split(world.now);
        world.freeze(nodes[1], Running::Frozen);
        world.wait(FORGET_AFTER * 2);
        world.thaw(nodes[1]);
        world.oracle.heal(world.now);
        world.rest();
        assert!(!world[nodes[1]].lives(), "seed {seed}: it goes on as someone new");
        for other in [nodes[0], nodes[2]] {
            assert!(!world.counts_down(nodes[1], other), "seed {seed}: it counts {} down", world[other]);
        }
    }
}

#[test]
pub fn who_reaches_both_sides_of_a_cut_that_forgot_each_other_does_not_mix_them() {
    for seed in 0..12 {
        // four against two: with the one between, the smaller side is still smaller
        let (mut world, nodes) = forgetful(seed, 6, 0);
        for number in 0..12 {
            assert!(world.register(nodes[number % 6], &format!("old-{number}")).is_ok());
        }
        world.rest();
        let small: Vec<SiteId> = nodes[..2].iter().map(|&node| world[node].site).collect();
        world.cut_off(&small);
        world.wait(millis(3000));
        for number in 0..4 {
            assert!(world.unregister(nodes[4], &format!("old-{number}")).is_ok());
        }
        world.wait(FORGET_AFTER * 2);
        let between = world.site("f", KINDS);
        world.boot(between);
        world.wait(millis(4000));
        world.mend_cut();
        world.rest();
        for number in 0..4 {
            let removed = crate::calls::name(&format!("old-{number}"));
            let is_back = |process: ProcessId| world[process].places.contains_key(&removed);
            assert!(!world.all_running().into_iter().any(is_back), "seed {seed}: {removed} is back");
        }
        for number in 4..12 {
            assert!(world.runs_on(&format!("old-{number}")).is_some(), "seed {seed}: old-{number} is lost");
        }
    }
}
