//! The deterministic simulator: many machines, one virtual network and clock, all of a run from one seed.
//!
//! `cargo test -p skep-core --test sim` runs the seeds that once failed (`seeds.txt`), a sweep of `SKEP_SEEDS`
//! fresh ones from `SKEP_FROM` on, the named scenarios, and the mutants. A failure prints the command that
//! replays it. To read one run: `SKEP_SEED=123 cargo test -p skep-core --test sim replay -- --nocapture`.
#![allow(
    clippy::print_stdout,
    missing_docs,
    unreachable_pub,
    reason = "a test program, which tells its reader what it found"
)]

mod baseline;
mod byzantine;
mod calls;
mod decode;
mod dials;
mod faults;
mod groups;
mod handoffs;
mod hosts;
mod liar;
mod lives;
mod messages;
mod mutants;
mod network;
mod oracle;
mod panics;
mod paths;
mod process;
mod random;
mod rest;
mod scenarios;
mod sources;
mod strikes;
mod sweep;
mod sweeps;
mod ties;
mod trace;
mod watch;
mod world;
