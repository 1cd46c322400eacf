//! How long a source waits before it looks again.

use std::time::Duration;

use skep::Runtime;

/// A quarter more or less, so that the nodes of a cluster do not look in step.
pub(crate) fn jittered(pause: Duration, runtime: &impl Runtime) -> Duration {
    let mut random = [0];
    runtime.entropy(&mut random);
    pause * 3 / 4 + pause / 2 * u32::from(random[0]) / 256
}
