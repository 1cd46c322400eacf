//! What is to happen when: an ordered set of deadlines.

use alloc::collections::BTreeSet;

use crate::id::{CallId, Epoch, Life, Name};
use crate::time::Instant;

/// Something to look at when its time has come. Whoever is looked at checks whether it still matters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Timer {
    /// Alone for long enough?
    Form,
    /// The sync makes no progress?
    SyncStall,
    /// Probe all subjects.
    Probe,
    /// A direct or indirect probe of this subject is over.
    ProbeTimeout(Life),
    /// A suspected member had its chance.
    Suspicion(Life),
    /// The asked observers had their time.
    Inquiry(Life),
    /// We asked this subject, by the ping of this number, on behalf of another, who wants an answer now.
    Errand(Life, u64),
    /// A life that is down is to be forgotten, or one that was, no longer listed as such.
    Forget(Life),
    /// Compare positions with the next linked member.
    Digest,
    /// Dial what is due, and withdraw what is over.
    Dial,
    /// Somebody waits for a formed cluster.
    Ready,
    /// Send again what was not answered.
    Retry,
    /// A user's call ends.
    CallDeadline(u64),
    /// A user's wish about a group ends.
    GroupDeadline(CallId),
    /// A claim's caller has gone, here at its arbiter; or a start took too long.
    GrantDeadline(Name),
    /// A departing node looks at how far it is.
    Departure,
    /// A member that fell silent has had the time to stop its workers.
    Stopped(Life),
    /// The next attempt of a takeover.
    Takeover(Name),
    /// A worker that ended is to run again.
    Restart(Name),
    /// That restart took too long.
    RestartTimeout(Name, Epoch),
    /// A worker that should run elsewhere may be asked again.
    Move(Name),
    /// A move took too long.
    MoveDeadline(Name),
    /// The next move may begin.
    Moves,
    /// A beaten copy had its time to be heard.
    Surrender(Name),
    /// Two registrations of this name had their time to turn out to be one after the other.
    Conflict(Name),
}

/// Deadlines in order; equal ones in the order of their kind.
#[derive(Debug, Default)]
pub(crate) struct Timers(BTreeSet<(Instant, Timer)>);

impl Timers {
    pub(crate) fn set(&mut self, at: Instant, timer: Timer) {
        self.0.insert((at, timer));
    }

    pub(crate) fn cancel(&mut self, at: Instant, timer: Timer) {
        self.0.remove(&(at, timer));
    }

    /// How many are set.
    #[cfg(feature = "mutants")]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }

    /// The next timer that is due, removed.
    pub(crate) fn due(&mut self, now: Instant) -> Option<(Instant, Timer)> {
        if self.next()? > now {
            return None;
        }
        self.0.pop_first()
    }
}
