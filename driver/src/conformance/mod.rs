//! What every runtime and every transport must do, as code: called by the tests of each adapter.
//!
//! Each function panics with what was expected when it is not so. All waits have deadlines on the runtime's own
//! clock, so that the suite takes no real time on a simulated one.

mod clock;
mod cluster;
mod probe;

pub use clock::runtime;
pub use cluster::cluster;
