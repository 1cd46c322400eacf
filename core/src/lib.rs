//! The pure state machine of skep: who holds which name, and how a cluster agrees on it.
//!
//! No I/O, no clock, no OS randomness, no threads, no async, no std: a [`Machine`] takes an [`Input`] and the
//! time, and gives [`Output`]s. The same config and the same inputs give the same outputs, to the byte.
#![no_std]

extern crate alloc;

pub mod config;
pub mod delivery;
mod discovery;
pub mod error;
pub mod event;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod id;
mod machine;
mod membership;
#[doc(hidden)]
pub mod mutant;
pub mod placement;
mod random;
pub mod ring;
pub mod supervisor;
pub mod time;
mod timer;
mod tracker;
pub mod wire;

pub use config::Config;
pub use event::{Event, Input, Output, Reply, Request};
pub use machine::Machine;
pub use time::Instant;
