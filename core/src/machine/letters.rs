//! Letters that no honest peer writes, or that come late: one machine, and a peer whose every word is chosen.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use crate::Config;
use crate::config::KindConfig;
use crate::error::{Refusal, RegisterError};
use crate::event::{Input, Output, Reply, Request, Stopped, Way, WorkerSpec};
use crate::id::{
    Address, CallId, ClaimId, ClusterName, Dot, Epoch, Kind, Life, LinkId, Name, NodeName, Payload, Revision,
};
use crate::machine::Machine;
use crate::membership::{Announced, Health, Record};
use crate::time::Instant;
use crate::tracker::{Entry, State};
use crate::wire::message::{
    BarrierAck, Claim, ClaimReply, Delta, Greet, Halt, Message, Pong, Progress, Records, Relay, StartOrder,
    StartReport, StopOrder, Verdict, Wish,
};
use crate::wire::{Frame, Hello, List};

const A: Life = Life(1_000_000);
const B: Life = Life(2_000_000);
const C: Life = Life(3_000_000);
const LINK: LinkId = LinkId(1);

/// Node a, which is real, linked to b, which is this test's. Both are up, and a's gates are passed.
struct Letters {
    a: Machine,
    now: Instant,
    calls: u64,
    /// What a said and did and nobody looked at yet.
    said: Vec<Message>,
    outputs: VecDeque<Output>,
}

impl Letters {
    fn new() -> Self {
        Self::with(config("a", A))
    }

    fn with(config: Config) -> Self {
        let now = Instant::from_nanos(1);
        let mut letters = Self {
            a: Machine::new(config, now).expect("a good config"),
            now,
            calls: 0,
            said: Vec::new(),
            outputs: VecDeque::new(),
        };
        let peer = Hello::of(&self::config("b", B));
        letters.input(Input::LinkUp { link: LINK, way: Way::Accepted, peer });
        letters.tell(Greet { records: List([record("b", B)].into()), positions: List::default() });
        letters.agree();
        assert!(letters.a.gates.are_passed(), "b agreed to the ring and a's gates are closed");
        letters
    }

    fn input(&mut self, input: Input) {
        self.a.handle(self.now, input);
        while let Some(output) = self.a.poll_output() {
            if let Output::Send { frame, .. } = &output {
                self.said.extend(Message::decode(frame).expect("a writes well"));
            } else {
                self.outputs.push_back(output);
            }
        }
    }

    fn tell(&mut self, message: impl Into<Message>) {
        self.input(Input::Message { link: LINK, frame: message.into().encode() });
    }

    /// b says yes to each barrier that a asked it for.
    fn agree(&mut self) {
        let generations: Vec<u64> = (self.said.drain(..))
            .filter_map(|message| match message {
                Message::Barrier(barrier) => Some(barrier.generation),
                _ => None,
            })
            .collect();
        for generation in generations {
            self.tell(BarrierAck { generation, positions: List::default(), starts: List::default() });
        }
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.a.poll_timeout().filter(|&due| due <= until) {
            self.now = due.max(self.now);
            self.input(Input::Timeout);
            let pings: Vec<u64> = (self.said.iter())
                .filter_map(|message| match message {
                    Message::Ping(ping) => Some(ping.seq),
                    _ => None,
                })
                .collect();
            self.said.retain(|message| !matches!(message, Message::Ping(_)));
            for seq in pings {
                self.tell(Pong { seq, records_hash: 0, positions_hash: 0 });
            }
        }
        self.now = until;
    }

    fn call(&mut self, request: Request) -> CallId {
        self.calls += 1;
        let call = CallId(self.calls);
        self.input(Input::Call { call, deadline: self.now + Duration::from_secs(5), request });
        call
    }

    fn answer(&mut self, call: CallId) -> Option<Reply> {
        let place = self.outputs.iter().position(
            |output| matches!(output, Output::Return { call: answered, .. } if *answered == call),
        )?;
        match self.outputs.remove(place) {
            Some(Output::Return { reply, .. }) => Some(reply),
            _ => unreachable!("it was just found"),
        }
    }

    /// The claim that a sent to b last.
    fn claim(&mut self) -> ClaimId {
        let mut claims = self.said.iter().filter_map(|message| match message {
            Message::Claim(claim) => Some(claim.id),
            _ => None,
        });
        claims.next_back().expect("a asked b")
    }

