//! Nodes that will have no link with each other: both know, and nobody waits for it.

use skep_core::config::Peers;
use skep_core::error::Refusal;
use skep_core::event::Status;
use skep_core::id::NodePattern;

use super::{KINDS, NAMES, millis};
use crate::world::{ProcessId, Settings, SiteId, World};

fn deny(text: &str) -> Peers {
    Peers { deny: vec![NodePattern::new(text).expect("a good pattern")], ..Peers::default() }
}

fn allow(text: &str) -> Peers {
    Peers { allow: vec![NodePattern::new(text).expect("a good pattern")], ..Peers::default() }
}

/// So many nodes that are booted at once; the first has these lists.
fn boot_all(seed: u64, count: usize, peers: Peers) -> (World, Vec<ProcessId>) {
    let mut world = World::new(Settings::calm(seed));
    let sites: Vec<SiteId> = NAMES[..count].iter().map(|name| world.site(name, KINDS)).collect();
    world.sites[sites[0].0].peers = peers;
    sites.into_iter().for_each(|site| world.boot(site));
    let nodes = world.all_running();
    (world, nodes)
}

#[test]
pub fn of_two_nodes_of_which_one_refuses_the_other_both_know_and_both_serve() {
    for (seed, peers) in [(1, deny("b*")), (2, allow("a?*")), (3, deny("?"))] {
        let (mut world, nodes) = boot_all(seed, 2, peers);
        world.wait(millis(900));
        // a goodbye that comes before its link is up at the other end is lost, and said again at the next dial
        world.wait_until(millis(5000), "both are told", |world| {
            nodes.iter().all(|&node| !world[node].refusals.is_empty())
        });
        for (node, other) in [(0, 1), (1, 0)] {
            assert!(world[nodes[node]].formed.is_some(), "nobody waits for the other");
            let address = world.sites[world[nodes[other]].site.0].address.clone();
            assert_eq!(world[nodes[node]].refusals, [(address, Refusal::NotAllowed)]);
            assert!(world.register(nodes[node], &format!("of-{node}")).is_ok());
            let members = world.members(nodes[node]);
            assert_eq!(members.len(), 1, "{members:?}");
        }
        let dials = world.network.dials.len();
        world.wait(millis(60_000));
        let dials = world.network.dials.len() - dials;
        assert!(dials <= 2 * 62, "{dials} dials in a minute, with a pause of a second after each");
        assert!(nodes.iter().all(|&node| world[node].refusals.len() == 1), "told once");
    }
}

#[test]
pub fn a_node_that_one_refuses_and_the_rest_let_in_is_a_member_all_the_same() {
    let (mut world, nodes) = boot_all(4, 4, deny("b"));
    world.rest();
    assert!(world[nodes[0]].refusals.iter().any(|(_, refusal)| *refusal == Refusal::NotAllowed));
    for &node in &nodes {
        for number in 0..10 {
            let name = format!("{}-{number}", world[node].name);
            assert!(world.register(node, &name).is_ok(), "{name}");
        }
    }
    world.rest();
    assert_eq!(world.status(nodes[0], nodes[1]), Some(Status::Up));
    world.wait(millis(30_000));
    assert!(nodes.iter().all(|&node| !world.was_counted_down(node)));
}
