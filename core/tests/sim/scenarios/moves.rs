//! Workers move to where they are wanted, with all that they know; whoever dies on the way, one goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

use skep_core::event::{Reply, Request};
use skep_core::id::{Epoch, Name};
use skep_core::placement::StrategyId;

use super::{KINDS, NAMES, cluster, millis};
use crate::calls::{managed, name};
use crate::faults::kind;
use crate::hosts::{Phase, Worker};
use crate::network::Told;
use crate::world::{ProcessId, Settings, SiteId, World};

impl World {
    fn register_some(&mut self, node: ProcessId, kind: &str, count: usize) {
        for number in 0..count {
            assert!(self.claim(node, &format!("n{number}"), managed(kind)).is_ok());
        }
    }

    /// What each of them knows, and where it runs.
    fn knowledge(&self, count: usize) -> BTreeMap<usize, (ProcessId, u64)> {
        let one = |number| {
            let copies = self.active_copies(&name(&format!("n{number}")));
            let [(process, epoch)] = copies[..] else { panic!("n{number} runs as {copies:?}") };
            let worker = &self[process].workers[&(name(&format!("n{number}")), epoch)];
            (number, (process, worker.state))
        };
        (0..count).map(one).collect()
    }

    /// What its copies know together.
    fn known(&self, text: &str) -> BTreeSet<u64> {
        let copies = self.active_copies(&name(text)).into_iter();
        copies.flat_map(|(node, epoch)| self[node].workers[&(name(text), epoch)].known.clone()).collect()
    }

    fn worker_in(&self, node: ProcessId, text: &str, phase: Phase) -> Option<&Worker> {
        let mut workers = self[node].workers.iter();
        workers
            .find(|((name, _), worker)| name.as_str() == text && worker.phase == phase)
            .map(|(_, found)| found)
    }

    /// What the one worker of this name knows, and where it runs.
    fn knows(&self, text: &str) -> Option<(ProcessId, u64)> {
        match self.active_copies(&name(text))[..] {
            [(process, epoch)] => Some((process, self[process].workers[&(name(text), epoch)].state)),
            _ => None,
        }
    }
}

#[test]
pub fn a_node_that_joins_gets_its_share_with_all_that_the_workers_know() {
    for seed in 0..6 {
        let (mut world, nodes) = cluster(seed, 2);
        world.register_some(nodes[0], kind::PLAIN, 40);
        let before = world.knowledge(40);
        let site = world.site("c", KINDS);
        world.boot(site);
        world.rest();
        let after = world.knowledge(40);
        let joined = world.running(site).expect("it runs");
        let moved = after.values().filter(|(process, _)| *process == joined).count();
        assert!((5..25).contains(&moved), "seed {seed}: {moved} of 40 went to the third node");
        for (number, (process, state)) in after {
            assert_eq!(state, before[&number].1, "seed {seed}: n{number} forgot what it knew");
            assert!(
                process == joined || process == before[&number].0,
                "seed {seed}: n{number} moved needlessly"
            );
        }
    }
}

#[test]
pub fn a_node_that_drains_hands_over_all_that_its_workers_know() {
    for seed in 0..6 {
        let (mut world, nodes) = cluster(seed, 3);
        world.register_some(nodes[0], kind::PLAIN, 30);
        let before = world.knowledge(30);
        let here = before.values().filter(|(process, _)| *process == nodes[0]).count();
        world[nodes[0]].is_leaving = true;
        assert_eq!(world.call(nodes[0], Request::Drain), Reply::Drained(Ok(here)), "seed {seed}");
        assert!(world[nodes[0]].workers.is_empty());
        let states = |known: BTreeMap<usize, (ProcessId, u64)>| -> Vec<u64> {
            known.into_values().map(|(_, state)| state).collect()
        };
        assert_eq!(states(world.knowledge(30)), states(before), "seed {seed}");
    }
}

#[test]
pub fn a_worker_that_asks_to_stay_stays_until_its_node_leaves() {
    let mut world = World::new(Settings::calm(1));
    let kinds = [kind::STAYING];
    let first = world.site("a", &kinds);
    world.boot(first);
    world.rest();
    let alone = world.running(first).expect("it runs");
    world.register_some(alone, kind::STAYING, 20);
    let second = world.site("b", &kinds);
    world.boot(second);
    world.rest();
    assert!(world.knowledge(20).values().all(|(process, _)| *process == alone), "one moved though it stays");
    world[alone].is_leaving = true;
    assert_eq!(world.call(alone, Request::Drain), Reply::Drained(Ok(20)));
    let other = world.running(second).expect("it runs");
    assert!(world.knowledge(20).values().all(|(process, _)| *process == other));
}

