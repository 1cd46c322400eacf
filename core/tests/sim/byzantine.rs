//! The sweep with a liar: whatever one member says, nobody panics, bounds hold, and once it is gone the others agree.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use skep_core::mutant::Mutant;
use skep_core::placement::StrategyId;

use crate::faults::{Fault, kind};
use crate::liar::Liar;
use crate::random::Random;
use crate::sweep::{Outcome, Plan};
use crate::sweeps::{number, seeds_in, threads};
use crate::trace::Telling;
use crate::world::{Happening, Settings, SiteId, Violation, World};

/// The seeds that once failed: they run first.
const FAILED: &str = include_str!("lies.txt");

/// Those that fail for a reason that is not mended yet: a sweep says which of them it leaves out.
const KNOWN: &str = include_str!("known_lies.txt");

/// Longer than it takes to count the liar down, and all whom it invented.
const FORGET_AFTER: Duration = Duration::from_secs(5);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn draw(seed: u64) -> (Settings, Plan) {
    let mut random = Random::new(seed ^ 0xb12a);
    let mut faults = Vec::new();
    if random.percent(30) {
        faults = [Fault::Crash, Fault::LinkBreak, Fault::Leave].to_vec();
        faults.retain(|_| random.percent(60));
    }
    let plan = Plan {
        faults,
        strike_every: (millis(500), millis(3000)),
        call_every: Some(random.between(millis(3), millis(100))),
        names: 2 + random.below(14),
        groups: if random.percent(40) { 2 } else { 0 },
        rare_percent: 50,
        kinds: vec![kind::PLAIN, kind::SLOW, kind::MORTAL, kind::TEMPORARY, kind::STAYING],
        sites: 3 + random.below(3),
        lasts: random.between(millis(2500), millis(6000)),
        boots_within: if random.percent(50) { millis(2) } else { millis(1500) },
        ..Plan::default()
    };
    let settings = Settings {
        forget_after: FORGET_AFTER,
        strict: false,
        innocents: false,
        strategy: StrategyId::Ring,
        telling: Telling::Count,
        mutant: None,
        newcomers_wait: false, // so that older seeds stay what they were
        ..Settings::calm(seed)
    };
    (settings, plan)
}

/// Runs a seed.
pub fn run(seed: u64, telling: Telling, mutant: Option<Mutant>) -> Outcome {
    let (settings, plan) = draw(seed);
    let mut world = World::new(Settings { telling, mutant, ..settings });
    world.plan = plan;
    let result = panic::catch_unwind(AssertUnwindSafe(|| world.live_with_a_liar(seed)));
    let verdict = result.unwrap_or_else(|_| {
        Err(Violation(format!("at {:.6} s: {}", World::seconds(world.now), crate::panics::last())))
    });
    Outcome { verdict, hash: world.trace.hash(), steps: world.steps(), world }
}

impl World {
    fn live_with_a_liar(&mut self, seed: u64) -> Result<(), Violation> {
        self.oracle.lies = true;
        let mut kinds = self.plan.kinds.clone();
        kinds.push(kind::FAILING);
        for number in 0..=self.plan.sites {
            let name = if number == self.plan.sites { 'z' } else { char::from(b'a' + number as u8) };
            let site = self.site(&name.to_string(), &kinds);
            let pause = self.random.between(Duration::ZERO, self.plan.boots_within);
            self.after(pause, Happening::Boot(site));
        }
        self.liar = Some(Liar::new(seed, SiteId(self.plan.sites)));
        let first = self.random.between(Duration::ZERO, millis(1500));
        self.after(first, Happening::Lie);
        self.after(millis(1), Happening::UserCall);
        if self.plan.groups > 0 {
            self.after(millis(1), Happening::GroupCall);
        }
        self.after(millis(1000), Happening::Strike);
        self.run_for(self.plan.lasts)?;
        self.end_lies();
        self.heal()?;
        // All that it said of itself and of whom it invented goes on in the logs of the others, or is gone, by then.
        self.run_for(FORGET_AFTER * 2 + self.settings.detection * 2)?;
        self.come_to_rest()?;
        self.serve()?;
        self.come_to_rest()
    }
}

/// The rule that is turned off: `SKEP_MUTANT`.
fn mutant() -> Option<Mutant> {
    let name = std::env::var("SKEP_MUTANT").ok()?;
    Mutant::ALL.iter().copied().find(|mutant| format!("{mutant:?}") == name)
}

/// What to print of a seed that failed: it is run again, in words.
fn story(seed: u64) -> String {
    let told = run(seed, Telling::Words, mutant());
    let lines = number("SKEP_LINES").map_or(80, |lines| lines as usize);
    let verdict = told.verdict.err().map_or("nothing, the second time".to_owned(), |violation| violation.0);
    format!(
        "{}\nseed {seed}: {verdict}\nSKEP_SEED={seed} cargo test -p skep-core --test sim byzantine::replay -- --nocapture\n",
        told.world.trace.last(lines)
    )
}

#[test]
fn whatever_one_member_says_the_others_agree_once_it_is_gone() {
    crate::panics::keep();
    let from = number("SKEP_FROM").unwrap_or(1);
    let count = number("SKEP_BYZANTINE").unwrap_or(60);
    let most = number("SKEP_FAILURES").unwrap_or(1) as usize;
    let (next, failed) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let (once, known) = (seeds_in(FAILED), seeds_in(KNOWN));
    for seed in known.iter().filter(|seed| (from..from + count).contains(seed)) {
        println!("seed {seed} is left out: it is known to fail");
    }
    let fresh = (from..from + count).filter(|seed| !known.contains(seed));
    let seeds: Vec<u64> = once.into_iter().chain(fresh).collect();
    thread::scope(|scope| {
        for _ in 0..threads() {
            scope.spawn(|| {
                while let Some(&seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    let verdict = run(seed, Telling::Count, mutant()).verdict;
                    let mut failed = failed.lock().expect("no thread panics here");
                    if let Err(violation) = verdict {
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
    let mut failed = failed.into_inner().expect("no thread panics here");
    failed.sort_unstable();
    if let Some(&seed) = failed.first() {
        println!("{} failed: {failed:?}\n{}", failed.len(), story(seed));
        panic!("seed {seed} breaks a promise");
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
