//! The reconciler: all addresses that anyone named, and which of them to dial when.
//!
//! The union over the sources, counted by address. What a source says only adds and removes reasons to dial;
//! a link that is up is none of its business.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use crate::config::Backoff;
use crate::event::Observation;
use crate::id::{Address, Life, Source};
use crate::time::Instant;

/// At most this many dials are in flight at once.
const MAX_DIALS: usize = 128;

/// The first pause between dials of an address whose link broke; it doubles from there.
const SOON_AGAIN: Duration = Duration::from_millis(1);

/// All known addresses.
#[derive(Debug)]
pub(crate) struct Book {
    targets: BTreeMap<Address, Target>,
    backoff: Backoff,
    max: usize,
}

/// One address, and why and when to dial it.
#[derive(Debug)]
struct Target {
    sources: BTreeSet<Source>,
    member: Option<Life>,
    failures: u32,
    /// Whether its link broke since a peer there last greeted.
    lost: bool,
    dialling: bool,
    due: Instant,
}

impl Book {
    pub(crate) fn new(backoff: Backoff, max: usize) -> Self {
        Self { targets: BTreeMap::new(), backoff, max }
    }

    /// How many addresses it holds.
    #[cfg(feature = "mutants")]
    pub(crate) fn len(&self) -> usize {
        self.targets.len()
    }

    /// Takes what a source said.
    pub(crate) fn observe(&mut self, source: &Source, observation: Observation, now: Instant) {
        match observation {
            Observation::Snapshot(addresses) => {
                let named: BTreeSet<Address> = addresses.into_iter().collect();
                for target in self.targets.iter_mut().filter(|(address, _)| !named.contains(*address)) {
                    target.1.sources.remove(source);
                }
                named.into_iter().for_each(|address| self.name(source, address, now));
                self.drop_unnamed();
            }
            Observation::Upsert(address) => self.name(source, address, now),
            Observation::Gone(address) => {
                if let Some(target) = self.targets.get_mut(&address) {
                    target.sources.remove(source);
                }
                self.drop_unnamed();
            }
            Observation::Failed(_) => {} // what it said before stands
        }
    }

