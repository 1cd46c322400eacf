//! One machine alone, spoken to by bytes: rules whose absence no run of honest nodes is likely to show.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use skep_core::config::KindConfig;
use skep_core::event::{Event, Input, Output, Placement, Reply, Request, Way, WorkerSpec};
use skep_core::id::{Address, CallId, ClusterName, Epoch, Group, Kind, Life, LinkId, Name, NodeName};
use skep_core::placement::StrategyId;
use skep_core::wire::{Frame, Hello, describe};
use skep_core::{Config, Instant, Machine};

use super::millis;
use crate::calls::{managed, name};
use crate::faults::kind;
use crate::mutants::of_this_thread;

/// The kinds on the wire of what is said here; their bytes are pinned beside their types.
pub(super) const GREET: u16 = 0x0001;
pub(super) const BARRIER: u16 = 0x0030;
pub(super) const BARRIER_ACK: u16 = 0x0031;
pub(super) const DELTA: u16 = 0x0022;
pub(super) const DIGEST: u16 = 0x0020;
pub(super) const CLAIM: u16 = 0x0040;
pub(super) const REPLY: u16 = 0x0041;
/// The same, to who speaks version 2.
const REPLY_2: u16 = 0x004b;
pub(super) const RECORDS: u16 = 0x0003;
const FORGOTTEN: u16 = 0x0004;
const START_ORDER: u16 = 0x0042;
const STOP_ORDER: u16 = 0x0044;

pub(super) const A: Life = Life(1_000_000);
pub(super) const B: Life = Life(2_000_000);
/// Lives that a never has a link with.
const C: Life = Life(500_000);
const D: Life = Life(3_000_000);
pub(super) const LINK: LinkId = LinkId(1);

pub(super) fn bytes(body: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(body).expect("plain data")
}

/// A record of a life that is up, without roles and kinds.
pub(super) fn record(life: Life, node: &str, weight: u16, revision: u32, health: u8) -> Vec<u8> {
    let none = [(); 0].as_slice();
    bytes(&(life, node, format!("{node}:1"), weight, none, none, revision, 1u8, health))
}

/// A list of one.
pub(super) fn one(element: Vec<u8>) -> Vec<u8> {
    [vec![1], element].concat()
}

/// Who introduces itself with this record has these logs, and forgot nobody.
pub(super) fn greeting(own: Vec<u8>, positions: &[(Life, u64)]) -> Vec<u8> {
    [one(own), bytes(&positions), vec![0]].concat()
}

/// A record that stands in this life's log at this position, with nothing before it.
fn written(origin: Life, seq: u64, item: &impl Serialize) -> Vec<u8> {
    [bytes(&(origin, seq - 1, seq, seq, 0u64)), one([bytes(&seq), bytes(item)].concat())].concat()
}

/// The first epoch of all.
pub(super) fn dawn() -> u64 {
    (crate::world::DAWN_MICROS / 1000) << 20
}

pub(super) struct Alone {
    pub(super) machine: Machine,
    pub(super) now: Instant,
    calls: u64,
    pub(super) sent: Vec<Frame>,
    pub(super) events: Vec<Event>,
    pub(super) replies: Vec<Reply>,
    /// What it last said of each name.
    pub(super) places: BTreeMap<Name, Option<Placement>>,
    /// What it starts, stops and places in groups.
    starts: Vec<(Name, Epoch)>,
    stops: Vec<Name>,
    joins: Vec<(Group, Name)>,
    /// Links that it closed.
    pub(super) closed: Vec<LinkId>,
    /// Addresses that it dials.
    pub(super) dials: Vec<Address>,
}

impl Alone {
    pub(super) fn new() -> Self {
        Self::with(Self::config("a", A))
    }

    pub(super) fn with(mut config: Config) -> Self {
        config.mutant = of_this_thread();
        let now = Instant::from_nanos(1);
        let machine = Machine::new(config, now).expect("a good config");
        Self {
            machine,
            now,
            calls: 0,
            sent: Vec::new(),
            events: Vec::new(),
            replies: Vec::new(),
            places: BTreeMap::new(),
            starts: Vec::new(),
            stops: Vec::new(),
            joins: Vec::new(),
            closed: Vec::new(),
            dials: Vec::new(),
        }
    }

    pub(super) fn config(node: &str, life: Life) -> Config {
        let cluster = ClusterName::new("sim").expect("a good name");
        let address = Address::new(format!("{node}:1")).expect("a good address");
        let mut config = Config::new(cluster, NodeName::new(node).expect("a good name"), life, address);
        config.slot_bits = 8;
        config.epoch_floor_ms = crate::world::DAWN_MICROS / 1000;
        config
    }

