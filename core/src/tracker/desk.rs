//! What an arbiter has on its desk: one matter a name, and those who wait behind it.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use crate::event::WorkerSpec;
use crate::id::{ClaimId, Dot, Epoch, Life, Name};
use crate::time::Instant;
use crate::wire::message::{Verdict, Wish};

/// Who gets an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Client {
    pub(crate) id: ClaimId,
    /// The node that it calls from; ours for our own users.
    pub(crate) from: Life,
    /// Until then it may ask again.
    pub(crate) until: Instant,
}

/// A claim that waits for a gate, or behind another matter of its name.
#[derive(Clone, Debug)]
pub(crate) struct Waiter {
    pub(crate) client: Client,
    pub(crate) wish: Wish,
    pub(crate) deadline: Instant,
}

/// All matters under way.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    pub(super) matters: BTreeMap<Name, Matter>,
    /// Claims for slots whose gate is closed.
    pub(super) queued: BTreeMap<Name, VecDeque<Waiter>>,
    pub(super) waiters: usize,
    takeovers: usize,
    beginnings: usize,
    /// What was answered to claims whose caller may ask again, not having heard it.
    done: BTreeMap<ClaimId, Verdict>,
    done_until: BTreeSet<(Instant, ClaimId)>,
}

/// What is under way for one name.
#[derive(Debug)]
pub(crate) struct Matter {
    pub(crate) step: Step,
    pub(crate) waiters: VecDeque<Waiter>,
}

/// How far it is.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A host was told to start it.
    Starting(Starting),
    /// A host was told to stop it.
    Stopping(Stopping),
    /// A takeover failed and is tried again later.
    Pausing { dot: Dot, tried: BTreeSet<Life>, failures: u32 },
}

/// A start under way.
#[derive(Clone, Debug)]
pub(crate) struct Starting {
    pub(crate) host: Life,
    pub(crate) epoch: Epoch,
    /// Of an existing registration, that is taken over.
    pub(crate) dot: Option<Dot>,
    pub(crate) claim: ClaimId,
    pub(crate) spec: WorkerSpec,
    /// Who gets the answer, if anyone waits.
    pub(crate) client: Option<Client>,
    pub(crate) deadline: Instant,
    pub(crate) again: Instant,
    /// Hosts on which it failed.
    pub(crate) tried: BTreeSet<Life>,
    pub(crate) failures: u32,
}

/// A stop under way.
#[derive(Clone, Debug)]
pub(crate) struct Stopping {
    pub(crate) host: Life,
    pub(crate) epoch: Epoch,
    pub(crate) why: Stop,
    pub(crate) again: Instant,
}

/// What a stop is for.
#[derive(Clone, Debug)]
pub(crate) enum Stop {
    /// The registration ends, and this client is told.
    Unregister { dot: Dot, client: Client },
    /// Nobody waits for this start any more; a taken-over registration (`dot`) tries again.
    Cancel { dot: Option<Dot>, tried: BTreeSet<Life>, failures: u32 },
    /// It runs by a registration that was removed, which its host may have yet to hear.
    Ended { dot: Dot },
}

impl Step {
    /// Who is to be answered when it ends.
    pub(super) fn client(&self) -> Option<&Client> {
        match self {
            Self::Starting(starting) => starting.client.as_ref(),
            Self::Stopping(Stopping { why: Stop::Unregister { client, .. }, .. }) => Some(client),
            Self::Stopping(_) | Self::Pausing { .. } => None,
        }
    }

    /// Whether it counts towards `Config::max_takeovers`.
    fn is_takeover(&self) -> bool {
        match self {
            Self::Starting(starting) => starting.dot.is_some(),
            Self::Stopping(Stopping { why: Stop::Cancel { dot, .. }, .. }) => dot.is_some(),
            Self::Stopping(_) | Self::Pausing { .. } => false,
        }
    }

    /// Whether a name comes of it that is not registered yet: it counts towards `Config::max_names`.
    fn is_beginning(&self) -> bool {
        matches!(self, Self::Starting(Starting { dot: None, .. }))
    }
}

impl Desk {
    /// A matter is at this step from now on.
    pub(super) fn count(&mut self, step: &Step) {
        self.takeovers += usize::from(step.is_takeover());
        self.beginnings += usize::from(step.is_beginning());
    }

    /// A matter is at this step no longer.
    pub(super) fn discount(&mut self, step: &Step) {
        self.takeovers -= usize::from(step.is_takeover());
        self.beginnings -= usize::from(step.is_beginning());
    }

    /// Remembers what a client of another node was answered until it gives up: asked again, its claim would be
    /// decided twice, perhaps another way, or over a registration that somebody else made since. Holds `max` of
    /// them, the latest. Whether one was forgotten for that.
    pub(super) fn remember(&mut self, now: Instant, client: &Client, verdict: Verdict, max: usize) -> bool {
        let mut is_early = false;
        while let Some(&(until, id)) = self.done_until.first()
            && (until < now || self.done.len() >= max)
        {
            self.done_until.remove(&(until, id));
            self.done.remove(&id);
            is_early |= until >= now;
        }
        self.done.insert(client.id, verdict);
        self.done_until.insert((client.until, client.id));
        is_early
    }

    /// The matter of this name, if there is one, is at another step from now on.
    pub(super) fn turn(&mut self, name: &Name, step: Step) {
        let Some(matter) = self.matters.get_mut(name) else {
            return;
        };
        self.takeovers += usize::from(step.is_takeover());
        self.beginnings += usize::from(step.is_beginning());
        let former = core::mem::replace(&mut matter.step, step);
        self.discount(&former);
    }

    /// How many answers are remembered.
    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.done.len()
    }

    /// What was answered to this claim, if its caller may not have heard of it.
    pub(super) fn recall(&self, claim: ClaimId) -> Option<Verdict> {
        self.done.get(&claim).cloned()
    }

    pub(crate) fn is_busy_with(&self, name: &Name) -> bool {
        self.matters.contains_key(name)
    }

    /// The names whose takeover waits for its next attempt.
    pub(super) fn pausing(&self) -> Vec<Name> {
        let pausing = self.matters.iter().filter(|(_, matter)| matches!(matter.step, Step::Pausing { .. }));
        pausing.map(|(name, _)| name.clone()).collect()
    }

    /// How many names are on it.
    #[cfg(feature = "mutants")]
    pub(crate) fn len(&self) -> usize {
        self.matters.len() + self.queued.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.matters.is_empty()
    }

    pub(crate) fn takeovers(&self) -> usize {
        self.takeovers
    }

    /// How many names are being started here that are not registered yet.
    pub(super) fn beginnings(&self) -> usize {
        self.beginnings
    }

    /// Whether this claim waits here already.
    pub(super) fn knows(&self, name: &Name, claim: ClaimId) -> bool {
        let same = |waiter: &Waiter| waiter.client.id == claim;
        let queued = self.queued.get(name).is_some_and(|queue| queue.iter().any(same));
        let under_way = self.matters.get(name).is_some_and(|matter| {
            matter.step.client().is_some_and(|current| current.id == claim) || matter.waiters.iter().any(same)
        });
        queued || under_way
    }
}
