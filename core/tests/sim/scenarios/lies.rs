//! One machine alone, lied to by bytes: each sort of lie ends its link with its name, and what is believed is bounded.

use skep_core::event::{Event, Input, Misbehaviour, Reply, Request, Status, Way};
use skep_core::id::{Life, LinkId};
use skep_core::wire::{Frame, Hello};

use super::by_bytes::{
    A, Alone, B, BARRIER, BARRIER_ACK, CLAIM, DELTA, DIGEST, GREET, LINK, RECORDS, REPLY, bytes, dawn,
    greeting, one, record,
};
use super::millis;

const REPROACH: u16 = 0x0006;
const RELAY: u16 = 0x0050;

const C: Life = Life(3_000_000);
const SECOND: LinkId = LinkId(2);

/// A removal in the log of b, of the registration that b made at `dot`.
fn removal(seq: u64, dot: u64, epoch: u64) -> Vec<u8> {
    let entry = bytes(&(0u8, (B, dot), "x", epoch, 1u8, 0u8, 0u32));
    [bytes(&(B, 0u64, seq, seq, 0u64)), one([bytes(&seq), entry].concat())].concat()
}

/// A list of registrations of attached workers that b wrote into its log, by position and registration, each with its epoch.
fn written_by_b(records: &[(u64, u64, u64)]) -> Vec<u8> {
    let now = dawn();
    let entry = |&(seq, dot, epoch): &(u64, u64, u64)| {
        // Attached, on the larger side, without restarts, never handed on.
        let name = format!("by-b-{dot}");
        let live = (0u8, Some(B), (B, dot), 1u8, 1u8, 0u8, 0u32);
        bytes(&(seq, 0u8, (B, dot), name, now + epoch, live))
    };
    let (first, last) = (records[0].0 - 1, records[records.len() - 1].0);
    let items = records.iter().flat_map(entry);
    bytes(&(B, first, last, last, 0u64)).into_iter().chain([records.len() as u8]).chain(items).collect()
}

/// a, which is up, and linked with b.
fn linked() -> Alone {
    Alone::linked(Alone::config("a", A))
}

fn accused(a: &Alone) -> Vec<Misbehaviour> {
    let accused = a.events.iter().filter_map(|event| match event {
        Event::PeerMisbehaved { life: B, what, .. } => Some(*what),
        _ => None,
    });
    accused.collect()
}

#[test]
pub fn what_no_correct_peer_sends_ends_its_link_with_its_name() {
    let now = crate::world::DAWN_MICROS / 1000;
    let years = 1000 * 3600 * 24 * 366;
    let lies = [
        (GREET, vec![7, 7, 7], Misbehaviour::NoMessage),
        (GREET, vec![0, 0, 0], Misbehaviour::NotItself),
        (GREET, greeting(record(B, "somebody", 1, 0, 0), &[]), Misbehaviour::NotItself),
        (DELTA, bytes(&(A, 0u64, 0u64, 0u64, 0u64, [(); 0].as_slice())), Misbehaviour::ForeignLog),
        (DELTA, bytes(&(B, 5u64, 3u64, 3u64, 0u64, [(); 0].as_slice())), Misbehaviour::Disordered),
        (DELTA, bytes(&(B, 0u64, 3u64, 2u64, 0u64, [(); 0].as_slice())), Misbehaviour::Disordered),
        (DELTA, bytes(&(B, 0u64, 3u64, 3u64, 4u64, [(); 0].as_slice())), Misbehaviour::Disordered),
        (DELTA, removal(1, 9, now << 20), Misbehaviour::NotYetMade),
        (DELTA, removal(1, 0, now << 20), Misbehaviour::NotYetMade),
        (DELTA, removal(1, 1, (now + 11 * years) << 20), Misbehaviour::EpochFromFuture),
        (CLAIM, bytes(&((A, 1u64), "x", 1u8, 1000u64)), Misbehaviour::NotItsClaim),
        (REPLY, bytes(&((A, 1u64), 6u8)), Misbehaviour::NotAsked), // "gone"
        (REPLY, bytes(&((C, 1u64), 6u8)), Misbehaviour::NotAsked),
        (RELAY, bytes(&(A, A, CLAIM, [(); 0].as_slice())), Misbehaviour::NotItsLetter),
        (RELAY, bytes(&(C, A, CLAIM, [(); 0].as_slice())), Misbehaviour::NotItsLetter),
    ];
    for (kind, body, what) in lies {
        let mut a = linked();
        a.sent.clear();
        a.tell(kind, body.clone());
        assert_eq!(accused(&a), [what], "{kind:#06x} {body:?}");
        assert_eq!(a.closed, [LINK], "{what:?}: its link stays");
        let kinds: Vec<u16> = a.sent.iter().map(|frame| frame.kind).collect();
        assert!(kinds.contains(&REPROACH), "{what:?}: it is not told why: {kinds:x?}");
    }
}

