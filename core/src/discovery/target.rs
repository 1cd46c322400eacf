//! One address: who named it and until when, and how dialling it went.

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::error::Refusal;
use crate::id::{Life, Source};
use crate::time::Instant;

/// One address, and why and when to dial it.
#[derive(Debug)]
pub(super) struct Target {
    /// Who names it.
    pub(super) named: BTreeMap<Source, Naming>,
    /// Who lives there, if a member does.
    pub(super) member: Option<Life>,
    /// Dials in a row that came to nothing.
    pub(super) failures: u32,
    /// Whether its link broke since a peer there last greeted.
    pub(super) lost: bool,
    pub(super) dialling: bool,
    pub(super) due: Instant,
    /// Why it is no peer of ours, as it was last told.
    pub(super) refused: Option<Refusal>,
    /// Since when nobody names it who named it before.
    pub(super) unnamed_since: Option<Instant>,
    /// The authority that named it; of several the one that is to be silent for longest.
    pub(super) vouched: Option<Vouched>,
}

/// The word of an authority for an address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Vouched {
    pub(super) source: Source,
    /// For how long it must not have named it since.
    pub(super) grace: Duration,
}

/// For how long one source's word counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Naming {
    /// It has to be renewed by then.
    pub(super) until: Option<Instant>,
    /// For how long each renewal counts.
    pub(super) ttl: Option<Duration>,
}

impl Target {
    pub(super) fn new(due: Instant) -> Self {
        Self {
            named: BTreeMap::new(),
            member: None,
            failures: 0,
            lost: false,
            dialling: false,
            due,
            refused: None,
            unnamed_since: None,
            vouched: None,
        }
    }

    /// An authority names it, which must not have done so for this long before it is let go of.
    pub(super) fn vouch(&mut self, source: &Source, grace: Duration) {
        if self.vouched.as_ref().is_none_or(|other| other.grace < grace) {
            self.vouched = Some(Vouched { source: source.clone(), grace });
        }
    }

    /// Whether it is still of any use.
    pub(super) fn is_wanted(&self) -> bool {
        self.dialling || self.member.is_some() || !self.named.is_empty()
    }
}

impl Naming {
    pub(super) fn new(ttl: Option<Duration>, now: Instant) -> Self {
        Self { until: ttl.map(|ttl| now + ttl), ttl }
    }

    /// Counts no longer than until then.
    pub(super) fn end_by(&mut self, until: Instant) {
        self.until = Some(self.until.map_or(until, |earlier| earlier.min(until)));
    }

    /// Its source was away for a while, in which it could not be renewed.
    pub(super) fn extend(&mut self, now: Instant) {
        if let (Some(until), Some(ttl)) = (&mut self.until, self.ttl) {
            *until = (*until).max(now + ttl);
        }
    }
}
