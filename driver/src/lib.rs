//! The async engine of skep, the same on every runtime.

pub mod discovery;
pub mod link;
mod runtime;
pub mod std_clock;
pub mod transport;

pub use runtime::Runtime;
pub use skep_core as core;
