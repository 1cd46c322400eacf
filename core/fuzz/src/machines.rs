//! Three machines, a network between them and a driver for each, which do what the bytes say: links break, frames come
//! late, twice, changed or from nowhere, callers ask, workers answer or end. What holds all the time: nobody panics,
//! no worker is started beside itself, every call is answered once and in time, and tables stay within bounds.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use skep_core::config::{Config, KindConfig};
use skep_core::error::DialFailure;
use skep_core::event::{Exit, Handoff, Observation, Request, Stopped, Way, WorkerSpec};
use skep_core::id::{Address, CallId, Epoch, Group, Kind, Life, LinkId, Name, Payload, Reason, Source};
use skep_core::placement::Place;
use skep_core::supervisor::RestartPolicy;
use skep_core::wire::Frame;
use skep_core::{Input, Instant, Machine, Output};

use crate::bytes::Bytes;
use crate::frames::hello_of;

/// Unix milliseconds at the beginning: what epochs are above.
const DAWN: u64 = 1_795_000_000_000;

/// So many things may be done to a cluster in one run.
const MAX_ACTS: usize = 512;

/// So many frames are kept, to be sent again.
const HISTORY: usize = 128;

/// More frames than this on their way break a link.
const MAX_QUEUE: usize = 2048;

/// A machine that orders more at once, or is woken more often in one moment, does so for ever.
const AT_ONCE: usize = 20_000;

/// No table of a cluster of three, with a few names, is longer than this.
const MAX_HOLDINGS: usize = 10_000;

/// What a driver owes to its machine.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Owed {
    Started(Name, Epoch),
    Stopped(Name, Epoch),
    Handoff(Name, Epoch),
    State(Name, Epoch),
    Prepared(Name, Epoch),
    Resolved { name: Name, epoch: Epoch, beaten: Epoch, from: Life },
    Dial(Address),
}

struct Node {
    machine: Machine,
    owed: Vec<Owed>,
    /// All that runs, is being started or stopped.
    workers: BTreeSet<(Name, Epoch)>,
    calls: BTreeMap<CallId, Instant>,
    is_over: bool,
}

/// One end of a connection.
struct End {
    node: usize,
    id: LinkId,
    is_open: bool,
    /// On their way to it.
    queue: VecDeque<Frame>,
}

struct World {
    now: Instant,
    nodes: Vec<Node>,
    links: Vec<[End; 2]>,
    history: VecDeque<Frame>,
    next: u64,
}

