//! The session seam, by a session that has all that Noise and TLS need and protects nothing worth the name:
//! round trips of its own before the hellos, records that hold a whole batch, and a check on each.

use std::io::{Read, Write};
use std::sync::Arc;

use skep::core::error::DialFailure;
use skep::core::wire::{Frame, Hello};
use skep::transport::Dialer;
use skep_tcp::session::{
    Admission, Established, Opener, Progress, Sealer, Session, SessionError, Sessions, Side, Verdict,
};
use skep_tcp::{Protection, TcpSockets};

use crate::common::*;

on_every_runtime!(
    a_session_of_many_round_trips_carries_links,
    a_batch_is_sealed_into_one_record,
    bytes_that_were_not_sealed_end_the_link,
    two_kinds_of_session_do_not_meet,
);

/// Messages and records alike: a `u32` length, a check over all that was said before and the body, the body.
#[derive(Debug)]
struct Toy;

/// How often each side only says its part of a key before payloads flow.
const PREPARATIONS: usize = 3;

struct Handshake {
    side: Side,
    admission: Admission,
    sealer: Records,
    opener: Records,
    prepared: usize,
}

/// One direction of the stream.
#[derive(Clone, Default)]
struct Records {
    /// Binds each record to those before it, as a transcript or a nonce does.
    chain: u32,
    buffer: Vec<u8>,
    out: Vec<u8>,
}

impl Records {
    fn check(&mut self, body: &[u8]) -> u32 {
        self.chain = body.iter().fold(self.chain.rotate_left(5) ^ 0x5eed, |sum, byte| {
            (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193) // FNV-1a
        });
        self.chain
    }

