//! Whoever can reach the port: what it may send, and that it disturbs nobody.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use skep::Limit;
use skep::core::id::Address;
use skep::core::wire::{Frame, Hello, MAX_FRAME};
use skep::link::{PushError, Report};
use skep_tcp::session::plaintext::{PREAMBLE, Plaintext};
use skep_tcp::session::{Sessions, Side};
use skep_tcp::{TcpConfig, TcpSockets};

use crate::common::*;

on_every_runtime!(
    garbage_is_hung_up_on_without_a_word,
    a_refusal_arrives_even_if_the_peer_talks_on,
    a_handshake_that_never_ends_is_cut_off,
    half_open_connections_are_bounded_and_the_newest_get_in,
    half_open_connections_end_with_the_listener,
    bytes_that_are_no_frames_cost_only_their_link,
    a_peer_that_does_not_read_costs_only_its_link,
    a_close_does_not_wait_for_a_peer_that_does_not_read,
);

/// Whatever ends a handshake then, it is not its timeout.
fn patient(config: &mut TcpConfig) {
    config.handshake_timeout = LONG * 2;
}

async fn garbage_is_hung_up_on_without_a_word<R: TcpSockets>(runtime: R) {
    let mut b = node_with(&runtime, "b", 2, |config, _| patient(config)).await;
    let address = b.address();
    blocking(move || {
        let too_long = [&PREAMBLE[..], &u16::MAX.to_le_bytes()].concat();
        let ones = vec![0xff; 100_000];
        for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01\x02\0\x01", &[0; 64], &too_long, &ones]
        {
            let mut stream = connect(&address);
            let _ = stream.write_all(garbage); // may be hung up on before all is written
            assert_eq!(read_to_end(&mut stream), b"");
        }
    })
    .await;
    let mut a = node(&runtime, "a", 1).await;
    linked(&mut a, &mut b).await;
    assert_eq!(b.reports.times_reached(Limit::HandshakeBytes), 5);
}

async fn a_refusal_arrives_even_if_the_peer_talks_on<R: TcpSockets>(runtime: R) {
    let b = node(&runtime, "b", 2).await;
    let address = b.address();
    for _ in 0..20 {
        let (address, other) = (address.clone(), Hello { slot_bits: 8, ..hello("a", 1, &address) });
        let answer = blocking(move || {
            let mut stream = connect(&address);
            let mut said = Vec::new();
            let _session = Plaintext.begin(Side::Dialler, &other, &mut said);
            said.extend([0; 50_000]);
            stream.write_all(&said).expect("the node is there");
            stream.write_all(&said).expect("the node is there");
            stream.shutdown(std::net::Shutdown::Write).expect("the node is there");
            read_to_end(&mut stream)
        });
        assert_eq!(answer.await, [&PREAMBLE[..], &[2, 0, 1, 3]].concat());
    }
}

async fn a_handshake_that_never_ends_is_cut_off<R: TcpSockets>(runtime: R) {
    let short = Duration::from_secs(1);
    let mut b = node_with(&runtime, "b", 2, |config, _| config.handshake_timeout = short).await;
    let (address, stranger) = (b.address(), hello("a", 1, &b.address()));
    blocking(move || {
        let mut whole = PREAMBLE.to_vec();
        let hello = stranger.encode();
        whole.extend((hello.len() as u16).to_le_bytes());
        whole.extend(hello);
        // Every prefix, the whole first message among them, and then silence.
        let mut streams: Vec<TcpStream> = (0..=whole.len()).map(|_| connect(&address)).collect();
        for (length, stream) in streams.iter_mut().enumerate() {
            stream.write_all(&whole[..length]).expect("the node is there");
        }
        for (length, mut stream) in streams.into_iter().enumerate() {
            let answer = read_to_end(&mut stream);
            assert_eq!(answer.is_empty(), length < whole.len(), "after {length} bytes");
        }
    })
    .await;
    let mut a = node(&runtime, "a", 1).await;
    linked(&mut a, &mut b).await;
}

