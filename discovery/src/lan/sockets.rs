//! Sockets for beacons: one to hear for each family, one to send for each interface.

use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use skep::Runtime;
use socket2::{Domain, Protocol, Socket, Type};

use super::interfaces::Interface;

/// UDP on an async runtime: no more than a beacon needs. The future is cancel safe.
pub trait UdpSockets: Runtime {
    /// A socket to receive from.
    type Udp: Send + 'static;

    /// Takes over a bound socket that does not block.
    ///
    /// # Errors
    /// The runtime's, when it can watch no more sockets.
    fn udp(&self, socket: UdpSocket) -> io::Result<Self::Udp>;

    /// The next datagram, cut to the buffer, and who sent it.
    ///
    /// # Errors
    /// The OS's.
    fn receive(
        socket: &mut Self::Udp,
        buffer: &mut [u8],
    ) -> impl Future<Output = io::Result<(usize, SocketAddr)>> + Send;
}

/// Where beacons go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Groups {
    pub(super) v4: Ipv4Addr,
    pub(super) v6: Ipv6Addr,
    pub(super) port: u16,
}

/// Sockets that send, each to its addresses.
#[derive(Debug, Default)]
pub(super) struct Senders(Vec<(UdpSocket, Vec<SocketAddr>)>);

/// What could be opened.
#[derive(Debug, Default)]
pub(super) struct Opened {
    pub(super) hearing: Vec<UdpSocket>,
    pub(super) senders: Senders,
    /// What could not, and why: the last of it.
    pub(super) fault: Option<String>,
}

/// Opens all that these interfaces allow.
pub(super) fn open(interfaces: &BTreeSet<Interface>, groups: Groups) -> Opened {
    let mut opened = Opened::default();
    for hearing in [hear_v4(interfaces, groups), hear_v6(interfaces, groups)] {
        match hearing {
            Ok(Some(socket)) => opened.hearing.push(socket),
            Ok(None) => {}
            Err(error) => opened.fault = Some(format!("port {}: {error}", groups.port)),
        }
    }
    for interface in interfaces {
        match sender(interface, groups) {
            Ok(sender) => opened.senders.0.push(sender),
            Err(error) => opened.fault = Some(format!("{}: {error}", interface.name())),
        }
    }
    opened
}

impl Senders {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sends to everybody on every interface. Whether one at least took it.
    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let mut result = Err(io::ErrorKind::NotConnected.into());
        for (socket, addresses) in &self.0 {
            for address in addresses {
                let sent = socket.send_to(bytes, address).map(|_| ());
                if result.is_err() {
                    result = sent;
                }
            }
        }
        result
    }
}

/// Several nodes of one host hear at the same port.
fn shared(domain: Domain) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn hear_v4(interfaces: &BTreeSet<Interface>, groups: Groups) -> io::Result<Option<UdpSocket>> {
    let mut mine = interfaces.iter().filter_map(|interface| match interface {
        Interface::V4 { ip, .. } => Some(ip),
        Interface::V6 { .. } => None,
    });
    let Some(first) = mine.next() else { return Ok(None) };
    let socket = shared(Domain::IPV4)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, groups.port)).into())?;
    for ip in [first].into_iter().chain(mine) {
        // An interface without multicast still hears broadcasts; a second address of one has joined already.
        let _ = socket.join_multicast_v4(&groups.v4, ip);
    }
    Ok(Some(socket.into()))
}

fn hear_v6(interfaces: &BTreeSet<Interface>, groups: Groups) -> io::Result<Option<UdpSocket>> {
    let indexes: BTreeSet<u32> = interfaces
        .iter()
        .filter_map(|interface| match interface {
            Interface::V6 { index, .. } => Some(*index),
            Interface::V4 { .. } => None,
        })
        .collect();
    if indexes.is_empty() {
        return Ok(None);
    }
    let socket = shared(Domain::IPV6)?;
    socket.set_only_v6(true)?;
    socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, groups.port)).into())?;
    for index in indexes {
        socket.join_multicast_v6(&groups.v6, index)?;
    }
    Ok(Some(socket.into()))
}

fn sender(interface: &Interface, groups: Groups) -> io::Result<(UdpSocket, Vec<SocketAddr>)> {
    Ok(match interface {
        Interface::V4 { ip, broadcast, .. } => {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
            socket.set_nonblocking(true)?; // a full queue drops a beacon; the next comes soon
            socket.bind(&SocketAddr::from((*ip, 0)).into())?;
            socket.set_multicast_if_v4(ip)?;
            socket.set_multicast_loop_v4(true)?; // the other nodes of this host
            socket.set_multicast_ttl_v4(1)?;
            socket.set_broadcast(true)?;
            let to = [Some(groups.v4), *broadcast].into_iter().flatten();
            (socket.into(), to.map(|ip| (ip, groups.port).into()).collect())
        }
        Interface::V6 { index, .. } => {
            let socket = Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP))?;
            socket.set_nonblocking(true)?;
            socket.set_multicast_if_v6(*index)?;
            socket.set_multicast_loop_v6(true)?;
            socket.set_multicast_hops_v6(1)?;
            (socket.into(), vec![(groups.v6, groups.port).into()])
        }
    })
}