    pub(super) fn input(&mut self, input: Input) {
        self.machine.handle(self.now, input);
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Send { frame, .. } => self.sent.push(frame),
                Output::Event(event) => self.events.push(event),
                Output::Place { name, placement } => drop(self.places.insert(name, placement)),
                Output::Return { reply, .. } => self.replies.push(reply),
                Output::Start { name, epoch, .. } => self.starts.push((name, epoch)),
                Output::Stop { name, .. } => self.stops.push(name),
                Output::JoinGroup { group, name } => self.joins.push((group, name)),
                Output::Close { link, .. } => self.closed.push(link),
                Output::Dial { address } => self.dials.push(address),
                _ => {}
            }
        }
    }

    pub(super) fn wait(&mut self, span: Duration) {
        self.now += span;
        self.input(Input::Timeout);
    }

    pub(super) fn link(&mut self) {
        self.input(Input::LinkUp { link: LINK, way: Way::Accepted, peer: Hello::of(&Self::config("b", B)) });
    }

    pub(super) fn tell(&mut self, kind: u16, body: Vec<u8>) {
        self.input(Input::Message { link: LINK, frame: Frame { kind, body } });
    }

    /// It is up, and linked with b.
    pub(super) fn linked(config: Config) -> Self {
        let mut a = Self::with(config);
        a.wait(millis(300));
        a.link();
        a.greet();
        a
    }

    /// b introduces itself: no roles, no kinds, no logs, and nobody was forgotten.
    pub(super) fn greet(&mut self) {
        self.tell(GREET, greeting(record(B, "b", 1, 0, 0), &[]));
    }

    /// These agree to its ring, and have no logs.
    fn agree(&mut self, links: &[LinkId]) {
        for frame in std::mem::take(&mut self.sent) {
            if frame.kind == BARRIER {
                let (generation, _): (u64, u64) = postcard::from_bytes(&frame.body).expect("a barrier");
                let ack = bytes(&(generation, [(B, 0u64); 0].as_slice(), [(); 0].as_slice()));
                for &link in links {
                    self.input(Input::Message {
                        link,
                        frame: Frame { kind: BARRIER_ACK, body: ack.clone() },
                    });
                }
            }
        }
    }

    /// Attached names, of some of which it is the arbiter.
    pub(super) fn register_more(&mut self, prefix: &str) -> Vec<Name> {
        let names: Vec<Name> =
            (0..20).map(|n| Name::new(format!("{prefix}-{n}")).expect("a good name")).collect();
        for name in &names {
            self.call(Request::Register { name: name.clone(), worker: WorkerSpec::Attached });
        }
        names
    }

    pub(super) fn call(&mut self, request: Request) {
        self.calls += 1;
        let (call, deadline) = (CallId(self.calls), self.now + millis(1000));
        self.input(Input::Call { call, deadline, request });
    }
}

#[test]
pub fn a_barrier_is_acknowledged_only_by_an_equal_ring() {
    let mut a = Alone::new();
    a.link();
    a.wait(millis(1));
    // Generation 4, and 5 for the hash of the ring: no ring has it but by a miracle.
    a.tell(BARRIER, vec![4, 5]);
    let acknowledged = a.sent.iter().find(|frame| frame.kind == BARRIER_ACK);
    assert_eq!(acknowledged, None, "it agreed to a ring that is not its own");
}

/// Who has seen a removal may have sent the registration's last version before, and that may be on its way.
#[test]
pub fn a_removal_is_not_forgotten_before_all_logs_of_those_who_saw_it_are_here() {
    let mut a = Alone::new();
    a.wait(millis(300)); // alone it is up by now
    a.link();
    a.tell(GREET, greeting(record(B, "b", 1, 0, 0), &[(B, 5)]));
    a.agree(&[LINK]);
    for name in a.register_more("x") {
        a.call(Request::Unregister { name });
    }
    let head = |a: &Alone| {
        let mut deltas = a.sent.iter().filter(|frame| frame.kind == DELTA);
        let delta = deltas.next_back().expect("a shares what it writes");
        let fields: (Life, u64, u64, u64, u64) = postcard::take_from_bytes(&delta.body).expect("a delta").0;
        assert!(fields.0 == A && fields.3 > 0, "its own log: {}", describe(delta));
        (fields.3, fields.4)
    };
    let (written, _) = head(&a);
    // b has all of that, and five records of its own that a has not.
    let digest = postcard::to_allocvec(&([(A, written), (B, 5u64)].as_slice(), true)).expect("plain data");
    for _ in 0..3 {
        a.tell(DIGEST, digest.clone());
    }
    a.register_more("more");
    let (_, stable) = head(&a);
    assert_eq!(stable, 0, "five records of b are on their way, and removals before them are forgotten");

    let delta = postcard::to_allocvec(&(B, 0u64, 5u64, 5u64, 0u64, [(); 0].as_slice()));
    a.tell(DELTA, delta.expect("plain data"));
    a.tell(DIGEST, digest);
    a.register_more("again");
    let (_, stable) = head(&a);
    assert!(stable > 0, "nothing older can come, and removals are kept for ever");
}

