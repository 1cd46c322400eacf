//! The workers of this node: each from the order to start it until nothing of it runs.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};

use super::conflict::Heard;
use crate::event::{Exit, StartReason, StopReason, WorkerSpec};
use crate::id::{ClaimId, Dot, Epoch, Life, Name};
use crate::supervisor::History;
use crate::time::Instant;
use crate::wire::message::StartOrder;

/// All of them, attached ones excepted: those are known by their record alone.
#[derive(Debug, Default)]
pub(crate) struct Host {
    /// Put in and taken out by [`Host::insert`] and [`Host::remove`] alone.
    pub(crate) workers: BTreeMap<Name, Hosted>,
    /// Those of them that share a key, by that key.
    by_key: BTreeMap<Name, BTreeSet<Name>>,
    /// The attached ones whose record says that they run here.
    pub(super) attached: BTreeMap<Name, Attached>,
    /// Starts that ended, by name: an order for one of them is an echo.
    ended: BTreeMap<Name, Epoch>,
    ended_order: VecDeque<Name>,
    /// Beaten copies that those which are gone heard, the latest last.
    heard: VecDeque<(Name, Epoch)>,
    /// Those that may have to be reported to their arbiter.
    pub(super) unrecorded: BTreeSet<Name>,
    /// Copies that are being prepared, or are ready.
    pub(super) prepared: BTreeSet<Name>,
}

/// An attached worker, as its record has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Attached {
    pub(super) dot: Dot,
    pub(super) epoch: Epoch,
    /// By whose wish.
    pub(super) claim: ClaimId,
}

/// One worker.
#[derive(Clone, Debug)]
pub(crate) struct Hosted {
    pub(crate) epoch: Epoch,
    /// Its registration; `None` until the first record of it comes.
    pub(crate) dot: Option<Dot>,
    pub(crate) claim: ClaimId,
    pub(crate) spec: WorkerSpec,
    pub(crate) why: StartReason,
    pub(crate) phase: Phase,
    /// Whether the registry says that this very start runs here.
    pub(crate) recorded: bool,
    /// Whether its registration was removed while it runs, as on another side of a cut: its name's arbiter may not know.
    pub(super) ended: bool,
    pub(crate) history: History,
    /// When to report it again, while it is not recorded.
    pub(crate) again: Instant,
    /// The ring, by its hash, in which it asked to stay.
    pub(crate) stays: Option<u64>,
    /// Moves of it in a row that came to nothing, where to, and when the next may begin.
    pub(crate) move_failures: u32,
    pub(crate) tried: BTreeSet<Life>,
    pub(crate) moves_after: Instant,
    /// Which beaten copies of its name it heard, by their epochs.
    pub(crate) heard: BTreeMap<Epoch, Heard>,
}

/// How far it is.
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    Starting,
    Running,
    /// A copy, not ready yet, of what runs at `from` as the start `replaces`.
    Preparing {
        from: Life,
        replaces: Epoch,
    },
    /// A copy that is ready and does nothing until the record says that it acts.
    Prepared {
        from: Life,
        replaces: Epoch,
    },
    /// It acts elsewhere by a record of ours, at `seq` in our log; kept until that node is known to have it.
    Frozen {
        to: Life,
        under: Epoch,
        seq: u64,
    },
    /// It ended by itself; decided once it is recorded.
    Exited(Exit),
    /// Its restart comes later.
    Pausing,
    /// It was told to stop.
    Stopping {
        why: StopReason,
        then: Then,
    },
    /// It was stopped for good, at the wish of this arbiter, and the record of that is awaited.
    Halted {
        by: Life,
        /// When it runs again if nothing was removed; an earlier timer is another halt's.
        until: Instant,
    },
    /// It blocks its thread and cannot be stopped; the name stays here until it ends after all.
    Stuck {
        why: StopReason,
        then: Then,
    },
}

