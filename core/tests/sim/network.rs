//! The network: dials, links that keep order, paths that can be cut, connections that die loudly or silently.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use skep_core::Instant;
use skep_core::error::DialFailure;
use skep_core::event::{Input, Way};
use skep_core::id::{Address, LinkId};
use skep_core::wire::{Deframer, Frame};

use crate::process::Running;
use crate::world::{Happening, ProcessId, SiteId, World};

/// How long a handshake or a connection attempt may take.
const DIAL_PATIENCE: Duration = Duration::from_secs(2);

/// Index of a connection attempt.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DialId(usize);

/// Index of a link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct LinkNumber(pub usize);

/// The dialler's end, or the acceptor's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Side {
    Dialler,
    Acceptor,
}

impl Side {
    pub const BOTH: [Self; 2] = [Self::Dialler, Self::Acceptor];

    pub fn other(self) -> Self {
        match self {
            Self::Dialler => Self::Acceptor,
            Self::Acceptor => Self::Dialler,
        }
    }
}

/// What connects sites.
#[derive(Default)]
pub struct Network {
    /// How many faults cut the way from one site to another.
    cuts: BTreeMap<(SiteId, SiteId), u32>,
    /// Dials on this way are refused although the process lives.
    pub refusing: BTreeMap<(SiteId, SiteId), u32>,
    /// Dials on this way are accepted, then reset.
    pub resetting: BTreeMap<(SiteId, SiteId), u32>,
    dials: Vec<Dial>,
    links: Vec<Link>,
    /// Indices of links that are not over.
    open: Vec<LinkNumber>,
}

struct Dial {
    from: ProcessId,
    address: Address,
    done: bool,
}

struct Link {
    dialler: End,
    acceptor: End,
    address: Address,
    /// Nothing passes any more; the ends may not know yet.
    is_dead: bool,
}

/// One process's part of a link.
struct End {
    process: ProcessId,
    state: EndState,
    /// What is on its way to here.
    inward: Pipe,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum EndState {
    /// Its handshake is not over.
    Coming,
    Open,
    Over,
}

#[derive(Default)]
struct Pipe {
    packets: VecDeque<(Instant, Packet)>,
    last: Instant,
    deframer: Deframer,
}

enum Packet {
    Bytes(Vec<u8>),
    End,
}

impl Link {
    fn end(&mut self, side: Side) -> &mut End {
        match side {
            Side::Dialler => &mut self.dialler,
            Side::Acceptor => &mut self.acceptor,
        }
    }

    fn process(&self, side: Side) -> ProcessId {
        match side {
            Side::Dialler => self.dialler.process,
            Side::Acceptor => self.acceptor.process,
        }
    }
}

/// Each end has an id of its own.
fn link_id(link: LinkNumber, side: Side) -> LinkId {
    LinkId(link.0 as u64 * 2 + u64::from(side == Side::Acceptor))
}

fn link_of(id: LinkId) -> (LinkNumber, Side) {
    let side = if id.0.is_multiple_of(2) { Side::Dialler } else { Side::Acceptor };
    (LinkNumber((id.0 / 2) as usize), side)
}

impl World {
    fn link(&mut self, link: LinkNumber) -> &mut Link {
        &mut self.network.links[link.0]
    }

    fn end(&mut self, link: LinkNumber, side: Side) -> &mut End {
        self.network.links[link.0].end(side)
    }

    /// Whether packets get from here to there.
    pub fn passes(&self, from: SiteId, to: SiteId) -> bool {
        self.network.cuts.get(&(from, to)).is_none_or(|&count| count == 0)
    }

    /// The machine orders a connection.
    pub fn dial(&mut self, from: ProcessId, address: Address) {
        if !self[from].dials.insert(address.clone()) {
            self.violate(format!("{} dials {address} while it dials it", self[from]));
        }
        let dial = DialId(self.network.dials.len());
        self.network.dials.push(Dial { from, address: address.clone(), done: false });
        let Some(to) = self.site_at(&address) else {
            let pause = self.random.skewed(DIAL_PATIENCE);
            return self.after(pause, Happening::DialFails(dial, DialFailure::Unreachable));
        };
        let here = self[from].site;
        if !self.passes(here, to) || !self.passes(to, here) || !self.sites[to.0].has_power {
            let failure =
                if self.random.percent(50) { DialFailure::TimedOut } else { DialFailure::Unreachable };
            let pause = self.random.between(DIAL_PATIENCE / 8, DIAL_PATIENCE);
            return self.after(pause, Happening::DialFails(dial, failure));
        }
        let latency = self.latency();
        self.after(latency, Happening::DialArrives(dial));
    }

