//! What happens when a worker ends by itself: again, when, or never again.

use alloc::collections::VecDeque;
use core::time::Duration;

use crate::config::Backoff;
use crate::event::Exit;
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
    /// ... within this time, and the supervisor gives up: the name is freed.
    pub within: Duration,
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
        }
    }
}

/// What to do about an exit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Start it again after this pause.
    Restart(Duration),
    /// Free its name.
    GiveUp,
}

/// The recent restarts of one worker.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct History {
    restarts: VecDeque<Instant>, // at most `intensity` of them
}

impl History {
    /// Decides on an exit, and remembers it. `jitter` is any random number.
    pub fn on_exit(&mut self, now: Instant, exit: &Exit, policy: &RestartPolicy, jitter: u64) -> Decision {
        match (policy.restart, exit) {
            (Restart::Permanent, _) | (Restart::Transient, Exit::Failed(_)) => {}
            (Restart::Transient, Exit::Finished) | (Restart::Temporary, _) => return Decision::GiveUp,
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
