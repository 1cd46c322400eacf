//! Each rule that is turned off must be noticed, or the simulator is too weak.

use std::env;

use skep_core::mutant::Mutant;

use crate::sweep::run;

/// The seeds that each mutant has to hide from.
const BUDGET: u64 = 400;

#[test]
fn every_mutant_is_caught() {
    crate::panics::keep();
    let only = env::var("SKEP_MUTANT").ok();
    let mut missed = Vec::new();
    for &mutant in Mutant::ALL {
        if only.as_ref().is_some_and(|only| *only != format!("{mutant:?}")) {
            continue;
        }
        let caught = (1..=BUDGET)
            .find_map(|seed| run(seed, false, Some(mutant)).verdict.err().map(|violation| (seed, violation)));
        match caught {
            Some((seed, violation)) => println!("{mutant:?}: seed {seed}: {violation}"),
            None => missed.push(mutant),
        }
    }
    assert!(missed.is_empty(), "no seed up to {BUDGET} catches {missed:?}");
}