#[test]
pub fn who_closes_each_link_before_it_greets_is_not_dialled_without_a_pause() {
    let mut a = linked();
    a.input(Input::LinkDown { link: LINK });
    let (until, mut dials) = (a.now + millis(1000), 0);
    while a.now < until {
        let Some(address) = a.dials.pop() else {
            a.wait(millis(1));
            continue;
        };
        dials += 1;
        assert!(dials < 50, "dialled {dials} times, with {:?} to go of a second", until.since(a.now));
        let (link, peer) = (LinkId(100 + dials), Hello::of(&Alone::config("b", B)));
        a.input(Input::LinkUp { link, way: Way::Dialled(address), peer });
        a.input(Input::LinkDown { link });
    }
    assert!(dials > 1, "it goes on dialling");
}

#[test]
pub fn a_log_that_is_longer_than_it_may_be_ends_its_link() {
    let mut config = Alone::config("a", A);
    config.max_log = 3;
    let mut a = Alone::linked(config);
    let names = |a: &Alone| a.places.values().flatten().count();
    a.tell(DELTA, written_by_b(&[(1, 1, 0), (2, 2, 0), (3, 3, 0)]));
    a.tell(DELTA, written_by_b(&[(4, 1, 1), (5, 3, 1)])); // the same registrations, later
    assert_eq!((accused(&a), names(&a)), (Vec::new(), 3));
    a.tell(DELTA, written_by_b(&[(6, 2, 1), (7, 4, 1)]));
    assert_eq!((accused(&a), names(&a)), (vec![Misbehaviour::LogTooLong], 3));
    assert_eq!(a.closed, [LINK]);
}

#[test]
pub fn what_may_be_honest_ends_no_link() {
    let now = crate::world::DAWN_MICROS / 1000;
    let years = 1000 * 3600 * 24 * 366;
    let mut a = linked();
    a.tell(DELTA, removal(1, 1, (now + 9 * years) << 20));
    a.tell(DELTA, bytes(&(C, 7u64, 7u64, 0u64, 0u64, [(); 0].as_slice())));
    a.tell(RELAY, bytes(&(C, B, CLAIM, [(); 0].as_slice())));
    assert_eq!((accused(&a), a.closed), (Vec::new(), Vec::new()));
}

#[test]
pub fn who_misbehaved_has_to_wait_for_its_next_link() {
    let mut a = linked();
    a.tell(GREET, vec![0, 0, 0]);
    let again = |a: &mut Alone, link| {
        let peer = Hello::of(&Alone::config("b", B));
        a.input(Input::LinkUp { link, way: Way::Accepted, peer });
        !a.closed.contains(&link)
    };
    assert!(!again(&mut a, SECOND), "it is let in again at once");
    a.wait(millis(10_000));
    assert!(again(&mut a, LinkId(3)), "it is never let in again");
}

