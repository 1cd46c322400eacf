//! A name that moves among nodes which all send to it, over links that break: what the machines of `delivery` promise
//! holds for every seed, and each of their rules is needed for it.
//!
//! One step after the other, drawn from the seed: somebody sends, a frame arrives, a node learns of a move, a link
//! breaks between two holders. Links that carry plain messages or questions stay whole, as the promise ends there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use skep_core::Instant;
use skep_core::delivery::{Forwarder, Holds, NotHeld, Received, Then, Token};
use skep_core::id::{Epoch, Life, Name};

const NODES: usize = 4;
const MOVES: u64 = 12;
const MESSAGES: u64 = 40;

/// A rule that is turned off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Broken {
    Nothing,
    /// A message for a name that left is dropped.
    NotForwarded,
    /// What was on its way on a link that broke is not sent again.
    NotSentAgain,
    /// What comes again is handled again.
    TakenTwice,
    /// What comes for a name that has returned is taken, though earlier messages are still on their way round.
    Overtaken,
    /// What follows a move is not held.
    NotHeld,
    /// Who asks is answered before all has arrived.
    AnsweredEarly,
    /// What is forwarded twice is acknowledged before it has arrived in the end.
    AcknowledgedEarly,
}

/// The sender, and its how-manieth message this is.
type Note = (usize, u64);

#[derive(Clone, Debug)]
enum Frame {
    Plain(Epoch, Note),
    Forward(u64, Epoch, Note),
    Forwarded(u64),
    Flush(Token),
    Flushed(Token),
}

struct Node {
    forwarder: Forwarder<(Epoch, Note)>,
    received: Received,
    holds: Holds<Note>,
    /// Where it believes the name to be.
    place: (usize, Epoch),
    sent: u64,
    copy: Option<Copy>,
}

/// A worker, prepared or active, and what waits for it.
struct Copy {
    epoch: Epoch,
    is_active: bool,
    waiting: Vec<Note>,
}

struct World {
    broken: Broken,
    random: u64,
    nodes: Vec<Node>,
    wires: BTreeMap<(usize, usize), VecDeque<Frame>>,
    /// Moves that these nodes have not learnt of, in order.
    news: Vec<VecDeque<(usize, Epoch)>>,
    holder: usize,
    epoch: Epoch,
    handled: Vec<Note>,
}

fn life(node: usize) -> Life {
    Life(node as u64 + 1)
}

fn node_of(life: Life) -> usize {
    life.0 as usize - 1
}

fn name() -> Name {
    Name::new("n").expect("a good name")
}

impl World {
    fn new(seed: u64, broken: Broken) -> Self {
        let node = |at| Node {
            forwarder: Forwarder::default(),
            received: Received::default(),
            holds: Holds::new(usize::MAX),
            place: (0, Epoch(1)),
            sent: 0,
            copy: (at == 0).then_some(Copy { epoch: Epoch(1), is_active: true, waiting: Vec::new() }),
        };
        Self {
            broken,
            random: seed,
            nodes: (0..NODES).map(node).collect(),
            wires: BTreeMap::new(),
            news: vec![VecDeque::new(); NODES],
            holder: 0,
            epoch: Epoch(1),
            handled: Vec::new(),
        }
    }

