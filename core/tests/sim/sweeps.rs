//! The sweeps: seeds that once failed, fresh seeds, one seed in words.

use std::env;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::sweep::run;
use crate::trace::Telling;

/// Lines of the trace that a failure prints; `SKEP_LINES` asks for more.
const LINES: usize = 80;

pub fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().and_then(|text| text.parse().ok())
}

/// How many runs go on at once.
pub fn threads() -> u64 {
    let cores = thread::available_parallelism().map_or(2, |cores| cores.get() as u64);
    number("SKEP_THREADS").unwrap_or(cores)
}

/// The seeds that once failed.
fn listed() -> Vec<u64> {
    seeds_in(include_str!("seeds.txt"))
}

/// The seeds that fail for a reason that is not mended yet: a sweep says which of them it leaves out.
fn known() -> Vec<u64> {
    seeds_in(include_str!("known.txt"))
}

/// One a line, `#` and what it found behind it.
pub fn seeds_in(text: &str) -> Vec<u64> {
    text.lines().filter_map(|line| line.split('#').next()?.trim().parse().ok()).collect()
}

/// What to print of a seed that failed: it is run again, in words.
fn story(seed: u64) -> String {
    let told = run(seed, Telling::Words, None);
    let lines = number("SKEP_LINES").map_or(LINES, |lines| lines as usize);
    let verdict = told.verdict.err().map_or("nothing, the second time".to_owned(), |violation| violation.0);
    format!(
        "{}\nseed {seed}: {verdict}\nSKEP_SEED={seed} cargo test -p skep-core --test sim replay -- --nocapture\n",
        told.world.trace.last(lines)
    )
}

/// Runs the seeds on as many threads as there are cores, or as `SKEP_THREADS` says; the smallest that fails, and how many were run.
fn smallest_failure(seeds: &[u64]) -> Option<u64> {
    crate::panics::keep();
    let next = AtomicU64::new(0);
    let failed = Mutex::new(Vec::new());
    let most = number("SKEP_FAILURES").unwrap_or(1) as usize;
    thread::scope(|scope| {
        for _ in 0..threads() {
            scope.spawn(|| {
                while let Some(&seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    let outcome = run(seed, Telling::Count, None);
                    let mut failed = failed.lock().expect("no thread panics here");
                    if let Err(violation) = outcome.verdict {
                        println!("seed {seed}: {violation}");
                        failed.push(seed);
                    }
                    if failed.len() >= most {
                        return;
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no thread panics here");
    if !failed.is_empty() {
        println!("{} failed: {failed:?}", failed.len());
    }
    failed.into_iter().min()
}

#[test]
fn seeds_that_once_failed_stay_fixed() {
    if let Some(seed) = smallest_failure(&listed()) {
        println!("{}", story(seed));
        panic!("seed {seed} fails again");
    }
}

#[test]
fn fresh_seeds_keep_every_promise() {
    let from = number("SKEP_FROM").unwrap_or(1);
    let count = number("SKEP_SEEDS").unwrap_or(200);
    let is_meant = |seed: &u64| number("SKEP_TIED").is_none() || crate::ties::has_some(*seed);
    let mut seeds: Vec<u64> = (from..).filter(is_meant).take(count as usize).collect();
    let known = known();
    for seed in seeds.extract_if(.., |seed| known.contains(seed)) {
        println!("seed {seed} is left out: it is known to fail");
    }
    if let Some(seed) = smallest_failure(&seeds) {
        println!("{}", story(seed));
        panic!("seed {seed} breaks a promise");
    }
}

#[test]
fn one_seed_gives_one_trace() {
    crate::panics::keep();
    for seed in 1..=10 {
        let (first, second) = (run(seed, Telling::Hash, None), run(seed, Telling::Words, None));
        assert_eq!((first.hash, first.steps), (second.hash, second.steps), "seed {seed} differs from itself");
    }
}

/// Prints the run of `SKEP_SEED`; does nothing without it.
#[test]
fn replay() {
    if let Some(seed) = number("SKEP_SEED") {
        crate::panics::keep();
        println!("{}", story(seed));
    }
}

/// Prints the traces' hashes of `SKEP_HASHES` seeds from `SKEP_FROM` on, to compare two builds: what is not to change
/// any run changes none of them. Does nothing without it.
#[test]
fn hashes() {
    let Some(count) = number("SKEP_HASHES") else { return };
    crate::panics::keep();
    let from = number("SKEP_FROM").unwrap_or(1);
    for seed in from..from + count {
        println!("{seed} {:016x}", run(seed, Telling::Hash, None).hash);
    }
}
