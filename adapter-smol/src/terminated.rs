//! The signals that end a process, from smol's reactor.

use std::future::ready;
use std::io;

use async_signal::{Signal, Signals};
use futures::{Stream, StreamExt};

/// SIGTERM and SIGINT (elsewhere Ctrl-C, as SIGINT), by their numbers.
pub(crate) fn terminated() -> io::Result<impl Stream<Item = i32> + Unpin + Send + 'static> {
    #[cfg(unix)]
    let wanted = [Signal::Term, Signal::Int];
    #[cfg(not(unix))]
    let wanted = [Signal::Int];
    Ok(Signals::new(wanted)?.filter_map(|told| ready(told.ok().map(|signal| signal as i32))))
}
