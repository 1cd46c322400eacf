//! All addresses that anyone named, and which of them to dial when.
//!
//! The union over the sources, counted by address: an address is dialled while at least one source names it, or a
//! member lives there. Dials run in parallel, bounded, and each address has its own backoff.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use super::pruning::Pruning;
use super::sources::Sources;
use super::target::{Naming, Target};
use crate::config::{Backoff, Config};
use crate::error::Refusal;
use crate::event::{Event, Observation, SourceFailure, SourceFault};
use crate::id::{Address, Life, Reason, Source};
use crate::mutant::Mutant;
use crate::time::Instant;

/// At most this many dials are in flight at once.
const MAX_DIALS: usize = 128;

/// The first pause between dials of an address whose link broke; it doubles from there.
const SOON_AGAIN: Duration = Duration::from_millis(1);

/// All known addresses.
#[derive(Debug)]
pub(crate) struct Book {
    targets: BTreeMap<Address, Target>,
    sources: Sources,
    pruning: Pruning,
    backoff: Backoff,
    believe_empty_after: Duration,
    resync_within: Duration,
    max: usize,
    /// Whether an address was passed over since somebody asked.
    is_full: bool,
    max_dials: usize,
    /// What is to be told.
    news: Vec<Event>,
    mutant: Option<Mutant>,
}

impl Book {
    pub(crate) fn new(config: &Config) -> Self {
        let broken = |mutant: &&Mutant| config.broken(**mutant);
        let rules = [
            Mutant::FailureForgets,
            Mutant::EmptyBelieved,
            Mutant::LiveLetGo,
            Mutant::LetGoInDoubt,
            Mutant::ManyLetGo,
        ];
        let mutant = rules.iter().find(broken).copied();
        Self {
            targets: BTreeMap::new(),
            sources: Sources::default(),
            pruning: Pruning::new(config.authorities.clone(), mutant),
            backoff: config.redial,
            believe_empty_after: config.believe_empty_after,
            resync_within: config.resync_within,
            max: config.max_addresses,
            is_full: false,
            max_dials: if config.broken(Mutant::DialsOneByOne) { 1 } else { MAX_DIALS },
            news: Vec::new(),
            mutant,
        }
    }

    /// Takes what a source said.
    pub(crate) fn observe(&mut self, source: &Source, observation: Observation, now: Instant) {
        let was_degraded = self.sources.degraded() > 0;
        self.take(source, observation, now);
        if was_degraded || self.sources.degraded() > 0 {
            self.pruning.doubt(now);
        }
    }

    fn take(&mut self, source: &Source, observation: Observation, now: Instant) {
        if let Observation::Failed(failure) = observation {
            self.news.extend(self.sources.on_failure(source, failure));
            if self.mutant == Some(Mutant::FailureForgets) {
                self.withdraw(source, now, |_| true);
            }
            return; // what it said before stands
        }
        if self.sources.is_failing(source) {
            self.namings_of(source).for_each(|naming| naming.extend(now));
        }
        match observation {
            Observation::Snapshot { peers, complete: true, .. }
                if peers.is_empty()
                    && self.namings_of(source).next().is_some()
                    && self.mutant != Some(Mutant::EmptyBelieved) =>
            {
                return self.doubt(source, now);
            }
            Observation::Snapshot { peers, complete, ttl } => {
                let named: BTreeSet<Address> = peers.into_iter().collect();
                if complete {
                    self.withdraw(source, now, |address| !named.contains(address));
                }
                named.into_iter().for_each(|address| self.name(source, address, ttl, now));
            }
            Observation::Upsert(address) => self.name(source, address, None, now),
            Observation::Gone(gone) => self.withdraw(source, now, |address| *address == gone),
            Observation::Seen { peer, ttl } => self.name(source, peer, Some(ttl), now),
            Observation::Resync => {
                let until = now + self.resync_within;
                self.namings_of(source).for_each(|naming| naming.end_by(until));
            }
            Observation::Failed(_) => {} // dealt with above
        }
        self.news.extend(self.sources.on_answer(source, now));
    }

