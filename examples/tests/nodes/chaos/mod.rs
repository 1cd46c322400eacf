//! Real nodes on hosts of their own, plagued from a seed while clients register, call and remove.
//!
//! After each period of faults all agree, each name runs once, every command was answered once and by its timeout,
//! and what was acknowledged is true. `SKEP_SEED` says which faults, `SKEP_CHAOS_SECONDS` for how long (60 if unset),
//! `SKEP_LINES` how much of each node's log a failure shows.

mod check;
mod client;
mod model;
mod plague;
mod plan;
mod play;
mod random;
mod stage;
mod transcript;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::{Duration, SystemTime};

use super::cluster::{NodeProcess, Outcome};
use play::Play;
use stage::{NAMES, Stage};

/// A promise that did not hold.
#[derive(Debug)]
struct Violation {
    /// Its number in the design.
    invariant: u8,
    words: String,
}

/// A node that ended, not waited for yet: its id is its own.
struct Ended {
    host: usize,
    node: Box<NodeProcess>,
}

#[test]
#[ignore = "makes network namespaces: needs root and iproute2"]
fn what_was_acknowledged_outlives_faults() -> Outcome {
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let fresh = clock.map_or(0, |since| u64::from(since.subsec_nanos()));
    let seed = number("SKEP_SEED").unwrap_or(fresh);
    let hosts = 3 + usize::try_from(seed % 3).expect("less than 3");
    let seconds = Duration::from_secs(number("SKEP_CHAOS_SECONDS").unwrap_or(60));
    let stage = match Stage::new(hosts) {
        Ok(stage) => stage,
        Err(reason) => {
            // Not by a macro that tests capture: ci.sh shows it.
            return Ok(writeln!(io::stderr(), "skipped, there is no network to cut here: {reason}")?);
        }
    };
    writeln!(io::stderr(), "chaos: seed {seed}, {hosts} nodes, {} s", seconds.as_secs())?;
    let mut play = Play::new(seed, stage);
    let outcome = play.perform(seconds);
    writeln!(io::stderr(), "chaos: {} periods of faults, {} commands", play.periods(), play.commands())?;
    match outcome {
        Ok(()) => Ok(()),
        Err(Violation { invariant, words }) => {
            let lines = usize::try_from(number("SKEP_LINES").unwrap_or(40)).expect("a small number");
            let mut report =
                format!("invariant {invariant} is broken: {words}\n\n{}", play.story(&words, lines));
            for (host, name) in NAMES.iter().enumerate().take(hosts) {
                let log = play.stage().log(host, lines);
                write!(report, "\n--- the last lines of {name}'s log\n{log}\n").expect("text");
            }
            let again = "cargo test -p skep-examples --test nodes chaos -- --ignored --nocapture";
            panic!("{report}\nagain: SKEP_SEED={seed} SKEP_CHAOS_SECONDS={} {again}", seconds.as_secs());
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}