/// What comes after a stop.
#[derive(Clone, Debug)]
pub(crate) enum Then {
    /// This arbiter is told, by this epoch, that the start does not run.
    Report { to: Life, epoch: Epoch, halt: bool },
    /// A later start that this arbiter ordered meanwhile.
    Start { from: Life, order: StartOrder },
    /// It was a restart that took too long: it is tried again, or given up.
    Restart,
    /// It is started again at this time, as others were with which it belongs together.
    StartAt(Instant),
    /// Its name is freed, as that of another was with which it belongs together.
    Free,
    /// Nothing.
    Forget,
}

impl Phase {
    /// Whether a start of this epoch waits for the end of the present one.
    pub(super) fn is_followed_by(&self, epoch: Epoch) -> bool {
        match self {
            Self::Stopping { then: Then::Start { order, .. }, .. }
            | Self::Stuck { then: Then::Start { order, .. }, .. } => order.epoch == epoch,
            _ => false,
        }
    }
}

/// So many ended starts are remembered: far more than orders can be under way for.
const MAX_ENDED: usize = 4096;

impl Host {
    /// One more worker, or another instead of the one of its name.
    pub(super) fn insert(&mut self, name: Name, worker: Hosted) {
        let key = worker.key();
        if let Some(key) = &key {
            self.by_key.entry(key.clone()).or_default().insert(name.clone());
        }
        let before = self.workers.insert(name.clone(), worker);
        if let Some(before) = &before {
            self.remember_heard(&name, before);
        }
        if let Some(former) = before.and_then(|before| before.key())
            && Some(&former) != key.as_ref()
        {
            self.forget_key(&former, &name);
        }
    }

    /// Forgets a worker, but not that this start of it is over.
    pub(super) fn remove(&mut self, name: &Name) {
        self.unrecorded.remove(name);
        self.prepared.remove(name);
        let Some(worker) = self.workers.remove(name) else {
            return;
        };
        if let Some(key) = worker.key() {
            self.forget_key(&key, name);
        }
        self.remember_heard(name, &worker);
        if self.ended.insert(name.clone(), worker.epoch).is_none() {
            self.ended_order.push_back(name.clone());
        }
        if self.ended_order.len() > MAX_ENDED
            && let Some(oldest) = self.ended_order.pop_front()
        {
            self.ended.remove(&oldest);
        }
    }

    /// What beaten copies a worker heard, who may ask again, not having heard that.
    fn remember_heard(&mut self, name: &Name, worker: &Hosted) {
        let done = worker.heard.iter().filter(|(_, heard)| **heard == Heard::Done);
        self.heard.extend(done.map(|(&beaten, _)| (name.clone(), beaten)));
        while self.heard.len() > MAX_ENDED {
            self.heard.pop_front();
        }
    }

    /// Whether one that is gone heard this beaten copy of its name.
    pub(super) fn has_heard(&self, name: &Name, beaten: Epoch) -> bool {
        self.heard.iter().any(|(of, epoch)| of == name && *epoch == beaten)
    }

    fn forget_key(&mut self, key: &Name, name: &Name) {
        let Some(names) = self.by_key.get_mut(key) else {
            return;
        };
        names.remove(name);
        if names.is_empty() {
            self.by_key.remove(key);
        }
    }

    /// The names of the workers with this key, in the order of names.
    pub(crate) fn of_key(&self, key: &Name) -> impl Iterator<Item = &Name> {
        self.by_key.get(key).into_iter().flatten()
    }

    /// Whether this start, or a later one, has ended here.
    pub(super) fn has_ended(&self, name: &Name, epoch: Epoch) -> bool {
        self.ended.get(name).is_some_and(|&ended| ended >= epoch)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.workers.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.workers.len()
    }
}

impl Host {
    /// Whether there is anything to report, to an arbiter or to the source of a copy.
    pub(super) fn reports(&self) -> bool {
        !self.unrecorded.is_empty() || !self.prepared.is_empty()
    }
}