    /// A name whose arbiter this is.
    fn name_of(&self, arbiter: Life) -> Name {
        let names = (0..).map(|n| name(&format!("name-{n}")));
        let owner = |name: &Name| self.a.ring.owner(self.a.ring.slot_of(name));
        names.into_iter().find(|name| owner(name) == Some(arbiter)).expect("a slot for each")
    }

    fn starts(&self) -> Vec<Epoch> {
        let starts = self.outputs.iter().filter_map(|output| match output {
            Output::Start { epoch, .. } => Some(*epoch),
            _ => None,
        });
        starts.collect()
    }

    fn was_closed_for(&self, refusal: &Refusal) -> bool {
        self.outputs.iter().any(|output| matches!(output, Output::Close { reason, .. } if reason == refusal))
    }
}

fn config(text: &str, life: Life) -> Config {
    let cluster = ClusterName::new("letters").expect("a good name");
    let address = Address::new(format!("{text}:1")).expect("a good address");
    let mut config = Config::new(cluster, NodeName::new(text).expect("a good name"), life, address);
    config.slot_bits = 8;
    config.kinds = Vec::from([KindConfig { kind: kind(), restart: Default::default() }]);
    config
}

fn record(text: &str, life: Life) -> Record {
    Record {
        life,
        node: NodeName::new(text).expect("a good name"),
        address: Address::new(format!("{text}:1")).expect("a good address"),
        weight: 1,
        roles: List::default(),
        kinds: List([kind()].into()),
        revision: Revision(0),
        announced: Announced::Up,
        health: Health::Alive,
    }
}

fn kind() -> Kind {
    Kind::new("plain").expect("a good kind")
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a good name")
}

fn managed() -> WorkerSpec {
    WorkerSpec::Managed { kind: kind(), args: Payload::empty() }
}

fn entry(dot: Dot, name: &Name, epoch: u64, holder: Life) -> Entry {
    let claim = ClaimId { life: B, seq: 77 };
    let state = State::Live { holder: Some(holder), claim, spec: managed() };
    Entry { dot, name: name.clone(), epoch: Epoch(epoch << 20), state }
}

fn delta(origin: Life, to: u64, entries: impl IntoIterator<Item = (u64, Entry)>) -> Delta {
    Delta { origin, from: 0, to, head: to, stable: 0, entries: List(entries.into_iter().collect()) }
}

const B1: Dot = Dot { life: B, seq: 1 };

#[test]
fn an_answer_that_registers_and_holds_a_removed_entry_is_no_answer() {
    let mut letters = Letters::new();
    let theirs = letters.name_of(B);
    let call = letters.call(Request::Register { name: theirs.clone(), worker: managed() });
    let id = letters.claim();
    let entry = entry(B1, &theirs, 5, B).removed(Epoch(6 << 20));
    letters.tell(ClaimReply { id, verdict: Verdict::Registered { origin: B, seq: 1, entry } });
    assert_eq!(letters.answer(call), None, "it is answered by what says nothing of its wish");
    letters.pass(Duration::from_secs(6));
    assert_eq!(letters.answer(call), Some(Reply::Registered(Err(RegisterError::Timeout))));
}

#[test]
fn nobody_writes_into_our_log_by_an_answer() {
    let mut letters = Letters::new();
    let theirs = letters.name_of(B);
    letters.call(Request::Register { name: theirs.clone(), worker: managed() });
    let id = letters.claim();
    let forged = entry(Dot { life: B, seq: 1 }, &theirs, 5, B);
    letters.tell(ClaimReply { id, verdict: Verdict::Registered { origin: A, seq: 1, entry: forged } });
    assert_eq!(letters.a.registry.winner(&theirs), None, "our log holds what we did not write");
}

#[test]
fn nobody_ends_what_we_have_yet_to_register() {
    let mut letters = Letters::new();
    let ours = letters.name_of(A);
    let dot = Dot { life: A, seq: 1 };
    let removed = entry(dot, &name("other"), 5, B).removed(Epoch(6 << 20));
    letters.tell(delta(B, 1, [(1, removed)]));
    letters.call(Request::Register { name: ours.clone(), worker: WorkerSpec::Attached });
    assert_eq!(letters.a.registry.winner(&ours).map(|entry| entry.dot), Some(dot));
}

