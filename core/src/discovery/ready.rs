//! Who waits until the cluster is formed: so many members up, and nobody came or went for a while.

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::error::ReadyError;
use crate::event::{Event, Output, Reply, Status};
use crate::id::CallId;
use crate::machine::Machine;
use crate::mutant::Mutant;
use crate::time::Instant;
use crate::timer::Timer;

/// All callers who wait for that. As many as the user has made.
#[derive(Debug)]
pub(crate) struct Readiness {
    waiting: BTreeMap<CallId, Wanted>,
    /// Since when the members that own slots are the same.
    stable_since: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Wanted {
    members: usize,
    stable_for: Duration,
    deadline: Instant,
}

impl Readiness {
    pub(crate) fn new(now: Instant) -> Self {
        Self { waiting: BTreeMap::new(), stable_since: now }
    }

    /// Somebody came or went.
    pub(crate) fn disturb(&mut self, now: Instant) {
        self.stable_since = now;
    }
}

impl Machine {
    pub(crate) fn await_readiness(
        &mut self,
        call: CallId,
        deadline: Instant,
        members: usize,
        stable_for: Duration,
    ) {
        self.readiness.waiting.insert(call, Wanted { members, stable_for, deadline });
        self.timers.set(deadline, Timer::Ready);
    }

    /// Answers who has waited long enough.
    pub(crate) fn settle_readiness(&mut self) {
        if self.readiness.waiting.is_empty() {
            return;
        }
        let up = self.table.iter().filter(|record| record.status() == Status::Up).count();
        let stable_since = self.readiness.stable_since;
        for (call, wanted) in self.readiness.waiting.clone() {
            let ready_at = stable_since + wanted.stable_for;
            let enough = up >= wanted.members;
            let is_ready = enough && (ready_at <= self.now || self.broken(Mutant::ReadyAtOnce));
            let result = if is_ready {
                self.event(Event::Ready { up });
                Ok(up)
            } else if wanted.deadline <= self.now {
                Err(ReadyError::Timeout { up })
            } else {
                if enough {
                    self.timers.set(ready_at, Timer::Ready);
                }
                continue;
            };
            self.readiness.waiting.remove(&call);
            self.outputs.push_back(Output::Return { call, reply: Reply::Ready(result) });
        }
    }

    /// This life is over.
    pub(crate) fn fail_readiness(&mut self) {
        for call in core::mem::take(&mut self.readiness.waiting).into_keys() {
            let reply = Reply::Ready(Err(ReadyError::Leaving));
            self.outputs.push_back(Output::Return { call, reply });
        }
    }
}