fn address(node: usize) -> Address {
    hello_of(NAMES[node], 0).address
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn life(node: usize) -> Life {
    Life(DAWN * 1000 + node as u64 * 7)
}

fn kind() -> Kind {
    Kind::new("k").expect("a good kind")
}

impl World {
    fn new(seed: u8) -> Self {
        let nodes = (0..NAMES.len()).map(|number| Node::new(number, seed)).collect();
        let mut world =
            Self { now: Instant::ZERO, nodes, links: Vec::new(), history: VecDeque::new(), next: 1 };
        let peers = Observation::Snapshot {
            peers: (0..NAMES.len()).map(address).collect(),
            complete: true,
            ttl: None,
        };
        for node in 0..world.nodes.len() {
            let source = Source::new("static").expect("a good name");
            world.feed(node, Input::Observed { source, observation: peers.clone() });
        }
        world.settle(40);
        world
    }

    fn feed(&mut self, node: usize, input: Input) {
        if self.nodes[node].is_over {
            return;
        }
        let now = self.now;
        self.nodes[node].machine.handle(now, input);
        for ordered in 0.. {
            assert!(ordered < AT_ONCE, "it orders without end");
            let Some(output) = self.nodes[node].machine.poll_output() else { break };
            self.carry_out(node, output);
        }
    }

    fn carry_out(&mut self, node: usize, output: Output) {
        let this = &mut self.nodes[node];
        match output {
            Output::Dial { address } => this.owed.push(Owed::Dial(address)),
            Output::Send { link, frame } => self.send(link, frame),
            Output::Close { link, .. } => self.end_of(link).is_open = false,
            Output::Start { name, epoch, .. } => {
                assert!(
                    !this.workers.iter().any(|(other, _)| *other == name),
                    "{name} is started beside itself"
                );
                this.workers.insert((name.clone(), epoch));
                this.owed.push(Owed::Started(name, epoch));
            }
            Output::Stop { name, epoch, .. } => {
                this.owed.retain(|owed| !owed.is_of(&name, epoch));
                this.owed.push(Owed::Stopped(name, epoch));
            }
            Output::BeginHandoff { name, epoch, .. } => this.owed.push(Owed::Handoff(name, epoch)),
            Output::SendState { name, epoch, .. } => this.owed.push(Owed::State(name, epoch)),
            Output::GoOn { name, epoch } => {
                this.owed.retain(|owed| *owed != Owed::Handoff(name.clone(), epoch));
                this.owed.retain(|owed| *owed != Owed::State(name.clone(), epoch));
            }
            Output::Prepare { name, epoch, .. } => {
                this.workers.insert((name.clone(), epoch));
                this.owed.push(Owed::Prepared(name, epoch));
            }
            Output::ResolveConflict { name, epoch, beaten, from, .. } => {
                this.owed.push(Owed::Resolved { name, epoch, beaten, from });
            }
            Output::Activate { name, epoch, under } => {
                if this.workers.remove(&(name.clone(), epoch)) {
                    this.workers.insert((name.clone(), under));
                }
                for owed in &mut this.owed {
                    owed.rename(&name, epoch, under);
                }
            }
            Output::Return { call, .. } => {
                assert!(this.calls.remove(&call).is_some(), "{call:?} is answered twice");
            }
            Output::Retire(_) => {
                assert!(this.calls.is_empty(), "{:?} are not answered", this.calls);
                this.is_over = true;
                for end in self.links.iter_mut().flatten().filter(|end| end.node == node) {
                    end.is_open = false;
                }
            }
            Output::Freeze { .. }
            | Output::Place { .. }
            | Output::JoinGroup { .. }
            | Output::LeaveGroup { .. }
            | Output::Reached(_)
            | Output::Event(_) => {}
        }
    }

    fn end_of(&mut self, link: LinkId) -> &mut End {
        let mut ends = self.links.iter_mut().flatten();
        ends.find(|end| end.id == link).expect("a machine names links that it was given")
    }

    fn send(&mut self, link: LinkId, frame: Frame) {
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(frame.clone());
        let pair = self.links.iter_mut().find(|pair| pair.iter().any(|end| end.id == link));
        let [one, two] = pair.expect("a machine names links that it was given");
        let other = if one.id == link { two } else { one };
        if other.is_open {
            other.queue.push_back(frame);
            other.is_open = other.queue.len() <= MAX_QUEUE;
        }
    }

    fn connect(&mut self, from: usize, to: &Address) {
        let found = (0..NAMES.len()).find(|&node| address(node) == *to && node != from);
        let Some(to_node) = found.filter(|&node| !self.nodes[node].is_over) else {
            let failure = DialFailure::Refused;
            return self.feed(from, Input::DialFailed { address: to.clone(), failure });
        };
        let ids = [LinkId(self.next), LinkId(self.next + 1)];
        self.next += 2;
        let ends = [(from, ids[0]), (to_node, ids[1])];
        self.links.push(ends.map(|(node, id)| End { node, id, is_open: true, queue: VecDeque::new() }));
        let hello = |node: usize| hello_of(NAMES[node], life(node).0);
        self.feed(to_node, Input::LinkUp { link: ids[1], way: Way::Accepted, peer: hello(from) });
        self.feed(from, Input::LinkUp { link: ids[0], way: Way::Dialled(to.clone()), peer: hello(to_node) });
    }

    /// The places of all ends that are open.
    fn open(&self) -> Vec<(usize, usize)> {
        let all = (0..self.links.len()).flat_map(|link| [(link, 0), (link, 1)]);
        all.filter(|&(link, side)| self.links[link][side].is_open).collect()
    }

    /// The next frame comes, or the end of the link.
    fn deliver(&mut self, (link, side): (usize, usize), change: impl FnOnce(&mut Frame)) {
        let is_cut = !self.links[link][1 - side].is_open;
        let end = &mut self.links[link][side];
        let (node, id) = (end.node, end.id);
        match end.queue.pop_front() {
            Some(mut frame) => {
                change(&mut frame);
                if frame.is_control() {
                    self.feed(node, Input::Message { link: id, frame });
                }
            }
            None if is_cut => {
                end.is_open = false;
                self.feed(node, Input::LinkDown { link: id });
            }
            None => {}
        }
    }

    fn breaks(&mut self, (link, _): (usize, usize)) {
        for side in [0, 1] {
            let end = &mut self.links[link][side];
            if std::mem::take(&mut end.is_open) {
                end.queue.clear();
                let (node, id) = (end.node, end.id);
                self.feed(node, Input::LinkDown { link: id });
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        for node in 0..self.nodes.len() {
            for woken in 0.. {
                assert!(woken < AT_ONCE, "it wakes without end");
                let due = self.nodes[node].machine.poll_timeout();
                if self.nodes[node].is_over || due.is_none_or(|due| due > self.now) {
                    break;
                }
                self.feed(node, Input::Timeout);
            }
            let late = self.nodes[node].calls.iter().find(|(_, deadline)| **deadline < self.now);
            assert!(self.nodes[node].is_over || late.is_none(), "{late:?} is not answered at {:?}", self.now);
        }
    }

    /// A driver does what it owes; `well` or not.
    fn answer(&mut self, node: usize, index: usize, well: bool) {
        let owed = self.nodes[node].owed.remove(index);
        let result = if well { Ok(()) } else { Err(Reason::new("no luck")) };
        let input = match owed {
            Owed::Dial(address) if well => return self.connect(node, &address),
            Owed::Dial(address) => Input::DialFailed { address, failure: DialFailure::Unreachable },
            Owed::Started(name, epoch) => {
                if !well {
                    self.nodes[node].workers.remove(&(name.clone(), epoch));
                }
                Input::WorkerStarted { name, epoch, result }
            }
            Owed::Stopped(name, epoch) => {
                self.nodes[node].workers.remove(&(name.clone(), epoch));
                Input::WorkerStopped { name, epoch, outcome: Stopped::Kindly }
            }
            Owed::Handoff(name, epoch) => {
                let handoff = if well { Handoff::Resume { bytes: 3 } } else { Handoff::Restart };
                Input::HandoffBegun { name, epoch, handoff }
            }
            Owed::State(name, epoch) if !well => Input::StateLost { name, epoch },
            Owed::State(..) => return, // it is on its way
            Owed::Prepared(name, epoch) => {
                if !well {
                    self.nodes[node].workers.remove(&(name.clone(), epoch));
                }
                Input::WorkerPrepared { name, epoch, result }
            }
            Owed::Resolved { name, epoch, beaten, from } => {
                Input::ConflictResolved { name, epoch, beaten, from, result }
            }
        };
        self.feed(node, input);
    }

    /// Everybody does what there is to do, so many rounds, and time passes when there is nothing.
    fn settle(&mut self, rounds: usize) {
        for _ in 0..rounds {
            let mut is_idle = true;
            for place in self.open() {
                for _ in 0..self.links[place.0][place.1].queue.len().max(1) {
                    if self.links[place.0][place.1].is_open {
                        is_idle &= self.links[place.0][place.1].queue.is_empty();
                        self.deliver(place, |_| {});
                    }
                }
            }
            for node in 0..self.nodes.len() {
                while !self.nodes[node].owed.is_empty() {
                    is_idle = false;
                    self.answer(node, 0, true);
                }
            }
            if is_idle {
                let live = self.nodes.iter().filter(|node| !node.is_over);
                let due = live.filter_map(|node| node.machine.poll_timeout()).min();
                let Some(due) = due.filter(|&due| due != Instant::FAR) else { return };
                let pause = due.since(self.now).min(Duration::from_secs(1));
                self.pass(pause);
            }
        }
    }

    fn ask(&mut self, choices: &mut Bytes<'_>) {
        let node = choices.below(self.nodes.len());
        let number = choices.byte();
        let name = Name::new(format!("n{}", number % 4)).expect("a good name");
        let group = Group::new(format!("g{}", number / 4 % 2)).expect("a good group");
        let request = match choices.byte() % 10 {
            0..4 => {
                let args = Payload::new([]).expect("short");
                let worker = WorkerSpec::Managed { kind: kind(), args, place: Place::default() };
                Request::Register { name, worker }
            }
            4 => Request::Register { name, worker: WorkerSpec::Attached },
            5 => Request::Unregister { name },
            6 => Request::Locate { name },
            7 => Request::JoinGroup { group, name },
            8 => Request::LeaveGroup { group, name },
            _ if number.is_multiple_of(16) => Request::Drain,
            _ if number % 16 == 1 => Request::Leave,
            _ => Request::Owner { name },
        };
        let call = CallId(self.next);
        self.next += 1;
        let deadline = self.now + Duration::from_millis(u64::from(choices.byte()) * 8);
        if !self.nodes[node].is_over {
            self.nodes[node].calls.insert(call, deadline);
            self.feed(node, Input::Call { call, deadline, request });
        }
    }

    fn act(&mut self, choices: &mut Bytes<'_>) {
        let open = self.open();
        match choices.byte() % 16 {
            0..5 => {
                if let Some(&place) = choices.pick(&open) {
                    self.deliver(place, |_| {});
                }
            }
            5 | 6 => self.settle(usize::from(choices.byte() % 16)),
            7 => self.pass(Duration::from_millis(u64::from(choices.byte()) * 10)),
            8 => {
                let waiting = |&(link, side): &(usize, usize)| !self.links[link][side].queue.is_empty();
                let waiting: Vec<_> = open.into_iter().filter(waiting).collect();
                if let Some(&place) = choices.pick(&waiting) {
                    self.deliver(place, |frame| changed(frame, choices));
                }
            }
            9 | 10 => {
                let Some(&(link, side)) = choices.pick(&open) else { return };
                let history: Vec<_> = self.history.iter().cloned().collect();
                if let Some(mut frame) = choices.pick(&history).cloned() {
                    if choices.byte().is_multiple_of(2) {
                        changed(&mut frame, choices);
                    }
                    self.links[link][side].queue.push_front(frame);
                    self.deliver((link, side), |_| {});
                }
            }
            11 => {
                if let Some(&(link, side)) = choices.pick(&open) {
                    let kind = choices.short() % 0x60;
                    let length = usize::from(choices.byte());
                    let body = choices.take(length).to_vec();
                    self.links[link][side].queue.push_front(Frame { kind, body });
                    self.deliver((link, side), |_| {});
                }
            }
            12 => {
                if let Some(&place) = choices.pick(&open) {
                    self.breaks(place);
                }
            }
            13 => self.ask(choices),
            14 => {
                let node = choices.below(self.nodes.len());
                let owed = self.nodes[node].owed.len();
                if owed > 0 {
                    let index = choices.below(owed);
                    self.answer(node, index, !choices.byte().is_multiple_of(4));
                }
            }
            _ => self.exit(choices),
        }
    }

    /// A worker that nobody asks anything of ends.
    fn exit(&mut self, choices: &mut Bytes<'_>) {
        let node = choices.below(self.nodes.len());
        let this = &self.nodes[node];
        let is_free = |(name, epoch): &&(Name, Epoch)| !this.owed.iter().any(|owed| owed.is_of(name, *epoch));
        let free: Vec<_> = this.workers.iter().filter(is_free).cloned().collect();
        if let Some((name, epoch)) = choices.pick(&free).cloned() {
            self.nodes[node].workers.remove(&(name.clone(), epoch));
            let is_well = choices.byte().is_multiple_of(2);
            let exit = if is_well { Exit::Finished } else { Exit::Failed(Reason::new("no luck")) };
            self.feed(node, Input::WorkerExited { name, epoch, exit });
        }
    }

    fn check(&self) {
        for node in self.nodes.iter().filter(|node| !node.is_over) {
            let most = node.machine.holdings().into_iter().find(|&(_, held)| held > MAX_HOLDINGS);
            assert_eq!(most, None, "a table that grows without end");
        }
    }
}

impl Node {
    fn new(number: usize, seed: u8) -> Self {
        let hello = hello_of(NAMES[number], life(number).0);
        let mut config = Config::new(hello.cluster, hello.node, hello.life, hello.address);
        config.slot_bits = hello.slot_bits;
        config.seed = u64::from(seed);
        config.epoch_floor_ms = DAWN;
        config.forget_after = Duration::from_secs(5);
        config.kinds = vec![KindConfig { kind: kind(), restart: RestartPolicy::default() }];
        let machine = Machine::new(config, Instant::ZERO).expect("a good config");
        Self { machine, owed: Vec::new(), workers: BTreeSet::new(), calls: BTreeMap::new(), is_over: false }
    }
}

impl Owed {
    fn worker(&mut self) -> Option<(&mut Name, &mut Epoch)> {
        match self {
            Self::Started(name, epoch)
            | Self::Stopped(name, epoch)
            | Self::Handoff(name, epoch)
            | Self::State(name, epoch)
            | Self::Prepared(name, epoch)
            | Self::Resolved { name, epoch, .. } => Some((name, epoch)),
            Self::Dial(_) => None,
        }
    }

    fn is_of(&self, name: &Name, epoch: Epoch) -> bool {
        self.clone().worker() == Some((&mut name.clone(), &mut { epoch }))
    }

    fn rename(&mut self, name: &Name, before: Epoch, under: Epoch) {
        if let Some((other, epoch)) = self.worker()
            && (&*other, *epoch) == (name, before)
        {
            *epoch = under;
        }
    }
}

/// Some of its bytes are others, or are missing.
fn changed(frame: &mut Frame, choices: &mut Bytes<'_>) {
    for _ in 0..1 + choices.byte() % 3 {
        if frame.body.is_empty() {
            return;
        }
        let place = choices.below(frame.body.len());
        match choices.byte() % 4 {
            0 => frame.body[place] ^= 1 << (choices.byte() % 8),
            1 => frame.body[place] = choices.byte(),
            2 => frame.body.insert(place, choices.byte()),
            _ => drop(frame.body.remove(place)),
        }
    }
}

/// The first byte is a seed, the rest is what happens.
///
/// # Panics
/// When a machine breaks a promise.
pub fn machines(bytes: &[u8]) {
    let mut choices = Bytes::new(bytes);
    let mut world = World::new(choices.byte());
    for _ in 0..MAX_ACTS {
        if choices.is_empty() {
            break;
        }
        world.act(&mut choices);
        world.check();
    }
    world.settle(40);
    world.pass(Duration::from_secs(3)); // past all deadlines
    world.settle(40);
    world.check();
}