    /// Who named somebody does not name nobody all at once, as a rule: a moment later it may know better.
    fn doubt(&mut self, source: &Source, now: Instant) {
        let until = now + self.believe_empty_after;
        self.namings_of(source).for_each(|naming| naming.end_by(until));
        let reason = Reason::new("it names nobody any more");
        self.news
            .extend(self.sources.on_failure(source, SourceFailure { fault: SourceFault::Empty, reason }));
    }

    fn namings_of(&mut self, source: &Source) -> impl Iterator<Item = &mut Naming> {
        self.targets.values_mut().filter_map(move |target| target.named.get_mut(source))
    }

    fn name(&mut self, source: &Source, address: Address, ttl: Option<Duration>, now: Instant) {
        let grace = self.pruning.grace(source);
        let Some(target) = self.target(address.clone(), now) else { return };
        let is_new = target.named.is_empty();
        target.unnamed_since = None;
        grace.into_iter().for_each(|grace| target.vouch(source, grace));
        target.named.insert(source.clone(), Naming::new(ttl, now));
        if is_new {
            self.news.push(Event::Discovered { address, source: source.clone() });
        }
    }

    /// The source does not name these any more.
    fn withdraw(&mut self, source: &Source, now: Instant, is_gone: impl Fn(&Address) -> bool) {
        for (address, target) in &mut self.targets {
            if is_gone(address) && target.named.remove(source).is_some() && target.named.is_empty() {
                target.unnamed_since = Some(now);
                self.news.push(Event::Withdrawn { address: address.clone(), source: source.clone() });
            }
        }
        self.drop_unnamed();
    }

    /// Withdraws what was not renewed in time, unless its source could not do so.
    pub(crate) fn expire(&mut self, now: Instant) {
        let sources = &self.sources;
        for (address, target) in &mut self.targets {
            let mut last = None;
            target.named.retain(|source, naming| {
                let is_over = naming.until.is_some_and(|until| until <= now) && !sources.is_failing(source);
                if is_over {
                    last = Some(source.clone());
                }
                !is_over
            });
            if let Some(source) = last.filter(|_| target.named.is_empty()) {
                target.unnamed_since = Some(now);
                self.news.push(Event::Withdrawn { address: address.clone(), source });
            }
        }
        self.drop_unnamed();
    }

