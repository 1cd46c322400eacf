//! As many names as there may be: what is refused then, and what goes on all the same.

use skep_core::error::RegisterError;
use skep_core::event::{Bound, Registration};
use skep_core::wire::WIRE_MIN;

use super::{cluster_of, millis};
use crate::network::Told;
use crate::world::{ProcessId, Settings, World};

const MAX: usize = 8;
const FULL: Result<Registration, RegisterError> = Err(RegisterError::TooManyNames { max: MAX });

/// So many nodes that let each other have eight names.
fn bounded(seed: u64, count: usize) -> (World, Vec<ProcessId>) {
    cluster_of(Settings { max_names: MAX, ..Settings::calm(seed) }, count)
}

/// How often an arbiter counted that there are too many.
fn refused(world: &World, nodes: &[ProcessId]) -> usize {
    nodes.iter().flat_map(|&node| &world[node].reached).filter(|bound| **bound == Bound::Names).count()
}

#[test]
pub fn a_cluster_has_so_many_names_and_no_more() {
    for seed in 0..10 {
        let (mut world, nodes) = bounded(seed, 3);
        world.register_many(nodes[0], MAX - 1);
        world.rest();
        assert!(world.attach(nodes[1], "guest").is_ok(), "seed {seed}: there is room for one more");
        world.rest();
        for (&node, text) in nodes.iter().zip(["x", "y", "z"]) {
            assert_eq!(world.register(node, text), FULL, "seed {seed}");
            assert_eq!(world.attach(node, text), FULL, "seed {seed}");
            let taken = world.register(node, "n0");
            assert!(matches!(taken, Err(RegisterError::AlreadyRegistered { .. })), "seed {seed}: {taken:?}");
        }
        assert_eq!(refused(&world, &nodes), 6, "seed {seed}: each refusal is counted once, by the arbiter");

        world.crash(nodes[2], Told::ByReset);
        world.rest();
        world.all_run(MAX - 1); // they were taken over
        world.restart(nodes[2]);
        world.rest();
        world.all_run(MAX - 1); // they moved
        let newcomer = world.all_running()[2];
        assert_eq!(
            world.register(newcomer, "x"),
            FULL,
            "seed {seed}: who starts anew knows how many there are"
        );

        assert_eq!(world.unregister(nodes[0], "n0"), Ok(()));
        world.rest();
        assert!(world.register(newcomer, "x").is_ok(), "seed {seed}: a removal makes room");
        world.rest();
        assert_eq!(world.register(nodes[0], "n0"), FULL, "seed {seed}");
    }
}

#[test]
pub fn both_sides_of_a_cut_keep_their_names_though_there_are_too_many() {
    for seed in 0..5 {
        let (mut world, nodes) = bounded(seed, 2);
        world.register_many(nodes[0], MAX - 2);
        world.rest();
        let side = world[nodes[1]].site;
        world.cut_off(&[side]);
        world.wait(millis(3000));
        for (&node, number) in nodes.iter().zip(0..) {
            for text in [format!("a{number}"), format!("b{number}")] {
                assert!(world.register(node, &text).is_ok(), "seed {seed}: {text}");
            }
            assert_eq!(world.register(node, "x"), FULL, "seed {seed}: each side has as many as there may be");
        }
        world.mend_cut();
        world.rest();
        world.all_run(MAX - 2);
        for text in ["a0", "b0", "a1", "b1"] {
            assert!(world.runs_on(text).is_some(), "seed {seed}: {text} was acknowledged");
        }
        assert_eq!(world.register(nodes[0], "x"), FULL, "seed {seed}");
        for text in ["a0", "b0"] {
            assert_eq!(world.unregister(nodes[1], text), Ok(()));
            world.rest();
            assert_eq!(world.register(nodes[0], "x"), FULL, "seed {seed}: there were two too many");
        }
    }
}

#[test]
pub fn who_speaks_the_old_version_is_told_that_its_arbiter_is_busy() {
    let (mut world, nodes) = bounded(1, 2);
    let site = world[nodes[1]].site;
    world.sites[site.0].wire = WIRE_MIN;
    world.begin_to_leave_for_good(nodes[1]);
    let old = world.restart(nodes[1]);
    world.rest();
    world.register_many(old, MAX);
    world.rest();
    let told: Vec<_> = (0..20).map(|number| world.register(old, &format!("more-{number}"))).collect();
    let others = told.iter().filter(|told| **told == Err(RegisterError::Busy)).count();
    let its_own = told.iter().filter(|told| **told == FULL).count();
    assert!(others > 0 && its_own > 0 && others + its_own == told.len(), "{told:?}");
}