    fn site_at(&self, address: &Address) -> Option<SiteId> {
        self.sites.iter().position(|site| site.address == *address).map(SiteId)
    }

    pub fn dial_arrives(&mut self, dial: DialId) {
        let Dial { from, address, done } = &self.network.dials[dial.0];
        let (from, address) = (*from, address.clone());
        if *done || !self[from].lives() {
            return;
        }
        let latency = self.latency();
        let there = self.site_at(&address).expect("its packets went to a site");
        let here = self[from].site;
        if self.network.refusing.get(&(here, there)).is_some_and(|&count| count > 0) {
            return self.after(latency, Happening::DialFails(dial, DialFailure::Refused));
        }
        if self.network.resetting.get(&(here, there)).is_some_and(|&count| count > 0) {
            return self.after(latency, Happening::DialFails(dial, DialFailure::Unreachable));
        }
        let Some(to) = self.running(there) else {
            let failure =
                if self.sites[there.0].has_power { DialFailure::Refused } else { DialFailure::Unreachable };
            return self.after(latency, Happening::DialFails(dial, failure));
        };
        if self[to].running == Running::Frozen {
            self[to].standstill.dials.push(dial);
            return self.after(DIAL_PATIENCE, Happening::DialFails(dial, DialFailure::TimedOut));
        }
        let (ours, theirs) = (self[from].hello.clone(), self[to].hello.clone());
        if let Err(refusal) = theirs.admit(&ours).and_then(|_| ours.admit(&theirs)) {
            return self.after(latency, Happening::DialFails(dial, DialFailure::Handshake(refusal)));
        }
        self.network.dials[dial.0].done = true;
        let link = LinkNumber(self.network.links.len());
        let end = |process| End { process, state: EndState::Coming, inward: Pipe::default() };
        self.network.links.push(Link { dialler: end(from), acceptor: end(to), address, is_dead: false });
        self.network.open.push(link);
        for side in Side::BOTH {
            let pause = self.latency();
            self.end(link, side).inward.last = self.now + pause;
            self.after(pause, Happening::EndUp(link, side));
        }
    }

    pub fn dial_fails(&mut self, dial: DialId, failure: DialFailure) {
        let Dial { from, address, done } = &mut self.network.dials[dial.0];
        if !std::mem::replace(done, true) {
            let (from, address) = (*from, address.clone());
            self.tell(from, Input::DialFailed { address, failure });
        }
    }

    pub fn end_up(&mut self, link: LinkNumber, side: Side) {
        let (process, other) = (self.link(link).process(side), self.link(link).process(side.other()));
        if self.end(link, side).state != EndState::Coming || !self[process].lives() {
            return;
        }
        self.end(link, side).state = EndState::Open;
        let way = match side {
            Side::Dialler => Way::Dialled(self.link(link).address.clone()),
            Side::Acceptor => Way::Accepted,
        };
        let peer = self[other].hello.clone();
        self.tell(process, Input::LinkUp { link: link_id(link, side), way, peer });
    }

    pub fn end_down(&mut self, link: LinkNumber, side: Side) {
        let before = std::mem::replace(&mut self.end(link, side).state, EndState::Over);
        let process = self.link(link).process(side);
        match before {
            EndState::Over => {}
            EndState::Open => self.tell(process, Input::LinkDown { link: link_id(link, side) }),
            // broke in the handshake: only who dialled hears of it
            EndState::Coming if side == Side::Dialler => {
                let address = self.link(link).address.clone();
                self.tell(process, Input::DialFailed { address, failure: DialFailure::Unreachable });
            }
            EndState::Coming => {}
        }
        self.tidy(link);
    }

    fn tidy(&mut self, link: LinkNumber) {
        if Side::BOTH.iter().all(|&side| self.end(link, side).state == EndState::Over) {
            self.network.open.retain(|&open| open != link);
            for side in Side::BOTH {
                self.end(link, side).inward = Pipe::default();
            }
        }
    }

