//! The plaintext handshake, on a desk: its bytes, every cut of them, and every way in which it fails.

use skep::core::error::Refusal;
use skep::core::id::{Address, ClusterName, Life, NodeName};
use skep::core::placement::StrategyId;
use skep::core::wire::{Hello, MAX_HELLO};

use super::party::{self, Outcome, Party, hello};
use super::plaintext::{PREAMBLE, Plaintext};
use super::{MAX_PAYLOAD, SessionError, Side};

fn party(side: Side, hello: &Hello) -> Party {
    Party::new(&Plaintext, side, hello)
}

fn quorum(members: u16) -> StrategyId {
    StrategyId::StaticQuorum(std::num::NonZeroU16::new(members).expect("at least one"))
}

fn converse(dialler: &Hello, acceptor: &Hello, piece: usize) -> ([Outcome; 2], [Vec<u8>; 2]) {
    let mut parties = [party(Side::Dialler, dialler), party(Side::Acceptor, acceptor)];
    let transcript = party::converse(&mut parties, piece);
    (parties.map(|party| party.outcome), transcript)
}

const SAID_BY_DIALLER: &[u8] = b"skep\0\x01\x1a\0\x01\x01\x06orders\x13\0\x01a\x11\x0b127.0.0.1:1\x01\0\0";
const SAID_BY_ACCEPTOR: &[u8] = b"skep\0\x01\x1b\0\0\x01\x01\x06orders\x13\0\x01b\x12\x0b127.0.0.1:1";

#[test]
fn the_bytes_of_a_handshake_are_pinned() {
    let (_, [dialler, acceptor]) = converse(&hello("a", 17), &hello("b", 18), usize::MAX);
    assert_eq!(dialler, SAID_BY_DIALLER);
    assert_eq!(acceptor, SAID_BY_ACCEPTOR);
}

#[test]
fn the_bytes_of_a_refusal_are_pinned() {
    let other = Hello { slot_bits: 8, ..hello("b", 18) };
    let (_, [dialler, acceptor]) = converse(&hello("a", 17), &other, usize::MAX);
    assert_eq!(dialler, SAID_BY_DIALLER[..SAID_BY_DIALLER.len() - 3]);
    assert_eq!(acceptor, b"skep\0\x01\x02\0\x01\x03");
}

#[test]
fn both_admit_each_other_however_the_bytes_are_cut() {
    for piece in 1..40 {
        let (outcomes, _) = converse(&hello("a", 17), &hello("b", 18), piece);
        assert_eq!(outcomes, [Some(Ok(hello("b", 18))), Some(Ok(hello("a", 17)))], "pieces of {piece}");
    }
}

#[test]
fn a_stream_cut_once_anywhere_gives_the_same_peer_and_the_same_rest() {
    for (side, stream, peer) in
        [(Side::Acceptor, SAID_BY_DIALLER, hello("a", 17)), (Side::Dialler, SAID_BY_ACCEPTOR, hello("b", 18))]
    {
        let stream = [stream, b"frames"].concat();
        for cut in 0..stream.len() - b"frames".len() {
            let mut party = party(side, &hello("c", 19));
            party.hear(&stream[..cut]);
            party.hear(&stream[cut..]);
            assert_eq!(party.outcome, Some(Ok(peer.clone())), "{side:?} cut at {cut}");
            assert_eq!(party.unread, b"frames", "{side:?} cut at {cut}");
        }
    }
}

#[test]
fn no_truncation_is_a_handshake() {
    for (side, stream) in [(Side::Acceptor, SAID_BY_DIALLER), (Side::Dialler, SAID_BY_ACCEPTOR)] {
        for end in 0..stream.len() {
            let mut party = party(side, &hello("c", 19));
            party.hear(&stream[..end]);
            assert_eq!(party.outcome, None, "{side:?} cut at {end}");
        }
    }
}

#[test]
fn whoever_refuses_both_know_why() {
    let ours = hello("a", 17);
    let other_cluster = ClusterName::new("other").expect("a good name");
    for (theirs, refusal) in [
        (Hello { cluster: other_cluster, ..hello("b", 18) }, Refusal::OtherCluster),
        (Hello { slot_bits: 8, ..hello("b", 18) }, Refusal::OtherSlots),
        (Hello { strategy: quorum(2), ..hello("b", 18) }, Refusal::OtherStrategy),
        (Hello { wire_min: 2, wire_max: 3, ..hello("b", 18) }, Refusal::WireVersion { min: 1, max: 1 }),
        (ours.clone(), Refusal::Ourselves),
    ] {
        for piece in [1, 7, usize::MAX] {
            let (outcomes, _) = converse(&theirs, &ours, piece);
            let expected = [
                Some(Err(SessionError::RefusedByPeer(refusal.clone()))),
                Some(Err(SessionError::Refused(refusal.clone()))),
            ];
            assert_eq!(outcomes, expected, "{theirs:?}");
        }
    }
}

