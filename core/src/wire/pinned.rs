//! Each message by its bytes, in each version: what is released once is never changed, and what is no message is refused.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};

use super::WIRE_MAX;
use super::frame::Frame;
use super::list::List;
use super::message::*;
use crate::error::{NoQuorum, Refusal, WireError};
use crate::event::{Misbehaviour, Registration, WorkerSpec};
use crate::id::{
    Address, ClaimId, Dot, Epoch, Group, Kind, Life, Name, NodeName, Payload, Reason, Revision, Role,
};
use crate::membership::{Announced, Ended, Health, Record, Side};
use crate::placement::{Bond, Place, Together};
use crate::supervisor::Crashes;
use crate::tracker::{Enrolment, Entry, Item, Presence, State};

fn name() -> Name {
    Name::new("n").expect("a good name")
}

fn spec() -> WorkerSpec {
    let args = Payload::new([1, 2]).expect("small");
    let place = Place::with([Role::new("r").expect("a good role")]).expect("one role");
    let place = place.together(Together { key: name(), bond: Bond::RestForOne, rank: 3 });
    WorkerSpec::Managed { kind: Kind::new("k").expect("a good kind"), args, place }
}

fn claim() -> ClaimId {
    ClaimId { life: Life(300), seq: 2 }
}

fn dot() -> Dot {
    Dot { life: Life(300), seq: 7 }
}

fn record() -> Record {
    Record {
        life: Life(300),
        node: NodeName::new("a").expect("a good name"),
        address: Address::new("h:1").expect("a good address"),
        weight: 1,
        roles: List(vec![Role::new("r").expect("a good role")]),
        kinds: List(vec![Kind::new("k").expect("a good kind")]),
        wire: 2,
        revision: Revision(3),
        announced: Announced::Up,
        health: Health::Suspect,
    }
}

fn entry(state: State) -> Entry {
    Entry { dot: dot(), name: name(), epoch: Epoch(5), state, handed_on: 1 }
}

fn enrolment(presence: Presence) -> Item {
    Enrolment {
        dot: dot(),
        group: Group::new("g").expect("a good name"),
        stamp: Epoch(6),
        presence,
        handed_on: 1,
    }
    .into()
}

fn live() -> Entry {
    entry(State::Live {
        holder: Some(Life(300)),
        claim: claim(),
        spec: spec(),
        side: Side::Major,
        crashes: Some(Box::new(Crashes { count: 2, last: Epoch(9), left: Some(Life(300)) })),
    })
}

fn registration() -> Registration {
    let (node, kind) = (NodeName::new("a").expect("a good name"), Kind::new("k").expect("a good kind"));
    Registration { node, life: Life(300), epoch: Epoch(5), kind, attached: false }
}

fn report(progress: Progress) -> StartReport {
    StartReport { name: name(), dot: Some(dot()), claim: claim(), spec: spec(), epoch: Epoch(5), progress }
}

fn offer(state: Option<u64>) -> Message {
    let (dot, claim, spec) = (dot(), claim(), spec());
    Offer { name: name(), dot, claim, spec, replaces: Epoch(5), epoch: Epoch(6), state }.into()
}

fn reception(answer: Reception) -> Message {
    SurrenderReply { name: name(), beaten: Epoch(5), answer }.into()
}

fn readiness(answer: Readiness) -> Message {
    OfferReply { name: name(), epoch: Epoch(6), answer }.into()
}