    /// The machine puts a frame on a link.
    pub fn send(&mut self, from: ProcessId, id: LinkId, frame: &Frame) {
        let (link, side) = link_of(id);
        if self.link(link).process(side) != from {
            return self.violate(format!("{} sends on a link that is not its own", self[from]));
        }
        let mut bytes = Vec::with_capacity(frame.wire_len());
        frame.encode(&mut bytes);
        self.push(link, side, Packet::Bytes(bytes));
    }

    /// Puts something on the way from this end.
    fn push(&mut self, link: LinkNumber, side: Side, packet: Packet) {
        if self.link(link).is_dead || self.end(link, side).state != EndState::Open {
            return; // lost, and nobody is told
        }
        let (here, there) = self.sites_of(link, side);
        let latency = self.latency();
        let arrival = if self.passes(here, there) && self.sites[there.0].has_power {
            self.now + latency
        } else {
            Instant::FAR
        };
        let inward = &mut self.end(link, side.other()).inward;
        inward.last = arrival.max(inward.last + Duration::from_nanos(u64::from(inward.last != Instant::FAR)));
        let arrival = inward.last;
        inward.packets.push_back((arrival, packet));
        if arrival != Instant::FAR {
            self.at(arrival, Happening::Arrive(link, side.other()));
        }
    }

    /// The site of this end, then the other's.
    fn sites_of(&mut self, link: LinkNumber, side: Side) -> (SiteId, SiteId) {
        let (here, there) = (self.link(link).process(side), self.link(link).process(side.other()));
        (self[here].site, self[there].site)
    }

    pub fn arrive(&mut self, link: LinkNumber, side: Side) {
        let now = self.now;
        while self.end(link, side).inward.packets.front().is_some_and(|(due, _)| *due <= now) {
            let Some((_, packet)) = self.end(link, side).inward.packets.pop_front() else { return };
            let process = self.link(link).process(side);
            if self.end(link, side).state != EndState::Open {
                continue;
            }
            let Packet::Bytes(bytes) = packet else {
                return self.end_down(link, side);
            };
            // in two parts, as a socket may hand them over
            let cut = self.random.below(bytes.len() + 1);
            let deframer = &mut self.end(link, side).inward.deframer;
            deframer.push(&bytes[..cut]);
            deframer.push(&bytes[cut..]);
            while let Some(frame) =
                self.end(link, side).inward.deframer.next_frame().expect("these are frames")
            {
                self.tell(process, Input::Message { link: link_id(link, side), frame });
            }
        }
    }

    /// The machine ends a link: what it sent before still arrives.
    pub fn close(&mut self, from: ProcessId, id: LinkId) {
        let (link, side) = link_of(id);
        if self.link(link).process(side) != from {
            return self.violate(format!("{} closes a link that is not its own", self[from]));
        }
        self.push(link, side, Packet::End);
        self.end(link, side).state = EndState::Over;
        self[from].closed.insert(id);
        self.tidy(link);
    }

    /// A connection dies; its ends hear of it after these pauses.
    fn kill_link(&mut self, link: LinkNumber, pauses: [Duration; 2]) {
        self.link(link).is_dead = true;
        for (side, pause) in Side::BOTH.into_iter().zip(pauses) {
            self.end(link, side).inward.packets.clear();
            self.after(pause, Happening::EndDown(link, side));
        }
    }

    /// All links between the two that are not dead.
    fn links_between(&mut self, here: SiteId, there: SiteId) -> Vec<LinkNumber> {
        let mut found = self.network.open.clone();
        found.retain(|&link| {
            let (dialler, acceptor) = self.sites_of(link, Side::Dialler);
            !self.link(link).is_dead && [(dialler, acceptor), (acceptor, dialler)].contains(&(here, there))
        });
        found
    }

    /// Breaks what connects the two; each end hears of it within this time.
    pub fn break_links(&mut self, here: SiteId, there: SiteId, within: Duration) {
        for link in self.links_between(here, there) {
            let pauses = [self.random.skewed(within), self.random.skewed(within)];
            self.kill_link(link, pauses);
        }
    }