async fn half_open_connections_are_bounded_and_the_newest_get_in<R: TcpSockets>(runtime: R) {
    let bounded = |config: &mut TcpConfig| {
        patient(config);
        config.max_half_open_per_address = 4;
    };
    let mut b = node_with(&runtime, "b", 2, |config, _| bounded(config)).await;
    let address = b.address();
    let held = blocking(move || {
        let mut streams: Vec<TcpStream> = (0..50).map(|_| connect(&address)).collect();
        let latest = streams.split_off(46);
        for mut stream in streams {
            assert_eq!(read_to_end(&mut stream), b"");
        }
        latest
    })
    .await;
    let mut a = node(&runtime, "a", 1).await;
    let (from_a, _) = linked(&mut a, &mut b).await;
    from_a.push(Frame { kind: 1, body: vec![] }).expect("there is room");
    b.next_frame().await;
    let evicted = b.reports.times_reached(Limit::HalfOpenOfAddress);
    assert!(
        (46..=47).contains(&evicted),
        "{evicted}: all but the last four, and perhaps one more for the node"
    );
    drop(held);
}

async fn half_open_connections_end_with_the_listener<R: TcpSockets>(runtime: R) {
    let b = node_with(&runtime, "b", 2, |config, _| patient(config)).await;
    let address = b.address();
    let mut stream = blocking(move || connect(&address)).await;
    drop(b);
    assert_eq!(blocking(move || read_to_end(&mut stream)).await, b"");
}

async fn bytes_that_are_no_frames_cost_only_their_link<R: TcpSockets>(runtime: R) {
    let mut b = node(&runtime, "b", 2).await;
    let mut a = node(&runtime, "a", 1).await;
    let (from_a, _) = linked(&mut a, &mut b).await;
    let (address, stranger) = (b.address(), hello("c", 3, &b.address()));
    let lengths = [0, 1, MAX_FRAME + 3, u32::MAX];
    for length in lengths {
        let (address, stranger) = (address.clone(), stranger.clone());
        let hung_up = blocking(move || {
            let mut stream = connect_as(&stranger, &address);
            let mut good = Vec::new();
            Frame { kind: 5, body: vec![1] }.encode(&mut good);
            stream.write_all(&good).expect("the node reads");
            stream.write_all(&length.to_le_bytes()).expect("the node reads");
            assert_eq!(read_to_end(&mut stream), b"");
        });
        let reported = async {
            b.next_link().await;
            assert_eq!(b.next_frame().await, Frame { kind: 5, body: vec![1] }, "it came before the bad one");
            b.is_down_next().await;
        };
        futures::join!(hung_up, reported);
    }
    from_a.push(Frame { kind: 1, body: vec![] }).expect("there is room");
    assert_eq!(b.next_frame().await.kind, 1);
    assert_eq!(b.reports.times_reached(Limit::FrameBytes), lengths.len() as u64);
}

/// A link to a peer by hand that reads nothing, and has more to read than the kernel holds.
async fn stuck<R: TcpSockets>(b: &mut Node<R>) -> (skep::link::Link, TcpStream) {
    let (address, stranger): (Address, _) = (b.address(), hello("c", 3, &b.address()));
    let stream = blocking(move || connect_as(&stranger, &address)).await;
    let (_, _, link) = b.next_link().await;
    let chunk = Frame { kind: 0x8000, body: vec![0; 64 << 10] };
    while link.push(chunk.clone()) != Err(PushError::Full) {} // the lane is full once the writer is stuck
    (link, stream)
}

async fn a_peer_that_does_not_read_costs_only_its_link<R: TcpSockets>(runtime: R) {
    let short = Duration::from_millis(200);
    let mut b = node_with(&runtime, "b", 2, |config, _| config.write_stall = short).await;
    let mut a = node(&runtime, "a", 1).await;
    let (from_a, _) = linked(&mut a, &mut b).await;
    let (link, stream) = stuck(&mut b).await;
    from_a.push(Frame { kind: 1, body: vec![] }).expect("there is room");
    assert_eq!(b.next_frame().await.kind, 1, "others are served meanwhile");
    while !matches!(b.next().await, Report::Down { link: down } if down == link.id()) {}
    assert_eq!(link.push(Frame { kind: 1, body: vec![] }), Err(PushError::Ended));
    assert_eq!(b.reports.times_reached(Limit::WriteStall), 1);
    drop(stream);
}

async fn a_close_does_not_wait_for_a_peer_that_does_not_read<R: TcpSockets>(runtime: R) {
    let short = Duration::from_millis(100);
    let mut b = node_with(&runtime, "b", 2, |config, _| {
        config.write_stall = LONG * 2;
        config.linger = short;
    })
    .await;
    let (link, mut stream) = stuck(&mut b).await;
    link.close();
    // The socket is gone once the writer has given up: the peer's bytes are answered with a reset.
    soon(&runtime, blocking(move || while stream.write_all(&[0; 4096]).is_ok() {})).await;
}