    fn name(&mut self, source: &Source, address: Address, now: Instant) {
        if let Some(target) = self.target(address, now) {
            target.sources.insert(source.clone());
        }
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
            return None;
        }
        let fresh =
            Target { sources: BTreeSet::new(), member: None, failures: 0, lost: false, dialling: false, due };
        Some(self.targets.entry(address).or_insert(fresh))
    }

    fn drop_unnamed(&mut self) {
        self.targets
            .retain(|_, target| target.dialling || target.member.is_some() || !target.sources.is_empty());
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
        }
    }

    /// A dial, or the link it brought, came to nothing: pause.
    pub(crate) fn failed(&mut self, address: &Address, now: Instant, jitter: u64) {
        let mut backoff = self.backoff;
        if let Some(target) = self.targets.get_mut(address) {
            if target.lost {
                backoff.min = backoff.min.min(SOON_AGAIN);
            }
            target.dialling = false;
            target.failures = target.failures.saturating_add(1);
            target.due = now + backoff.pause(target.failures, jitter);
        }
        self.drop_unnamed();
    }

    /// It is no peer of ours: pause for as long as it gets.
    pub(crate) fn unwanted(&mut self, address: &Address, now: Instant) {
        if let Some(target) = self.targets.get_mut(address) {
            target.dialling = false;
            target.failures = u32::MAX;
            target.due = now + self.backoff.max;
        }
        self.drop_unnamed();
    }

    /// Takes the addresses to dial now, as far as the bound allows; `skip` tells which have a link already.
    pub(crate) fn take_due(
        &mut self,
        now: Instant,
        skip: impl Fn(&Address, Option<Life>) -> bool,
    ) -> Vec<Address> {
        let in_flight = self.targets.values().filter(|target| target.dialling).count();
        let mut due = Vec::new();
        for (address, target) in &mut self.targets {
            if in_flight + due.len() == MAX_DIALS {
                break;
            }
            if !target.dialling && target.due <= now && !skip(address, target.member) {
                target.dialling = true;
                due.push(address.clone());
            }
        }
        due
    }

    /// When to look again. `skip` as above.
    pub(crate) fn next_due(&self, skip: impl Fn(&Address, Option<Life>) -> bool) -> Option<Instant> {
        let waiting =
            self.targets.iter().filter(|(address, target)| !target.dialling && !skip(address, target.member));
        waiting.map(|(_, target)| target.due).min()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::id::Reason;

    const BACKOFF: Backoff = Backoff { min: Duration::from_millis(50), max: Duration::from_secs(5) };

    fn address(text: &str) -> Address {
        Address::new(text).expect("a good address")
    }

    fn source(text: &str) -> Source {
        Source::new(text).expect("a good source")
    }

    fn none(_: &Address, _: Option<Life>) -> bool {
        false
    }

    #[test]
    fn sources_add_up_and_a_failure_takes_nothing_away() {
        let mut book = Book::new(BACKOFF, 10);
        let (one, two) = (source("one"), source("two"));
        book.observe(&one, Observation::Snapshot(vec![address("a"), address("b")]), Instant::ZERO);
        book.observe(&two, Observation::Upsert(address("b")), Instant::ZERO);
        book.observe(&one, Observation::Failed(Reason::new("no answer")), Instant::ZERO);
        assert_eq!(book.targets.len(), 2);
        book.observe(&one, Observation::Snapshot(vec![]), Instant::ZERO);
        assert_eq!(
            book.take_due(Instant::ZERO, none),
            [address("b")],
            "b is still named by the other source"
        );
    }

    #[test]
    fn a_failed_address_waits_and_the_others_do_not() {
        let mut book = Book::new(BACKOFF, 10);
        let all = vec![address("a"), address("b")];
        book.observe(&source("one"), Observation::Snapshot(all.clone()), Instant::ZERO);
        assert_eq!(book.take_due(Instant::ZERO, none), all);
        assert_eq!(book.take_due(Instant::ZERO, none), [], "each is dialled once at a time");
        book.failed(&address("a"), Instant::ZERO, 0);
        assert_eq!(book.next_due(none), Some(Instant::ZERO + BACKOFF.min));
        assert_eq!(book.take_due(Instant::ZERO + BACKOFF.min, none), [address("a")]);
    }

    #[test]
    fn an_address_whose_link_broke_is_dialled_soon_again_until_a_peer_greets() {
        let mut book = Book::new(BACKOFF, 10);
        book.observe(&source("one"), Observation::Upsert(address("a")), Instant::ZERO);
        book.lost(&address("a"), Instant::ZERO);
        let mut now = Instant::ZERO;
        for milliseconds in [1, 2, 4, 8, 16, 32, 64] {
            assert_eq!(book.take_due(now, none), [address("a")]);
            book.failed(&address("a"), now, 0);
            now += Duration::from_millis(milliseconds);
            assert_eq!(book.next_due(none), Some(now));
        }
        assert_eq!(book.take_due(now, none), [address("a")]);
        book.reached(&address("a"));
        book.welcomed(&address("a"));
        book.failed(&address("a"), now, 0);
        assert_eq!(book.next_due(none), Some(now + BACKOFF.min), "its link did not break this time");
    }

    #[test]
    fn past_its_bound_it_takes_no_more() {
        let mut book = Book::new(BACKOFF, 1);
        book.observe(&source("one"), Observation::Snapshot(vec![address("a"), address("b")]), Instant::ZERO);
        assert_eq!(book.targets.len(), 1);
    }

    #[test]
    fn dials_in_flight_are_bounded() {
        let mut book = Book::new(BACKOFF, 1000);
        let all = (0..300).map(|n| address(&alloc::format!("{n}"))).collect();
        book.observe(&source("one"), Observation::Snapshot(all), Instant::ZERO);
        assert_eq!(book.take_due(Instant::ZERO, none).len(), MAX_DIALS);
        assert_eq!(book.take_due(Instant::ZERO, none).len(), 0);
    }
}
