//! The signals that end a process, from tokio.

use std::io;

use futures::{Stream, stream};

/// SIGTERM and SIGINT, by their numbers.
#[cfg(unix)]
pub(crate) fn terminated() -> io::Result<impl Stream<Item = i32> + Unpin + Send + 'static> {
    use std::task::Poll;

    use tokio::signal::unix::{SignalKind, signal};

    let (terminate, interrupt) = (SignalKind::terminate(), SignalKind::interrupt());
    let mut signals = [(terminate, signal(terminate)?), (interrupt, signal(interrupt)?)];
    Ok(stream::poll_fn(move |context| {
        for (kind, signal) in &mut signals {
            if signal.poll_recv(context).is_ready() {
                return Poll::Ready(Some(kind.as_raw_value()));
            }
        }
        Poll::Pending
    }))
}

/// Ctrl-C, as SIGINT.
#[cfg(not(unix))]
pub(crate) fn terminated() -> io::Result<impl Stream<Item = i32> + Unpin + Send + 'static> {
    const INTERRUPT: i32 = 2;
    Ok(Box::pin(stream::unfold((), |()| async {
        tokio::signal::ctrl_c().await.ok()?;
        Some((INTERRUPT, ()))
    })))
}