/// At least one of every kind, and every variant of what is inside.
fn messages() -> Vec<(Message, &'static str)> {
    let positions = || List(vec![(Life(300), 9)]);
    let node = || NodeName::new("b").expect("a good name");
    let ended = |left_ms| List(vec![Ended { life: Life(301), node: node(), left_ms }]);
    let reply = |verdict| Message::from(ClaimReply { id: claim(), verdict });
    let wish = |wish| Message::from(Claim { id: claim(), name: name(), wish, remaining_ms: 5000 });
    let goodbye = |refusal| Message::from(Goodbye { refusal });
    let stop = |why| Message::from(StopOrder { name: name(), dot: Some(dot()), epoch: Epoch(5), why });
    let delta = Delta {
        origin: Life(300),
        from: 1,
        to: 9,
        head: 10,
        stable: 1,
        items: List(vec![
            (7, live().into()),
            (8, entry(State::Removed { claim: Some(claim()) }).into()),
            (9, enrolment(Presence::In)),
            (10, enrolment(Presence::Out)),
        ]),
    };
    vec![
        (
            Greet { records: List(vec![record()]), positions: positions(), forgotten: ended(Some(7)) }.into(),
            "0007 01ac02016103683a310101017201016b0203010101ac020901ad0201620107",
        ),
        (goodbye(Refusal::Ourselves), "0002 00"),
        (goodbye(Refusal::OtherCluster), "0002 01"),
        (goodbye(Refusal::WireVersion { min: 1, max: 2 }), "0002 020102"),
        (goodbye(Refusal::OtherSlots), "0002 03"),
        (goodbye(Refusal::NameInUse { address: Address::new("h:1").expect("good") }), "0002 0403683a31"),
        (goodbye(Refusal::TagClash), "0002 05"),
        (goodbye(Refusal::Full), "0002 06"),
        (goodbye(Refusal::Duplicate), "0002 07"),
        (goodbye(Refusal::Left), "0002 08"),
        (goodbye(Refusal::Malformed), "0002 09"),
        (goodbye(Refusal::Stalled), "0002 0a"),
        (goodbye(Refusal::OtherStrategy), "0002 0e"),
        (goodbye(Refusal::NotAllowed), "0002 0f"),
        (Records { records: List(vec![record()]) }.into(), "0008 01ac02016103683a310101017201016b02030101"),
        (goodbye(Refusal::Forgotten), "0002 0b"),
        (goodbye(Refusal::NotTrusted), "0002 0c"),
        (goodbye(Refusal::OtherProtection), "0002 0d"),
        (Forgotten { lives: ended(Some(7)) }.into(), "0004 01ad0201620107"),
        (Forgotten { lives: ended(None) }.into(), "0004 01ad02016200"),
        (Estranged { up: List(vec![Life(300), Life(9)]) }.into(), "0005 02ac0209"),
        (Reproach { code: Misbehaviour::Disordered.code() }.into(), "0006 04"),
        (Reproach { code: 300 }.into(), "0006 ac02"),
        (Ping { seq: 1, records_hash: 2, positions_hash: 3 }.into(), "0010 010203"),
        (Pong { seq: 1, records_hash: 2, positions_hash: 3 }.into(), "0011 010203"),
        (PingFor { seq: 1, subject: Life(300) }.into(), "0012 01ac02"),
        (PongFor { seq: 1, subject: Life(300), heard: true }.into(), "0013 01ac0201"),
        (Digest { positions: positions(), answer: true }.into(), "0020 01ac020901"),
        (Pull { origin: Life(300), from: 4 }.into(), "0021 ac0204"),
        (
            delta.into(),
            "0022 ac0201090a01040700ac0207016e050001ac02ac020200016b02010201017201016e0203010102090\
             1ac02010800ac0207016e050101ac0202010901ac020701670600010a01ac02070167060101",
        ),
        (Acked { position: 9 }.into(), "0023 09"),
        (Barrier { generation: 4, ring_hash: 5 }.into(), "0030 0405"),
        (
            BarrierAck {
                generation: 4,
                positions: positions(),
                starts: List(vec![report(Progress::Running)]),
            }
            .into(),
            "0031 0401ac020901016e01ac0207ac020200016b02010201017201016e02030501",
        ),
        (wish(Wish::Register(spec())), "0040 ac0202016e0000016b02010201017201016e02038827"),
        (wish(Wish::Register(WorkerSpec::Attached)), "0040 ac0202016e00018827"),
        (wish(Wish::Unregister), "0040 ac0202016e018827"),
        (wish(Wish::Restore(spec())), "0040 ac0202016e0300016b02010201017201016e02038827"),
        (wish(Wish::Locate), "0040 ac0202016e028827"),
        (
            reply(Verdict::Registered { origin: Life(300), seq: 7, entry: live() }),
            "004b ac020200ac0207ac0207016e050001ac02ac020200016b02010201017201016e02030101020901ac0201",
        ),
        (reply(Verdict::Taken(registration())), "004b ac0202010161ac0205016b00"),
        (reply(Verdict::UnknownKind), "004b ac020202"),
        (reply(Verdict::NoNodeAvailable), "004b ac020203"),
        (reply(Verdict::StartFailed(Reason::new("why"))), "004b ac02020403776879"),
        (
            reply(Verdict::Unregistered {
                origin: Life(300),
                seq: 8,
                entry: entry(State::Removed { claim: None }),
            }),
            "004b ac020205ac0208ac0207016e05010001",
        ),
        (reply(Verdict::Gone), "004b ac020206"),
        (reply(Verdict::Located(registration())), "004b ac0202070161ac0205016b00"),
        (reply(Verdict::NotFound), "004b ac020208"),
        (reply(Verdict::Busy), "004b ac020209"),
        (reply(Verdict::Stale), "004b ac02020a"),
        (reply(Verdict::TooLate), "004b ac02020b"),
        (reply(Verdict::NoQuorum(NoQuorum { present: 1, needed: 2 })), "004b ac02020c0102"),
        (reply(Verdict::TooManyNames { max: 300 }), "004b ac02020dac02"),
        (
            StartOrder { name: name(), dot: None, claim: claim(), spec: spec(), epoch: Epoch(5) }.into(),
            "0042 016e00ac020200016b02010201017201016e020305",
        ),
        (report(Progress::Starting).into(), "0043 016e01ac0207ac020200016b02010201017201016e02030500"),
        (
            report(Progress::Failed(Reason::new("why"))).into(),
            "0043 016e01ac0207ac020200016b02010201017201016e0203050203776879",
        ),
        (
            report(Progress::Refused { newest: Epoch(6) }).into(),
            "0043 016e01ac0207ac020200016b02010201017201016e0203050306",
        ),
        (report(Progress::Ready).into(), "0043 016e01ac0207ac020200016b02010201017201016e02030504"),
        (stop(Halt::Unregistered), "0044 016e01ac02070500"),
        (stop(Halt::Cancelled), "0044 016e01ac02070501"),
        (stop(Halt::Superseded), "0044 016e01ac02070502"),
        (StopReport { name: name(), epoch: Epoch(5), moved: None }.into(), "0045 016e0500"),
        (StopReport { name: name(), epoch: Epoch(5), moved: Some(Life(2)) }.into(), "0045 016e050102"),
        (offer(None), "0046 016eac0207ac020200016b02010201017201016e0203050600"),
        (offer(Some(300)), "0046 016eac0207ac020200016b02010201017201016e0203050601ac02"),
        (readiness(Readiness::Accepted), "0047 016e0600"),
        (readiness(Readiness::Prepared), "0047 016e0601"),
        (readiness(Readiness::Failed(Reason::new("why"))), "0047 016e060203776879"),
        (readiness(Readiness::Refused), "0047 016e0603"),
        (
            Surrender { name: name(), winner: Epoch(6), beaten: Epoch(5), bytes: 300 }.into(),
            "0049 016e0605ac02",
        ),
        (reception(Reception::Accepted), "004a 016e0500"),
        (reception(Reception::Done), "004a 016e0501"),
        (reception(Reception::Refused), "004a 016e0502"),
        (Withdraw { name: name(), epoch: Epoch(5) }.into(), "0048 016e05"),
        (
            Relay { to: Life(1), from: Life(2), kind: 0x0010, body: List(vec![1, 2, 3]) }.into(),
            "0050 01021003010203",
        ),
    ]
}