#[test]
fn a_letter_in_our_own_name_is_nobodys() {
    let mut letters = Letters::new();
    let ours = letters.name_of(A);
    let id = ClaimId { life: A, seq: 9 };
    let claim =
        Claim { id, name: ours.clone(), wish: Wish::Register(WorkerSpec::Attached), remaining_ms: 1000 };
    let Frame { kind, body } = Message::from(claim).encode();
    letters.tell(Relay { to: A, from: A, kind, body: List(body) });
    assert_eq!(letters.a.registry.winner(&ours), None, "a claimed nothing");
}

#[test]
fn the_log_of_an_unknown_life_is_not_kept() {
    let mut letters = Letters::new();
    let stranger = Life(9_000_000);
    let dot = Dot { life: stranger, seq: 1 };
    letters.tell(delta(stranger, 1, [(1, entry(dot, &name("x"), 5, B))]));
    assert!(letters.a.registry.log(stranger).is_none(), "whoever invents lives makes us keep them");
}

#[test]
fn an_epoch_of_the_far_future_closes_its_link() {
    let mut letters = Letters::new();
    let mut entry = entry(B1, &name("x"), 5, B);
    entry.epoch = Epoch(u64::MAX - 3);
    letters.tell(delta(B, 1, [(1, entry)]));
    assert!(letters.was_closed_for(&Refusal::Malformed), "an epoch that leaves no later one was taken");
}

#[test]
fn the_last_epoch_of_a_peer_leaves_room_for_ours() {
    let mut letters = Letters::new();
    let last = Entry { epoch: Epoch::LAST, ..entry(B1, &name("x"), 5, B) };
    letters.tell(delta(B, 1, [(1, last)]));
    assert!(letters.a.next_epoch() > Epoch::LAST);
}

#[test]
fn a_removal_in_an_answer_counts_before_its_registration_is_known() {
    let mut letters = Letters::new();
    let theirs = letters.name_of(B);
    letters.call(Request::Unregister { name: theirs.clone() });
    let id = letters.claim();
    let registered = entry(B1, &theirs, 5, B);
    let removed = registered.removed(Epoch(6 << 20));
    letters.tell(ClaimReply { id, verdict: Verdict::Unregistered { origin: B, seq: 2, entry: removed } });
    letters.tell(delta(B, 1, [(1, registered)]));
    assert_eq!(letters.a.registry.winner(&theirs), None, "a removal that its caller heard of was undone");
}

#[test]
fn a_copy_that_comes_after_its_writer_died_is_shared_again() {
    let mut letters = Letters::new();
    let theirs = letters.name_of(B);
    letters.call(Request::Register { name: theirs.clone(), worker: managed() });
    let id = letters.claim();
    let dead = Record { health: Health::Refused, ..record("c", C) };
    letters.tell(Records { records: List([dead].into()) });
    let entry = entry(Dot { life: C, seq: 3 }, &theirs, 5, B);
    letters.tell(ClaimReply { id, verdict: Verdict::Registered { origin: C, seq: 3, entry } });
    let shared = letters.said.iter().any(
        |message| matches!(message, Message::Delta(delta) if delta.origin == A && delta.entries.len() == 1),
    );
    assert!(shared, "the only copy stays where it is");
}

/// A worker of b's wish that runs here, and is recorded.
fn running_here(letters: &mut Letters, name: &Name) -> Epoch {
    let epoch = Epoch(5 << 20);
    letters.tell(order(name, epoch, None));
    letters.input(Input::WorkerStarted { name: name.clone(), epoch, result: Ok(()) });
    letters.tell(delta(B, 1, [(1, entry(B1, name, 5, A))]));
    epoch
}

fn order(name: &Name, epoch: Epoch, dot: Option<Dot>) -> StartOrder {
    StartOrder { name: name.clone(), dot, claim: ClaimId { life: B, seq: 77 }, spec: managed(), epoch }
}

