//! Takes connections in for as long as the node listens, whatever single ones of them do.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::{Either, select};
use skep::Limit;
use skep::core::event::Way;
use tracing::{debug, info, warn};

use crate::deadline::within;
use crate::half_open::{HalfOpen, Place};
use crate::handshake::{HandshakeError, part, shake};
use crate::link;
use crate::session::{SessionError, Side};
use crate::sockets::{Connection, TcpSockets};
use crate::tcp::Shared;

/// The pause after an error of `accept` that is our own (out of files, out of memory), doubled while it lasts.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Accepts until `closed`, which no error ends.
pub(crate) async fn accept<R: TcpSockets>(
    shared: Arc<Shared<R>>,
    mut listener: R::Listener,
    mut closed: oneshot::Receiver<()>,
) {
    let half_open = HalfOpen::new(shared.config.max_half_open, shared.config.max_half_open_per_address);
    let mut pause = Duration::ZERO;
    loop {
        let accepted = match select(pin!(R::accept(&mut listener)), &mut closed).await {
            Either::Left((accepted, _)) => accepted,
            Either::Right(_) => return,
        };
        match accepted {
            Ok((connection, address)) => {
                pause = Duration::ZERO;
                let (place, limit) = half_open.enter(address.ip());
                limit.into_iter().for_each(|limit| shared.hub.reached(limit));
                shared.runtime.spawn(welcome(shared.clone(), connection, address, place));
            }
            Err(error) if is_of_the_connection(&error) => {
                debug!(%error, "a connection broke before it was taken")
            }
            Err(error) => {
                if pause.is_zero() {
                    warn!(%error, "cannot accept connections; trying again");
                }
                pause = (pause * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
                if within(&shared.runtime, pause, &mut closed).await.is_some() {
                    return;
                }
            }
        }
    }
}

/// `accept` also reports errors of the connection that it would have given.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

/// Shakes hands with whoever connected, unless it takes too long or its place goes to another.
async fn welcome<R: TcpSockets>(
    shared: Arc<Shared<R>>,
    mut connection: Connection<R>,
    address: SocketAddr,
    mut place: Place,
) {
    let hello = shared.hello();
    let time = shared.config.handshake_timeout;
    let handshake = within(&shared.runtime, time, shake(&shared, &mut connection, Side::Acceptor, &hello));
    let outcome = match select(pin!(handshake), &mut place.evicted).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(_) => return debug!(%address, "gave its place to a newer connection"),
    };
    match outcome {
        Some(Ok(established)) => {
            drop(place);
            let ends = shared.hub.link_up(Way::Accepted, hello.life, established.peer.clone());
            link::carry(&shared, connection, established, ends);
        }
        Some(Err(HandshakeError::Gone(error))) => debug!(%address, %error, "went away during its handshake"),
        Some(Err(HandshakeError::Session(error))) => {
            match error {
                SessionError::Refused(_)
                | SessionError::RefusedByPeer(_)
                | SessionError::NotTrusted
                | SessionError::NotTrustedByPeer
                | SessionError::OtherSession { .. } => {
                    shared.hub.reached(Limit::HandshakeRefused);
                    refused(&shared, address, &error);
                }
                SessionError::NotSkep | SessionError::TooLong { .. } | SessionError::Broken => {
                    shared.hub.reached(Limit::HandshakeBytes);
                    debug!(%address, %error, "no link with what connected");
                }
            }
            select(pin!(part(&shared, connection)), &mut place.evicted).await;
        }
        None => {
            shared.hub.reached(Limit::HandshakeTime);
            debug!(%address, "did not finish its handshake in time");
        }
    }
}

/// One line for who is refused, but not more of them from one address than anybody reads.
fn refused<R: TcpSockets>(shared: &Shared<R>, address: SocketAddr, error: &SessionError) {
    match shared.refusals.line(shared.runtime.now(), address.ip()) {
        Some(0) => info!(%address, %error, "no link with a node that connected"),
        Some(untold) => {
            info!(%address, %error, untold, "no link with a node that connected, and with {untold} before")
        }
        None => {
            shared.hub.reached(Limit::LogLines);
            debug!(%address, %error, "no link with a node that connected");
        }
    }
}
