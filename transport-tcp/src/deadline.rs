//! Waiting for something, but not for ever.

use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use skep::Runtime;
use skep::core::Instant;

/// What the work gives, unless the deadline comes first: then the work is dropped.
pub(crate) async fn until<R: Runtime, T>(
    runtime: &R,
    deadline: Instant,
    work: impl Future<Output = T>,
) -> Option<T> {
    match select(pin!(work), pin!(runtime.sleep_until(deadline))).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(((), _)) => None,
    }
}

/// The same, from now.
pub(crate) async fn within<R: Runtime, T>(
    runtime: &R,
    time: Duration,
    work: impl Future<Output = T>,
) -> Option<T> {
    until(runtime, runtime.now() + time, work).await
}
