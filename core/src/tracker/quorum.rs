//! What happens when too few members are here for the strategy, and when enough are here again.
//!
//! Below the quorum nothing is decided and nothing runs: arbiters refuse, hosts stop their workers. Entries stay as
//! they are, holders included, since they may have been taken over beyond a cut, and a later record from here would
//! beat those of there. Once there is a quorum again, and all members have agreed to the ring and shown their logs,
//! each host gives back what is still its own, and the arbiters start it anew, where it should run now.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::desk::{Step, Stop, Stopping};
use super::entry::Entry;
use super::host::{Phase, Then};
use crate::error::NoQuorum;
use crate::event::{Event, Evidence, StopReason};
use crate::id::{Life, Name};
use crate::machine::Machine;
use crate::membership::{Announced, Record};
use crate::mutant::Mutant;
use crate::time::Instant;
use crate::timer::Timer;
use crate::wire::message::{Verdict, Wish};

/// Whether names may run where this node is.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// What was told last; `None` before the first time.
    told: Option<Result<(), NoQuorum>>,
    /// Names that the registry says run here, and whose worker was stopped for want of a quorum.
    suspended: BTreeSet<Name>,
    /// Members that are down for their silence alone, and may still be stopping their workers.
    lingering: BTreeMap<Life, Instant>,
}

impl Standing {
    /// Whether a member that is counted down may still run workers.
    pub(crate) fn lingers(&self, life: Life) -> bool {
        self.lingering.contains_key(&life)
    }

    pub(crate) fn lingering(&self) -> impl Iterator<Item = Life> {
        self.lingering.keys().copied()
    }

    /// The registry says that the present start of a name runs here.
    pub(super) fn unsuspend(&mut self, name: &Name) {
        self.suspended.remove(name);
    }

    /// Whether everybody who is counted down runs nothing any more.
    pub(super) fn is_clear(&self) -> bool {
        self.lingering.is_empty()
    }
}

impl Machine {
    /// Whether names may run where this node is.
    ///
    /// # Errors
    /// How many members are missing.
    pub(crate) fn quorum(&self) -> Result<(), NoQuorum> {
        if self.broken(Mutant::QuorumIgnored) {
            return Ok(());
        }
        self.strategy.quorum(self.ring.len())
    }

    /// Sees whether enough members are here, and acts on a change.
    pub(crate) fn settle_quorum(&mut self) {
        if self.table.mine().announced == Announced::Joining {
            return; // it runs nothing and decides nothing
        }
        let quorum = self.quorum();
        let before = self.standing.told.replace(quorum);
        match (before.map(|told| told.is_ok()), quorum) {
            (Some(true), Ok(())) | (Some(false), Err(_)) => {}
            (None, Ok(())) if self.strategy.quorum(0).is_ok() => {} // it always will be
            (None | Some(false), Ok(())) => {
                self.event(Event::QuorumReached { present: self.ring.len() });
                self.scan_again = true;
                self.await_other_side();
            }
            (None | Some(true), Err(lack)) => {
                self.event(Event::QuorumLost { lack });
                self.drop_matters();
                self.suspend_workers();
            }
        }
        if quorum.is_ok() && self.gates.are_passed() {
            self.give_back();
        }
    }

    /// The arbiter decides nothing any more. What was under way may yet show: its caller is told no more than that. A
    /// start that was ordered is called off, and stays on the desk until its host has heard of that: with the next
    /// quorum it might arrive beside another one.
    fn drop_matters(&mut self) {
        for name in self.desk.matters.keys().cloned().collect::<Vec<_>>() {
            let matter = self.desk.matters.get_mut(&name).expect("it was just listed");
            let (client, waiters) = (matter.step.client().cloned(), core::mem::take(&mut matter.waiters));
            match matter.step.clone() {
                Step::Starting(starting) if !self.broken(Mutant::OrdersForgottenWithQuorum) => {
                    self.cancel_start(&name, starting);
                }
                Step::Stopping(Stopping { why: Stop::Cancel { .. }, .. }) => {}
                Step::Starting(_) | Step::Stopping(_) | Step::Pausing { .. } => self.close_matter(&name),
            }
            if let Some(client) = client {
                self.answer(client, Verdict::TooLate);
            }
            self.serve(&name, waiters);
        }
    }

    /// What an arbiter says of a claim that it must not decide now.
    pub(super) fn refusal(&self, wish: &Wish) -> Option<Verdict> {
        match wish {
            Wish::Register(_) | Wish::Restore(_) | Wish::Unregister => {
                self.quorum().err().map(Verdict::NoQuorum)
            }
            Wish::Locate => None,
        }
    }

