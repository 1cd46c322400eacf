//! Copies that may run though their registration was removed, since their node had not heard of that: as on one side of
//! a cut, while the other side removed it. Under a strategy that has no name run twice, the name's arbiter has them
//! stopped before anything else of the name starts.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::desk::{Step, Stop, Stopping};
use super::entry::Entry;
use crate::id::{Dot, Epoch, Life, Name};
use crate::machine::Machine;
use crate::mutant::Mutant;

/// Where it may run, and as which start.
type Copy = (Life, Epoch);

/// Those that are known, by name and registration, for as long as the removal is kept.
#[derive(Debug, Default)]
pub(crate) struct Unheard {
    copies: BTreeMap<Name, BTreeMap<Dot, Copy>>,
    news: Vec<Name>,
}

impl Unheard {
    /// How many names have some.
    #[cfg(feature = "mutants")]
    pub(super) fn len(&self) -> usize {
        self.copies.len()
    }

    /// Of a registration and its removal the one that does not know of the other is the later one: whoever went on
    /// with it may run it yet.
    pub(super) fn compare(&mut self, known: &Entry, entry: &Entry) {
        let (goes_on, removal) = if entry.is_live() { (entry, known) } else { (known, entry) };
        let holder = goes_on.holder().filter(|_| !goes_on.is_attached() && !removal.is_live());
        if let Some(holder) = holder.filter(|_| goes_on.epoch > removal.epoch) {
            self.note(&removal.name, removal.dot, (holder, goes_on.epoch));
        }
    }

    /// This one may run.
    pub(super) fn note(&mut self, name: &Name, dot: Dot, copy: Copy) {
        self.copies.entry(name.clone()).or_default().insert(dot, copy);
        self.news.push(name.clone());
    }

    /// The names of which one was found since the last call.
    pub(super) fn take_news(&mut self) -> Vec<Name> {
        core::mem::take(&mut self.news)
    }

    /// All names that have some.
    pub(super) fn names(&self) -> impl Iterator<Item = &Name> {
        self.copies.keys()
    }

    /// Those of a name.
    fn of(&self, name: &Name) -> impl Iterator<Item = (Dot, Copy)> {
        self.copies.get(name).into_iter().flatten().map(|(&dot, &copy)| (dot, copy))
    }

    /// That of this registration does not run.
    pub(super) fn stopped(&mut self, name: &Name, dot: Dot) {
        self.retain(name, |other, _| other != dot);
    }

    /// A node has one worker of a name: an earlier one has ended.
    pub(super) fn started_again(&mut self, name: &Name, (host, epoch): Copy) {
        self.retain(name, |_, (holder, start)| holder != host || start >= epoch);
    }

    fn retain(&mut self, name: &Name, which: impl Fn(Dot, Copy) -> bool) {
        if let Some(copies) = self.copies.get_mut(name) {
            copies.retain(|&dot, copy| which(dot, *copy));
            if copies.is_empty() {
                self.copies.remove(name);
            }
        }
    }
}

impl Machine {
    /// The arbiter of a name may start another registration of it, while what runs here of one that was removed is yet to
    /// stop.
    pub(super) fn tell_of_end(&mut self, name: &Name) {
        if !self.runs_names_once() || self.broken(Mutant::EndedUntold) {
            return;
        }
        let worker = self.host.workers.get_mut(name).expect("the caller found it");
        worker.ended = true;
        self.host.unrecorded.insert(name.clone());
        self.report_start(name);
    }

    /// What runs though its registration was removed stops when its node hears of that. Under a strategy that has no
    /// name run twice, the name's arbiter sees to it first. Whether it does so now.
    pub(super) fn stop_unheard(&mut self, name: &Name) -> bool {
        let runs = |&(_, (host, _)): &(Dot, (Life, Epoch))| host == self.me || self.may_run(host);
        let Some((dot, (host, epoch))) = self.registry.unheard.of(name).find(runs) else {
            return false;
        };
        let is_free = !self.desk.is_busy_with(name) && !self.is_held(name); // else its winner runs already, and hears it
        let may_act = self.runs_names_once() && is_free && self.serves(name) && self.quorum().is_ok();
        if !may_act || self.broken(Mutant::RemovedRunOn) {
            if self.broken(Mutant::UnheardForgotten) {
                self.registry.unheard.stopped(name, dot);
            }
            return false;
        }
        let why = Stop::Ended { dot };
        self.open(name, Step::Stopping(Stopping { host, epoch, why, again: self.now }));
        true
    }
}