#[test]
pub fn nobody_is_told_a_revision_of_a_third_that_this_one_cannot_refute() {
    let mut a = linked();
    a.tell(RECORDS, one(record(C, "c", 1, 0, 0)));
    a.tell(RECORDS, one(record(C, "c", 1, u32::MAX, 2)));
    a.call(Request::Members);
    assert_eq!(a.status_of(C), Some(Status::Up), "nobody can refute the last revision");
}

#[test]
pub fn what_a_life_says_of_itself_counts_whatever_was_said_before() {
    let mut a = Alone::new();
    a.wait(millis(300));
    let peer = |node: &str, life| Hello::of(&Alone::config(node, life));
    a.input(Input::LinkUp { link: SECOND, way: Way::Accepted, peer: peer("c", C) });
    let lie = [vec![2], record(C, "c", 1, 0, 0), record(B, "b", 9, 0, 0), vec![0, 0]].concat();
    a.input(Input::Message { link: SECOND, frame: Frame { kind: GREET, body: lie } });
    a.link();
    a.tell(GREET, greeting(record(B, "b", 3, 0, 0), &[]));
    let weight = a.members().into_iter().find(|member| member.life == B).map(|member| member.weight);
    assert_eq!(weight, Some(3), "b weighs what b says");
}

#[test]
pub fn a_log_is_as_long_as_its_writer_says() {
    let mut a = Alone::new();
    a.wait(millis(300));
    let peer = |node: &str, life| Hello::of(&Alone::config(node, life));
    a.input(Input::LinkUp { link: SECOND, way: Way::Accepted, peer: peer("c", C) });
    let long = bytes(&[(B, 50u64)].as_slice()); // a asks c for it
    let both = [vec![2], record(C, "c", 1, 0, 0), record(B, "b", 1, 0, 0), long, vec![0]].concat();
    a.input(Input::Message { link: SECOND, frame: Frame { kind: GREET, body: both } });
    let lie = |a: &mut Alone, to: u64| {
        let body = bytes(&(B, 0u64, to, to, 0u64, [(); 0].as_slice()));
        a.input(Input::Message { link: SECOND, frame: Frame { kind: DELTA, body } });
    };
    lie(&mut a, 50); // before b has a link
    a.link();
    a.tell(GREET, greeting(record(B, "b", 1, 0, 0), &[]));
    a.sent.clear();
    a.tell(DIGEST, bytes(&([(B, 2u64)].as_slice(), true)));
    let position = |a: &Alone| {
        let digest = a.sent.iter().rev().find(|frame| frame.kind == DIGEST).expect("it asks for the rest");
        let (positions, _): (Vec<(Life, u64)>, bool) = postcard::from_bytes(&digest.body).expect("a digest");
        positions.into_iter().find(|(life, _)| *life == B).map_or(0, |(_, position)| position)
    };
    assert_eq!(position(&a), 0, "it waits for what b will write as if it had it");
    lie(&mut a, 50); // while b has one
    a.sent.clear();
    a.tell(DIGEST, bytes(&([(A, 0u64); 0].as_slice(), false)));
    let asked = a.sent.iter().any(|frame| frame.kind == DIGEST);
    assert!(!asked, "it believes another about what b itself says");
}

#[test]
pub fn a_record_that_comes_with_an_answer_is_taken_of_no_log_that_its_writer_tells() {
    let mut a = linked();
    let peer = Hello::of(&Alone::config("c", C));
    a.input(Input::LinkUp { link: SECOND, way: Way::Accepted, peer });
    a.input(Input::Message {
        link: SECOND,
        frame: Frame { kind: GREET, body: greeting(record(C, "c", 1, 0, 0), &[]) },
    });
    a.sent.clear();
    a.register_more("x");
    let is_claim = |frame: &&Frame| frame.kind == CLAIM;
    let claim = a.sent.iter().find(is_claim).expect("of some name another is the arbiter");
    let ((life, seq), text): ((Life, u64), String) =
        postcard::take_from_bytes(&claim.body).expect("a claim").0;
    let epoch = dawn();
    // "Registered", with what is said to stand first in the log of c: attached, on the larger side.
    let entry = ((C, 1u64), text.clone(), epoch, 0u8, Some(A), (life, seq), 1u8, 1u8, 0u8, 0u32);
    a.tell(REPLY, bytes(&((life, seq), 0u8, C, 1u64, entry)));
    let heard = a.replies.iter().any(|reply| matches!(reply, Reply::Registered(Ok(_))));
    assert!(heard, "the answer is none: {:?}", a.replies);
    assert_eq!(a.places.get(&crate::calls::name(&text)), None, "b says what c wrote");
}

