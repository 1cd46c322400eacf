//! What was said of one name, and what callers may therefore believe of it.

use std::collections::BTreeSet;
use std::time::Duration;

use skep_core::Instant;
use skep_core::error::{LookupError, RegisterError, UnregisterError};
use skep_core::event::{Registration, WorkerSpec};
use skep_core::id::{CallId, Epoch};

use super::{Asked, QUIET};
use crate::world::ProcessId;

/// What the oracle knows of a name.
pub struct History {
    pub belief: Belief,
    /// Calls that may change it and are not answered.
    pub(super) registering: BTreeSet<CallId>,
    pub(super) removing: BTreeSet<CallId>,
    /// When such calls last ended, and whether one may still have its effect.
    pub(super) registered: Option<Instant>,
    pub(super) removed: Option<Instant>,
    pub(super) perhaps_registered: Option<Instant>,
    pub(super) perhaps_removed: Option<Instant>,
    /// When its worker last ended for good by itself.
    pub(super) gave_up: Option<Instant>,
    /// On two sides of a cut callers may have registered it twice: which of them goes on is not theirs to know.
    is_contested: bool,
}

/// What callers may believe of a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Belief {
    Registered {
        /// When that was said.
        since: Instant,
        epoch: Epoch,
        /// Where it was attached, if it was.
        attached: Option<ProcessId>,
    },
    Absent {
        since: Instant,
    },
    Unknown,
}

impl Default for History {
    fn default() -> Self {
        Self {
            belief: Belief::Absent { since: Instant::ZERO },
            registering: BTreeSet::new(),
            removing: BTreeSet::new(),
            registered: None,
            removed: None,
            perhaps_registered: None,
            perhaps_removed: None,
            gave_up: None,
            is_contested: false,
        }
    }
}

impl History {
    /// Whether a removal may have had its effect since then. A frame that a cut held back may bring one at any
    /// later time.
    fn may_be_removed_since(&self, since: Instant, whole: bool) -> bool {
        if !whole && (self.removed.is_some() || self.perhaps_removed.is_some()) {
            return true;
        }
        !self.removing.is_empty()
            || self.removed.is_some_and(|end| end >= since)
            || self.gave_up.is_some_and(|end| end >= since)
            || self.perhaps_removed.is_some_and(|end| end + QUIET >= since)
    }

    /// Whether a registration may have had its effect since then.
    fn may_be_registered_since(&self, since: Instant) -> bool {
        !self.registering.is_empty()
            || self.registered.is_some_and(|end| end >= since)
            || self.perhaps_registered.is_some_and(|end| end + QUIET >= since)
    }

    /// The call was answered, whatever the answer is worth.
    pub(super) fn closed(&mut self, call: CallId) {
        self.registering.remove(&call);
        self.removing.remove(&call);
    }

    pub(super) fn register_unclear(&mut self, now: Instant, call: CallId, whole: bool, worker: &WorkerSpec) {
        self.registering.remove(&call);
        if !whole && *worker == WorkerSpec::Attached {
            self.belief = Belief::Unknown; // made on the other side of a cut it may beat what stands, and die
        }
        self.perhaps_registered = Some(now);
        if matches!(self.belief, Belief::Absent { .. }) {
            self.belief = Belief::Unknown;
        }
    }

    pub(super) fn removal_unclear(&mut self, now: Instant, call: CallId) {
        self.removing.remove(&call);
        self.perhaps_removed = Some(now);
        if matches!(self.belief, Belief::Registered { .. }) {
            self.belief = Belief::Unknown;
        }
    }