#[test]
fn a_dialler_refuses_too_and_says_so() {
    let mut acceptor = party(Side::Acceptor, &hello("b", 18));
    acceptor.hear(&SAID_BY_DIALLER[..SAID_BY_DIALLER.len() - 3]);
    let mut dialler = party(Side::Dialler, &Hello { slot_bits: 8, ..hello("a", 17) });
    dialler.said.clear();
    dialler.hear(&acceptor.said);
    assert_eq!(dialler.outcome, Some(Err(SessionError::Refused(Refusal::OtherSlots))));
    acceptor.hear(&dialler.said);
    assert_eq!(acceptor.outcome, Some(Err(SessionError::RefusedByPeer(Refusal::OtherSlots))));
}

#[test]
fn a_refusal_of_a_later_version_is_a_refusal() {
    let mut dialler = party(Side::Dialler, &hello("a", 17));
    dialler.hear(b"skep\0\x01\x04\0\x01\x7f\x01\x02");
    assert_eq!(dialler.outcome, Some(Err(SessionError::RefusedByPeer(Refusal::Malformed))));
}

#[test]
fn strangers_are_known_by_their_first_byte_and_told_nothing() {
    for stranger in [&b"GET / HTTP/1.1\r\n"[..], b"\x16\x03\x01", b"s ", b"skeP", b"\0"] {
        let mut acceptor = party(Side::Acceptor, &hello("b", 18));
        acceptor.hear(stranger);
        assert_eq!(acceptor.outcome, Some(Err(SessionError::NotSkep)), "{stranger:?}");
        assert_eq!(acceptor.said, b"");
    }
}

#[test]
fn another_kind_of_session_is_named() {
    for (preamble, kind, version) in [(b"skep\x01\x01", 1, 1), (b"skep\0\x02", 0, 2)] {
        let mut acceptor = party(Side::Acceptor, &hello("b", 18));
        acceptor.hear(preamble);
        assert_eq!(acceptor.outcome, Some(Err(SessionError::OtherSession { kind, version })));
        assert_eq!(acceptor.said, PREAMBLE, "so that both know");
    }
}

#[test]
fn a_message_that_is_too_long_is_refused_before_its_bytes_come() {
    for length in [MAX_PAYLOAD + 1, usize::from(u16::MAX)] {
        let mut acceptor = party(Side::Acceptor, &hello("b", 18));
        acceptor.hear(&PREAMBLE);
        acceptor.hear(&u16::try_from(length).expect("written above").to_le_bytes());
        assert_eq!(acceptor.outcome, Some(Err(SessionError::TooLong { length })));
    }
}

#[test]
fn the_longest_hello_passes() {
    let longest = Hello {
        wire_min: 1,
        wire_max: u16::MAX,
        cluster: ClusterName::new("c".repeat(ClusterName::MAX)).expect("a good name"),
        slot_bits: u8::MAX,
        strategy: quorum(u16::MAX),
        node: NodeName::new("n".repeat(NodeName::MAX)).expect("a good name"),
        life: Life(u64::MAX),
        address: Address::new("a".repeat(Address::MAX)).expect("a good address"),
    };
    assert!(longest.encode().len() <= MAX_HELLO);
    let other = Hello { life: Life(1), ..longest.clone() };
    let (outcomes, _) = converse(&longest, &other, 100);
    assert_eq!(outcomes, [Some(Ok(other)), Some(Ok(longest))]);
}

#[test]
fn a_hello_that_does_not_decode_is_told_so() {
    let mut acceptor = party(Side::Acceptor, &hello("b", 18));
    acceptor.hear(b"skep\0\x01\x03\0\xff\xff\xff");
    assert_eq!(acceptor.outcome, Some(Err(SessionError::Refused(Refusal::Malformed))));
    assert_eq!(acceptor.said, b"skep\0\x01\x02\0\x01\x09");
}

#[test]
fn every_flipped_bit_of_a_hello_is_a_clean_outcome() {
    for at in 0..SAID_BY_DIALLER.len() - 3 {
        for bit in 0..8 {
            let mut stream = SAID_BY_DIALLER.to_vec();
            stream[at] ^= 1 << bit;
            let mut acceptor = party(Side::Acceptor, &hello("b", 18));
            acceptor.hear(&stream); // an error, another peer, or waiting for more; never a panic
            assert_ne!(acceptor.outcome, Some(Ok(hello("a", 17))), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn random_bytes_behind_a_good_preamble_are_never_admitted() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64; // xorshift64: Marsaglia, 2003
    for round in 0..20_000 {
        let mut stream = PREAMBLE.to_vec();
        for _ in 0..round % 64 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            stream.push(state as u8);
        }
        for side in [Side::Dialler, Side::Acceptor] {
            let mut party = party(side, &hello("b", 18));
            party.hear(&stream);
            assert!(!matches!(party.outcome, Some(Ok(_))), "{side:?} {stream:?}");
        }
    }
}
