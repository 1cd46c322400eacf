//! Noise on a desk: who is let in, and that no bit of what is said can be changed, moved, dropped or said again.

use skep::core::error::Refusal;
use skep::core::id::{Address, ClusterName, Life, NodeName};
use skep::core::placement::StrategyId;
use skep::core::wire::{Hello, MAX_HELLO};
use skep::secret::{KeyRing, Secret};
use snow::{Builder, HandshakeState};

use super::{Noise, PREAMBLE};
use crate::session::party::{self, Outcome, Party, hello};
use crate::session::records::{Cipher, MAX_RECORD, Opening, Sealing, TAG};
use crate::session::{Opener, Sealer, SessionError, Side};

fn noise(secrets: &[usize]) -> Noise {
    let secret = |number| Secret::new(format!("{number:02}-0123456789abcdef0123456789abcdef")).expect("good");
    Noise::new(KeyRing::new(secrets.iter().map(|&number| secret(number))).expect("a few"))
}

fn dialler(secrets: &[usize]) -> Party {
    Party::new(&noise(secrets), Side::Dialler, &hello("a", 17))
}

fn acceptor(secrets: &[usize]) -> Party {
    Party::new(&noise(secrets), Side::Acceptor, &hello("b", 18))
}

/// Both through their handshake.
fn linked() -> [Party; 2] {
    let mut parties = [dialler(&[1]), acceptor(&[1])];
    party::converse(&mut parties, usize::MAX);
    parties
}

fn outcomes(parties: [Party; 2]) -> [Outcome; 2] {
    parties.map(|party| party.outcome)
}

const ADMITTED: fn() -> [Outcome; 2] = || [Some(Ok(hello("b", 18))), Some(Ok(hello("a", 17)))];

#[test]
fn both_admit_each_other_however_the_bytes_are_cut() {
    for piece in [1, 2, 3, 7, 31, 100, usize::MAX] {
        let mut parties = [dialler(&[1]), acceptor(&[1])];
        party::converse(&mut parties, piece);
        assert_eq!(outcomes(parties), ADMITTED(), "pieces of {piece}");
    }
}

#[test]
fn nothing_that_is_said_can_be_read_and_no_two_handshakes_are_alike() {
    let talk = || party::converse(&mut [dialler(&[1]), acceptor(&[1])], usize::MAX);
    let (one, two) = (talk(), talk());
    for (one, two) in one.iter().zip(&two) {
        assert_eq!(one.len(), two.len());
        assert_eq!(one[..8], two[..8], "preamble and length");
        let alike = one[8..].iter().zip(&two[8..]).filter(|(one, two)| one == two).count();
        assert!(alike < 16, "{alike} bytes are alike");
        for word in ["orders", "127.0.0.1:1"] {
            assert!(!one.windows(word.len()).any(|bytes| bytes == word.as_bytes()), "{word} can be read");
        }
    }
}

#[test]
fn another_secret_is_refused_and_both_know() {
    let mut parties = [dialler(&[2]), acceptor(&[1])];
    let [_, answer] = party::converse(&mut parties, usize::MAX);
    let refused = [Some(Err(SessionError::NotTrustedByPeer)), Some(Err(SessionError::NotTrusted))];
    assert_eq!(outcomes(parties), refused);
    assert_eq!(answer, [&PREAMBLE[..], &[0, 0]].concat(), "a stranger learns nothing else");
}

#[test]
fn a_secret_is_changed_in_three_steps_and_no_step_parts_anybody() {
    let steps: [&[usize]; 4] = [&[1], &[1, 2], &[2, 1], &[2]];
    for pair in steps.windows(2) {
        for (dials, accepts) in [(pair[0], pair[1]), (pair[1], pair[0])] {
            let mut parties = [dialler(dials), acceptor(accepts)];
            party::converse(&mut parties, usize::MAX);
            assert_eq!(outcomes(parties), ADMITTED(), "{dials:?} dials {accepts:?}");
        }
    }
}

#[test]
fn whoever_refuses_both_know_why_and_nobody_else_does() {
    let other = ClusterName::new("other").expect("a good name");
    for (theirs, refusal) in [
        (Hello { cluster: other, ..hello("b", 18) }, Refusal::OtherCluster),
        (Hello { slot_bits: 8, ..hello("b", 18) }, Refusal::OtherSlots),
        (Hello { wire_min: 2, wire_max: 3, ..hello("b", 18) }, Refusal::WireVersion { min: 1, max: 1 }),
        (hello("a", 17), Refusal::Ourselves),
    ] {
        for (ours, theirs) in [(&hello("a", 17), &theirs), (&theirs, &hello("a", 17))] {
            let refuses = ours.admit(theirs).expect_err("they do not fit");
            let mut parties = [
                Party::new(&noise(&[1]), Side::Dialler, theirs),
                Party::new(&noise(&[1]), Side::Acceptor, ours),
            ];
            party::converse(&mut parties, 5);
            let expected = [SessionError::RefusedByPeer(refuses.clone()), SessionError::Refused(refuses)];
            assert_eq!(outcomes(parties), expected.map(|error| Some(Err(error))), "{refusal:?}");
        }
    }
}

