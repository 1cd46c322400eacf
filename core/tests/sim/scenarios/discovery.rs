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

/// So many nodes, at rest, of whom the scenario tells from now on, as an authority that is believed after a second.
fn under_an_authority(seed: u64, count: usize) -> (World, Vec<ProcessId>) {
    let mut world = World::new(Settings { authority_after: Some(millis(1000)), ..Settings::calm(seed) });
    let sites: Vec<SiteId> = NAMES[..count].iter().map(|name| world.site(name, KINDS)).collect();
    sites.into_iter().for_each(|site| world.boot(site));
    world.rest();
    world.is_told_by_scenario = true;
    let nodes = world.all_running();
    (world, nodes)
}

fn address_of(world: &World, node: ProcessId) -> Address {
    world.sites[world[node].site.0].address.clone()
}

/// The authority names these to each of these.
fn name_to(world: &mut World, told: &[ProcessId], named: &[ProcessId]) {
    let named: Vec<Address> = named.iter().map(|&node| address_of(world, node)).collect();
    told.iter().for_each(|&node| world.observe(node, "static", Observation::all(named.clone())));
}

#[test]
pub fn who_is_down_is_dialled_no_more_once_an_authority_forgets_it_and_again_when_it_is_named() {
    let (mut world, nodes) = under_an_authority(7, 3);
    let [a, b, c] = nodes[..] else { panic!("there are three") };
    let there = address_of(&world, c);
    world.crash(c, Told::ByEnd);
    world.wait_until(millis(2000), "it is counted down", |world| {
        world.counts_down(a, c) && world.counts_down(b, c)
    });
    name_to(&mut world, &[a, b], &[a, b, c]);
    world.wait(millis(3000));
    let dials = world.network.dials.len();
    world.wait(millis(3000));
    assert!(world.network.dials.len() > dials, "what is named is dialled");
    name_to(&mut world, &[a, b], &[a, b]);
    world.wait_until(millis(1100), "both let go", |world| {
        [a, b].iter().all(|&node| world[node].let_go == [there.clone()])
    });
    world.wait(millis(1000)); // for the dials in flight
    let dials = world.network.dials.len();
    world.wait(millis(5000));
    assert_eq!(world.network.dials.len(), dials, "nobody is dialled");
    let back = world.restart(c); // which knows of nobody
    world.wait(millis(500));
    assert_eq!(live(&world, back), 1);
    name_to(&mut world, &[a], &[a, b, c]);
    world.wait_until(millis(1000), "it is met", |world| live(world, back) == 3);
    world.rest();
}

#[test]
pub fn no_live_member_is_let_go_of_whatever_an_authority_says() {
    for seed in 0..10 {
        let (mut world, nodes) = under_an_authority(seed, 2);
        let (links, nobody) = (world.network.links.len(), Observation::all(dead(1)));
        nodes.iter().for_each(|&node| world.observe(node, "static", nobody.clone()));
        world.wait(millis(5000));
        assert_eq!(world.network.links.len(), links, "seed {seed}: no link is closed or made again");
        let (one, other) = (world[nodes[0]].site, world[nodes[1]].site);
        world.break_links(one, other, millis(20));
        world.wait(millis(5000));
        world.rest();
        assert!(nodes.iter().all(|&node| !world.was_counted_down(node)), "seed {seed}");
    }
}

#[test]
pub fn nobody_is_let_go_of_while_a_source_is_degraded() {
    let (mut world, nodes) = under_an_authority(8, 3);
    let [a, b, c] = nodes[..] else { panic!("there are three") };
    world.crash(c, Told::ByEnd);
    world.wait_until(millis(2000), "it is counted down", |world| {
        world.counts_down(a, c) && world.counts_down(b, c)
    });
    name_to(&mut world, &[a, b], &[a, b]);
    for node in [a, b] {
        world.observe(node, "other", Observation::transient("the server does not answer"));
    }
    world.wait(millis(5000));
    assert!(world[a].let_go.is_empty() && world[b].let_go.is_empty());
    for node in [a, b] {
        world.observe(node, "other", Observation::all(dead(1)));
    }
    world.wait(millis(900));
    assert!(world[a].let_go.is_empty(), "the time counts from when all sources answer");
    world.wait_until(millis(200), "both let go", |world| {
        [a, b].iter().all(|&node| world[node].let_go.len() == 1)
    });
}

#[test]
pub fn nobody_is_let_go_of_when_an_authority_forgets_many_at_once() {
    let (mut world, nodes) = under_an_authority(9, 6);
    let (alive, gone) = nodes.split_at(3);
    gone.iter().for_each(|&node| world.crash(node, Told::ByEnd));
    world.wait_until(millis(3000), "they are counted down", |world| {
        alive.iter().all(|&node| gone.iter().all(|&other| world.counts_down(node, other)))
    });
    name_to(&mut world, alive, alive);
    world.wait(millis(5000));
    for &node in alive {
        assert_eq!((world[node].let_go.len(), world[node].held_on), (0, 1), "it holds on, and says so once");
    }
    let back: Vec<ProcessId> = gone.iter().map(|&node| world.restart(node)).collect(); // they know of nobody
    world.wait_until(millis(2500), "they are met", |world| back.iter().all(|&node| live(world, node) == 6));
    world.rest();
}

#[test]
pub fn a_side_that_an_authority_forgot_during_a_cut_comes_back() {
    for seed in 0..10 {
        let (mut world, nodes) = under_an_authority(seed, 5);
        let (cut_off, rest) = nodes.split_at(1);
        let site = world[cut_off[0]].site;
        world.cut_off(&[site]);
        name_to(&mut world, rest, rest);
        world.observe(cut_off[0], "static", Observation::transient("the server does not answer"));
        world.wait_until(millis(6000), "the others let go", |world| {
            rest.iter().all(|&node| world[node].let_go.len() == 1)
        });
        world.wait_until(millis(6000), "it counts them down", |world| {
            rest.iter().all(|&node| world.counts_down(cut_off[0], node))
        });
        world.wait(millis(2000));
        assert!(world[cut_off[0]].let_go.is_empty(), "seed {seed}");
        world.mend_cut();
        world.wait_until(millis(3000), "it dials them", |world| {
            nodes.iter().all(|&node| live(world, node) == 5)
        });
        world.rest();
    }
}
