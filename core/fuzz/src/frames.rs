//! Frames and what is in them.

use skep_core::id::{Address, ClusterName, Life, NodeName};
use skep_core::placement::StrategyId;
use skep_core::wire::{Deframer, Frame, Hello, MAX_HELLO, WIRE_MAX, WIRE_MIN};

use crate::bytes::Bytes;

/// A node of the cluster of all bodies.
pub(crate) fn hello_of(node: &str, life: u64) -> Hello {
    Hello {
        wire_min: WIRE_MIN,
        wire_max: WIRE_MAX,
        cluster: ClusterName::new("orders").expect("a good name"),
        slot_bits: 4,
        strategy: StrategyId::Ring,
        node: NodeName::new(node).expect("a good name"),
        life: Life(life),
        address: Address::new(format!("{node}:1")).expect("a good address"),
    }
}

/// A stream of bytes is cut into the same frames whatever the pieces in which it comes; the first byte is their length.
pub fn frame(bytes: &[u8]) {
    let mut choices = Bytes::new(bytes);
    let piece = usize::from(choices.byte()).max(1);
    let stream = choices.rest();
    let cut = |piece: usize| {
        let mut deframer = Deframer::default();
        let mut frames = Vec::new();
        for part in stream.chunks(piece) {
            deframer.push(part);
            loop {
                match deframer.next_frame() {
                    Ok(Some(frame)) => frames.push(frame),
                    Ok(None) => break,
                    Err(error) => return (frames, Some(error)),
                }
            }
        }
        (frames, None)
    };
    let (frames, error) = cut(piece);
    assert_eq!(cut(usize::MAX), (frames.clone(), error.clone()), "pieces of {piece}");
    let mut again = Vec::new();
    frames.iter().for_each(|frame| frame.encode(&mut again));
    assert!(stream.starts_with(&again), "frames are what their bytes say");
}

/// Whatever is a hello says the same again.
pub fn hello(bytes: &[u8]) {
    if let Ok(hello) = Hello::decode(bytes) {
        let again = hello.encode();
        assert!(again.len() <= MAX_HELLO, "{} bytes", again.len());
        assert_eq!(Hello::decode(&again).as_ref(), Ok(&hello));
        let _ = hello_of("a", 1).admit(&hello); // or why not
    }
}

/// A control frame: its kind, and its body.
pub fn message(bytes: &[u8]) {
    let mut choices = Bytes::new(bytes);
    let kind = choices.short();
    skep_core::fuzzing::message(&Frame { kind, body: choices.rest().to_vec() });
}

/// Frames that go past the core, one after the other, each as its kind, the length of its body, and that.
pub fn lanes(bytes: &[u8]) {
    let mut choices = Bytes::new(bytes);
    let frames = std::iter::from_fn(|| {
        if choices.is_empty() {
            return None;
        }
        let (lane, number, length) = (choices.byte(), choices.byte(), choices.byte());
        let first = if lane.is_multiple_of(4) { 0xc000 } else { 0x8000 };
        let body = choices.take(length.into()).to_vec();
        Some(Frame { kind: first + u16::from(number % 32), body })
    });
    skep::fuzzing::passed(hello_of("b", 2), frames);
}