#[test]
fn the_longest_hello_passes() {
    let longest = Hello {
        wire_min: 1,
        wire_max: u16::MAX,
        cluster: ClusterName::new("c".repeat(ClusterName::MAX)).expect("a good name"),
        slot_bits: u8::MAX,
        strategy: StrategyId::StaticQuorum(std::num::NonZeroU16::MAX),
        node: NodeName::new("n".repeat(NodeName::MAX)).expect("a good name"),
        life: Life(u64::MAX),
        address: Address::new("a".repeat(Address::MAX)).expect("a good address"),
    };
    assert!(longest.encode().len() <= MAX_HELLO);
    let other = Hello { life: Life(1), ..longest.clone() };
    let mut parties =
        [Party::new(&noise(&[1]), Side::Dialler, &longest), Party::new(&noise(&[1]), Side::Acceptor, &other)];
    party::converse(&mut parties, 100);
    assert_eq!(outcomes(parties), [Some(Ok(other)), Some(Ok(longest))]);
}

#[test]
fn a_recorded_first_message_played_again_leads_nowhere() {
    let mut parties = [dialler(&[1]), acceptor(&[1])];
    let [recorded, _] = party::converse(&mut parties, usize::MAX);
    let first = 8 + usize::from(u16::from_le_bytes([recorded[6], recorded[7]]));
    let mut later = acceptor(&[1]);
    later.hear(&recorded[..first]);
    assert_eq!(later.outcome, None, "it waits for what only the dialler could say");
    later.hear(&recorded[first..]);
    assert_eq!(later.outcome, Some(Err(SessionError::NotTrusted)));
    // And the whole recording at once.
    let mut later = acceptor(&[1]);
    later.hear(&recorded);
    assert_eq!(later.outcome, Some(Err(SessionError::NotTrusted)));
}

#[test]
fn a_recorded_answer_played_to_another_dialler_is_refused() {
    let mut parties = [dialler(&[1]), acceptor(&[1])];
    let [_, recorded] = party::converse(&mut parties, usize::MAX);
    let mut later = dialler(&[1]);
    later.hear(&recorded);
    assert_eq!(later.outcome, Some(Err(SessionError::NotTrusted)));
}

#[test]
fn what_a_node_said_played_back_to_itself_is_refused() {
    let mut party = dialler(&[1]);
    let said = std::mem::take(&mut party.said);
    party.hear(&said);
    assert_eq!(party.outcome, Some(Err(SessionError::NotTrusted)));
}

#[test]
fn every_flipped_bit_of_a_handshake_is_refused() {
    // Of the dialler's first message, of the answer, of the first record: to whoever hears it.
    let lengths = {
        let mut parties = [dialler(&[1]), acceptor(&[1])];
        let transcript = party::converse(&mut parties, usize::MAX);
        transcript.map(|said| said.len())
    };
    for (listener, length) in [(1, lengths[0]), (0, lengths[1])] {
        for at in 0..length {
            let mut parties = [dialler(&[1]), acceptor(&[1])];
            let mut heard = 0;
            while parties.iter().any(|party| !party.said.is_empty()) {
                for from in [0, 1] {
                    let mut said = std::mem::take(&mut parties[from].said);
                    if 1 - from == listener {
                        if let Some(byte) = at.checked_sub(heard).and_then(|at| said.get_mut(at)) {
                            *byte ^= 1 << (at % 8);
                        }
                        heard += said.len();
                    }
                    if parties[1 - from].outcome.is_none() {
                        parties[1 - from].hear(&said);
                    }
                }
            }
            // An error, or waiting for bytes that a changed length promises: never a link.
            assert!(!matches!(parties[listener].outcome, Some(Ok(_))), "bit {} of byte {at}", at % 8);
        }
    }
}

#[test]
fn random_bytes_behind_a_good_preamble_are_never_admitted() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64; // xorshift64: Marsaglia, 2003
    for round in 0..2000 {
        let mut stream = PREAMBLE.to_vec();
        let length = round % 200;
        stream.extend((length as u16).to_le_bytes());
        for _ in 0..length {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            stream.push(state as u8);
        }
        for mut party in [dialler(&[1]), acceptor(&[1])] {
            party.hear(&stream);
            assert!(matches!(party.outcome, Some(Err(_))), "{stream:?}");
        }
    }
}

