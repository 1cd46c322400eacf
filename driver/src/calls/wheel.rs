//! One shard of the waiting calls: a slab of entries, chained into the buckets of a timing wheel.
//!
//! The wheel is a hashed one (Varghese and Lauck, 1987, scheme 6): an entry is chained into the bucket of its
//! deadline, so that opening, answering and giving up cost the same at any number of calls.

use std::any::Any;
use std::task::Waker;
use std::time::Duration;

use skep_core::Instant;
use skep_core::id::{Life, LinkId};

use super::error::Handled;
use super::wire::{Answered, Undelivered};

/// How late a call may end after its deadline.
pub(crate) const TICK: Duration = Duration::from_millis(5);

pub(super) const SHARDS: usize = 16;
const BUCKETS: usize = 512;
pub(super) const NONE: u32 = u32::MAX;

pub(super) struct Shard {
    pub(super) entries: Vec<Entry>,
    free: Vec<u32>,
    pub(super) buckets: Box<[u32; BUCKETS]>,
    swept: u64, // ticks up to and including this one were looked at
}

pub(super) struct Entry {
    generation: u32,
    deadline: Instant,
    bucket: u32,
    before: u32,
    after: u32,
    pub(super) sent: Option<Sent>,
    pub(super) outcome: Option<Outcome>,
    /// The message, encoded, once it has left this node and its caller does not have it.
    pub(super) kept: Option<Vec<u8>>,
    pub(super) waker: Option<Waker>,
}

/// To whom a call went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sent {
    /// Its loss ends the call. `None` after a move to where no link of ours leads.
    pub(super) link: Option<LinkId>,
    /// Who has it now.
    pub(super) to: Life,
    /// Who had it first.
    pub(super) asked: Life,
}

/// One waiting call, unique for 2^32 calls in its place: generation `<< 32`, place `<< 4`, shard. Never 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Key(pub(crate) u64);

/// How a call ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// With the answer's value, as the worker is here.
    Replied(Box<dyn Any + Send>),
    /// With the answer's bytes, from this offset on.
    Encoded(Vec<u8>, usize),
    Undelivered(Undelivered),
    /// With the message itself, as the worker here ended before it took it.
    Returned(Box<dyn Any + Send>),
    Failed(Handled),
    ReplyTooLarge,
    LinkLost,
    Expired,
}

/// What an entry still held when its call was over.
type Left = (Option<Outcome>, Option<Vec<u8>>, Option<Waker>);

impl Outcome {
    /// What an answer says that came in these bytes, and itself begins after so many.
    pub(super) fn answered(answered: Answered, bytes: Vec<u8>, from: usize) -> Self {
        match answered {
            Answered::Reply => Self::Encoded(bytes, from),
            Answered::Undelivered(why) => Self::Undelivered(why),
            Answered::Failed(handled) => Self::Failed(handled),
            Answered::ReplyTooLarge => Self::ReplyTooLarge,
        }
    }
}

impl Shard {
    pub(super) fn new() -> Self {
        Self { entries: Vec::new(), free: Vec::new(), buckets: Box::new([NONE; BUCKETS]), swept: 0 }
    }

    pub(super) fn entry(&mut self, key: Key) -> Option<&mut Entry> {
        self.entries.get_mut(key.place()).filter(|entry| entry.generation == key.generation())
    }

    pub(super) fn insert(&mut self, now: Instant, deadline: Instant, shard: usize) -> Key {
        let place = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry {
                generation: 1,
                deadline,
                bucket: 0,
                before: NONE,
                after: NONE,
                sent: None,
                outcome: None,
                kept: None,
                waker: None,
            });
            (self.entries.len() - 1) as u32
        });
        if self.free.len() + 1 == self.entries.len() {
            self.swept = tick(now); // it was empty: no tick before now concerns anybody
        }
        // One tick late rather than early; never into a bucket that was looked at already.
        let bucket = ((tick(deadline) + 1).max(self.swept + 1) % BUCKETS as u64) as u32;
        let after = std::mem::replace(&mut self.buckets[bucket as usize], place);
        if after != NONE {
            self.entries[after as usize].before = place;
        }
        let entry = &mut self.entries[place as usize];
        (entry.deadline, entry.bucket, entry.before, entry.after) = (deadline, bucket, NONE, after);
        Key::new(entry.generation, place, shard)
    }

    /// What was left in the entry, to be dropped outside of the lock: an answer is the user's code.
    pub(super) fn remove(&mut self, key: Key) -> Option<Left> {
        let entry = self.entry(key)?;
        entry.generation = entry.generation.wrapping_add(1).max(1);
        entry.sent = None;
        let left = (entry.outcome.take(), entry.kept.take(), entry.waker.take());
        let (bucket, before, after) = (entry.bucket, entry.before, entry.after);
        if before == NONE {
            self.buckets[bucket as usize] = after;
        } else {
            self.entries[before as usize].after = after;
        }
        if after != NONE {
            self.entries[after as usize].before = before;
        }
        self.free.push(key.place() as u32);
        Some(left)
    }

    pub(super) fn sweep(&mut self, now: Instant, wakers: &mut Vec<Waker>) {
        let until = tick(now);
        for tick in (self.swept + 1..=until).take(BUCKETS) {
            let mut place = self.buckets[tick as usize % BUCKETS];
            while place != NONE {
                let entry = &mut self.entries[place as usize];
                if entry.deadline <= now && entry.outcome.is_none() {
                    entry.outcome = Some(Outcome::Expired);
                    wakers.extend(entry.waker.take());
                }
                place = entry.after;
            }
        }
        self.swept = self.swept.max(until);
    }
}

fn tick(at: Instant) -> u64 {
    at.as_nanos() / TICK.as_nanos() as u64
}

impl Key {
    fn new(generation: u32, place: u32, shard: usize) -> Self {
        Self(u64::from(generation) << 32 | u64::from(place) << 4 | shard as u64)
    }

    pub(super) fn shard(self) -> usize {
        self.0 as usize % SHARDS
    }

    fn place(self) -> usize {
        (self.0 as u32 >> 4) as usize
    }

    fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}
