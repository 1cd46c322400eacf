//! tokio's UDP sockets, for beacons.

use std::io;
use std::net::SocketAddr;

use skep_discovery::UdpSockets;
use tokio::net::UdpSocket;

use crate::TokioRuntime;

impl UdpSockets for TokioRuntime {
    type Udp = UdpSocket;

    fn udp(&self, socket: std::net::UdpSocket) -> io::Result<UdpSocket> {
        let _inside = self.handle().enter();
        UdpSocket::from_std(socket)
    }

    async fn receive(socket: &mut UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        socket.recv_from(buffer).await
    }
}
