//! A runtime without its type, so that a node needs no type parameter and the engine is compiled once.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Either, select};
use skep_core::Instant;

use super::Runtime;

/// Some runtime. Cloning it copies a pointer.
#[derive(Clone)]
pub(crate) struct Platform {
    runtime: Arc<dyn AnyRuntime>,
}

trait AnyRuntime: Send + Sync {
    fn now(&self) -> Instant;
    fn unix_micros(&self) -> u64;
    fn sleep_until(&self, deadline: Instant) -> BoxFuture<'static, ()>;
    fn spawn(&self, task: BoxFuture<'static, ()>);
    fn entropy(&self, buffer: &mut [u8]);
}

impl<R: Runtime> AnyRuntime for R {
    fn now(&self) -> Instant {
        Runtime::now(self)
    }

    fn unix_micros(&self) -> u64 {
        Runtime::unix_micros(self)
    }

    fn sleep_until(&self, deadline: Instant) -> BoxFuture<'static, ()> {
        Runtime::sleep_until(self, deadline).boxed()
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        Runtime::spawn(self, task);
    }

    fn entropy(&self, buffer: &mut [u8]) {
        Runtime::entropy(self, buffer);
    }
}

impl Platform {
    pub(crate) fn new<R: Runtime>(runtime: R) -> Self {
        Self { runtime: Arc::new(runtime) }
    }

    pub(crate) fn now(&self) -> Instant {
        self.runtime.now()
    }

    pub(crate) fn unix_micros(&self) -> u64 {
        self.runtime.unix_micros()
    }

    pub(crate) fn sleep_until(&self, deadline: Instant) -> BoxFuture<'static, ()> {
        self.runtime.sleep_until(deadline)
    }

    pub(crate) fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        self.sleep_until(self.now() + time)
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task.boxed());
    }

    pub(crate) fn random(&self) -> u64 {
        let mut bytes = [0; 8];
        self.runtime.entropy(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// The future's output, or `None` if it is not there at the deadline.
    pub(crate) async fn by<T>(&self, deadline: Instant, future: impl Future<Output = T>) -> Option<T> {
        match select(pin!(future), self.sleep_until(deadline)).await {
            Either::Left((output, _)) => Some(output),
            Either::Right(((), _)) => None,
        }
    }
}