/// Whoever stood still finds links that others made meanwhile, and in them what they said meanwhile.
#[test]
pub fn what_comes_over_a_link_that_came_up_while_this_one_stood_still_is_old_until_it_answers() {
    let mut a = Alone::linked(Alone::config("a", A));
    a.wait(millis(100));
    a.wait(millis(60_000)); // much was due meanwhile: it stood still
    assert!(a.events.iter().any(|event| matches!(event, Event::Thawed { .. })), "{:?}", a.events);
    a.input(Input::LinkDown { link: LINK });
    a.link();
    a.greet();
    a.sent.clear();
    for seq in 1..=20u64 {
        let claim = ((B, seq), format!("x-{seq}"), 1u8, 5000u64); // "unregister"
        a.tell(CLAIM, postcard::to_allocvec(&claim).expect("plain data"));
    }
    let is_stale = |frame: &&Frame| frame.kind == REPLY_2 && frame.body.last() == Some(&10);
    let stale = a.sent.iter().filter(is_stale).count();
    assert_eq!(stale, 20, "what b said long ago is taken for what it says now");
}

/// What its former life had may be taken by what its own side removed, and the arbiter has yet to hear that.
#[test]
pub fn what_a_former_life_had_and_is_taken_is_claimed_once_more() {
    let mut a = Alone::linked(Alone::config("a", A));
    a.sent.clear();
    for number in 0..20 {
        let name = Name::new(format!("x-{number}")).expect("a good name");
        let request = Request::Restore { name, worker: WorkerSpec::Attached };
        a.input(Input::Call { call: CallId(100 + number), deadline: a.now + millis(60_000), request });
    }
    let (id, name) = a.claims().into_iter().next().expect("b is the arbiter of some");
    let taken = (id, 1u8, ("b", B, dawn(), "attached", true));
    a.tell(REPLY, postcard::to_allocvec(&taken).expect("plain data"));
    assert!(a.replies.is_empty(), "it gives up at once: {:?}", a.replies);
    let again = |a: &Alone| a.claims().into_iter().any(|(other, text)| other != id && text == name);
    for _ in 0..100 {
        let digest = ([(B, 0u64); 0].as_slice(), true);
        a.tell(DIGEST, postcard::to_allocvec(&digest).expect("plain data"));
        a.wait(millis(100));
    }
    assert!(again(&a), "it is never claimed again");
}

impl Alone {
    /// What it asks b to decide: the claims, each with its name.
    fn claims(&self) -> Vec<((Life, u64), Name)> {
        let claims = self.sent.iter().filter(|frame| frame.kind == CLAIM);
        claims.map(|frame| postcard::take_from_bytes(&frame.body).expect("a claim").0).collect()
    }

    /// b is alive for so long, has this much of logs, and says nothing else.
    fn hear_of_b(&mut self, span: Duration, positions: &[(Life, u64)]) {
        let until = self.now + span;
        while self.now < until {
            self.wait(millis(100));
            self.tell(DIGEST, bytes(&(positions, true)));
        }
    }
}