fn hex(frame: &Frame) -> String {
    let body: Vec<String> = frame.body.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{:04x} {}", frame.kind, body.concat())
}

/// What version 1 says in other words: what is said, what its receiver understands, and the bytes.
fn in_version_1() -> Vec<(Message, Message, String)> {
    let records = |wire| List(vec![Record { wire, ..record() }]);
    let greet = |wire| {
        let positions = List(vec![(Life(300), 9)]);
        let node = NodeName::new("b").expect("a good name");
        let forgotten = List(vec![Ended { life: Life(301), node, left_ms: Some(7) }]);
        Message::from(Greet { records: records(wire), positions, forgotten })
    };
    let told = |wire| Message::from(Records { records: records(wire) });
    let greeting = "0001 01ac02016103683a310101017201016b03010101ac020901ad0201620107";
    let mut former = vec![
        (greet(2), greet(1), greeting.into()),
        (told(2), told(1), "0003 01ac02016103683a310101017201016b030101".into()),
    ];
    for (message, pinned) in messages() {
        let Message::ClaimReply(reply) = &message else { continue };
        let (meant, bytes) = match reply.verdict {
            Verdict::TooManyNames { .. } => {
                (ClaimReply { id: reply.id, verdict: Verdict::Busy }, "0041 ac020209".into())
            }
            _ => ((**reply).clone(), pinned.replacen("004b", "0041", 1)), // but for its kind it is what it was
        };
        former.push((message, meant.into(), bytes));
    }
    former
}