#[test]
pub fn a_worker_whose_copy_cannot_start_goes_on_where_it_is() {
    let mut world = World::new(Settings::calm(2));
    let kinds = [kind::HANGING];
    let first = world.site("a", &kinds);
    world.boot(first);
    world.rest();
    let alone = world.running(first).expect("it runs");
    world.healed = true; // starts come to an end
    world.register_some(alone, kind::HANGING, 10);
    world.healed = false;
    let second = world.site("b", &kinds);
    world.boot(second);
    for _ in 0..80 {
        world.wait(millis(100));
        for number in 0..10 {
            assert!(world.runs_on(&format!("n{number}")).is_some() || world.is_moving(&format!("n{number}")));
        }
    }
    world.healed = true;
    world.rest();
    let other = world.running(second).expect("it runs");
    assert!(world.knowledge(10).values().any(|(process, _)| *process == other), "none was tried again");
}

impl World {
    /// Whether a record says where it goes on, and nobody there has heard of it.
    fn is_moving(&self, text: &str) -> bool {
        self.all_running().iter().any(|&node| self.worker_in(node, text, Phase::Frozen).is_some())
    }

    /// A cluster in which a name, of a kind that its arbiter may not have, is about to move from one node to another:
    /// until the first node's worker is in this phase.
    fn on_the_move(seed: u64, count: usize, phase: Phase) -> Option<(Self, ProcessId, ProcessId, u64)> {
        Self::on_the_move_with(Settings::calm(seed), count, phase)
    }

    fn on_the_move_with(
        settings: Settings,
        count: usize,
        phase: Phase,
    ) -> Option<(Self, ProcessId, ProcessId, u64)> {
        let seed = settings.seed;
        let mut world = Self::new(settings);
        for (number, node) in NAMES[..count].iter().enumerate() {
            // the first has the kind from the start; the last boots later and has it too
            let kinds: &[&str] = if number == 0 { &[kind::RARE, kind::PLAIN] } else { &[kind::PLAIN] };
            let site = world.site(node, kinds);
            world.boot(site);
        }
        world.rest();
        let source = world.all_running()[0];
        assert!(world.claim(source, &moving(seed), managed(kind::RARE)).is_ok());
        world.rest();
        let (_, state) = world.knows(&moving(seed)).expect("it runs");
        let site = world.site("z", &[kind::RARE, kind::PLAIN]);
        world.boot(site);
        let until = world.now + millis(3000);
        while world.now < until && world.worker_in(source, &moving(seed), phase).is_none() {
            assert!(world.step(until).is_ok());
        }
        let target = world.running(site).expect("it runs");
        world.worker_in(source, &moving(seed), phase)?;
        Some((world, source, target, state))
    }
}

/// Another name with each seed, and so another arbiter.
fn moving(seed: u64) -> String {
    format!("x{seed}")
}

/// So many seeds are tried for one in which the name moves.
const TRIES: u64 = 12;

/// A target that dies with the record, and of which the others hear like this, gives the worker back.
fn gives_back(settings: impl Fn(u64) -> Settings, told: Told) {
    let mut tried = 0;
    for seed in 0..TRIES {
        let Some((mut world, source, target, state)) =
            World::on_the_move_with(settings(seed), 3, Phase::Frozen)
        else {
            continue;
        };
        tried += 1;
        world.crash(target, told);
        world.rest();
        assert_eq!(world.knows(&moving(seed)), Some((source, state)), "seed {seed}");
    }
    assert!(tried > 1, "it never moved");
}

#[test]
pub fn a_target_that_dies_with_the_record_gives_the_worker_back() {
    gives_back(Settings::calm, Told::ByReset);
}

/// Nobody may act in its place before it has surely stopped.
#[test]
pub fn a_target_that_falls_silent_with_the_record_under_a_quorum_gives_the_worker_back() {
    let strategy = StrategyId::StaticQuorum(NonZeroU16::new(3).expect("not zero"));
    gives_back(|seed| Settings { strategy, exclusive: true, ..Settings::calm(seed) }, Told::Never);
}

#[test]
pub fn a_source_that_dies_before_the_record_leaves_a_copy_that_goes_on() {
    let mut tried = 0;
    for seed in 0..TRIES {
        let Some((mut world, source, target, state)) = World::on_the_move(seed, 3, Phase::Held) else {
            continue;
        };
        let ready = |world: &World| world.worker_in(target, &moving(seed), Phase::Prepared).is_some();
        let Ok(true) = world.run_until(millis(200), ready) else { continue };
        tried += 1;
        world.crash(source, Told::ByReset);
        world.rest();
        assert_eq!(world.knows(&moving(seed)), Some((target, state)), "seed {seed}");
    }
    assert!(tried > 1, "it never moved");
}

