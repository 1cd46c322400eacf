//! A link on a connection: one task that reads and one that writes, until either side ends it.

use std::io;
use std::pin::pin;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{Either, select};
use skep::Limit;
use skep::core::Instant;
use skep::core::wire::Deframer;
use skep::link::{Ended, Incoming, LinkEnds, Outgoing};
use tracing::debug;

use crate::deadline::{until, within};
use crate::session::{Established, Opener, Sealer};
use crate::sockets::{Connection, TcpSockets};
use crate::tcp::Shared;

/// Read at once, and taken at once to be written: what a pair of system calls is worth, and no more than a probe
/// may have to wait behind.
const BATCH: usize = 64 << 10;

/// Spawns both tasks.
pub(crate) fn carry<R: TcpSockets>(
    shared: &Arc<Shared<R>>,
    connection: Connection<R>,
    established: Established,
    ends: LinkEnds,
) {
    let LinkEnds { outgoing, incoming, .. } = ends;
    let Established { sealer, opener, unread, .. } = established;
    let writer = Writing {
        shared: shared.clone(),
        half: connection.writer,
        sealer,
        ended: Box::pin(incoming.ended()),
    };
    shared.runtime.spawn(writer.run(outgoing));
    let reader = Reading { shared: shared.clone(), half: connection.reader, opener };
    shared.runtime.spawn(reader.run(incoming, unread));
}

struct Reading<R: TcpSockets> {
    shared: Arc<Shared<R>>,
    half: R::Reader,
    opener: Box<dyn Opener>,
}

/// Why reading ends.
enum ReadEnd {
    /// End of stream or reset.
    Broken(String),
    /// Bytes that nobody sealed, or that are no frames, or one that is too long.
    NotFrames(String),
    /// Our own side closed the link, or could not write.
    Ended,
}

impl<R: TcpSockets> Reading<R> {
    async fn run(mut self, mut incoming: Incoming, unread: Vec<u8>) {
        match self.frames(&mut incoming, unread).await {
            ReadEnd::NotFrames(reason) => {
                self.shared.hub.reached(Limit::FrameBytes);
                debug!(reason, "the connection is of no use");
                incoming.down();
            }
            ReadEnd::Broken(reason) => {
                debug!(reason, "the connection is gone");
                incoming.down();
            }
            ReadEnd::Ended => {
                self.drain().await;
            }
        }
    }

    async fn frames(&mut self, incoming: &mut Incoming, unread: Vec<u8>) -> ReadEnd {
        let mut deframer = Deframer::default();
        let mut ended = pin!(incoming.ended());
        if let Err(end) = deliver(&mut *self.opener, &mut deframer, incoming, &unread).await {
            return end;
        }
        drop(unread);
        let mut buffer = vec![0; BATCH];
        loop {
            let read = match select(pin!(R::read(&mut self.half, &mut buffer)), &mut ended).await {
                Either::Left((read, _)) => read,
                Either::Right(((), _)) => return ReadEnd::Ended,
            };
            let bytes = match read {
                Ok(0) => return ReadEnd::Broken("closed by the peer".into()),
                Ok(length) => &buffer[..length],
                Err(error) => return ReadEnd::Broken(error.to_string()),
            };
            if let Err(end) = deliver(&mut *self.opener, &mut deframer, incoming, bytes).await {
                return end;
            }
        }
    }

    /// Reads on until the peer has closed too: a socket that is closed with unread bytes sends a reset, which
    /// could overtake our last frame on its way to the peer's reader. Until then the link is not flushed.
    async fn drain(mut self) {
        let time = self.shared.config.linger * 2; // the writer may take one to flush
        let mut buffer = vec![0; 4096];
        let emptied = async { while matches!(R::read(&mut self.half, &mut buffer).await, Ok(1..)) {} };
        within(&self.shared.runtime, time, emptied).await;
    }
}

/// Hands on all frames that are whole with these bytes.
async fn deliver(
    opener: &mut dyn Opener,
    deframer: &mut Deframer,
    incoming: &mut Incoming,
    bytes: &[u8],
) -> Result<(), ReadEnd> {
    deframer.push(opener.open(bytes).map_err(|error| ReadEnd::NotFrames(error.to_string()))?);
    while let Some(frame) = deframer.next_frame().map_err(|error| ReadEnd::NotFrames(error.to_string()))? {
        incoming.frame(frame).await.map_err(|Ended| ReadEnd::Ended)?;
    }
    Ok(())
}

struct Writing<R: TcpSockets> {
    shared: Arc<Shared<R>>,
    half: R::Writer,
    sealer: Box<dyn Sealer>,
    ended: futures::future::BoxFuture<'static, ()>,
}

impl<R: TcpSockets> Writing<R> {
    /// Dropping `outgoing` at the end tells the node, if it was not the node that ended the link.
    async fn run(mut self, mut outgoing: Outgoing) {
        let mut batch = Vec::new();
        let mut flush_by = None;
        while let Ok(()) = outgoing.take(&mut batch, BATCH).await {
            let Ok(sealed) = self.sealer.seal(&batch) else { return };
            let writing = write_all(&self.shared, &mut self.half, sealed, &mut self.ended, &mut flush_by);
            if let Err(error) = writing.await {
                debug!(%error, "cannot write");
                if error.kind() == io::ErrorKind::TimedOut {
                    self.shared.hub.reached(Limit::WriteStall);
                } else {
                    // The peer is gone. What it said before lies in our socket and is read to its end.
                    within(&self.shared.runtime, self.shared.config.linger, &mut self.ended).await;
                }
                return;
            }
            batch.clear();
            if batch.capacity() > 4 * BATCH {
                batch = Vec::new(); // one long frame should not be paid for as long as the link lives
            }
        }
        // The peer may be gone already.
        let _ = within(&self.shared.runtime, self.shared.config.linger, R::shutdown(&mut self.half)).await;
    }
}

/// Writes the batch. Most are taken by the kernel at once; one that is not must move within `write_stall`, and
/// once the link is ended all that is left must be out within `linger`.
async fn write_all<R: TcpSockets>(
    shared: &Shared<R>,
    half: &mut R::Writer,
    mut bytes: &[u8],
    ended: &mut (impl Future<Output = ()> + Unpin),
    flush_by: &mut Option<Instant>,
) -> io::Result<()> {
    while !bytes.is_empty() {
        let mut write = pin!(R::write(half, bytes));
        let written = match write.as_mut().now_or_never() {
            Some(written) => written,
            None => patiently(shared, write, ended, flush_by).await,
        }?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[written..];
    }
    Ok(())
}

async fn patiently<R: TcpSockets>(
    shared: &Shared<R>,
    mut write: impl Future<Output = io::Result<usize>> + Unpin,
    ended: &mut (impl Future<Output = ()> + Unpin),
    flush_by: &mut Option<Instant>,
) -> io::Result<usize> {
    let now = shared.runtime.now();
    let stalled = || Err(io::ErrorKind::TimedOut.into());
    if flush_by.is_none() {
        let writing =
            until(&shared.runtime, now + shared.config.write_stall, select(&mut write, ended)).await;
        match writing {
            None => return stalled(),
            Some(Either::Left((written, _))) => return written,
            Some(Either::Right(((), _))) => *flush_by = Some(shared.runtime.now() + shared.config.linger),
        }
    }
    let deadline = flush_by.unwrap_or(now);
    until(&shared.runtime, deadline, write).await.unwrap_or_else(stalled)
}