impl Hosted {
    /// Nobody has recorded it yet.
    pub(super) fn new(
        epoch: Epoch,
        dot: Option<Dot>,
        claim: ClaimId,
        spec: WorkerSpec,
        why: StartReason,
        phase: Phase,
        again: Instant,
    ) -> Self {
        Self {
            epoch,
            dot,
            claim,
            spec,
            why,
            phase,
            recorded: false,
            ended: false,
            history: History::default(),
            again,
            stays: None,
            move_failures: 0,
            tried: BTreeSet::new(),
            moves_after: Instant::ZERO,
            heard: BTreeMap::new(),
        }
    }

    /// Whether it is a copy that was prepared and is being stopped, and of which no record said yet that it acts.
    pub(super) fn is_dropped_copy(&self) -> bool {
        let is_copy = self.why == StartReason::HandedOver && !self.recorded;
        is_copy && matches!(self.phase, Phase::Stopping { why: StopReason::Draining, .. })
    }

    /// The key that it shares with others.
    fn key(&self) -> Option<Name> {
        Some(self.spec.place().companions()?.key.clone())
    }

    /// Whether its arbiter is to be told of it again and again.
    pub(super) fn must_report(&self) -> bool {
        self.is_unknown() && matches!(self.phase, Phase::Starting | Phase::Running | Phase::Exited(_))
    }

    /// Whether no record that stands says that it runs, and its arbiter is who says so.
    fn is_unknown(&self) -> bool {
        self.ended || !self.recorded && self.why != StartReason::Restart
    }

    /// Whether a new arbiter is to be told of it: also of one that the former arbiter gave up, for as long as it takes
    /// to stop. The new one would start another beside it; so it orders ours, and hears when that has ended.
    pub(super) fn concerns_an_heir(&self) -> bool {
        let stops = matches!(self.phase, Phase::Stopping { .. } | Phase::Stuck { .. });
        self.must_report() || self.is_unknown() && stops
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Kind, Payload};
    use crate::placement::{Bond, Place, Together};

    fn name(text: &str) -> Name {
        Name::new(text).expect("a good name")
    }

    fn worker(key: Option<&str>) -> Hosted {
        let together = key.map(|key| Together { key: name(key), bond: Bond::OneForAll, rank: 1 });
        let place = together.map_or(Place::anywhere(), |together| Place::anywhere().together(together));
        let kind = Kind::new("kind").expect("a good kind");
        let spec = WorkerSpec::Managed { kind, args: Payload::empty(), place };
        let (claim, why) = (ClaimId { life: Life(1), seq: 1 }, StartReason::Registered);
        Hosted::new(Epoch(1), None, claim, spec, why, Phase::Running, Instant::ZERO)
    }

    #[test]
    fn the_workers_of_a_key_are_found_without_a_look_at_the_others() {
        let mut host = Host::default();
        for (text, key) in
            [("a", Some("k")), ("b", Some("k")), ("c", Some("other")), ("d", None), ("k", Some("other"))]
        {
            host.insert(name(text), worker(key));
        }
        let of_key = |host: &Host, key| -> BTreeSet<Name> { host.of_key(&name(key)).cloned().collect() };
        let names = |texts: &[&str]| -> BTreeSet<Name> { texts.iter().copied().map(name).collect() };
        assert_eq!(of_key(&host, "k"), names(&["a", "b"]));
        assert_eq!(of_key(&host, "other"), names(&["c", "k"]));
        assert_eq!(of_key(&host, "d"), names(&[]));

        host.insert(name("a"), worker(Some("k"))); // the next start of it
        host.insert(name("b"), worker(Some("other"))); // registered anew, with another key
        host.insert(name("c"), worker(None));
        assert_eq!(of_key(&host, "k"), names(&["a"]));
        assert_eq!(of_key(&host, "other"), names(&["b", "k"]));

        for text in ["a", "b", "c", "d", "k", "unknown"] {
            host.remove(&name(text));
        }
        assert!(host.by_key.is_empty(), "nothing is kept of keys without workers: {:?}", host.by_key);
    }
}
