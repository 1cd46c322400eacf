//! tokio's TCP sockets.

use std::io;
use std::net::SocketAddr;

use skep_tcp::{Connection, TcpSockets};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, lookup_host};

use crate::TokioRuntime;

impl TcpSockets for TokioRuntime {
    type Listener = TcpListener;
    type Reader = OwnedReadHalf;
    type Writer = OwnedWriteHalf;

    fn listen(&self, socket: std::net::TcpListener) -> io::Result<TcpListener> {
        let _inside = self.handle().enter();
        TcpListener::from_std(socket)
    }

    async fn accept(listener: &mut TcpListener) -> io::Result<(Connection<Self>, SocketAddr)> {
        let (stream, address) = listener.accept().await?;
        Ok((split(stream), address))
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<Connection<Self>> {
        TcpStream::connect(address).await.map(split)
    }

    fn local_addr(reader: &OwnedReadHalf) -> io::Result<SocketAddr> {
        reader.local_addr()
    }

    async fn read(reader: &mut OwnedReadHalf, buffer: &mut [u8]) -> io::Result<usize> {
        reader.read(buffer).await
    }

    async fn write(writer: &mut OwnedWriteHalf, bytes: &[u8]) -> io::Result<usize> {
        writer.write(bytes).await
    }

    async fn shutdown(writer: &mut OwnedWriteHalf) -> io::Result<()> {
        writer.shutdown().await
    }

    async fn resolve(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        Ok(lookup_host(name).await?.collect())
    }
}

/// Two owned halves, which share no lock.
fn split(stream: TcpStream) -> Connection<TokioRuntime> {
    let _ = stream.set_nodelay(true); // fails on a connection that broke already: its first read will say so
    let (reader, writer) = stream.into_split();
    Connection { reader, writer }
}
