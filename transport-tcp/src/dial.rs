//! One dial, from its order to its one answer.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use skep::core::error::DialFailure;
use skep::core::event::Way;
use skep::core::id::Address;
use tracing::debug;

use crate::deadline::until;
use crate::handshake::{HandshakeError, part, shake};
use crate::link;
use crate::session::Side;
use crate::sockets::{Connection, TcpSockets};
use crate::tcp::Shared;

/// Of the addresses that a name has, at most this many are tried.
const MAX_RESOLVED: usize = 8;

/// Connects, shakes hands, and tells the hub.
pub(crate) async fn dial<R: TcpSockets>(shared: Arc<Shared<R>>, address: Address) {
    let deadline = shared.runtime.now() + shared.config.dial_timeout;
    let fail = |failure| {
        debug!(%address, %failure, "dial failed");
        shared.hub.dial_failed(address.clone(), failure);
    };
    let mut connection =
        match until(&shared.runtime, deadline, connect(&shared.runtime, address.as_str())).await {
            Some(Ok(connection)) => connection,
            Some(Err(failure)) => return fail(failure),
            None => return fail(DialFailure::Unreachable),
        };
    let hello = shared.hello();
    match until(&shared.runtime, deadline, shake(&shared, &mut connection, Side::Dialler, &hello)).await {
        Some(Ok(established)) => {
            let ends = shared.hub.link_up(Way::Dialled(address), hello.life, established.peer.clone());
            link::carry(&shared, connection, established, ends);
        }
        Some(Err(HandshakeError::Gone(_))) => fail(DialFailure::Unreachable),
        Some(Err(HandshakeError::Session(error))) => {
            fail(DialFailure::Handshake(error.refusal()));
            part(&shared, connection).await;
        }
        None => fail(DialFailure::TimedOut),
    }
}

/// A connection to `ip:port`, or to the first address of `host:port` that takes one.
async fn connect<R: TcpSockets>(runtime: &R, address: &str) -> Result<Connection<R>, DialFailure> {
    let candidates = match address.parse::<SocketAddr>() {
        Ok(candidate) => vec![candidate],
        Err(_) => runtime.resolve(address).await.map_err(|_| DialFailure::Unreachable)?,
    };
    let mut failure = None;
    for candidate in candidates.into_iter().take(MAX_RESOLVED) {
        let refused = match runtime.connect(candidate).await {
            Ok(connection) if is_itself::<R>(&connection, candidate) => true,
            Ok(connection) => return Ok(connection),
            Err(error) => error.kind() == io::ErrorKind::ConnectionRefused,
        };
        // Only if all addresses of a name refuse is nobody there.
        failure = match (refused, failure) {
            (true, None | Some(DialFailure::Refused)) => Some(DialFailure::Refused),
            (_, _) => Some(DialFailure::Unreachable),
        };
    }
    Err(failure.unwrap_or(DialFailure::Unreachable))
}

/// On loopback the kernel may give a dial the very port that it dials, and connect the socket with itself. It
/// does so only where no socket listens: as good as a refusal.
fn is_itself<R: TcpSockets>(connection: &Connection<R>, dialled: SocketAddr) -> bool {
    R::local_addr(&connection.reader).is_ok_and(|local| local == dialled)
}