#[test]
pub fn a_removal_that_meets_a_move_ends_the_worker_where_it_went() {
    let mut tried = 0;
    for seed in 0..TRIES {
        let Some((mut world, source, _, _)) = World::on_the_move(seed, 3, Phase::Frozen) else { continue };
        let Reply::Owner(Ok(owner)) = world.call(source, Request::Owner { name: name(&moving(seed)) }) else {
            panic!()
        };
        tried += 1;
        let others: Vec<ProcessId> = world.all_running().into_iter().filter(|&node| node != source).collect();
        for asked in others {
            let Some((mut world, ..)) = World::on_the_move(seed, 3, Phase::Frozen) else { continue };
            assert_eq!(world.unregister(asked, &moving(seed)), Ok(()), "seed {seed}, {owner:?}");
            let copies = world.active_copies(&name(&moving(seed)));
            assert!(copies.is_empty(), "seed {seed}: it is removed, and runs as {copies:?}");
            world.rest();
        }
    }
    assert!(tried > 1, "it never moved");
}

#[test]
pub fn an_end_that_one_survivor_knows_of_is_found_before_anyone_takes_over() {
    let mut tried = 0;
    for seed in 0..6 {
        let mut world = World::new(Settings::calm(seed));
        // the first and the last may run them, and those between are arbiters of some
        let kinds = |number: usize| if number.is_multiple_of(3) { [kind::TEMPORARY] } else { [kind::PLAIN] };
        let sites: Vec<SiteId> = (0..4).map(|number| world.site(NAMES[number], &kinds(number))).collect();
        sites.iter().for_each(|&site| world.boot(site));
        world.rest();
        let nodes = world.all_running();
        let (source, friend) = (nodes[0], nodes[1]);
        world.register_some(friend, kind::TEMPORARY, 24);
        world.rest();
        let all = (0..24).map(|number| name(&format!("n{number}")));
        let theirs =
            |name: &Name| world.active_copies(name).into_iter().find(|(process, _)| *process == source);
        let ending: Vec<(Name, Epoch)> =
            all.filter_map(|name| theirs(&name).map(|(_, epoch)| (name, epoch))).collect();
        // what the source writes from now on reaches its friend alone
        for &site in &sites[2..] {
            world.cut(sites[0], site);
        }
        for (name, epoch) in &ending {
            world.worker_exits(source, name, *epoch);
        }
        let is_known =
            |world: &World| ending.iter().all(|(name, _)| !world[friend].places.contains_key(name));
        world.wait_until(millis(200), "its friend knows", is_known);
        world.crash(source, Told::ByReset);
        world.mend_network();
        let until = world.now + millis(2000);
        while world.now < until {
            assert!(world.step(until).is_ok());
            for (name, _) in &ending {
                let runs = world.active_copies(name);
                assert!(runs.is_empty(), "seed {seed}: {name} has ended, and runs as {runs:?}");
            }
        }
        tried += ending.len();
        world.rest();
    }
    assert!(tried > 6, "nothing ran there");
}

#[test]
pub fn a_move_that_one_survivor_knows_of_is_found_before_anyone_takes_over() {
    let mut tried = 0;
    for seed in 0..TRIES {
        let Some((mut world, source, target, state)) = World::on_the_move(seed, 3, Phase::Held) else {
            continue;
        };
        let ready = |world: &World| world.worker_in(target, &moving(seed), Phase::Prepared).is_some();
        let Ok(true) = world.run_until(millis(200), ready) else { continue };
        // what the source writes from now on reaches the target alone
        let (here, there) = (world[source].site, world[target].site);
        for site in world.all_sites() {
            if site != here && site != there {
                world.cut(here, site);
            }
        }
        let acts = |world: &World| world.worker_in(target, &moving(seed), Phase::Running).is_some();
        let Ok(true) = world.run_until(millis(200), acts) else { continue };
        tried += 1;
        world.crash(source, Told::ByReset);
        world.mend_network();
        world.rest();
        assert_eq!(world.knows(&moving(seed)), Some((target, state)), "seed {seed}");
    }
    assert!(tried > 1, "it never moved");
}

/// Four nodes with twelve workers, and of each a copy on both sides of a cut, two nodes a side.
fn cut_into_halves(seed: u64) -> (World, Vec<SiteId>) {
    let (mut world, nodes) = cluster(seed, 4);
    world.settings.innocents = false;
    world.register_some(nodes[0], kind::PLAIN, 12);
    let sites = world.all_sites();
    world.cut_off(&sites[..2]);
    world.wait(millis(6000));
    (world, sites)
}

