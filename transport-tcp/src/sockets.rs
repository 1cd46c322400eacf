//! What skep asks of a runtime's TCP sockets.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;

use skep::Runtime;

/// TCP on an async runtime. The halves of a connection are owned and share no lock; all futures are cancel safe.
pub trait TcpSockets: Runtime {
    /// A listening socket.
    type Listener: Send + 'static;
    /// The reading half of a connection. When both halves are dropped the socket is closed.
    type Reader: Send + 'static;
    /// The writing half.
    type Writer: Send + 'static;

    /// Takes over a socket that listens already and does not block.
    ///
    /// # Errors
    /// The runtime's, when it can watch no more sockets.
    fn listen(&self, socket: std::net::TcpListener) -> io::Result<Self::Listener>;

    /// The next connection and who began it, with Nagle's algorithm off.
    ///
    /// # Errors
    /// The OS's. A connection that broke since is no error here, but at its first read.
    fn accept(
        listener: &mut Self::Listener,
    ) -> impl Future<Output = io::Result<(Connection<Self>, SocketAddr)>> + Send;

    /// Connects, with Nagle's algorithm off.
    ///
    /// # Errors
    /// The OS's, as it is: `io::ErrorKind::ConnectionRefused` must mean ECONNREFUSED and nothing else, for it is
    /// taken as proof that no process listens there.
    fn connect(&self, address: SocketAddr) -> impl Future<Output = io::Result<Connection<Self>>> + Send;

    /// Our own end of a connection.
    ///
    /// # Errors
    /// The OS's, for a connection that broke.
    fn local_addr(reader: &Self::Reader) -> io::Result<SocketAddr>;

    /// Reads what is there, at least one byte; 0 at the end of the stream.
    ///
    /// # Errors
    /// The connection broke.
    fn read(reader: &mut Self::Reader, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> + Send;

    /// Writes what there is room for, at least one byte, and says how much.
    ///
    /// # Errors
    /// The connection broke.
    fn write(writer: &mut Self::Writer, bytes: &[u8]) -> impl Future<Output = io::Result<usize>> + Send;

    /// Tells the peer that nothing more will be written.
    ///
    /// # Errors
    /// The connection broke.
    fn shutdown(writer: &mut Self::Writer) -> impl Future<Output = io::Result<()>> + Send;

    /// The addresses of `host:port`, without blocking the runtime.
    ///
    /// # Errors
    /// No such name, no port in it, or no answer.
    fn resolve(&self, name: &str) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;
}

/// Both halves of a connection.
pub struct Connection<R: TcpSockets> {
    /// For the one task that reads.
    pub reader: R::Reader,
    /// For the one task that writes.
    pub writer: R::Writer,
}

impl<R: TcpSockets> fmt::Debug for Connection<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}
