//! One question to DNS and its answer: over UDP, over TCP if the answer is too long for that. Blocking, with
//! deadlines; the answers of a server are read by hickory and bounded by their transport.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};

/// What a server answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// Records, and for how many seconds the shortest-lived of them counts.
    Found { records: Vec<Found>, ttl: u32 },
    /// The name exists, and has no such record.
    NoData,
    /// There is no such name.
    NoName,
}

/// One record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Found {
    Ip(IpAddr),
    Service { target: Name, port: u16 },
}

/// Datagrams longer than this are lost on some paths (DNS flag day 2020).
const MAX_DATAGRAM: u16 = 1232;

/// Rounds over all servers.
const ROUNDS: u32 = 2;

/// Asks the servers in turn until one answers.
///
/// # Errors
/// What the last one said, or did not say.
pub(super) fn ask(
    servers: &[SocketAddr],
    name: &Name,
    kind: RecordType,
    patience: Duration,
) -> Result<Answer, String> {
    let mut fault = "there is no server to ask".to_owned();
    for server in (0..ROUNDS).flat_map(|_| servers) {
        match ask_one(*server, name, kind, patience) {
            Ok(answer) => return Ok(answer),
            Err(error) => fault = format!("{kind} {name} at {server}: {error}"),
        }
    }
    Err(fault)
}

fn ask_one(server: SocketAddr, name: &Name, kind: RecordType, patience: Duration) -> Result<Answer, String> {
    let mut id = [0; 2];
    skep::std_clock::entropy(&mut id);
    let query = Query::query(name.clone(), kind);
    let mut message = Message::new(u16::from_be_bytes(id), MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(query.clone());
    let mut edns = Edns::new();
    edns.set_max_payload(MAX_DATAGRAM);
    message.set_edns(edns);
    let bytes = message.to_vec().map_err(|error| error.to_string())?;
    let is_ours = |answer: &Message| {
        answer.metadata.id == message.metadata.id
            && answer.metadata.message_type == MessageType::Response
            && answer.queries == [query.clone()]
    };
    let told = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "no answer".to_owned(),
        _ => error.to_string(),
    };
    let deadline = Instant::now() + patience;
    let answer = by_udp(server, &bytes, &is_ours, deadline).map_err(told)?;
    if !answer.metadata.truncation {
        return read(&answer);
    }
    read(&by_tcp(server, &bytes, &is_ours, Instant::now() + patience).map_err(told)?)
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// Passes over what is no answer to this question: anybody can send a datagram.
fn by_udp(
    server: SocketAddr,
    query: &[u8],
    is_ours: &dyn Fn(&Message) -> bool,
    deadline: Instant,
) -> io::Result<Message> {
    let here: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((here, 0))?;
    socket.connect(server)?;
    socket.send(query)?;
    let mut buffer = [0; 4096];
    loop {
        socket.set_read_timeout(Some(left(deadline)?))?;
        let length = socket.recv(&mut buffer)?;
        if let Ok(message) = Message::from_vec(&buffer[..length])
            && is_ours(&message)
        {
            return Ok(message);
        }
    }
}

fn by_tcp(
    server: SocketAddr,
    query: &[u8],
    is_ours: &dyn Fn(&Message) -> bool,
    deadline: Instant,
) -> io::Result<Message> {
    let mut stream = TcpStream::connect_timeout(&server, left(deadline)?)?;
    stream.set_write_timeout(Some(left(deadline)?))?;
    let length = u16::try_from(query.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    stream.write_all(&[&length.to_be_bytes(), query].concat())?;
    let mut length = [0; 2];
    read_by(&mut stream, &mut length, deadline)?;
    let mut answer = vec![0; u16::from_be_bytes(length).into()]; // at most 64 KiB
    read_by(&mut stream, &mut answer, deadline)?;
    let message = Message::from_vec(&answer).map_err(io::Error::other)?;
    if is_ours(&message) { Ok(message) } else { Err(io::Error::other("an answer to something else")) }
}

/// A server that trickles bytes gains nothing.
fn read_by(stream: &mut TcpStream, mut buffer: &mut [u8], deadline: Instant) -> io::Result<()> {
    while !buffer.is_empty() {
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => buffer = &mut buffer[read..],
        }
    }
    Ok(())
}

fn read(message: &Message) -> Result<Answer, String> {
    match message.metadata.response_code {
        ResponseCode::NoError => {}
        ResponseCode::NXDomain => return Ok(Answer::NoName),
        other => return Err(format!("the server says '{other}'")),
    }
    let mut records = Vec::new(); // no with_capacity: the count is the server's word
    let mut shortest = u32::MAX;
    for record in &message.answers {
        let found = match &record.data {
            RData::A(a) => Some(Found::Ip(a.0.into())),
            RData::AAAA(aaaa) => Some(Found::Ip(aaaa.0.into())),
            RData::SRV(srv) => Some(Found::Service { target: srv.target.clone(), port: srv.port }),
            _ => None, // as the aliases on the way
        };
        shortest = shortest.min(record.ttl);
        records.extend(found);
    }
    if records.is_empty() { Ok(Answer::NoData) } else { Ok(Answer::Found { records, ttl: shortest }) }
}

#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing {
    use super::*;

    pub(in super::super) fn answer(bytes: &[u8]) {
        if let Ok(message) = Message::from_vec(bytes) {
            let _ = read(&message); // or what is wrong with it
        }
    }
}