/// A node with a worker that heard what a beaten copy knew.
fn who_has_heard(world: &World) -> Option<ProcessId> {
    let has_heard = |node: &ProcessId| world[*node].workers.values().any(|worker| !worker.heard.is_empty());
    world.all_running().into_iter().find(has_heard)
}

#[test]
pub fn what_a_winner_heard_that_went_on_elsewhere_is_not_said_again() {
    for seed in 0..6 {
        let (mut world, sites) = cut_into_halves(seed);
        world.mend_cut();
        let is_heard = |world: &World| who_has_heard(world).is_some();
        world.wait_until(millis(10_000), "one has heard another", is_heard);
        let winner = who_has_heard(&world).expect("it was just found");
        let here = world[winner].site;
        // the word that it was heard is lost, and can be had again only after the winner has gone on
        let (left, right) = sites.split_at(2);
        for &there in if left.contains(&here) { right } else { left } {
            world.break_links(here, there, millis(0));
            world.cut(here, there);
            world.cut(there, here);
        }
        assert!(matches!(world.call(winner, Request::Drain), Reply::Drained(_)), "seed {seed}");
        world.wait(millis(1000));
        world.mend_network();
        world.wait(millis(3000));
        assert!(matches!(world.call(winner, Request::Leave), Reply::Left), "seed {seed}");
        world.rest();
    }
}

#[test]
pub fn after_a_cut_the_winner_hears_once_what_the_beaten_copy_knew() {
    for seed in 0..6 {
        let (mut world, sites) = cut_into_halves(seed);
        let (left, right) = sites.split_at(2);
        let mut copies = BTreeMap::new();
        for number in 0..12 {
            let both = world.active_copies(&name(&format!("n{number}")));
            assert_eq!(both.len(), 2, "seed {seed}: each side runs it");
            let state = |(process, epoch)| {
                let process: ProcessId = process;
                world[process].workers[&(name(&format!("n{number}")), epoch)].state
            };
            copies.insert(number, both.into_iter().map(state).collect::<Vec<u64>>());
        }
        world.mend_cut();
        // the word that it was heard is lost on half of the ways, and asked for again
        let is_heard = |world: &World| who_has_heard(world).is_some();
        world.wait_until(millis(10_000), "one has heard another", is_heard);
        for &one in left {
            world.break_links(one, right[0], millis(0));
        }
        world.rest();
        for (number, (process, state)) in world.knowledge(12) {
            let text = format!("n{number}");
            let (_, worker) =
                world[process].workers.iter().find(|((name, _), _)| name.as_str() == text).expect("it runs");
            let knows = |known: &u64| *known == state || worker.heard.iter().any(|(_, heard)| heard == known);
            assert!(
                copies[&number].iter().all(knows),
                "seed {seed}: {text} does not know what both copies knew"
            );
        }
    }
}

#[test]
pub fn after_a_cut_that_heals_link_by_link_one_that_stays_goes_on_and_knows_what_all_knew() {
    for seed in 0..12 {
        let mut world = World::new(Settings { innocents: false, ..Settings::calm(seed) });
        let kinds = &[kind::PLAIN, kind::LOYAL];
        let sites: Vec<SiteId> = NAMES[..4].iter().map(|name| world.site(name, kinds)).collect();
        sites.iter().for_each(|&site| world.boot(site));
        world.rest();
        let nodes = world.all_running();
        world.register_some(nodes[0], kind::LOYAL, 24);
        world.rest();
        world.cut_off(&sites[..2]);
        world.wait(millis(6000));
        let both: Vec<BTreeSet<u64>> = (0..24).map(|number| world.known(&format!("n{number}"))).collect();
        for (number, known) in both.iter().enumerate() {
            let copies = world.active_copies(&name(&format!("n{number}")));
            assert_eq!(
                (copies.len(), known.len()),
                (2, 2),
                "seed {seed}: n{number} runs as {copies:?}, known {known:?}"
            );
        }
        world.mend_one_by_one(&[(1, 2), (0, 3), (1, 3), (0, 2)], millis(1500));
        world.rest();
        for (number, both) in both.into_iter().enumerate() {
            let text = format!("n{number}");
            assert!(world.runs_on(&text).is_some(), "seed {seed}: {text} does not run once");
            let known = world.known(&text);
            if !both.is_subset(&known) {
                world.give_up(&format!("seed {seed}: of {both:?} the survivor of {text} knows {known:?}"));
            }
        }
    }
}
