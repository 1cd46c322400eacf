//! One machine alone, spoken to by bytes: rules whose absence no run of honest nodes is likely to show.

use std::collections::BTreeMap;
use std::time::Duration;

use skep_core::event::{Event, Input, Output, Placement, Reply, Request, Way, WorkerSpec};
use skep_core::id::{Address, CallId, ClusterName, Life, LinkId, Name, NodeName};
use skep_core::wire::{Frame, Hello, describe};
use skep_core::{Config, Instant, Machine};

use super::millis;
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

pub(super) const A: Life = Life(1_000_000);
pub(super) const B: Life = Life(2_000_000);
pub(super) const LINK: LinkId = LinkId(1);

pub(super) struct Alone {
    pub(super) machine: Machine,
    pub(super) now: Instant,
    calls: u64,
    pub(super) sent: Vec<Frame>,
    pub(super) events: Vec<Event>,
    pub(super) replies: Vec<Reply>,
    /// What it last said of each name.
    pub(super) places: BTreeMap<Name, Option<Placement>>,
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
        let none = [(); 0].as_slice();
        let greeting = postcard::to_allocvec(&(
            [(B, "b", "b:1", 1u16, none, none, 0u32, 1u8, 0u8)].as_slice(),
            [(B, 0u64); 0].as_slice(),
            none,
        ));
        self.tell(GREET, greeting.expect("plain data"));
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
    let greeting = postcard::to_allocvec(&(
        // b: no roles, no kinds, revision 0, up, alive
        [(B, "b", "b:1", 1u16, [(); 0].as_slice(), [(); 0].as_slice(), 0u32, 1u8, 0u8)].as_slice(),
        [(B, 5u64)].as_slice(),
        [(); 0].as_slice(), // nobody was forgotten
    ));
    a.tell(GREET, greeting.expect("plain data"));
    for frame in std::mem::take(&mut a.sent) {
        if frame.kind == BARRIER {
            let (generation, _): (u64, u64) = postcard::from_bytes(&frame.body).expect("a barrier");
            let ack = (generation, [(B, 5u64); 0].as_slice(), [(); 0].as_slice());
            a.tell(BARRIER_ACK, postcard::to_allocvec(&ack).expect("plain data"));
        }
    }
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
    type Id = (Life, u64);
    let claims = |a: &Alone| -> Vec<(Id, String)> {
        let claims = a.sent.iter().filter(|frame| frame.kind == CLAIM);
        claims.map(|frame| postcard::take_from_bytes(&frame.body).expect("a claim").0).collect()
    };
    let (id, name) = claims(&a).into_iter().next().expect("b is the arbiter of some");
    let epoch = (crate::world::DAWN_MICROS / 1000) << 20;
    let taken = (id, 1u8, ("b", B, epoch, "attached", true));
    a.tell(REPLY, postcard::to_allocvec(&taken).expect("plain data"));
    assert!(a.replies.is_empty(), "it gives up at once: {:?}", a.replies);
    let again = |a: &Alone| claims(a).into_iter().any(|(other, text)| other != id && text == name);
    for _ in 0..100 {
        let digest = ([(B, 0u64); 0].as_slice(), true);
        a.tell(DIGEST, postcard::to_allocvec(&digest).expect("plain data"));
        a.wait(millis(100));
    }
    assert!(again(&a), "it is never claimed again");
}
