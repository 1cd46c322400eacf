//! The node, the demo and their contract, on real processes: killed, frozen, refused, and on all runtimes.
//!
//! All waiting is for a line that a node says, with a deadline; nothing sleeps.
#![cfg(unix)]

mod chaos;
mod cluster;
mod contract;
mod cut;
mod demo;
mod ending;
#[cfg(target_os = "linux")] // it reads the memory of processes from `/proc`
mod flood;
mod groups;
mod lan;
mod middle;
mod moving;
mod network;
mod placement;
mod refusals;
mod runtimes;
mod scale;
mod security;
mod settle;
mod takeover;
mod terminal;
mod upgrade;
