//! What happens when a worker ends by itself: again, when, or never again.

mod companions;

use alloc::collections::VecDeque;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Backoff;
use crate::event::Exit;
use crate::id::{Epoch, Life};
use crate::time::Instant;

/// When a worker that ended is started again. The words are those of Erlang's supervisors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RestartPolicy {
    /// After which ends.
    pub restart: Restart,
    /// How long the name waits for each restart in a row; a worker that ran for `within` starts over.
    pub backoff: Backoff,
    /// More restarts than this ...
    pub intensity: u32,
    /// ... within this time, and the supervisor gives up, as `past` says.
    pub within: Duration,
    /// What happens then.
    pub past: PastIntensity,
}

/// What becomes of a name whose worker was restarted too often.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum PastIntensity {
    /// It is freed.
    #[default]
    GiveUp,
    /// It goes on elsewhere, and comes back only if nobody else may run it. Where nobody else may now, it is restarted
    /// here after the longest pause.
    Move,
}

/// After which ends a worker is started again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Restart {
    /// Any.
    Permanent,
    /// Failures only.
    Transient,
    /// None.
    Temporary,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            restart: Restart::Permanent,
            backoff: Backoff { min: Duration::from_millis(10), max: Duration::from_secs(10) },
            intensity: 20,
            within: Duration::from_secs(60),
            past: PastIntensity::GiveUp,
        }
    }
}

/// What to do about an exit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Start it again after this pause.
    Restart(Duration),
    /// That was its work: free its name.
    Finish,
    /// It was restarted too often.
    GiveUp,
}

/// The recent restarts of one worker.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct History {
    restarts: VecDeque<Instant>, // at most `intensity` of them
}

/// What a registration says of the restarts of its worker, so that its next host does not begin anew.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Crashes {
    /// How many recent ones there were ...
    pub(crate) count: u32,
    /// ... at this one, the last.
    pub(crate) last: Epoch,
    /// The member that restarted it too often, and is not to have it again if another may.
    pub(crate) left: Option<Life>,
}

impl History {
    /// Decides on an exit, and remembers it. `jitter` is any random number.
    pub fn on_exit(&mut self, now: Instant, exit: &Exit, policy: &RestartPolicy, jitter: u64) -> Decision {
        match (policy.restart, exit) {
            (Restart::Permanent, _) | (Restart::Transient, Exit::Failed(_)) => {}
            (Restart::Transient, Exit::Finished) | (Restart::Temporary, _) => return Decision::Finish,
        }
        while self.restarts.front().is_some_and(|&at| now.since(at) > policy.within) {
            self.restarts.pop_front();
        }
        if self.restarts.len() >= policy.intensity as usize {
            return Decision::GiveUp;
        }
        self.restarts.push_back(now);
        Decision::Restart(policy.backoff.pause(self.restarts.len() as u32, jitter))
    }

    /// How many restarts it remembers.
    pub fn len(&self) -> usize {
        self.restarts.len()
    }

    /// Whether it remembers none.
    pub fn is_empty(&self) -> bool {
        self.restarts.is_empty()
    }

    /// That behind these crashes, as if all had been when the last one was; `present` are the milliseconds of an epoch
    /// of now. More than the policy allows count as that many.
    pub(crate) fn behind(crashes: &Crashes, present: u64, now: Instant, policy: &RestartPolicy) -> Self {
        let past = Duration::from_millis(present.saturating_sub(crashes.last.millis()));
        if past > policy.within {
            return Self::default();
        }
        let at = Instant::from_nanos(now.as_nanos().saturating_sub(past.as_nanos() as u64));
        let count = crashes.count.min(policy.intensity) as usize;
        Self { restarts: core::iter::repeat_n(at, count).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Reason;

    fn policy(restart: Restart) -> RestartPolicy {
        RestartPolicy { restart, intensity: 3, ..RestartPolicy::default() }
    }

    #[test]
    fn each_policy_restarts_after_the_ends_it_names() {
        let failed = Exit::Failed(Reason::new("boom"));
        for (restart, exit, again) in [
            (Restart::Permanent, &Exit::Finished, true),
            (Restart::Permanent, &failed, true),
            (Restart::Transient, &Exit::Finished, false),
            (Restart::Transient, &failed, true),
            (Restart::Temporary, &Exit::Finished, false),
            (Restart::Temporary, &failed, false),
        ] {
            let decision = History::default().on_exit(Instant::ZERO, exit, &policy(restart), 0);
            assert_eq!(matches!(decision, Decision::Restart(_)), again, "{restart:?} after {exit:?}");
        }
    }

    #[test]
    fn what_a_host_inherits_counts_as_long_as_its_own() {
        let policy = policy(Restart::Permanent);
        let crashes = Crashes { count: 2, last: Epoch(100_000 << 20 | 7), left: None };
        let now = Instant::from_nanos(5_000_000_000);
        let mut history = History::behind(&crashes, 130_000, now, &policy);
        assert_eq!(history.len(), 2);
        let third = history.on_exit(now, &Exit::Finished, &policy, 0);
        assert_eq!(third, Decision::Restart(Duration::from_millis(40)), "the pause goes on growing");
        assert_eq!(history.clone().on_exit(now, &Exit::Finished, &policy, 0), Decision::GiveUp);
        assert!(History::behind(&crashes, 161_000, now, &policy).is_empty(), "it ran well for a minute");
        let forged = Crashes { count: u32::MAX, ..crashes };
        assert_eq!(History::behind(&forged, 100_000, now, &policy).len(), 3);
    }

    #[test]
    fn it_gives_up_past_the_intensity_and_forgets_old_restarts() {
        let policy = policy(Restart::Permanent);
        let mut history = History::default();
        let mut now = Instant::ZERO;
        for expected in [10, 20, 40] {
            let decision = history.on_exit(now, &Exit::Finished, &policy, 0);
            assert_eq!(decision, Decision::Restart(Duration::from_millis(expected)));
        }
        assert_eq!(history.on_exit(now, &Exit::Finished, &policy, 0), Decision::GiveUp);
        now += policy.within + Duration::from_nanos(1);
        let decision = history.on_exit(now, &Exit::Finished, &policy, 0);
        assert_eq!(decision, Decision::Restart(Duration::from_millis(10)));
    }
}
