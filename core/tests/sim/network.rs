//! The network: dials, links that keep order, paths that can be cut, connections that die loudly or silently.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use skep_core::Instant;
use skep_core::error::DialFailure;
use skep_core::event::{Input, Way};
use skep_core::id::{Address, LinkId};
use skep_core::wire::{Deframer, Frame, Lane};

use crate::messages::Letter;
use crate::world::{Happening, ProcessId, SiteId, World};

/// Index of a connection attempt.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DialId(pub usize);

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
    pub cuts: BTreeMap<(SiteId, SiteId), u32>,
    /// Dials on this way are refused although the process lives.
    pub refusing: BTreeMap<(SiteId, SiteId), u32>,
    /// Dials on this way are accepted, then reset.
    pub resetting: BTreeMap<(SiteId, SiteId), u32>,
    pub dials: Vec<Dial>,
    pub links: Vec<Link>,
    /// Indices of links that are not over.
    pub open: Vec<LinkNumber>,
}

pub struct Dial {
    pub from: ProcessId,
    pub address: Address,
    pub done: bool,
}

pub struct Link {
    pub dialler: End,
    pub acceptor: End,
    pub address: Address,
    /// Nothing passes any more; the ends may not know yet.
    pub is_dead: bool,
}

/// One process's part of a link.
pub struct End {
    pub process: ProcessId,
    pub state: EndState,
    /// What is on its way to here.
    pub inward: Pipe,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndState {
    /// Its handshake is not over.
    Coming,
    Open,
    Over,
}

#[derive(Default)]
pub struct Pipe {
    pub packets: VecDeque<(Instant, Packet)>,
    pub last: Instant,
    pub deframer: Deframer,
}

pub enum Packet {
    Bytes(Vec<u8>),
    End,
}

impl Link {
    pub fn end(&mut self, side: Side) -> &mut End {
        match side {
            Side::Dialler => &mut self.dialler,
            Side::Acceptor => &mut self.acceptor,
        }
    }

    pub fn process(&self, side: Side) -> ProcessId {
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
    pub fn link(&mut self, link: LinkNumber) -> &mut Link {
        &mut self.network.links[link.0]
    }

    pub fn end(&mut self, link: LinkNumber, side: Side) -> &mut End {
        self.network.links[link.0].end(side)
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

    pub fn tidy(&mut self, link: LinkNumber) {
        if Side::BOTH.iter().all(|&side| self.end(link, side).state == EndState::Over) {
            self.network.open.retain(|&open| open != link);
            for side in Side::BOTH {
                let Pipe { packets, .. } = std::mem::take(&mut self.end(link, side).inward);
                packets.iter().for_each(|(_, packet)| self.lose_packet(packet));
            }
        }
    }

    /// The machine puts a frame on a link.
    pub fn send(&mut self, from: ProcessId, id: LinkId, frame: &Frame) {
        let (link, side) = link_of(id);
        if self.link(link).process(side) != from {
            return self.violate(format!("{} sends on a link that is not its own", self[from]));
        }
        self.overhear(frame);
        let mut bytes = Vec::with_capacity(frame.wire_len());
        frame.encode(&mut bytes);
        self.push(link, side, Packet::Bytes(bytes));
    }

    /// Puts something on the way from this end.
    pub fn push(&mut self, link: LinkNumber, side: Side, packet: Packet) {
        if self.link(link).is_dead || self.end(link, side).state != EndState::Open {
            return self.lose_packet(&packet); // and nobody is told
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
    pub fn sites_of(&mut self, link: LinkNumber, side: Side) -> (SiteId, SiteId) {
        let (here, there) = (self.link(link).process(side), self.link(link).process(side.other()));
        (self[here].site, self[there].site)
    }

    pub fn arrive(&mut self, link: LinkNumber, side: Side) {
        let now = self.now;
        while self.end(link, side).inward.packets.front().is_some_and(|(due, _)| *due <= now) {
            let Some((_, packet)) = self.end(link, side).inward.packets.pop_front() else { return };
            let process = self.link(link).process(side);
            if self.end(link, side).state != EndState::Open {
                self.lose_packet(&packet);
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
                match frame.lane() {
                    Lane::Control => self.tell(process, Input::Message { link: link_id(link, side), frame }),
                    Lane::Calls => {
                        let from = self.link(link).process(side.other());
                        self.on_letter(process, self[from].life, Letter::of(&frame));
                    }
                    Lane::Bulk => self.on_bulk(process, &frame),
                }
            }
        }
    }

    /// This process's end of an open link to that one.
    pub fn open_link(&mut self, from: ProcessId, to: ProcessId) -> Option<LinkId> {
        let open = self.network.open.clone();
        let ends = open.into_iter().flat_map(|link| Side::BOTH.map(|side| (link, side)));
        let mut ends = ends.filter(|&(link, side)| {
            let candidate = &self.network.links[link.0];
            candidate.process(side) == from && candidate.process(side.other()) == to
        });
        let ends: Vec<_> = ends.by_ref().collect();
        ends.into_iter()
            .find(|&(link, side)| self.end(link, side).state == EndState::Open)
            .map(|(link, side)| link_id(link, side))
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
