//! Leaving: workers are given away, the log is handed over, and then this life ends.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use super::host::{Attached, Phase, Then};
use crate::error::{DrainError, Refusal, RetireReason};
use crate::event::{Output, Reply, StopReason, WorkerSpec};
use crate::id::{CallId, Name};
use crate::machine::Machine;
use crate::membership::Announced;
use crate::mutant::Mutant;
use crate::time::Instant;
use crate::timer::Timer;

/// The others get this long to acknowledge the last records of a life that leaves.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A life that ends for a new one lasts at least this long: whoever reaches both sides of a cut may have to choose
/// again and again until they have found each other.
const SHORTEST_LIFE: Duration = Duration::from_secs(1);

/// How far this node is on its way out.
#[derive(Debug, Default)]
pub(crate) struct Departure {
    drains: Vec<(CallId, Instant)>,
    leaves: Vec<CallId>,
    leave_by: Option<Instant>,
    /// Names that were given away and have no new holder yet.
    vacated: BTreeSet<Name>,
    moved: usize,
    /// This life ends, its node does not: what its next life claims again.
    anew: Option<Vec<(Name, WorkerSpec)>>,
    /// The same, once this life has left.
    next_life: Option<Vec<(Name, WorkerSpec)>>,
}

impl Departure {
    /// A worker of ours went on elsewhere, with all that it handed over.
    pub(super) fn handed_over(&mut self) {
        if !self.drains.is_empty() {
            self.moved += 1;
        }
    }

    /// It came back: it goes another time.
    pub(super) fn given_back(&mut self) {
        self.moved = self.moved.saturating_sub(1);
    }
}

impl Machine {
    /// Hands all workers to others. From now on this node owns no slot.
    pub(crate) fn drain(&mut self, call: CallId, deadline: Instant) {
        self.table.announce(Announced::Leaving);
        self.look.extend(self.host.workers.keys().cloned());
        self.departure.drains.push((call, deadline));
        self.timers.set(deadline, Timer::Departure);
        self.timers.set(self.now, Timer::Departure);
    }

    /// Ends this life: what still runs is stopped, the others are told, and take over.
    pub(crate) fn leave(&mut self, call: CallId, deadline: Instant) {
        self.table.announce(Announced::Leaving);
        self.departure.leaves.push(call);
        self.leave_by(deadline);
    }

    fn leave_by(&mut self, deadline: Instant) {
        let by = deadline.min(self.now + LAST_WORDS + self.config.stop_grace);
        let earlier = self.departure.leave_by.replace(by);
        self.departure.leave_by = earlier.map_or(Some(by), |earlier| Some(earlier.min(by)));
        self.timers.set(by, Timer::Departure);
        if earlier.is_none() {
            self.stop_all();
        }
    }

    /// Ends this life for a new one: the larger side of a cut has forgotten it. Who left or drains anyway just goes.
    pub(crate) fn begin_anew(&mut self, again: Vec<(Name, WorkerSpec)>) {
        if self.departure.leave_by.is_some() {
            return;
        }
        if self.table.mine().announced != Announced::Leaving {
            self.departure.anew = Some(again);
        }
        self.table.announce(Announced::Leaving);
        for (name, Attached { epoch, .. }) in core::mem::take(&mut self.host.attached) {
            let grace = self.config.stop_grace;
            self.outputs.push_back(Output::Stop { name, epoch, grace, why: StopReason::Conflict });
        }
        self.leave_by(Instant::FAR);
    }

    /// Goes one step further, if it is time.
    pub(crate) fn settle_departure(&mut self) {
        if self.is_between_lives() {
            return self.begin_next_life();
        }
        if self.retired || self.table.mine().announced != Announced::Leaving {
            return;
        }
        let Some(by) = self.departure.leave_by else {
            self.count_moved();
            self.answer_drains();
            return;
        };
        self.count_moved();
        self.answer_drains();
        let head = self.registry.position(self.me);
        let heard = {
            let mut others = self.links.serving().filter(|&(life, _)| self.table.is_live(life));
            others.all(|(life, _)| self.replication.acked_by(life) >= head)
        };
        if self.now < by && !(self.host.is_idle() && heard) {
            return;
        }
        self.depart();
    }