#[test]
fn frames_pass_whole_both_ways_however_they_are_cut() {
    let [a, b] = linked();
    let (mut from_a, mut at_a) = a.halves.expect("through");
    let (mut from_b, mut at_b) = b.halves.expect("through");
    for length in [1, 6, 1000, MAX_RECORD - TAG, MAX_RECORD - TAG + 1, 300_000, 1_100_000, 10] {
        let frames: Vec<u8> = (0..length).map(|n| n as u8).collect();
        for (sealer, opener) in [(&mut from_a, &mut at_b), (&mut from_b, &mut at_a)] {
            for piece in [7, 65_536] {
                let sealed = sealer.seal(&frames).expect("sealed").to_vec();
                assert_eq!(sealed.len(), length + length.div_ceil(MAX_RECORD - TAG) * (TAG + 2));
                let mut opened = Vec::new();
                for piece in sealed.chunks(piece) {
                    opened.extend_from_slice(opener.open(piece).expect("as it was sealed"));
                }
                assert!(opened == frames, "{length} bytes in pieces of {piece}");
            }
        }
    }
}

#[test]
fn a_record_that_is_changed_moved_dropped_or_repeated_does_not_open() {
    let whole = || {
        let [a, b] = linked();
        let ((mut sealer, _), (_, opener)) = (a.halves.expect("through"), b.halves.expect("through"));
        let records: Vec<Vec<u8>> = [b"first", b"other"]
            .iter()
            .map(|frames| sealer.seal(*frames).expect("sealed").to_vec())
            .collect();
        (records, opener)
    };
    let (records, mut opener) = whole();
    assert_eq!(opener.open(&records.concat()), Ok(&b"firstother"[..]));
    assert_eq!(opener.open(&records[1]), Err(SessionError::Broken), "repeated");
    let (records, mut opener) = whole();
    assert_eq!(opener.open(&records[1]), Err(SessionError::Broken), "moved, or the first dropped");
    for at in 2..whole().0[0].len() {
        for bit in 0..8 {
            let (mut records, mut opener) = whole();
            records[0][at] ^= 1 << bit;
            assert_eq!(opener.open(&records[0]), Err(SessionError::Broken), "bit {bit} of byte {at}");
        }
    }
    for length in 0..TAG as u16 {
        let (_, mut opener) = whole();
        let short = [&length.to_le_bytes()[..], &vec![0; usize::from(length)]].concat();
        assert_eq!(opener.open(&short), Err(SessionError::Broken), "a record of {length} bytes");
    }
}

/// Both states of snow's after a handshake with fixed keys, so that its own transport can be held beside ours.
fn fixed() -> [HandshakeState; 2] {
    let builder = |key: &'static [u8; 32]| {
        let params = "Noise_NNpsk0_25519_AESGCM_SHA256".parse().expect("a protocol");
        Builder::new(params).fixed_ephemeral_key_for_testing_only(key).psk(0, &[7; 32]).expect("set once")
    };
    let mut a = builder(&[1; 32]).build_initiator().expect("complete");
    let mut b = builder(&[2; 32]).build_responder().expect("complete");
    let (mut message, mut payload) = ([0; 100], [0; 100]);
    let length = a.write_message(&[], &mut message).expect("our turn");
    b.read_message(&message[..length], &mut payload).expect("good");
    let length = b.write_message(&[], &mut message).expect("our turn");
    a.read_message(&message[..length], &mut payload).expect("good");
    [a, b]
}

#[test]
fn the_records_are_those_of_noise_and_so_is_the_change_of_keys() {
    let [mut a, b] = fixed();
    let (key, _) = a.dangerously_get_raw_split();
    let mut ours = Sealing::new(Cipher::new(&key).with_records_per_key(3));
    let mut opening = Opening::new(Cipher::new(&key).with_records_per_key(3));
    let mut theirs = b.into_transport_mode().expect("finished");
    for record in 0..10_u8 {
        if record > 0 && record % 3 == 0 {
            theirs.rekey_incoming();
        }
        let sealed = ours.seal(&[record; 50]).expect("sealed").to_vec();
        let mut payload = [0; 100];
        let length = theirs.read_message(&sealed[2..], &mut payload).expect("what snow would have said");
        assert_eq!(payload[..length], [record; 50], "record {record}");
        assert_eq!(opening.open(&sealed), Ok(&[record; 50][..]), "record {record}");
    }
}
