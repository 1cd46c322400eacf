//! The tasks that last as long as a node does.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::select;
use tracing::error;

use crate::node::Shared;
use crate::status::Ending;
use crate::worker::panic_words;

/// Runs the engine to its end, whatever that is, and tells all who wait.
pub(super) async fn oversee(shared: Arc<Shared>, engine: impl Future<Output = Ending>) {
    let mut oversight = Oversight { shared, ending: Ending::Dropped };
    oversight.ending = AssertUnwindSafe(engine).catch_unwind().await.unwrap_or_else(|panic| {
        let node = &oversight.shared.name;
        error!(target: "skep", node = %node, words = %panic_words(&*panic), "a bug in skep: this node ends");
        Ending::Broken
    });
}

/// Tells how a node ended, also if its runtime drops the engine.
struct Oversight {
    shared: Arc<Shared>,
    ending: Ending,
}

impl Drop for Oversight {
    fn drop(&mut self) {
        self.shared.end(self.ending.clone());
    }
}

/// Ends calls at their deadline, until the node has ended.
pub(super) async fn turn_wheel(shared: Arc<Shared>) {
    let turning = shared.router.pending.clone().turn(shared.platform.clone());
    let ended = shared.status.until(|state| state.ended.clone());
    select(pin!(turning), pin!(ended)).await;
}
