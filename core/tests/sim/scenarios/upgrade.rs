//! Nodes of two wire versions in one cluster: they agree, and none is stopped for the other's sake.

use skep_core::event::Status;
use skep_core::wire::{WIRE_MAX, WIRE_MIN};

use super::{cluster, millis};
use crate::network::Told;
use crate::world::{ProcessId, World};

/// So many nodes of one site each, all of which speak the old version only.
fn old_cluster(seed: u64, size: usize) -> (World, Vec<ProcessId>) {
    let (mut world, nodes) = cluster(seed, size);
    for node in nodes {
        set_version(&mut world, node, WIRE_MIN);
        world.begin_to_leave_for_good(node);
        world.restart(node);
        world.rest();
    }
    let nodes = world.all_running();
    (world, nodes)
}

/// From its next start on the node speaks up to this version.
fn set_version(world: &mut World, node: ProcessId, version: u16) {
    let site = world[node].site;
    world.sites[site.0].wire = version;
}

/// The newest version of each node, as this one knows them.
fn versions(world: &mut World, node: ProcessId) -> Vec<u16> {
    world
        .members(node)
        .into_iter()
        .filter(|member| member.status != Status::Down)
        .map(|member| member.wire_version)
        .collect()
}

#[test]
pub fn a_cluster_is_upgraded_node_by_node_and_loses_no_name() {
    for seed in 0..4 {
        let (mut world, nodes) = old_cluster(seed, 3);
        world.register_many(nodes[0], 20);
        for (done, &node) in nodes.iter().enumerate() {
            set_version(&mut world, node, WIRE_MAX);
            world.begin_to_leave_for_good(node);
            world.restart(node);
            world.rest();
            world.all_run(20);
            let running = world.all_running();
            for node in running {
                let speak_new =
                    versions(&mut world, node).iter().filter(|&&version| version == WIRE_MAX).count();
                assert_eq!(speak_new, done + 1, "as {} knows them", world[node]);
            }
        }
    }
}

#[test]
pub fn a_node_that_goes_back_to_its_old_version_is_understood() {
    let (mut world, nodes) = cluster(5, 3);
    world.register_many(nodes[0], 20);
    set_version(&mut world, nodes[1], WIRE_MIN);
    world.crash(nodes[1], Told::ByEnd);
    world.restart(nodes[1]);
    world.rest();
    world.all_run(20);
    let mut versions = versions(&mut world, nodes[0]);
    versions.sort_unstable();
    assert_eq!(versions, [WIRE_MIN, WIRE_MAX, WIRE_MAX]);
}

#[test]
pub fn who_reaches_a_newer_node_by_way_of_an_older_one_works_with_it() {
    for seed in 0..10 {
        let (mut world, nodes) = cluster(seed, 3);
        let sites = [world[nodes[0]].site, world[nodes[2]].site];
        set_version(&mut world, nodes[1], WIRE_MIN);
        for node in [nodes[1], nodes[2]] {
            world.begin_to_leave_for_good(node);
        }
        world.restart(nodes[1]);
        world.rest();
        world.cut(sites[0], sites[1]);
        world.cut(sites[1], sites[0]);
        let newcomer = world.restart(nodes[2]);
        world.wait(millis(10_000));
        let mut known = versions(&mut world, newcomer);
        known.sort_unstable();
        assert_eq!(
            known,
            [WIRE_MIN, WIRE_MIN, WIRE_MAX],
            "seed {seed}: who told of a has no word for its version"
        );
        for number in 0..10 {
            for node in [nodes[0], newcomer] {
                let text = format!("n{number}-{}", node.0);
                assert!(world.register(node, &text).is_ok(), "seed {seed}: {text}");
                assert!(world.locate(nodes[0], &text).is_ok(), "seed {seed}: {text}");
                assert!(world.locate(newcomer, &text).is_ok(), "seed {seed}: {text}");
            }
        }
        world.mend_network();
        world.rest(); // now it knows
    }
}
