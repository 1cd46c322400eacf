//! How the sources are: which of them answer, and what became of it is news once.

use alloc::collections::BTreeMap;

use crate::event::{Event, SourceFailure, SourceFault};
use crate::id::Source;
use crate::time::Instant;

/// All sources that ever spoke. The user made them, so there are few.
#[derive(Debug, Default)]
pub(super) struct Sources {
    faults: BTreeMap<Source, Option<SourceFault>>,
    answered: BTreeMap<Source, Instant>,
}

impl Sources {
    /// It answered. The news, if it did not before.
    pub(super) fn on_answer(&mut self, source: &Source, now: Instant) -> Option<Event> {
        self.answered.insert(source.clone(), now);
        let fault = self.faults.insert(source.clone(), None);
        fault.flatten().map(|_| Event::SourceHealthy { source: source.clone() })
    }

    /// It failed. The news, if it is of another sort than before.
    pub(super) fn on_failure(&mut self, source: &Source, failure: SourceFailure) -> Option<Event> {
        let fault = self.faults.insert(source.clone(), Some(failure.fault));
        (fault.flatten() != Some(failure.fault))
            .then(|| Event::SourceDegraded { source: source.clone(), failure })
    }

    /// Whether it does not answer now, so that what it said cannot be renewed.
    pub(super) fn is_failing(&self, source: &Source) -> bool {
        match self.faults.get(source).copied().flatten() {
            Some(SourceFault::Transient | SourceFault::Auth | SourceFault::Config) => true,
            Some(SourceFault::Empty) | None => false,
        }
    }

    /// When it last answered.
    pub(super) fn answered(&self, source: &Source) -> Option<Instant> {
        self.answered.get(source).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.faults.len()
    }

    pub(super) fn degraded(&self) -> usize {
        self.faults.values().flatten().count()
    }
}
