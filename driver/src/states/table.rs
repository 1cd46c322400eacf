//! All states that are on their way to one node, and what each life has of the room for them.

use std::collections::HashMap;
use std::time::Duration;

use futures::channel::oneshot;
use skep_core::Instant;
use skep_core::id::{Epoch, Life, Name, Reason};

use super::chunk::Header;
use crate::worker::State;

/// How long the rest of a state may take, once the copy that wants it is there; and how long one that nobody wants
/// is kept.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// How many states may be on their way here that nobody wants yet.
const MAX_UNWANTED: usize = 4096;

/// A state that nobody wants yet costs so many bytes more than it has.
pub(super) const OVERHEAD: usize = 256;

/// Those whose time is over are looked for so often at most.
const SWEEP: Duration = Duration::from_secs(1);

/// From whom, whose, for which start.
pub(super) type Key = (Life, Name, Epoch);

#[derive(Default)]
pub(super) struct Table {
    /// A copy waits for these. As many as the machine prepares at once.
    pub(super) wanted: HashMap<Key, (Arrival, oneshot::Sender<Came>)>,
    pub(super) wanted_bytes: usize,
    /// These came before their copy was ordered.
    pub(super) unwanted: HashMap<Key, Arrival>,
    pub(super) unwanted_bytes: usize,
    /// Of whom they are, by what they cost.
    pub(super) shares: HashMap<Life, usize>,
    swept: Instant,
}

pub(super) type Came = Result<State, Reason>;

pub(super) struct Arrival {
    since: Instant,
    version: u16,
    pub(super) bytes: Vec<u8>, // grows with what comes: its length is the peer's word
    pub(super) progress: Progress,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Progress {
    Coming,
    Whole,
    /// A piece is missing: the rest of it is of no use.
    Torn,
    /// There was no room for it.
    Refused,
}

impl Table {
    pub(super) fn want(&mut self, key: Key, arrival: Arrival, wanted: oneshot::Sender<Came>) {
        self.wanted_bytes += arrival.bytes.len();
        self.wanted.insert(key, (arrival, wanted));
    }

    pub(super) fn take_wanted(&mut self, key: &Key) -> Option<(Arrival, oneshot::Sender<Came>)> {
        let (arrival, wanted) = self.wanted.remove(key)?;
        self.wanted_bytes -= arrival.bytes.len();
        Some((arrival, wanted))
    }

    pub(super) fn take_unwanted(&mut self, key: &Key) -> Option<Arrival> {
        let arrival = self.unwanted.remove(key)?;
        self.unwanted_bytes -= arrival.bytes.len();
        if let Some(share) = self.shares.get_mut(&key.0) {
            *share -= arrival.cost();
            if *share == 0 {
                self.shares.remove(&key.0);
            }
        }
        Some(arrival)
    }

    /// Keeps one until its copy is ordered. Where there is no room, those whose time is over give way; if that is
    /// not enough the largest of whoever has most there does, this one among them, and its move is tried again. How many
    /// were dropped.
    pub(super) fn keep(&mut self, key: Key, arrival: Arrival, max_bytes: usize, now: Instant) -> u64 {
        if self.is_full(&arrival, max_bytes) && now >= self.swept + SWEEP {
            self.sweep(now);
        }
        let mut dropped = 0;
        while self.is_full(&arrival, max_bytes) {
            dropped += 1;
            let own = self.shares.get(&key.0).copied().unwrap_or(0) + arrival.cost();
            let Some(largest) = self.largest_of_the_heaviest(own) else { return dropped };
            self.take_unwanted(&largest);
        }
        self.unwanted_bytes += arrival.bytes.len();
        *self.shares.entry(key.0).or_default() += arrival.cost();
        self.unwanted.insert(key, arrival);
        dropped
    }

    fn is_full(&self, arrival: &Arrival, max_bytes: usize) -> bool {
        self.unwanted.len() >= MAX_UNWANTED || self.unwanted_bytes + arrival.bytes.len() > max_bytes
    }

    fn sweep(&mut self, now: Instant) {
        self.swept = now;
        let is_over = |arrival: &Arrival| now >= arrival.since + PATIENCE;
        let over: Vec<Key> = self
            .unwanted
            .iter()
            .filter(|(_, arrival)| is_over(arrival))
            .map(|(key, _)| key.clone())
            .collect();
        over.iter().for_each(|key| drop(self.take_unwanted(key)));
    }

    /// Of the life that has most, if that is more than this.
    fn largest_of_the_heaviest(&self, more_than: usize) -> Option<Key> {
        let (heaviest, _) = self
            .shares
            .iter()
            .filter(|(_, share)| **share > more_than)
            .max_by_key(|(life, share)| (**share, **life))?;
        let of_it = self.unwanted.iter().filter(|((life, ..), _)| life == heaviest);
        let largest = of_it.max_by(|(one, first), (other, second)| {
            (first.bytes.len(), one).cmp(&(second.bytes.len(), other))
        });
        largest.map(|(key, _)| key.clone())
    }
}

impl Arrival {
    pub(super) fn new(since: Instant) -> Self {
        Self { since, version: 0, bytes: Vec::new(), progress: Progress::Coming }
    }

    pub(super) fn take(&mut self, header: &Header<'_>, piece: &[u8]) {
        if self.progress != Progress::Coming || self.bytes.len() as u64 != header.offset {
            return self.drop_as(Progress::Torn);
        }
        self.version = header.version;
        self.bytes.extend_from_slice(piece);
        if self.bytes.len() as u64 == header.total {
            self.progress = Progress::Whole;
        }
    }

    pub(super) fn drop_as(&mut self, progress: Progress) {
        (self.bytes, self.progress) = (Vec::new(), progress);
    }

    fn cost(&self) -> usize {
        self.bytes.len() + OVERHEAD
    }

    pub(super) fn came(self) -> Came {
        match self.progress {
            Progress::Refused => Err(Reason::new("too much state is on its way here")),
            Progress::Whole => Ok(State::from_bytes(self.bytes).of_version(self.version)),
            Progress::Coming | Progress::Torn => Err(Reason::new("a piece of its state is missing")),
        }
    }
}
