//! Each rule that is turned off must be noticed, or the simulator is too weak.

use std::env;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use skep_core::mutant::Mutant;

use crate::sweep::run;

/// The seeds that each mutant has to hide from; `SKEP_BUDGET` says otherwise.
const BUDGET: u64 = 400;

/// The first seed that catches it, and how.
fn catch(mutant: Mutant) -> Option<String> {
    let budget = env::var("SKEP_BUDGET").ok().and_then(|text| text.parse().ok()).unwrap_or(BUDGET);
    (1..=budget).find_map(|seed| {
        let violation = run(seed, false, Some(mutant)).verdict.err()?;
        Some(format!("seed {seed}: {violation}"))
    })
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
        for _ in 0..2 {
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
    assert!(missed.is_empty(), "no seed catches {missed:?}");
}