    /// Nothing gets from here to there until it is mended as often as it was cut.
    pub fn cut(&mut self, here: SiteId, there: SiteId) {
        *self.network.cuts.entry((here, there)).or_default() += 1;
        for link in self.links_between(here, there) {
            let patience = self.random.between(Duration::from_millis(300), Duration::from_secs(8));
            self.after(patience, Happening::Patience(link));
            for side in Side::BOTH {
                if self.sites_of(link, side).1 == there {
                    let inward = &mut self.end(link, side.other()).inward;
                    inward.last = Instant::FAR;
                    inward.packets.iter_mut().for_each(|(due, _)| *due = Instant::FAR);
                }
            }
        }
    }

    /// A kernel has sent the same bytes in vain for long enough.
    pub fn lose_patience(&mut self, link: LinkNumber) {
        let (dialler, acceptor) = self.sites_of(link, Side::Dialler);
        let is_cut = !self.passes(dialler, acceptor) || !self.passes(acceptor, dialler);
        if is_cut && !self.link(link).is_dead {
            let pauses = [(); 2].map(|()| self.random.skewed(Duration::from_secs(2)));
            self.kill_link(link, pauses);
        }
    }

    /// What waited for the way from here to there goes on.
    pub fn mend_path(&mut self, here: SiteId, there: SiteId) {
        let count = self.network.cuts.entry((here, there)).or_default();
        *count = count.saturating_sub(1);
        if *count > 0 {
            return;
        }
        for link in self.links_between(here, there) {
            for side in Side::BOTH {
                if self.sites_of(link, side).1 == there {
                    self.resend(link, side.other());
                }
            }
        }
    }

    fn resend(&mut self, link: LinkNumber, side: Side) {
        let mut due = self.now + self.latency();
        let inward = &mut self.end(link, side).inward;
        for (when, _) in &mut inward.packets {
            due += Duration::from_nanos(1);
            *when = due;
        }
        inward.last = due;
        self.at(due, Happening::Arrive(link, side));
    }

    /// Ends all faults of the network at once.
    pub fn mend_network(&mut self) {
        for (here, there) in self.network.cuts.keys().copied().collect::<Vec<_>>() {
            self.network.cuts.insert((here, there), 1);
            self.mend_path(here, there);
        }
        self.network.refusing.clear();
        self.network.resetting.clear();
    }

    /// A process is gone: its kernel says so, or nobody does.
    pub fn drop_links(&mut self, process: ProcessId, told: Told) {
        let mut links = self.network.open.clone();
        links.retain(|&link| Side::BOTH.iter().any(|&side| self.link(link).process(side) == process));
        for link in links {
            let side =
                if self.link(link).dialler.process == process { Side::Dialler } else { Side::Acceptor };
            match told {
                // its machine had closed it: what it sent before still arrives
                Told::ByEnd | Told::ByReset if self.end(link, side).state == EndState::Over => {}
                Told::ByEnd if self.end(link, side).state == EndState::Open => {
                    self.push(link, side, Packet::End);
                }
                Told::ByEnd | Told::ByReset => {
                    let (here, there) = self.sites_of(link, side);
                    let latency = self.latency();
                    let slow = self.random.between(Duration::from_millis(500), Duration::from_secs(6));
                    let pause = if self.passes(here, there) { latency } else { slow };
                    self.kill_link(link, [pause; 2]);
                }
                Told::Never => {
                    let pause = self.random.between(Duration::from_secs(3), Duration::from_secs(15));
                    self.kill_link(link, [pause; 2]);
                }
            }
            self.end(link, side).state = EndState::Over;
            self.tidy(link);
        }
    }

    /// A machine that has power again answers old connections with a reset.
    pub fn reset_old_links(&mut self, site: SiteId) {
        for link in self.network.open.clone() {
            for side in Side::BOTH {
                let process = self.link(link).process(side);
                if self[process].site == site && !self[process].lives() {
                    let pause = self.random.between(Duration::from_millis(1), Duration::from_millis(400));
                    self.after(pause, Happening::EndDown(link, side.other()));
                }
            }
        }
    }
}

/// How peers learn that a process is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// What it sent arrives, then the end of the stream.
    ByEnd,
    /// What it sent is lost.
    ByReset,
    /// Not at all, for long.
    Never,
}
