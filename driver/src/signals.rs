//! What signals do to a process: the first ends it in order, the second at once.

use std::future::pending;
use std::{io, process};

use futures::{Stream, StreamExt};
use tracing::{info, warn};

use crate::runtime::Runtime;

/// Ready at the first of the signals, each given by its number: what an adapter gives to
/// [`NodeBuilder::until`](crate::NodeBuilder::until). From then on the next one exits the process, with 128 and
/// its number as a shell would have it, whatever still runs. Listens from its first poll; where that cannot be
/// done it is never ready, and signals do what they do without it.
pub async fn first_ends_second_exits<R, S>(runtime: R, listen: impl FnOnce() -> io::Result<S>)
where
    R: Runtime,
    S: Stream<Item = i32> + Unpin + Send + 'static,
{
    let mut signals = match listen() {
        Ok(signals) => signals,
        Err(error) => {
            warn!(target: "skep", %error, "cannot listen to signals: they end the process at once");
            return pending().await;
        }
    };
    let Some(first) = signals.next().await else { return pending().await };
    info!(target: "skep", signal = first, "told to end: draining; once more exits at once");
    runtime.spawn(async move {
        if let Some(second) = signals.next().await {
            warn!(target: "skep", signal = second, "told again: exiting at once");
            process::exit(128 + second);
        }
    });
}