    /// When [`Book::expire`] has something to do.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        let namings = self.targets.values().flat_map(|target| &target.named);
        namings.filter(|(source, _)| !self.sources.is_failing(source)).filter_map(|(_, it)| it.until).min()
    }

    /// Lets go of the addresses of members that are down, where an authority stopped to name them.
    pub(crate) fn prune(&mut self, now: Instant, is_down: impl Fn(Life) -> bool) {
        self.news.extend(self.pruning.prune(&mut self.targets, &self.sources, now, is_down));
        self.drop_unnamed();
    }

    /// When [`Book::prune`] may have something to do.
    pub(crate) fn next_prune(&self, is_down: impl Fn(Life) -> bool) -> Option<Instant> {
        self.pruning.next(&self.targets, &self.sources, is_down)
    }

    /// What is to be told since this was last asked.
    pub(crate) fn take_news(&mut self) -> Vec<Event> {
        core::mem::take(&mut self.news)
    }

    /// Whether addresses were passed over for want of room since this was last asked.
    pub(crate) fn take_full(&mut self) -> bool {
        core::mem::take(&mut self.is_full)
    }

    /// Addresses, sources, and how many of these are degraded.
    pub(crate) fn figures(&self) -> (usize, usize, usize) {
        (self.targets.len(), self.sources.len(), self.sources.degraded())
    }

    /// A member listens there: worth a dial whatever the sources say. Due at `due` unless known already.
    pub(crate) fn belongs_to(&mut self, address: &Address, life: Life, due: Instant) {
        if let Some(target) = self.target(address.clone(), due) {
            target.member = Some(life);
        }
    }

    /// That life will not be there again.
    pub(crate) fn release(&mut self, life: Life) {
        for target in self.targets.values_mut().filter(|target| target.member == Some(life)) {
            target.member = None;
        }
        self.drop_unnamed();
    }

    fn target(&mut self, address: Address, due: Instant) -> Option<&mut Target> {
        if !self.targets.contains_key(&address) && self.targets.len() >= self.max {
            self.is_full = true;
            return None;
        }
        Some(self.targets.entry(address).or_insert_with(|| Target::new(due)))
    }

    fn drop_unnamed(&mut self) {
        self.targets.retain(|_, target| target.is_wanted());
    }

    /// A link to it broke: dial now, and soon again. A process that dies closes its links before its listener, as
    /// a rule, so that the first dial may end in a reset, and the next one in the refusal that proves its death.
    pub(crate) fn lost(&mut self, address: &Address, now: Instant) {
        if let Some(target) = self.targets.get_mut(address) {
            target.failures = 0;
            target.lost = true;
            target.due = now;
        }
    }

    /// A dial brought a link, which the peer may yet refuse.
    pub(crate) fn reached(&mut self, address: &Address) {
        if let Some(target) = self.targets.get_mut(address) {
            target.dialling = false;
        }
        self.drop_unnamed();
    }

    /// The peer at the other end of a dialled link spoke as a peer does: earlier failures are forgotten.
    pub(crate) fn welcomed(&mut self, address: &Address) {
        if let Some(target) = self.targets.get_mut(address) {
            target.failures = 0;
            target.lost = false;
            target.refused = None;
        }
    }

    /// A dial, or the link it brought, came to nothing: pause. How often in a row that was so, and for how long.
    pub(crate) fn failed(&mut self, address: &Address, now: Instant, jitter: u64) -> Option<(u32, Duration)> {
        let mut backoff = self.backoff;
        let paused = self.targets.get_mut(address).map(|target| {
            if target.lost {
                backoff.min = backoff.min.min(SOON_AGAIN);
            }
            target.dialling = false;
            target.failures = target.failures.saturating_add(1);
            let pause = backoff.pause(target.failures, jitter);
            target.due = now + pause;
            (target.failures, pause)
        });
        self.drop_unnamed();
        paused
    }

    /// It is no peer of ours: pause for as long as it gets. Whether that is news.
    pub(crate) fn unwanted(&mut self, address: &Address, refusal: &Refusal, now: Instant) -> bool {
        let mut is_news = true;
        if let Some(target) = self.targets.get_mut(address) {
            target.dialling = false;
            target.failures = u32::MAX;
            target.due = now + self.backoff.max;
            is_news = target.refused.replace(refusal.clone()).as_ref() != Some(refusal);
        }
        self.drop_unnamed();
        is_news
    }

    /// Not before then.
    pub(crate) fn put_off(&mut self, address: &Address, until: Instant) {
        if let Some(target) = self.targets.get_mut(address) {
            target.due = target.due.max(until);
        }
    }

    /// Takes the addresses to dial now, as far as the bound allows, those first that failed least; `skip` tells
    /// which have a link already.
    pub(crate) fn take_due(
        &mut self,
        now: Instant,
        skip: impl Fn(&Address, Option<Life>) -> bool,
    ) -> Vec<Address> {
        let in_flight = self.targets.values().filter(|target| target.dialling).count();
        let mut due: Vec<(u32, Instant, Address)> = Vec::new();
        for (address, target) in &self.targets {
            if !target.dialling && target.due <= now && !skip(address, target.member) {
                due.push((target.failures, target.due, address.clone()));
            }
        }
        due.sort_unstable();
        due.truncate(self.max_dials.saturating_sub(in_flight));
        let due: Vec<Address> = due.into_iter().map(|(_, _, address)| address).collect();
        for address in &due {
            self.targets.get_mut(address).expect("it was just found there").dialling = true;
        }
        due
    }

    /// Whether somebody may yet answer at an address that is dialled for the first time.
    pub(crate) fn may_answer(&self) -> bool {
        self.targets.values().any(|target| target.dialling && target.failures == 0)
    }

    /// When to look again. `skip` as above.
    pub(crate) fn next_due(&self, skip: impl Fn(&Address, Option<Life>) -> bool) -> Option<Instant> {
        let waiting =
            self.targets.iter().filter(|(address, target)| !target.dialling && !skip(address, target.member));
        waiting.map(|(_, target)| target.due).min()
    }
}
