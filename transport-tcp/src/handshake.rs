//! Runs a session's handshake over a connection.

use std::io;

use skep::core::wire::Hello;

use crate::deadline::within;
use crate::session::{Established, Progress, SessionError, Side};
use crate::sockets::{Connection, TcpSockets};
use crate::tcp::Shared;

/// Read at once before a peer is admitted: a whole message of a handshake, and not much more.
const READ: usize = 2048;

/// Why there is no link.
#[derive(Debug)]
pub(crate) enum HandshakeError {
    /// The connection broke.
    Gone(io::Error),
    /// One side refused the other.
    Session(SessionError),
}

/// Shakes hands. Whatever the session wants the peer to hear is written before this returns, refusals too.
/// Takes as long as the peer likes: the caller brings the deadline.
pub(crate) async fn shake<R: TcpSockets>(
    shared: &Shared<R>,
    connection: &mut Connection<R>,
    side: Side,
    hello: &Hello,
) -> Result<Established, HandshakeError> {
    let mut out = Vec::new();
    let mut session = shared.sessions.begin(side, hello, &mut out);
    let mut buffer = [0; READ];
    loop {
        write_all::<R>(connection, &out).await.map_err(HandshakeError::Gone)?;
        out.clear();
        let length = R::read(&mut connection.reader, &mut buffer).await.map_err(HandshakeError::Gone)?;
        if length == 0 {
            return Err(HandshakeError::Gone(io::ErrorKind::UnexpectedEof.into()));
        }
        let progress = session.receive(&buffer[..length], &mut out);
        let is_over = !matches!(progress, Ok(Progress::Unfinished));
        if is_over {
            write_all::<R>(connection, &out).await.map_err(HandshakeError::Gone)?;
        }
        match progress {
            Ok(Progress::Unfinished) => {}
            Ok(Progress::Established(established)) => return Ok(established),
            Err(error) => return Err(HandshakeError::Session(error)),
        }
    }
}

/// Ends a connection that was refused. Reads until the peer has closed too, for a bounded time: closing with
/// unread bytes would reset the connection, and the refusal on its way could be lost.
pub(crate) async fn part<R: TcpSockets>(shared: &Shared<R>, mut connection: Connection<R>) {
    let farewell = async {
        R::shutdown(&mut connection.writer).await?;
        let mut buffer = [0; READ];
        while R::read(&mut connection.reader, &mut buffer).await? > 0 {}
        io::Result::Ok(())
    };
    // Whether the peer heard it or not, there is nothing left to do for it.
    let _ = within(&shared.runtime, shared.config.linger, farewell).await;
}

async fn write_all<R: TcpSockets>(connection: &mut Connection<R>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = R::write(&mut connection.writer, bytes).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[written..];
    }
    Ok(())
}
