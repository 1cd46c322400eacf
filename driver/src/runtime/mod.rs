//! What skep asks of an async runtime: a clock, sleep, spawn, randomness.

mod platform;

use std::future::Future;

use skep_core::Instant;

pub(crate) use platform::Platform;

/// An async runtime. Cloning it is cheap; all clones are the same runtime.
///
/// `conformance::runtime` says in code what an implementation must do.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// The monotonic clock, from an origin that is fixed for this runtime.
    fn now(&self) -> Instant;

    /// Unix time in microseconds, for lives and the floor of epochs.
    fn unix_micros(&self) -> u64;

    /// Ready at `deadline` or soon after it; at once if that has passed.
    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> + Send + 'static;

    /// Runs the task to its end, beside its caller. A panic in it ends this task and no other.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);

    /// Fills `buffer` with random bytes: the OS's, or in a simulation the seed's.
    fn entropy(&self, buffer: &mut [u8]);
}