    /// The host stops all that it runs, kindly and then by force. Attached workers are not its to stop: subscribers
    /// are told, and they live.
    fn suspend_workers(&mut self) {
        for name in self.host.workers.keys().cloned().collect::<Vec<_>>() {
            match self.host.workers[&name].phase {
                Phase::Starting
                | Phase::Running
                | Phase::Preparing { .. }
                | Phase::Prepared { .. }
                | Phase::Frozen { .. } => self.stop_here(&name, StopReason::QuorumLost, Then::Forget),
                Phase::Stopping { .. } | Phase::Stuck { .. } => {}
                Phase::Exited(_) | Phase::Pausing | Phase::Halted { .. } => self.forget_worker(&name),
            }
            self.suspend(&name);
        }
    }

    /// The registry says that a name runs here, it does not, and must not now: its wish is kept for better times.
    /// Whether that is so.
    pub(super) fn suspend(&mut self, name: &Name) -> bool {
        let standing = self.registry.winner(name).filter(|entry| entry.holder() == Some(self.me));
        if self.quorum().is_ok() || standing.is_none() {
            return self.standing.suspended.contains(name); // its time comes with the gates
        }
        if self.broken(Mutant::WishesLostWithQuorum) {
            if let Some(dot) = standing.map(|entry| entry.dot) {
                self.write_removal(dot);
            }
            return true;
        }
        self.standing.suspended.insert(name.clone());
        true
    }

    /// Suspended names that are still ours are written down as waiting for a host. Not simply run again: an arbiter
    /// may have ordered a start elsewhere that is not recorded yet, and this way it hears of both.
    fn give_back(&mut self) {
        let is_over = |name: &&Name| !self.host.workers.contains_key(*name);
        let over: Vec<Name> = self.standing.suspended.iter().filter(is_over).cloned().collect();
        for name in over {
            self.standing.suspended.remove(&name);
            let ours = self.registry.winner(&name).filter(|entry| entry.holder() == Some(self.me));
            if let Some(entry) = ours.cloned() {
                let vacant = entry.later(self.next_epoch(), None);
                self.write(vacant);
            }
        }
    }

    /// While we had no quorum, the members beyond a cut may have had it, until just now: all that they may still run
    /// has to stop first, and until then nothing is decided here.
    fn await_other_side(&mut self) {
        if self.broken(Mutant::OtherSideForgotten) {
            return;
        }
        let silent = self.table.iter().filter(|record| fell_silent(record));
        let silent: BTreeSet<Life> = silent.map(|record| record.life).collect();
        for &life in &silent {
            self.await_stops(life);
        }
        if self.standing.lingering().next().is_some() {
            self.close_slots(silent);
        }
    }

    /// A life is down. Names of one that fell silent wait until its workers have surely stopped.
    pub(crate) fn await_stops(&mut self, life: Life) {
        let silent = self.table.of(life).is_some_and(fell_silent);
        let pause = self.strategy.pause_after_silence(&self.config);
        if let Some(pause) = pause.filter(|_| silent && !self.broken(Mutant::TakeoverBeforeStops)) {
            let until = self.now + pause;
            self.standing.lingering.insert(life, until);
            self.timers.set(until, Timer::Stopped(life));
            self.leave_with(life);
        }
    }

    /// By now its workers have stopped, unless it was wrongly counted down, and lives.
    pub(crate) fn on_stopped_timer(&mut self, life: Life) {
        let Some(&until) = self.standing.lingering.get(&life) else {
            return;
        };
        if until > self.now {
            return; // this is the timer of an earlier silence
        }
        self.standing.lingering.remove(&life);
        self.replace_host(life);
        self.look_at_copies_of(life);
        self.scan_again = true;
    }

    /// Whether a life may still run workers.
    pub(super) fn may_run(&self, life: Life) -> bool {
        self.table.is_live(life) || self.standing.lingers(life)
    }

    /// It lives after all, and its attached workers beat again what went on in their place.
    pub(crate) fn on_life_back(&mut self, life: Life) {
        self.standing.lingering.remove(&life);
        if self.broken(Mutant::ReturnsOverlooked) {
            return;
        }
        let registry = &self.registry;
        let is_attached = |name: &&Name| registry.winner(name).is_some_and(Entry::is_attached);
        self.look.extend(registry.held_by(Some(life)).filter(is_attached).cloned());
    }
}

/// Whether a member is down for its silence alone. One that left has said so once it had stopped all that it ran.
fn fell_silent(record: &Record) -> bool {
    record.evidence() == Some(Evidence::Silent)
}