    /// SplitMix64, <https://prng.di.unimi.it/splitmix64.c>.
    fn below(&mut self, bound: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn put(&mut self, from: usize, to: usize, frame: Frame) {
        self.wires.entry((from, to)).or_default().push_back(frame);
    }

    fn run(mut self) -> Vec<Note> {
        while self.epoch.0 <= MOVES || self.nodes.iter().any(|node| node.sent < MESSAGES) {
            let at = self.below(NODES);
            match self.below(12) {
                0..3 => self.send(at),
                3..8 => self.arrive(),
                8 | 9 => self.learn(at),
                10 => self.go(at),
                _ => self.break_wire(),
            }
        }
        while self.news.iter().any(|news| !news.is_empty())
            || self.wires.values().any(|wire| !wire.is_empty())
        {
            (0..NODES).for_each(|at| self.learn(at));
            self.arrive();
        }
        self.handled
    }

    fn send(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if node.sent == MESSAGES {
            return;
        }
        node.sent += 1;
        let note = (at, node.sent);
        if let Err(NotHeld::Free(note)) = node.holds.hold("n", note, 1) {
            self.dispatch(at, note);
        }
    }

    fn dispatch(&mut self, at: usize, note: Note) {
        let (to, epoch) = self.nodes[at].place;
        if to == at { self.take(at, epoch, note, None) } else { self.put(at, to, Frame::Plain(epoch, note)) }
    }

    /// A message for the name is at this node.
    fn take(&mut self, at: usize, epoch: Epoch, note: Note, owed: Option<(Life, u64)>) {
        let node = &mut self.nodes[at];
        let follows = node.forwarder.forwards("n") && self.broken != Broken::Overtaken;
        let takes = |copy: &&mut Copy| match copy.is_active {
            true if !follows => epoch <= copy.epoch,
            _ => epoch == copy.epoch,
        };
        if let Some(copy) = node.copy.as_mut().filter(takes) {
            if copy.is_active { self.handled.push(note) } else { copy.waiting.push(note) }
        } else if let Some((to, under)) = node.forwarder.way("n", epoch)
            && self.broken != Broken::NotForwarded
        {
            let early = self.broken == Broken::AcknowledgedEarly;
            node.forwarder.forward(to, name(), (under, note), owed.filter(|_| !early));
            self.pump(at, to);
            if !early {
                return;
            }
        }
        if let Some((to, number)) = owed {
            self.put(at, node_of(to), Frame::Forwarded(number));
        }
    }

    fn pump(&mut self, at: usize, to: Life) {
        while let Some((number, _, (under, note))) = self.nodes[at].forwarder.next(to) {
            let frame = Frame::Forward(number, *under, *note);
            self.nodes[at].forwarder.sent(to);
            self.put(at, node_of(to), frame);
        }
    }

    fn arrive(&mut self) {
        let wires: Vec<_> =
            self.wires.iter().filter(|(_, wire)| !wire.is_empty()).map(|(at, _)| *at).collect();
        if wires.is_empty() {
            return;
        }
        let (from, at) = wires[self.below(wires.len())];
        let Some(frame) = self.wires.get_mut(&(from, at)).and_then(VecDeque::pop_front) else { return };
        match frame {
            Frame::Plain(epoch, note) => self.take(at, epoch, note, None),
            Frame::Forward(number, epoch, note) => {
                let is_new = self.nodes[at].received.is_new(life(from), number);
                if is_new || self.broken == Broken::TakenTwice {
                    self.take(at, epoch, note, Some((life(from), number)));
                } else if !self.nodes[at].forwarder.is_owed(life(from), number) {
                    self.put(at, from, Frame::Forwarded(number));
                }
            }
            Frame::Forwarded(number) => {
                let then = self.nodes[at].forwarder.arrived(life(from), number);
                self.pump(at, life(from));
                then.into_iter().for_each(|then| self.tell(at, then));
            }
            Frame::Flush(token) => self.question(at, life(from), token),
            Frame::Flushed(token) => self.flushed(at, life(from), token),
        }
    }

    fn question(&mut self, at: usize, asker: Life, token: Token) {
        let then = match self.broken {
            Broken::AnsweredEarly => Some(Then::Flushed(asker, token)),
            _ => self.nodes[at].forwarder.flush(asker, token),
        };
        then.into_iter().for_each(|then| self.tell(at, then));
    }

    fn tell(&mut self, at: usize, then: Then) {
        match then {
            Then::Acknowledge(to, number) => self.put(at, node_of(to), Frame::Forwarded(number)),
            Then::Flushed(to, token) if to == life(at) => self.flushed(at, to, token),
            Then::Flushed(to, token) => self.put(at, node_of(to), Frame::Flushed(token)),
        }
    }

    fn flushed(&mut self, at: usize, from: Life, token: Token) {
        self.nodes[at].holds.flushed(from, token);
        while let Some((_, notes)) = self.nodes[at].holds.release() {
            notes.into_iter().for_each(|(note, _)| self.dispatch(at, note));
        }
    }

    /// The holder, whichever it is, hands the name to another node.
    fn go(&mut self, to: usize) {
        let from = self.holder;
        let is_active = |node: &Node| node.copy.as_ref().is_some_and(|copy| copy.is_active);
        if to == from || self.epoch.0 > MOVES || !is_active(&self.nodes[from]) {
            return;
        }
        self.epoch = Epoch(self.epoch.0 + 1);
        self.holder = to;
        self.nodes[to].copy = Some(Copy { epoch: self.epoch, is_active: false, waiting: Vec::new() });
        self.nodes[from].forwarder.depart(name(), life(to), self.epoch);
        self.nodes[from].copy = None;
        (0..NODES).for_each(|at| self.news[at].push_back((to, self.epoch)));
        while self.nodes[from].place.1 < self.epoch {
            self.learn(from); // it has written it
        }
    }

    fn learn(&mut self, at: usize) {
        let Some((to, epoch)) = self.news[at].pop_front() else { return };
        let node = &mut self.nodes[at];
        let last = std::mem::replace(&mut node.place, (to, epoch)).0;
        let may_be_underway = last != at || node.forwarder.forwards("n");
        if last != to && may_be_underway && self.broken != Broken::NotHeld {
            node.holds.moved(Instant::ZERO, name(), life(last));
        }
        let questions = node.holds.ask();
        if let Some(copy) = node.copy.as_mut().filter(|copy| copy.epoch == epoch) {
            copy.is_active = true;
            self.handled.append(&mut copy.waiting);
            node.forwarder.settle(&name());
        }
        for (former, token) in questions {
            if former == life(at) {
                self.question(at, former, token);
            } else {
                self.put(at, node_of(former), Frame::Flush(token));
            }
        }
    }

    /// A link breaks and is there again: what was on it, both ways, is lost.
    fn break_wire(&mut self) {
        let (one, other) = (self.below(NODES), self.below(NODES));
        let ways = [(one, other), (other, one)];
        let only_forwards = |way| {
            let mut frames = self.wires.get(way).into_iter().flatten();
            frames.all(|frame| matches!(frame, Frame::Forward(..) | Frame::Forwarded(_)))
        };
        if one == other || !ways.iter().all(only_forwards) {
            return;
        }
        for (from, to) in ways {
            self.wires.remove(&(from, to));
            if self.broken != Broken::NotSentAgain {
                self.nodes[from].forwarder.relink(life(to));
                self.pump(from, life(to));
            }
        }
    }
}

/// What was wrong with what was handled, if anything.
fn fault(handled: &[Note]) -> Option<String> {
    for sender in 0..NODES {
        let numbers: Vec<u64> =
            handled.iter().filter(|(by, _)| *by == sender).map(|(_, number)| *number).collect();
        if numbers != (1..=MESSAGES).collect::<Vec<_>>() {
            let unique: BTreeSet<_> = numbers.iter().collect();
            return Some(format!("of {sender} came {} messages, {numbers:?}", unique.len()));
        }
    }
    None
}

#[test]
fn nothing_is_lost_doubled_or_out_of_order_whatever_the_seed() {
    for seed in 1..=2000 {
        let fault = fault(&World::new(seed, Broken::Nothing).run());
        assert_eq!(fault, None, "seed {seed}");
    }
}

#[test]
fn each_rule_is_needed() {
    for broken in [
        Broken::NotForwarded,
        Broken::NotSentAgain,
        Broken::TakenTwice,
        Broken::Overtaken,
        Broken::NotHeld,
        Broken::AnsweredEarly,
        Broken::AcknowledgedEarly,
    ] {
        let caught = (1..=2000).find(|seed| fault(&World::new(*seed, broken).run()).is_some());
        assert!(caught.is_some(), "no seed shows that {broken:?} matters");
    }
}