/// What was attached to a node that is gone beat what runs here, and its end is known to nobody yet.
#[test]
pub fn what_an_attached_worker_beat_runs_on_when_the_node_of_that_is_gone() {
    let mut config = Alone::config("a", A);
    config.kinds = vec![KindConfig {
        kind: Kind::new(kind::PLAIN).expect("a good kind"),
        restart: skep_core::supervisor::RestartPolicy::default(),
    }];
    let mut a = Alone::linked(config);
    a.sent.clear();
    for number in 0..20 {
        a.call(Request::Register { name: name(&format!("x-{number}")), worker: managed(kind::PLAIN) });
    }
    let (claim, text) = a.claims().swap_remove(0);
    let none: Option<(Life, u64)> = None;
    a.tell(START_ORDER, bytes(&(&text, none, claim, managed(kind::PLAIN), dawn() + 1)));
    let (name, epoch) = a.starts.iter().find(|(name, _)| *name == text).expect("b ordered it").clone();
    a.input(Input::WorkerStarted { name, epoch, result: Ok(()) });
    // on the larger side, without restarts, never handed on
    let live = (0u8, Some(A), claim, managed(kind::PLAIN), 1u8, 0u8, 0u32);
    a.tell(DELTA, written(B, 1, &(0u8, (B, 1u64), &text, dawn() + 1, live)));
    a.tell(RECORDS, one(record(C, "c", 1, 0, 2))); // it fell silent
    let live = (0u8, Some(C), (C, 1u64), WorkerSpec::Attached, 1u8, 0u8, 0u32);
    a.tell(DELTA, written(B, 2, &(0u8, (C, 1u64), &text, dawn() + 2, live)));
    let holder = a.places[&text].as_ref().and_then(|placement| placement.holder);
    assert_eq!(holder, Some(C), "the lower number stands");
    a.hear_of_b(millis(6000), &[(B, 2)]);
    assert!(a.stops.is_empty(), "it stops though nothing stands against it: {:?}", a.stops);
}

/// A registration may stand in a log that is yet to come.
#[test]
pub fn a_place_in_a_group_waits_for_its_registration_though_the_life_that_made_that_is_forgotten() {
    let mut a = Alone::linked(Alone::config("a", A));
    a.tell(RECORDS, one(record(C, "c", 1, 0, 2)));
    a.tell(RECORDS, one(record(D, "d", 1, 0, 0)));
    a.tell(DELTA, written(B, 1, &(1u8, (C, 1u64), "g", dawn() + 2, 0u8, 0u32)));
    a.tell(FORGOTTEN, bytes(&[(C, "c", Some(60_000u64))].as_slice()));
    a.hear_of_b(millis(6000), &[(B, 1), (D, 1)]);
    let live = (0u8, Some(B), (C, 1u64), WorkerSpec::Attached, 1u8, 0u8, 0u32);
    a.tell(DELTA, written(D, 1, &(0u8, (C, 1u64), "x", dawn() + 1, live)));
    let joined = a.joins.iter().any(|(group, name)| group.as_str() == "g" && name.as_str() == "x");
    assert!(joined, "{:?}, {:?}", a.joins, a.places);
}

/// What is on its way to a host would start beside what the next arbiter orders.
#[test]
pub fn who_loses_its_quorum_calls_off_what_it_has_ordered() {
    let quorum = |node, life| {
        let strategy = StrategyId::StaticQuorum(std::num::NonZeroU16::new(3).expect("not zero"));
        Config { strategy, ..Alone::config(node, life) }
    };
    let mut a = Alone::with(quorum("a", A));
    a.wait(millis(300));
    let peers = [(LINK, "b", B), (LinkId(2), "d", D)];
    for (link, node, life) in peers {
        a.input(Input::LinkUp { link, way: Way::Accepted, peer: Hello::of(&quorum(node, life)) });
        let none = [(); 0].as_slice();
        let kinds = [kind::PLAIN].as_slice();
        let own = bytes(&(life, node, format!("{node}:1"), 1u16, none, kinds, 0u32, 1u8, 0u8));
        a.input(Input::Message { link, frame: Frame { kind: GREET, body: greeting(own, &[]) } });
    }
    a.agree(&peers.map(|(link, ..)| link));
    for number in 0..20 {
        a.call(Request::Register { name: name(&format!("x-{number}")), worker: managed(kind::PLAIN) });
    }
    let count = |a: &Alone, kind: u16| a.sent.iter().filter(|frame| frame.kind == kind).count();
    let ordered = count(&a, START_ORDER);
    assert!(ordered > 0, "it is the arbiter of some");
    let none = [(); 0].as_slice();
    let left = bytes(&(D, "d", "d:1", 1u16, none, none, 0u32, 3u8, 0u8));
    a.input(Input::Message { link: LinkId(2), frame: Frame { kind: RECORDS, body: one(left) } });
    let is_lost = |event: &Event| matches!(event, Event::QuorumLost { .. });
    assert!(a.events.iter().any(is_lost), "{:?}", a.events);
    assert!(count(&a, STOP_ORDER) > 0, "{ordered} were ordered, and none is called off");
}