#[test]
fn a_start_that_was_cancelled_while_it_waited_for_a_stop_never_runs() {
    let mut letters = Letters::new();
    let theirs = letters.name_of(B);
    let first = running_here(&mut letters, &theirs);
    let second = Epoch(8 << 20);
    letters.tell(order(&theirs, second, Some(B1)));
    letters.said.clear();
    letters.tell(StopOrder { name: theirs.clone(), dot: None, epoch: second, why: Halt::Cancelled });
    let confirmed =
        |letters: &Letters| letters.said.iter().any(|said| matches!(said, Message::StopReport(_)));
    let early = confirmed(&letters);
    letters.outputs.clear();
    letters.input(Input::WorkerStopped { name: theirs.clone(), epoch: first, outcome: Stopped::Kindly });
    assert!(early || confirmed(&letters), "its arbiter waits for the word that it does not run");
    assert!(!letters.starts().contains(&second), "it was confirmed as stopped, and runs");
}

#[test]
fn a_start_that_waited_for_a_stop_is_refused_when_its_arbiter_is_none_any_more() {
    let mut letters = Letters::new();
    let theirs = letters.name_of(B);
    let first = running_here(&mut letters, &theirs);
    letters.tell(order(&theirs, Epoch(8 << 20), Some(B1)));
    letters
        .tell(Records { records: List([Record { announced: Announced::Leaving, ..record("b", B) }].into()) });
    letters.outputs.clear();
    letters.input(Input::WorkerStopped { name: theirs.clone(), epoch: first, outcome: Stopped::Kindly });
    assert!(!letters.starts().contains(&Epoch(8 << 20)), "an order of the former arbiter runs in our name");
}

#[test]
fn a_late_report_of_a_start_does_not_bring_a_removed_name_back() {
    let mut letters = Letters::new();
    let ours = letters.name_of(A);
    letters.tell(StartReport {
        name: ours.clone(),
        dot: None,
        claim: ClaimId { life: B, seq: 77 },
        spec: managed(),
        epoch: Epoch(5 << 20),
        progress: Progress::Running,
    });
    assert_eq!(letters.a.registry.winner(&ours), None, "it is written down before its host was asked");
}

#[test]
fn reports_for_slots_that_are_lost_before_their_gate_passes_are_forgotten() {
    let mut letters = Letters::new();
    let ours = letters.name_of(A);
    letters.tell(Records { records: List([record("c", C)].into()) });
    assert!(!letters.a.gates.are_passed(), "the registry of a new member is not known yet");
    let ours = if letters.a.owns(letters.a.ring.slot_of(&ours)) { ours } else { letters.name_of(A) };
    letters.tell(StartReport {
        name: ours,
        dot: None,
        claim: ClaimId { life: B, seq: 77 },
        spec: managed(),
        epoch: Epoch(5 << 20),
        progress: Progress::Running,
    });
    assert_eq!(letters.a.gates.stashed(), 1);
    let call = letters.call(Request::Drain);
    assert_eq!(letters.a.gates.stashed(), 0, "a node that owns nothing keeps reports for what it lost");
    let _ = letters.answer(call); // drained or not: there was nothing to hand over
}

#[test]
fn a_claim_that_was_answered_is_not_decided_again() {
    let mut letters = Letters::new();
    let ours = letters.name_of(A);
    let claim =
        |seq, wish| Claim { id: ClaimId { life: B, seq }, name: ours.clone(), wish, remaining_ms: 1000 };
    letters.tell(claim(1, Wish::Register(WorkerSpec::Attached)));
    letters.tell(claim(2, Wish::Unregister));
    letters.tell(claim(3, Wish::Register(WorkerSpec::Attached)));
    letters.said.clear();
    letters.tell(claim(2, Wish::Unregister)); // its answer was lost
    let again = letters.said.iter().any(|message| {
        matches!(message, Message::ClaimReply(reply) if matches!(reply.verdict, Verdict::Unregistered { .. }))
    });
    assert!(again, "it was done, and its caller is told so");
    assert!(letters.a.registry.winner(&ours).is_some(), "it ended a registration that came after it");
}

#[test]
fn an_answer_is_remembered_only_while_its_caller_may_ask_again() {
    let mut letters = Letters::new();
    let ours = letters.name_of(A);
    let claim =
        |seq, wish| Claim { id: ClaimId { life: B, seq }, name: ours.clone(), wish, remaining_ms: 1000 };
    letters.tell(claim(1, Wish::Register(WorkerSpec::Attached)));
    letters.pass(Duration::from_secs(2));
    letters.tell(claim(2, Wish::Unregister));
    assert_eq!(letters.a.desk.remembered(), 1, "the first one's caller is gone");
}
