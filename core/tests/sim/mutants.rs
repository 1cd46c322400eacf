//! Each rule that is turned off must be noticed, or the simulator is too weak.

use std::cell::Cell;
use std::env;
use std::ops::RangeInclusive;
use std::panic;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use skep_core::mutant::Mutant;

use crate::scenarios::SCENARIOS;
use crate::sweep::run;
use crate::trace::Telling;

/// The seeds that each mutant has to hide from; `SKEP_BUDGET` says otherwise, and `SKEP_FROM` where they begin.
const BUDGET: u64 = 400;

/// What caught each of them before, a seed or a scenario: tried first, since a search takes minutes. With
/// `SKEP_SEARCH` set they are searched for afresh; with `SKEP_LIES`, among the runs with a liar.
const CAUGHT: &str = include_str!("caught.txt");

thread_local! {
    static MUTANT: Cell<Option<Mutant>> = const { Cell::new(None) };
}

/// The mutant that scenarios on this thread are played with.
pub fn of_this_thread() -> Option<Mutant> {
    MUTANT.get()
}

/// The first seed or scenario that catches it, and how.
fn catch(mutant: Mutant) -> Option<String> {
    let budget = env::var("SKEP_BUDGET").ok().and_then(|text| text.parse().ok()).unwrap_or(BUDGET);
    let line = CAUGHT.lines().find_map(|line| line.strip_prefix(&format!("{mutant:?} ")));
    let before = line.filter(|_| env::var("SKEP_SEARCH").is_err()).and_then(|by| match by.parse() {
        Ok(seed) => by_seeds(mutant, seed..=seed),
        Err(_) if by.starts_with(LIE) => by[LIE.len()..].parse().ok().and_then(|seed| by_lies(mutant, seed)),
        Err(_) => by_scenarios(mutant, |name| name == by),
    });
    if before.is_some() {
        return before;
    }
    let from = crate::sweeps::number("SKEP_FROM").unwrap_or(1);
    if env::var("SKEP_LIES").is_ok() {
        return (from..=from + budget).find_map(|seed| by_lies(mutant, seed));
    }
    by_seeds(mutant, from..=from + budget / 8)
        .or_else(|| by_scenarios(mutant, |_| true))
        .or_else(|| by_seeds(mutant, from + budget / 8 + 1..=from + budget))
}

/// How a seed of a run with a liar is written there.
const LIE: &str = "lie ";

fn by_lies(mutant: Mutant, seed: u64) -> Option<String> {
    let violation = crate::byzantine::run(seed, Telling::Count, Some(mutant)).verdict.err()?;
    Some(format!("lie {seed}: {violation}"))
}

fn by_seeds(mutant: Mutant, mut seeds: RangeInclusive<u64>) -> Option<String> {
    seeds.find_map(|seed| {
        let violation = run(seed, Telling::Count, Some(mutant)).verdict.err()?;
        Some(format!("seed {seed}: {violation}"))
    })
}

fn by_scenarios(mutant: Mutant, is_meant: impl Fn(&str) -> bool) -> Option<String> {
    MUTANT.set(Some(mutant));
    let mut meant = SCENARIOS.iter().filter(|(name, _)| is_meant(name));
    let caught = meant.find(|(_, play)| panic::catch_unwind(play).is_err());
    MUTANT.set(None);
    caught.map(|(name, _)| format!("scenario {name}"))
}

#[test]
fn every_mutant_is_caught() {
    crate::panics::keep();
    let only = env::var("SKEP_MUTANT").ok();
    let is_meant = |mutant: &&Mutant| only.as_ref().is_none_or(|only| *only == format!("{mutant:?}"));
    let mutants: Vec<Mutant> = Mutant::ALL.iter().filter(is_meant).copied().collect();
    let next = AtomicUsize::new(0);
    let missed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..crate::sweeps::threads() {
            scope.spawn(|| {
                while let Some(&mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match catch(mutant) {
                        Some(how) => println!("{mutant:?}: {how}"),
                        None => missed.lock().expect("no thread panics here").push(mutant),
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().expect("no thread panics here");
    if !missed.is_empty() {
        println!("nothing catches {missed:?}"); // the words of a panic are kept, and not printed
    }
    assert!(missed.is_empty(), "nothing catches {missed:?}");
}
