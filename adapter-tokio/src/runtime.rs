//! tokio's clock, timers and tasks.

use std::future::Future;

use skep::core::Instant;
use skep::{Runtime, std_clock};
use tokio::runtime::{Handle, TryCurrentError};

/// The tokio runtime that it was made in, multi-thread or current-thread. Needs its time and I/O drivers.
#[derive(Clone, Debug)]
pub struct TokioRuntime {
    handle: Handle,
}

impl TokioRuntime {
    /// Of this handle.
    pub fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// The one that runs the caller.
    ///
    /// # Errors
    /// The caller does not run inside a tokio runtime.
    pub fn current() -> Result<Self, TryCurrentError> {
        Handle::try_current().map(Self::new)
    }

    /// The handle itself.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Runtime for TokioRuntime {
    /// tokio's clock, so that it stands still where a test has paused it.
    fn now(&self) -> Instant {
        std_clock::from_std(tokio::time::Instant::now().into_std())
    }

    fn unix_micros(&self) -> u64 {
        std_clock::unix_micros()
    }

    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> + Send + 'static {
        let _inside = self.handle.enter(); // a sleep belongs to the runtime that it is made in
        tokio::time::sleep_until(std_clock::to_std(deadline).into())
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(task); // runs on without its handle; a panic stays inside it
    }

    fn entropy(&self, buffer: &mut [u8]) {
        std_clock::entropy(buffer);
    }
}