#[test]
fn every_message_has_the_bytes_that_it_was_released_with() {
    let found: Vec<String> = messages().iter().map(|(message, _)| hex(&message.encode(2))).collect();
    let pinned: Vec<&str> = messages().iter().map(|(_, pinned)| *pinned).collect();
    assert_eq!(found, pinned);
}

#[test]
fn who_speaks_version_1_is_told_the_same_in_the_words_of_version_1() {
    let former = in_version_1();
    for (message, pinned) in messages() {
        let frame = message.encode(1);
        let (meant, pinned) = match former.iter().find(|(said, ..)| *said == message) {
            Some((_, meant, bytes)) => (meant.clone(), bytes.clone()),
            None => (message, pinned.into()),
        };
        assert_eq!(hex(&frame), pinned);
        for version in [1, 2] {
            assert_eq!(Message::decode(&frame, version), Ok(Some(meant.clone())), "by version {version}");
        }
    }
}

#[test]
fn what_version_2_says_in_its_own_words_is_skipped_by_version_1() {
    for (message, ..) in in_version_1() {
        assert_eq!(Message::decode(&message.encode(2), 1), Ok(None), "{message:?}");
    }
}

#[test]
fn a_word_of_version_2_is_none_by_the_number_of_version_1() {
    let full = ClaimReply { id: claim(), verdict: Verdict::TooManyNames { max: 300 } };
    let frame = Frame { kind: 0x0041, ..Message::from(full).encode(2) };
    assert_eq!(Message::decode(&frame, 2), Err(WireError::Body { kind: 0x0041 }));
}

#[test]
fn each_kind_has_one_number_for_ever() {
    let mut kinds: Vec<u16> = messages().iter().map(|(message, _)| message.encode(2).kind).collect();
    kinds.extend(in_version_1().iter().map(|(message, ..)| message.encode(1).kind));
    kinds.sort_unstable();
    kinds.dedup();
    let mut table: Vec<u16> = Message::KINDS.iter().chain(Message::FORMER).copied().collect();
    table.sort_unstable();
    assert_eq!(kinds, table, "each kind is pinned, and none has the number of another");
}

#[test]
fn every_message_comes_back_as_it_went() {
    for (message, _) in messages() {
        assert_eq!(Message::decode(&message.encode(WIRE_MAX), WIRE_MAX), Ok(Some(message)));
    }
}

#[test]
fn every_truncation_and_every_extension_is_refused() {
    for (message, version) in
        messages().into_iter().flat_map(|(message, _)| [(message.clone(), 1), (message, 2)])
    {
        let frame = message.encode(version);
        let refused = Err(WireError::Body { kind: frame.kind });
        for end in 0..frame.body.len() {
            let cut = Frame { kind: frame.kind, body: frame.body[..end].to_vec() };
            assert_eq!(Message::decode(&cut, version), refused, "{message:?} cut at {end}");
        }
        let mut longer = frame;
        longer.body.push(0);
        assert_eq!(Message::decode(&longer, version), refused, "{message:?} with a byte more");
    }
}

#[test]
fn an_unknown_kind_is_skipped_and_not_an_error() {
    assert_eq!(Message::decode(&Frame { kind: 0x7fff, body: vec![1, 2, 3] }, WIRE_MAX), Ok(None));
}

#[test]
fn no_bytes_of_a_body_make_decoding_panic() {
    let mut random = crate::random::Random::new(1);
    for (message, _) in messages() {
        let frame = message.encode(WIRE_MAX);
        for _ in 0..2000 {
            let mut body = frame.body.clone();
            for _ in 0..=random.next() % 3 {
                if let Some(index) = (random.next() as usize).checked_rem(body.len()) {
                    body[index] = random.next() as u8;
                }
            }
            drop(Message::decode(&Frame { kind: frame.kind, body }, WIRE_MAX)); // either is fine, as long as it returns
        }
    }
}