    pub(super) fn on_registered(
        &mut self,
        now: Instant,
        whole: bool,
        call: CallId,
        asked: &Asked,
        worker: &WorkerSpec,
        result: &Result<Registration, RegisterError>,
    ) -> Result<(), String> {
        self.registering.remove(&call);
        match result {
            Ok(registration) => {
                // this answer may come late, of a registration that was removed before the other one was made
                let is_one = whole && !self.may_be_removed_since(asked.since, whole);
                if let (Belief::Registered { since, .. }, true) = (&self.belief, is_one) {
                    return Err(format!(
                        "two callers hear that they registered it, the first at {:.6} s",
                        since.as_nanos() as f64 / 1e9
                    ));
                }
                let attached = (*worker == WorkerSpec::Attached).then_some(asked.process);
                if attached.is_some() != registration.attached {
                    return Err(format!("{worker:?} was registered as {registration:?}"));
                }
                self.belief =
                    if self.may_be_removed_since(asked.since, whole) || (attached.is_some() && !whole) {
                        Belief::Unknown
                    } else {
                        Belief::Registered { since: now, epoch: registration.epoch, attached }
                    };
                self.is_contested |= !whole && self.registered.is_some();
                self.registered = Some(now);
            }
            Err(RegisterError::Timeout) => self.register_unclear(now, call, whole, worker),
            Err(RegisterError::AlreadyRegistered { holder }) => {
                if whole && self.is_absent_throughout(asked.since) {
                    return Err(format!("nobody has it, but a caller hears that {} does", holder.node));
                }
            }
            Err(RegisterError::UnknownKind) => {
                if matches!(worker, WorkerSpec::Managed { kind, .. } if kind.as_str() == crate::faults::kind::PLAIN)
                {
                    return Err("a kind that all have is unknown".to_owned());
                }
            }
            Err(_) => {} // nothing runs on its behalf
        }
        Ok(())
    }

    pub(super) fn on_unregistered(
        &mut self,
        now: Instant,
        whole: bool,
        call: CallId,
        asked: &Asked,
        result: &Result<(), UnregisterError>,
    ) -> Result<(), String> {
        self.removing.remove(&call);
        match result {
            Ok(()) => {
                // a retry that finds nothing may say so too: an earlier try may have removed it
                self.belief = if whole && !self.may_be_registered_since(asked.since) {
                    Belief::Absent { since: now }
                } else {
                    Belief::Unknown
                };
                self.removed = Some(now);
            }
            Err(UnregisterError::NotFound) => {
                if !whole {
                    self.perhaps_removed = Some(now); // an earlier try may wait in a node that stands still
                }
                if whole && self.is_registered_throughout(asked.since) {
                    return Err(
                        "it is registered, but a caller who removes it hears that it is not".to_owned()
                    );
                }
            }
            Err(UnregisterError::Timeout) => self.removal_unclear(now, call),
            Err(_) => {}
        }
        Ok(())
    }

    pub(super) fn on_located(
        &mut self,
        whole: bool,
        since: Instant,
        result: &Result<Registration, LookupError>,
    ) -> Result<(), String> {
        match result {
            Ok(found) if whole && self.is_absent_throughout(since) => {
                Err(format!("nobody has it, but a caller finds it on {}", found.node))
            }
            Err(LookupError::NotFound) if whole && self.is_registered_throughout(since) => {
                Err("it is registered, but its arbiter says that it is not".to_owned())
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// How long ago a call that may change it ended; zero while one is open.
    pub fn untouched_for(&self, now: Instant) -> Duration {
        let ends = [self.registered, self.removed, self.perhaps_registered, self.perhaps_removed];
        let last = ends.into_iter().flatten().max().unwrap_or(Instant::ZERO);
        if self.is_open() { Duration::ZERO } else { now.since(last) }
    }

    /// Whether a call that may change it is not answered.
    pub fn is_open(&self) -> bool {
        !self.registering.is_empty() || !self.removing.is_empty()
    }

    fn is_absent_throughout(&self, from: Instant) -> bool {
        matches!(self.belief, Belief::Absent { since } if since <= from)
            && !self.may_be_registered_since(from)
    }

    /// Whether it stood all the time, and nobody can have registered it a second time meanwhile.
    pub(super) fn is_one_registration_since(&self, from: Instant) -> bool {
        !self.is_contested
            && self.is_registered_throughout(from)
            && !self.may_be_removed_since(from, false)
            && !self.may_be_registered_since(from)
    }

    fn is_registered_throughout(&self, from: Instant) -> bool {
        matches!(self.belief, Belief::Registered { since, .. } if since <= from)
            && !self.may_be_removed_since(from, true)
    }
}
