//! A simulated process whose work takes time: each look at its clock moves that on, as the engine looks at it for each
//! frame that it handles.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use skep::core::Instant;
use skep::{Runtime, SimRuntime};

/// The runtime of one process. Its clock runs ahead of the world's by the work that it did, so that what it waits for
/// comes the later, as for one that is busy.
#[derive(Clone)]
pub(crate) struct Laborious {
    world: SimRuntime,
    cost: Duration,
    looks: Arc<AtomicU64>,
}

impl Laborious {
    pub(crate) fn new(world: SimRuntime, cost: Duration) -> Self {
        Self { world, cost, looks: Arc::default() }
    }

    /// How long it has worked.
    pub(crate) fn worked(&self) -> Duration {
        self.cost.saturating_mul(u32::try_from(self.looks.load(Ordering::SeqCst)).expect("a short test"))
    }
}

impl Runtime for Laborious {
    fn now(&self) -> Instant {
        self.looks.fetch_add(1, Ordering::SeqCst);
        self.world.now() + self.worked()
    }

    fn unix_micros(&self) -> u64 {
        self.world.unix_micros()
    }

    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> + Send + 'static {
        let left = deadline.since(self.world.now() + self.worked());
        self.world.sleep_until(self.world.now() + left)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.world.spawn(task);
    }

    fn entropy(&self, buffer: &mut [u8]) {
        self.world.entropy(buffer);
    }
}
