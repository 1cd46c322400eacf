//! A runtime for tests of sources that neither sleep nor spawn.

use std::future::{Future, pending};

use skep::Runtime;
use skep_core::Instant;

#[derive(Clone)]
pub(crate) struct Frozen;

impl Runtime for Frozen {
    fn now(&self) -> Instant {
        Instant::ZERO
    }

    fn unix_micros(&self) -> u64 {
        1
    }

    fn sleep_until(&self, _deadline: Instant) -> impl Future<Output = ()> + Send + 'static {
        pending()
    }

    fn spawn(&self, _task: impl Future<Output = ()> + Send + 'static) {
        unreachable!("a source of addresses spawns nothing")
    }

    fn entropy(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}
