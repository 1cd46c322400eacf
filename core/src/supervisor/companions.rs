//! Workers that belong together: one that ended takes others with it, and they start again in their order.

use alloc::vec::Vec;
use core::time::Duration;

use crate::event::{StartReason, StopReason};
use crate::id::Name;
use crate::machine::Machine;
use crate::mutant::Mutant;
use crate::placement::{Bond, Together};
use crate::timer::Timer;
use crate::tracker::{Hosted, Phase, Then};

/// How soon a worker looks again whether those before it run.
const SOON: Duration = Duration::from_millis(10);

impl Machine {
    /// The workers here whose key is that of this one, with what they say of it.
    fn companions(&self, name: &Name) -> Option<(Together, Vec<(Name, Together)>)> {
        let own = self.host.workers.get(name)?.spec.place().companions()?.clone();
        let others = self.host.of_key(&own.key).filter(|other| *other != name);
        let others = others
            .filter_map(|other| {
                let theirs = self.host.workers[other].spec.place().companions()?.clone();
                Some((other.clone(), theirs))
            })
            .collect();
        Some((own, others))
    }

    /// Those of them whom the end of this one concerns.
    fn bound_by(&self, name: &Name) -> Vec<Name> {
        let Some((own, others)) = self.companions(name) else {
            return Vec::new();
        };
        let bound = others.into_iter().filter(|(_, theirs)| own.bond.binds(own.rank, theirs.rank));
        bound.map(|(other, _)| other).collect()
    }

    /// A worker is restarted after this pause, and with it those that it binds.
    pub(crate) fn stop_companions(&mut self, name: &Name, pause: Duration) {
        if self.broken(Mutant::CompanionsRunOn) {
            return;
        }
        let at = self.now + pause;
        for other in self.bound_by(name) {
            let worker = &self.host.workers[&other];
            if matches!(worker.phase, Phase::Running) && worker.recorded || is_restarting(worker) {
                self.stop_here(&other, StopReason::Companion, Then::StartAt(at));
            }
        }
    }

    /// A worker was restarted too often, and its name is freed: so are those of all that it binds.
    pub(crate) fn free_companions(&mut self, name: &Name) {
        if self.broken(Mutant::CompanionsKept) {
            return;
        }
        for other in self.bound_by(name) {
            match self.host.workers[&other].phase {
                Phase::Running | Phase::Starting => {
                    self.stop_here(&other, StopReason::Companion, Then::Free);
                }
                Phase::Pausing | Phase::Exited(_) => self.free(&other),
                // Being stopped already, or on its way to another node.
                Phase::Stopping { .. }
                | Phase::Halted { .. }
                | Phase::Stuck { .. }
                | Phase::Preparing { .. }
                | Phase::Prepared { .. }
                | Phase::Frozen { .. } => {}
            }
        }
    }

    /// A restart is due: whether it waits for those before it in the order. It looks again soon.
    pub(crate) fn waits_for_companions(&mut self, name: &Name) -> bool {
        let Some((own, others)) = self.companions(name) else {
            return false;
        };
        if own.bond == Bond::OneForOne {
            return false;
        }
        let waits = others.iter().any(|(other, theirs)| {
            let worker = &self.host.workers[other];
            let comes = match worker.phase {
                Phase::Pausing | Phase::Stopping { then: Then::StartAt(_), .. } => true,
                _ => is_restarting(worker),
            };
            theirs.rank < own.rank && comes
        });
        if waits {
            self.timers.set(self.now + SOON, Timer::Restart(name.clone()));
        }
        waits
    }
}

fn is_restarting(worker: &Hosted) -> bool {
    matches!(worker.phase, Phase::Starting) && worker.why == StartReason::Restart
}
