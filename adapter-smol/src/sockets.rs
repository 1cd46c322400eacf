//! smol's TCP sockets, which async-std's executor drives as well as smol's own.

use std::io;
use std::net::{Shutdown, SocketAddr};

use skep_tcp::{Connection, TcpSockets};
use smol::Async;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::{TcpListener, TcpStream, resolve};

use crate::SmolRuntime;

impl TcpSockets for SmolRuntime {
    type Listener = TcpListener;
    type Reader = TcpStream;
    type Writer = TcpStream;

    fn listen(&self, socket: std::net::TcpListener) -> io::Result<TcpListener> {
        Async::new_nonblocking(socket).map(TcpListener::from)
    }

    async fn accept(listener: &mut TcpListener) -> io::Result<(Connection<Self>, SocketAddr)> {
        let (stream, address) = listener.accept().await?;
        Ok((split(stream), address))
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<Connection<Self>> {
        TcpStream::connect(address).await.map(split)
    }

    fn local_addr(reader: &TcpStream) -> io::Result<SocketAddr> {
        reader.local_addr()
    }

    async fn read(reader: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
        reader.read(buffer).await
    }

    async fn write(writer: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
        writer.write(bytes).await
    }

    async fn shutdown(writer: &mut TcpStream) -> io::Result<()> {
        writer.shutdown(Shutdown::Write)
    }

    async fn resolve(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        resolve(name).await
    }
}

/// Two handles of one socket, which share no lock.
fn split(stream: TcpStream) -> Connection<SmolRuntime> {
    let _ = stream.set_nodelay(true); // fails on a connection that broke already: its first read will say so
    Connection { reader: stream.clone(), writer: stream }
}