#[test]
pub fn a_gate_waits_for_no_record_that_its_writer_does_not_have() {
    let mut a = linked();
    let generation = a.sent.iter().rev().find_map(|frame| {
        (frame.kind == BARRIER).then(|| postcard::take_from_bytes::<u64>(&frame.body).expect("a barrier").0)
    });
    let generation = generation.expect("a asks b for its word");
    a.tell(BARRIER_ACK, bytes(&(generation, [(B, 9u64)].as_slice(), [(); 0].as_slice())));
    let is_open = |a: &Alone| a.machine.holdings().contains(&("gates", 0));
    assert!(!is_open(&a), "b may have written something since, which is on its way");
    for _ in 0..100 {
        a.wait(millis(100));
        a.tell(DIGEST, bytes(&([(B, 0u64); 0].as_slice(), true)));
    }
    assert!(is_open(&a), "b says again and again that it wrote nothing");
}

#[test]
pub fn what_is_held_by_nobody_who_ever_was_is_held_no_more_once_its_writer_is_forgotten() {
    let mut a = linked();
    let epoch = dawn();
    // Attached, on the larger side, without restarts, never handed on.
    let entry = bytes(&(0u8, (B, 1u64), "x", epoch, 0u8, Some(C), (B, 1u64), 1u8, 1u8, 0u8, 0u32));
    a.tell(DELTA, [bytes(&(B, 0u64, 1u64, 1u64, 0u64)), one([bytes(&1u64), entry].concat())].concat());
    let place = |a: &Alone| a.places.get(&crate::calls::name("x")).cloned().flatten();
    assert_eq!(a.holder_of("x"), Some(C));
    a.forget_b();
    assert_eq!(place(&a), None, "it waits for the word of a life that never was");
}

#[test]
pub fn what_claims_to_be_the_last_copy_that_can_be_counted_goes_on_all_the_same() {
    let mut a = linked();
    let epoch = dawn();
    // Attached to a, and copied from log to log as often as can be counted.
    let entry = bytes(&(0u8, (B, 1u64), "x", epoch, 0u8, Some(A), (B, 1u64), 1u8, 1u8, 0u8, u32::MAX));
    a.tell(DELTA, [bytes(&(B, 0u64, 1u64, 1u64, 0u64)), one([bytes(&1u64), entry].concat())].concat());
    a.forget_b();
    assert_eq!(a.holder_of("x"), Some(A), "a forgets what is attached to it");
    assert_eq!(a.status_of(B), None, "b is never forgotten");
}

impl Alone {
    fn holder_of(&self, name: &str) -> Option<Life> {
        self.places.get(&crate::calls::name(name))?.as_ref()?.holder
    }

    /// b says that it has left, and its life is forgotten.
    fn forget_b(&mut self) {
        let none = [(); 0].as_slice();
        self.tell(RECORDS, one(bytes(&(B, "b", "b:1", 1u16, none, none, 0u32, 3u8, 0u8))));
        for _ in 0..4 {
            self.wait(millis(3_601_000));
        }
    }

    fn members(&mut self) -> Vec<skep_core::event::MemberView> {
        self.call(Request::Members);
        match self.replies.pop() {
            Some(Reply::Members(members)) => members,
            reply => panic!("{reply:?}"),
        }
    }

    fn status_of(&mut self, life: Life) -> Option<Status> {
        self.members().into_iter().find(|member| member.life == life).map(|member| member.status)
    }
}