    fn record(&mut self, body: &[u8], out: &mut Vec<u8>) {
        out.extend((body.len() as u32).to_le_bytes());
        out.extend(self.check(body).to_le_bytes());
        out.extend(body);
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>, SessionError> {
        let Some((length, rest)) = self.buffer.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        if length > 4 << 20 {
            return Err(SessionError::TooLong { length });
        }
        let Some(record) = rest.get(..4 + length) else { return Ok(None) };
        let (check, body) = (record[..4].to_vec(), record[4..].to_vec());
        self.buffer.drain(..8 + length);
        if self.check(&body).to_le_bytes() == *check { Ok(Some(body)) } else { Err(SessionError::Broken) }
    }
}

impl Sessions for Toy {
    fn begin(&self, side: Side, hello: &Hello, out: &mut Vec<u8>) -> Box<dyn Session> {
        let (mut sealer, opener) = (Records::default(), Records::default());
        if side == Side::Dialler {
            sealer.record(b"prepare", out);
        }
        let admission = Admission::new(side, hello.clone());
        Box::new(Handshake { side, admission, sealer, opener, prepared: 0 })
    }
}

impl Session for Handshake {
    fn receive(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Progress, SessionError> {
        self.opener.buffer.extend_from_slice(bytes);
        while let Some(body) = self.opener.next()? {
            if self.prepared < PREPARATIONS {
                self.prepared += 1;
                match (self.side, self.prepared) {
                    (Side::Dialler, PREPARATIONS) => self.sealer.record(&self.admission.opening(), out),
                    (_, _) => self.sealer.record(b"prepare", out),
                }
                continue;
            }
            match self.admission.receive(&body) {
                Verdict::Answer(answer) => self.sealer.record(&answer, out),
                Verdict::Admitted { last, peer } => {
                    last.iter().for_each(|last| self.sealer.record(last, out));
                    let unread = std::mem::take(&mut self.opener.buffer);
                    let (sealer, opener) = (Box::new(self.sealer.clone()), Box::new(self.opener.clone()));
                    return Ok(Progress::Established(Established { peer, sealer, opener, unread }));
                }
                Verdict::Failed { last, error } => {
                    last.iter().for_each(|last| self.sealer.record(last, out));
                    return Err(error);
                }
            }
        }
        Ok(Progress::Unfinished)
    }
}

impl Sealer for Records {
    fn seal<'a>(&'a mut self, frames: &'a [u8]) -> Result<&'a [u8], SessionError> {
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        self.record(frames, &mut out);
        self.out = out;
        Ok(&self.out)
    }
}

impl Opener for Records {
    fn open<'a>(&'a mut self, bytes: &'a [u8]) -> Result<&'a [u8], SessionError> {
        self.buffer.extend_from_slice(bytes);
        self.out.clear();
        while let Some(body) = self.next()? {
            self.out.extend(body);
        }
        Ok(&self.out)
    }
}

async fn toy<R: TcpSockets>(runtime: &R, name: &str, life: u64) -> Node<R> {
    node_with(runtime, name, life, |config, _| config.protection = Protection::Sessions(Arc::new(Toy))).await
}

async fn a_session_of_many_round_trips_carries_links<R: TcpSockets>(runtime: R) {
    let mut a = toy(&runtime, "a", 1).await;
    let mut b = toy(&runtime, "b", 2).await;
    a.dialer.dial(b.address());
    let (_, peer, from_a) = a.next_link().await;
    assert_eq!(peer, b.hello);
    let (_, peer, from_b) = b.next_link().await;
    assert_eq!(peer, a.hello);
    for length in [0, 1, 1000, 300_000] {
        let frame = Frame { kind: 0x8000, body: vec![7; length] };
        from_a.push(frame.clone()).expect("there is room");
        from_b.push(frame.clone()).expect("there is room");
        assert_eq!(b.next_frame().await, frame);
        assert_eq!(a.next_frame().await, frame);
    }
}

/// A peer by hand that is through its handshake.
fn by_hand(hello: &Hello, node: &skep::core::id::Address) -> (std::net::TcpStream, Established) {
    let mut stream = connect(node);
    let mut out = Vec::new();
    let mut session = Toy.begin(Side::Dialler, hello, &mut out);
    let mut buffer = [0; 1024];
    loop {
        stream.write_all(&out).expect("the node reads");
        out.clear();
        let length = stream.read(&mut buffer).expect("the node answers");
        if let Progress::Established(established) =
            session.receive(&buffer[..length], &mut out).expect("fine")
        {
            stream.write_all(&out).expect("the node reads");
            return (stream, established);
        }
    }
}

async fn a_batch_is_sealed_into_one_record<R: TcpSockets>(runtime: R) {
    let mut b = toy(&runtime, "b", 2).await;
    let (address, stranger) = (b.address(), hello("c", 3, &b.address()));
    let (mut stream, established) = blocking(move || by_hand(&stranger, &address)).await;
    let (_, _, link) = b.next_link().await;
    // The first are longer than what the kernel takes while nobody reads, so that the rest waits behind them.
    const LONG_ONES: usize = 24;
    for _ in 0..LONG_ONES {
        link.push(Frame { kind: 1, body: vec![0; (1 << 20) - 2] }).expect("there is room");
    }
    (0..100).for_each(|_| link.push(Frame { kind: 2, body: vec![0; 10] }).expect("there is room"));
    link.close();
    let (sizes, mut opener) = blocking(move || {
        let (bytes, mut sizes) = (read_to_end(&mut stream), Vec::new());
        let mut rest = &bytes[..];
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            sizes.push(u32::from_le_bytes(*length) as usize);
            rest = &after[4 + u32::from_le_bytes(*length) as usize..];
        }
        let mut opener = established.opener;
        opener.open(&bytes).expect("sealed by the node");
        (sizes, opener)
    })
    .await;
    assert_eq!(sizes.iter().sum::<usize>(), LONG_ONES * ((1 << 20) + 4) + 100 * 16);
    assert!(sizes.len() < 50, "not a record for each frame: {sizes:?}");
    assert!(opener.open(&[1, 0, 0, 0, 9, 9, 9, 9, 9]).is_err());
}

async fn bytes_that_were_not_sealed_end_the_link<R: TcpSockets>(runtime: R) {
    let mut b = toy(&runtime, "b", 2).await;
    let (address, stranger) = (b.address(), hello("c", 3, &b.address()));
    let (mut stream, mut established) = blocking(move || by_hand(&stranger, &address)).await;
    b.next_link().await;
    let mut frame = Vec::new();
    Frame { kind: 1, body: vec![4; 4] }.encode(&mut frame);
    let mut sealed = established.sealer.seal(&frame).expect("it seals").to_vec();
    let again = sealed.clone();
    stream.write_all(&sealed).expect("the node reads");
    assert_eq!(b.next_frame().await, Frame { kind: 1, body: vec![4; 4] });
    stream.write_all(&again).expect("the node reads"); // a replay, which the chain tells from the original
    b.is_down_next().await;
    sealed.clear();
    assert_eq!(blocking(move || read_to_end(&mut stream)).await, b"");
}

async fn two_kinds_of_session_do_not_meet<R: TcpSockets>(runtime: R) {
    let mut a = toy(&runtime, "a", 1).await;
    let mut b = node(&runtime, "b", 2).await;
    a.dialer.dial(b.address());
    assert!(matches!(a.next_failure().await, DialFailure::Unreachable), "it is told nothing");
    b.dialer.dial(a.address());
    assert!(matches!(b.next_failure().await, DialFailure::Unreachable), "it is told nothing");
}
