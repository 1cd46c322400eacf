//! Messages to names that move: none is lost, none comes twice, and each sender's keep their order.

use skep_core::event::Request;
use skep_core::id::Name;

use super::{KINDS, cluster, millis};
use crate::calls::name;
use crate::world::{ProcessId, SiteId, World};

/// So many names.
const COUNT: usize = 24;

impl World {
    /// Every node sends to names at random, for so long.
    fn all_send(&mut self, rounds: usize) {
        for _ in 0..rounds {
            for node in self.all_running() {
                let number = self.random.below(COUNT);
                self.send_note(node, &name(&format!("n{number}")));
            }
            self.wait(millis(1) / 5);
        }
    }

    fn begin(seed: u64, count: usize) -> (Self, Vec<ProcessId>) {
        let (mut world, nodes) = cluster(seed, count);
        for number in 0..COUNT {
            assert!(world.register(nodes[number % count], &format!("n{number}")).is_ok());
        }
        world.all_send(20);
        (world, nodes)
    }

    /// Nobody had an excuse, and what came to names that had left was passed on.
    fn all_came(&mut self, seed: u64) {
        self.rest();
        let messages = &self.oracle.messages;
        assert!(messages.handled > 1000, "seed {seed}: only {} were handled", messages.handled);
        assert!(messages.forwarded > 0, "seed {seed}: nothing was on its way when a name moved");
    }

    /// A name of which something is on its way to where it went, and from where.
    fn moving(&self, count: usize) -> Option<(ProcessId, Name)> {
        let names = (0..count).map(|number| name(&format!("n{number}")));
        names.into_iter().find_map(|name| Some((self.forwards(&name)?, name)))
    }

    fn enter(&mut self, text: &str) -> SiteId {
        let site = self.site(text, KINDS);
        self.boot(site);
        site
    }
}

#[test]
pub fn messages_to_names_that_move_to_a_new_node_come_once_and_in_order() {
    for seed in 0..6 {
        let (mut world, _) = World::begin(seed, 3);
        world.enter("d");
        world.all_send(500);
        world.enter("e");
        world.all_send(500);
        world.all_came(seed);
        // two nodes that dial each other close one of their links, and lose what is on it
        assert!(world.oracle.messages.excused <= 3, "seed {seed}: {}", world.oracle.messages.excused);
    }
}

#[test]
pub fn messages_to_names_of_a_node_that_drains_come_once_and_in_order() {
    for seed in 0..6 {
        let (mut world, nodes) = World::begin(seed, 4);
        world[nodes[1]].is_leaving = true;
        world.ask(nodes[1], millis(5000), Request::Drain);
        world.all_send(800);
        world[nodes[1]].is_leaving = false; // it drains, and stays
        let left = world.undelivered();
        assert!(left.is_none() || world.run_for(millis(6000)).is_ok());
        assert_eq!(world.undelivered(), None, "seed {seed}");
        assert!(world.oracle.messages.forwarded > 0, "seed {seed}");
        assert_eq!(world.oracle.messages.excused, 0, "seed {seed}");
    }
}

#[test]
pub fn what_is_forwarded_when_a_link_breaks_is_sent_again_and_taken_once() {
    for seed in 0..12 {
        let (mut world, _) = World::begin(seed, 3);
        let site = world.enter("d");
        for _ in 0..400 {
            world.all_send(1);
            let Some((from, moving)) = world.moving(COUNT) else { continue };
            // what was forwarded has come, or not, and so has the word of that
            let pause = world.random.between(millis(0), world.settings.latency.1 * 2);
            world.wait(pause);
            world.break_links(world[from].site, site, millis(3));
            for _ in 0..10 {
                world.all_running().into_iter().for_each(|node| world.send_note(node, &moving));
                world.wait(millis(1) / 2);
            }
        }
        world.all_came(seed);
    }
}
