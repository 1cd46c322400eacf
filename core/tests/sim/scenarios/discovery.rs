//! What libcluster's users met: sources that fail, forget, disagree, or name fifty dead addresses first.

use skep_core::error::ReadyError;
use skep_core::event::{Observation, Reply, Request};
use skep_core::id::Address;

use super::{KINDS, NAMES, cluster, millis};
use crate::network::Told;
use crate::world::{ProcessId, Settings, SiteId, World};

/// Sites that are told of nobody unless the scenario tells them.
fn strangers(seed: u64, count: usize) -> (World, Vec<SiteId>) {
    let mut world = World::new(Settings::calm(seed));
    world.is_told_by_scenario = true;
    let sites = NAMES[..count].iter().map(|name| world.site(name, KINDS)).collect();
    (world, sites)
}

fn boot(world: &mut World, site: SiteId) -> ProcessId {
    world.boot(site);
    world.running(site).expect("it was just booted")
}

fn dead(count: usize) -> Vec<Address> {
    (0..count).map(|at| Address::new(format!("10.0.0.0:{at}")).expect("a good address")).collect()
}

fn live(world: &World, node: ProcessId) -> usize {
    world[node].known_up.len()
}

#[test]
pub fn a_source_that_fails_changes_nothing() {
    let (mut world, sites) = strangers(1, 2);
    let a = boot(&mut world, sites[0]);
    let there = world.sites[sites[1].0].address.clone();
    world.observe(a, "dns", Observation::all([there]));
    for reason in ["timed out", "SERVFAIL", "NXDOMAIN", "403", "500", "<html>"] {
        world.observe(a, "dns", Observation::transient(reason));
        world.wait(millis(500));
    }
    assert_eq!(world[a].degraded, 1, "it is reported degraded, once");
    boot(&mut world, sites[1]); // which itself knows of nobody
    world.wait_until(millis(2500), "they meet by what was said before", |world| live(world, a) == 2);
}

#[test]
pub fn an_empty_answer_is_not_believed_at_once() {
    let (mut world, sites) = strangers(2, 2);
    let a = boot(&mut world, sites[0]);
    let there = world.sites[sites[1].0].address.clone();
    world.observe(a, "dns", Observation::all([there]));
    world.observe(a, "dns", Observation::all([]));
    world.wait(millis(1000));
    boot(&mut world, sites[1]);
    world.wait_until(millis(2500), "they meet all the same", |world| live(world, a) == 2);
}

#[test]
pub fn a_live_peer_that_all_sources_forget_stays_a_member() {
    for seed in 0..10 {
        let (mut world, nodes) = cluster(seed, 3);
        world.is_told_by_scenario = true;
        assert!(world.register(nodes[0], "n").is_ok());
        let starts = world.oracle.copies.changes;
        let links = world.network.links.len();
        for &node in &nodes {
            for address in world.addresses() {
                world.observe(node, "static", Observation::Gone(address));
            }
        }
        world.wait(millis(5000));
        assert_eq!(world.network.links.len(), links, "seed {seed}: no link is closed or made again");
        assert_eq!(world.oracle.copies.changes, starts, "seed {seed}: no worker moves");
        // and when the link breaks by itself, a member is dialled without any source
        let (one, other) = (world[nodes[0]].site, world[nodes[1]].site);
        world.break_links(one, other, millis(20));
        world.rest();
        assert!(nodes.iter().all(|&node| !world.was_counted_down(node)), "seed {seed}");
    }
}

#[test]
pub fn fifty_dead_addresses_do_not_keep_the_live_one_waiting() {
    for seed in 0..10 {
        let (mut world, sites) = strangers(seed, 2);
        boot(&mut world, sites[1]);
        world.wait(millis(500));
        let a = boot(&mut world, sites[0]);
        let there = world.sites[sites[1].0].address.clone();
        world.observe(a, "static", Observation::all(dead(50).into_iter().chain([there])));
        world.wait_until(millis(1000), "the live one is a member", |world| live(world, a) == 2);
    }
}

#[test]
pub fn two_sources_that_disagree_do_not_fight() {
    let (mut world, nodes) = cluster(3, 2);
    world.is_told_by_scenario = true;
    let all = world.addresses();
    let links = world.network.links.len();
    for _ in 0..20 {
        world.observe(nodes[0], "dns", Observation::all(dead(1)));
        world.observe(nodes[0], "static", Observation::all(all.clone()));
        world.wait(millis(250));
    }
    assert_eq!(world.network.links.len(), links, "no link is closed or made again");
    world.rest();
}

#[test]
pub fn a_node_without_an_answer_from_its_source_forms_and_meets_the_others_later() {
    let (mut world, sites) = strangers(4, 2);
    let (a, b) = (boot(&mut world, sites[0]), boot(&mut world, sites[1]));
    world.observe(a, "dns", Observation::transient("connection refused"));
    world.wait(millis(300));
    assert!(world.register(a, "n").is_ok(), "it serves alone");
    let there = world.sites[sites[1].0].address.clone();
    world.observe(a, "dns", Observation::all([there]));
    world.wait_until(millis(1000), "they meet", |world| live(world, a) == 2 && live(world, b) == 2);
    world.rest();
    assert!(world.runs_on("n").is_some());
}

#[test]
pub fn a_node_is_ready_once_enough_are_up_and_nobody_comes_or_goes() {
    let (mut world, nodes) = cluster(5, 2);
    let stable_for = millis(1000);
    let three = Request::Ready { members: 3, stable_for };
    let early = world.ask_and_keep(nodes[0], millis(500), three.clone());
    assert_eq!(world.answer(early), Reply::Ready(Err(ReadyError::Timeout { up: 2 })));
    let call = world.ask_and_keep(nodes[0], millis(10_000), three);
    world.wait(millis(500));
    let site = world.site("c", KINDS);
    let c = boot(&mut world, site);
    world.wait_until(millis(1000), "the third is up", |world| world[c].formed.is_some());
    world.wait(millis(800));
    assert!(!world.oracle.replies.contains_key(&call), "nobody came or went for less than a second");
    world.crash(c, Told::ByEnd);
    world.wait(millis(2000));
    assert!(!world.oracle.replies.contains_key(&call), "only two are up");
    let back = world.restart(c);
    world.wait_until(millis(1000), "it is back", |world| world[back].formed.is_some());
    world.wait_until(millis(1500), "it is ready", |world| world.oracle.replies.contains_key(&call));
    assert_eq!(world.oracle.replies.remove(&call), Some(Reply::Ready(Ok(3))));
}

#[test]
pub fn a_node_that_drains_dials_nobody_new() {
    let (mut world, nodes) = cluster(6, 2);
    world.is_told_by_scenario = true;
    world[nodes[0]].is_leaving = true;
    assert_eq!(world.call(nodes[0], Request::Drain), Reply::Drained(Ok(0)));
    let dials = world.network.dials.len();
    world.observe(nodes[0], "static", Observation::all(dead(5)));
    world.wait(millis(1000));
    assert_eq!(world.network.dials.len(), dials, "it looks for nobody new");
    world.begin_to_leave_for_good(nodes[0]);
    world.rest();
}
