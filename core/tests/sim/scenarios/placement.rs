//! Names run only where they may: on members with their kind and all of their roles, in proportion to weights.

use skep_core::error::RegisterError;

use super::{KINDS, NAMES, cluster, millis};
use crate::calls::{managed, on_roles};
use crate::faults::{kind, role};
use crate::network::Told;
use crate::world::{ProcessId, Settings, SiteId, World};

/// Nodes with these roles and weights, all up, at rest.
fn nodes_that_offer(seed: u64, offers: &[(&[&str], u16)]) -> (World, Vec<ProcessId>) {
    let mut world = World::new(Settings::calm(seed));
    let sites: Vec<SiteId> = NAMES[..offers.len()].iter().map(|name| world.site(name, KINDS)).collect();
    for (site, (roles, weight)) in sites.into_iter().zip(offers) {
        world.offer(site, roles, *weight);
        world.boot(site);
    }
    world.rest();
    let nodes = world.all_running();
    (world, nodes)
}

#[test]
pub fn a_name_that_asks_for_roles_runs_only_on_members_that_have_them_all() {
    let (mut world, nodes) =
        nodes_that_offer(1, &[(&[], 200), (&[role::GPU], 1), (&[role::GPU, role::SSD], 1)]);
    let names: Vec<String> = (0..20).map(|number| format!("n{number}")).collect();
    for (name, roles) in names.iter().zip([&[role::GPU][..], &[role::SSD, role::GPU]].into_iter().cycle()) {
        let registered = world.claim(nodes[0], name, on_roles(kind::PLAIN, roles)).expect("two may run it");
        let hosts = if roles.len() == 2 { &nodes[2..] } else { &nodes[1..] };
        assert!(hosts.iter().any(|&host| world[host].life == registered.life), "{name} with {roles:?}");
    }
    world.crash(nodes[2], Told::ByEnd);
    world.rest();
    for (number, name) in names.iter().enumerate() {
        let host = (number % 2 == 0).then_some(nodes[1]);
        assert_eq!(world.runs_on(name), host, "{name} runs on the last one that may, or waits for the next");
    }
    assert_eq!(
        world.claim(nodes[0], "late", on_roles(kind::PLAIN, &[role::SSD])),
        Err(RegisterError::NoNodeAvailable)
    );
    let back = world.restart(nodes[2]);
    world.rest();
    for name in names.iter().skip(1).step_by(2) {
        assert_eq!(world.runs_on(name), Some(back), "{name} was kept until one came that may run it");
    }
}

#[test]
pub fn a_rolling_upgrade_adds_a_kind_and_loses_no_name_of_it() {
    let (mut world, nodes) = cluster(2, 3);
    assert_eq!(world.claim(nodes[0], "new", managed(kind::RARE)), Err(RegisterError::UnknownKind));
    let mut upgraded = Vec::new();
    for &old in &nodes {
        let site = world[old].site;
        world.begin_to_leave(old);
        world.wait_until(millis(6000), "it has left", |world| !world[old].lives());
        world.sites[site.0].kinds.push(skep_core::id::Kind::new(kind::RARE).expect("a good kind"));
        upgraded.push(world.restart(old));
        world.rest();
        let number = upgraded.len();
        for &caller in &world.all_running() {
            let name = format!("new-{number}-{}", world[caller].name);
            let registered =
                world.claim(caller, &name, managed(kind::RARE)).expect("one node knows it by now");
            assert!(upgraded.iter().any(|&node| world[node].life == registered.life), "{name}");
        }
    }
    world.rest();
    for number in 1..=3 {
        for node in ["a", "b", "c"] {
            assert!(
                world.runs_on(&format!("new-{number}-{node}")).is_some(),
                "after upgrade {number}, {node}"
            );
        }
    }
}

#[test]
pub fn names_come_in_proportion_to_weights() {
    let (mut world, nodes) = nodes_that_offer(3, &[(&[], 1), (&[], 3)]);
    for number in 0..400 {
        assert!(world.register(nodes[number % 2], &format!("n{number}")).is_ok());
    }
    let share = world[nodes[1]].workers.len();
    assert!((270..=330).contains(&share), "{share} of 400 names run on the node that weighs 3 of 4");
}
