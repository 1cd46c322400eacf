//! Nodes leave kindly: what they ran runs elsewhere, and nothing is lost, however many leave.

use skep_core::event::{Reply, Request};

use super::{cluster, millis};
use crate::world::{ProcessId, World};

#[test]
pub fn a_node_that_drains_hands_all_its_names_to_others() {
    for seed in 0..10 {
        let (mut world, nodes) = cluster(seed, 2 + seed as usize % 3);
        world.register_many(nodes[0], 20);
        let here = world[nodes[0]].workers.len();
        world[nodes[0]].is_leaving = true;
        assert_eq!(world.call(nodes[0], Request::Drain), Reply::Drained(Ok(here)), "seed {seed}");
        assert!(world[nodes[0]].workers.is_empty());
        world.all_run(20);
    }
}

#[test]
pub fn a_node_that_leaves_loses_nothing_and_is_counted_as_left() {
    for seed in 0..10 {
        let (mut world, nodes) = cluster(seed, 3);
        world.register_many(nodes[0], 20);
        world.begin_to_leave_for_good(nodes[1]);
        world.rest();
        world.all_run(20);
        assert!(!world[nodes[1]].lives());
    }
}

#[test]
pub fn rolling_restarts_lose_no_name() {
    let (mut world, nodes) = cluster(3, 3);
    world.register_many(nodes[0], 40);
    for node in nodes {
        world.begin_to_leave_for_good(node);
        world.restart(node);
        world.rest();
        world.all_run(40);
    }
}

#[test]
pub fn from_one_to_five_to_one_loses_no_name() {
    let (mut world, nodes) = cluster(4, 1);
    world.register_many(nodes[0], 40);
    for name in ["b", "c", "d", "e"] {
        let site = world.site(name, super::KINDS);
        world.boot(site);
    }
    world.rest();
    let mut stay = world.all_running();
    let last = stay.pop().expect("five run");
    for node in stay {
        world.begin_to_leave_for_good(node);
    }
    world.rest();
    assert_eq!(world.all_running(), [last]);
    world.all_run(40);
}

impl World {
    /// Leaves, and is gone when this returns.
    pub fn begin_to_leave_for_good(&mut self, node: ProcessId) {
        self[node].is_leaving = true;
        self.ask(node, millis(5000), Request::Leave);
        self.wait_until(millis(6000), "it has left", |world| !world[node].lives());
    }
}