    /// A name of ours whose worker does not run just now waits for a host elsewhere, if there is one.
    pub(super) fn give_away(&mut self, name: &Name) {
        let worker = &self.host.workers[name];
        let is_idle = matches!(worker.phase, Phase::Pausing | Phase::Exited(_)) && worker.recorded;
        // Else it runs on to the end, and its wish stays.
        if is_idle && self.choose_host(name, &worker.spec, &BTreeSet::new()).is_some() {
            self.forget_worker(name);
            self.vacate(name);
        }
    }

    fn stop_all(&mut self) {
        let names: Vec<Name> = self.host.workers.keys().cloned().collect();
        for name in names {
            match self.host.workers[&name].phase {
                Phase::Starting
                | Phase::Running
                | Phase::Preparing { .. }
                | Phase::Prepared { .. }
                | Phase::Frozen { .. } => self.stop_here(&name, StopReason::Draining, Then::Forget),
                Phase::Stopping { .. } | Phase::Stuck { .. } => {}
                Phase::Exited(_) | Phase::Pausing | Phase::Halted { .. } => self.forget_worker(&name),
            }
        }
    }

    /// Writes down that a name of ours waits for a host.
    pub(super) fn vacate(&mut self, name: &Name) {
        let standing = self.registry.winner(name).filter(|entry| entry.holder() == Some(self.me)).cloned();
        if let Some(entry) = standing {
            let epoch = self.next_epoch();
            let vacant = entry.later(epoch, None);
            self.write(if self.broken(Mutant::DrainForgets) { entry.removed(epoch) } else { vacant });
            self.departure.vacated.insert(name.clone());
        }
    }

    fn count_moved(&mut self) {
        let registry = &self.registry;
        let before = self.departure.vacated.len();
        self.departure
            .vacated
            .retain(|name| registry.winner(name).is_some_and(|entry| entry.holder().is_none()));
        self.departure.moved += before - self.departure.vacated.len();
    }

    fn answer_drains(&mut self) {
        let left = self.host.len() + self.departure.vacated.len();
        let alone = self.table.others().next().is_none();
        let (now, moved) = (self.now, self.departure.moved);
        let mut due = Vec::new();
        self.departure.drains.retain(|&(call, deadline)| {
            let waits = left > 0 && !alone && now < deadline;
            if !waits {
                due.push(call);
            }
            waits
        });
        for call in due {
            let reply = Reply::Drained(if left == 0 { Ok(moved) } else { Err(DrainError::Timeout { left }) });
            self.outputs.push_back(Output::Return { call, reply });
        }
    }

    fn depart(&mut self) {
        self.table.announce(Announced::Left);
        self.settle_members();
        self.flush_log();
        for link in self.links.all() {
            self.close(link, Refusal::Left);
        }
        let stays = self.departure.leaves.is_empty();
        for call in core::mem::take(&mut self.departure.leaves) {
            self.outputs.push_back(Output::Return { call, reply: Reply::Left });
        }
        let Some(mut again) = self.departure.anew.take().filter(|_| stays) else {
            return self.retire(RetireReason::Left);
        };
        again.extend(self.unclaimed());
        self.departure.next_life = Some(again);
        self.timers.set(self.born + SHORTEST_LIFE, Timer::Departure);
        self.begin_next_life();
    }

    /// Whether this life is over for all others, and only waits for its next one.
    pub(crate) fn is_between_lives(&self) -> bool {
        self.departure.next_life.is_some()
    }

    /// Whether this life was forgotten, and gives way to the next one of its node.
    pub(crate) fn ends_for_another_life(&self) -> bool {
        let ends = self.departure.anew.is_some() || self.is_between_lives();
        ends && !self.broken(Mutant::ForgottenAccuse)
    }

    fn begin_next_life(&mut self) {
        if self.now < self.born + SHORTEST_LIFE {
            return;
        }
        let stays = self.departure.leaves.is_empty();
        if let Some(again) = self.departure.next_life.take() {
            self.retire(if stays { RetireReason::Forgotten { again } } else { RetireReason::Left });
        }
    }

    /// This life is over before it could leave in order.
    pub(crate) fn fail_departure(&mut self) {
        let left = self.host.len();
        for (call, _) in core::mem::take(&mut self.departure.drains) {
            let reply = Reply::Drained(if left == 0 { Ok(0) } else { Err(DrainError::Timeout { left }) });
            self.outputs.push_back(Output::Return { call, reply });
        }
        for call in core::mem::take(&mut self.departure.leaves) {
            self.outputs.push_back(Output::Return { call, reply: Reply::Left });
        }
    }
}
