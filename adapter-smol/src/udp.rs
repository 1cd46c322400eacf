//! smol's UDP sockets, for beacons.

use std::io;
use std::net::SocketAddr;

use skep_discovery::UdpSockets;
use smol::Async;
use smol::net::UdpSocket;

use crate::SmolRuntime;

impl UdpSockets for SmolRuntime {
    type Udp = UdpSocket;

    fn udp(&self, socket: std::net::UdpSocket) -> io::Result<UdpSocket> {
        Async::new_nonblocking(socket).map(UdpSocket::from)
    }

    async fn receive(socket: &mut UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        socket.recv_from(buffer).await
    }
}
