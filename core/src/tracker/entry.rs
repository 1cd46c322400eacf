//! A record of the registry: one registration's latest state.

use alloc::boxed::Box;
use core::cmp::Reverse;

use serde::{Deserialize, Serialize};

use crate::event::{Placement, WorkerSpec};
use crate::id::{ClaimId, Dot, Epoch, Kind, Life, Name};
use crate::membership::Side;
use crate::placement::Place;
use crate::supervisor::Crashes;

/// One registration as of one epoch.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Which registration; restarts and moves keep it.
    pub(crate) dot: Dot,
    /// Of what.
    pub(crate) name: Name,
    /// Which start of it; a vacant or removed one has an epoch of its own, too.
    pub(crate) epoch: Epoch,
    /// What is so since that epoch.
    pub(crate) state: State,
    /// How often it went on, as it is, in the log of another life because that of its writer ended.
    pub(crate) handed_on: u32,
}

/// What became of a registration.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) enum State {
    /// It stands.
    Live {
        /// Who runs it; `None` while it waits for a host.
        holder: Option<Life>,
        /// By whose wish; a retry of it hears Ok.
        claim: ClaimId,
        /// What runs.
        spec: WorkerSpec,
        /// Where it was registered; restarts and moves keep it.
        side: Side,
        /// Its recent restarts, if there were any; moves keep them.
        crashes: Option<Box<Crashes>>,
    },
    /// It was removed; nothing that is said of it later counts.
    Removed {
        /// The wish that ended with it. An arbiter that nobody heard may have granted it, too: what it made of it ends
        /// as well. `None` if another registration of the name goes on.
        claim: Option<ClaimId>,
    },
}

impl Entry {
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.state, State::Live { .. })
    }

    pub(crate) fn holder(&self) -> Option<Life> {
        match &self.state {
            State::Live { holder, .. } => *holder,
            State::Removed { .. } => None,
        }
    }

    pub(crate) fn is_attached(&self) -> bool {
        matches!(&self.state, State::Live { spec: WorkerSpec::Attached, .. })
    }

    /// Of two entries of one dot the one with more of this says more: a removal, else the later epoch. Of the same
    /// entry in two logs the later copy counts, and of two such copies that in the log of the later life, so that
    /// all replicas have it in the same log.
    pub(crate) fn precedence(&self, origin: Life) -> (bool, Epoch, u32, Life) {
        (!self.is_live(), self.epoch, self.handed_on, origin)
    }

    /// Which of two registrations of one name stands: the one that was made on the larger side of a cut, else the one
    /// with the lower dot. Not the later epoch: epochs go on rising on both sides of a cut, and two nodes with half
    /// the news each would end one registration each. Dot and side never change, so that all end the same one,
    /// whenever they hear of the other.
    pub(crate) fn rank(&self) -> (Option<Side>, Reverse<Dot>) {
        let side = match &self.state {
            State::Live { side, .. } => Some(*side),
            State::Removed { .. } => None,
        };
        (side, Reverse(self.dot))
    }

    /// For the look-up map. `None` if it does not stand.
    pub(crate) fn placement(&self) -> Option<Placement> {
        let State::Live { holder, spec, .. } = &self.state else {
            return None;
        };
        Some(Placement {
            holder: *holder,
            epoch: self.epoch,
            kind: spec.kind(),
            attached: self.is_attached(),
        })
    }

    /// About how many bytes it is on the wire.
    pub(crate) fn size(&self) -> usize {
        let spec = match &self.state {
            State::Live { spec, .. } => spec.size(),
            State::Removed { claim } => claim.map_or(0, |_| 16),
        };
        53 + self.name.as_str().len() + spec + self.crashes().map_or(0, |_| 20)
    }

    /// The same registration, later.
    pub(crate) fn later(&self, epoch: Epoch, holder: Option<Life>) -> Self {
        let mut later = Self { epoch, handed_on: 0, ..self.clone() };
        if let State::Live { holder: current, .. } = &mut later.state {
            *current = holder;
        }
        later
    }

    /// The same registration after a restart, or without a holder after too many.
    pub(crate) fn after_crashes(
        &self,
        epoch: Epoch,
        holder: Option<Life>,
        count: u32,
        left: Option<Life>,
    ) -> Self {
        let mut later = self.later(epoch, holder);
        if let State::Live { crashes, .. } = &mut later.state {
            let left = left.or(crashes.as_ref().and_then(|crashes| crashes.left));
            *crashes = Some(Box::new(Crashes { count, last: epoch, left }));
        }
        later
    }

    /// Its recent restarts.
    pub(crate) fn crashes(&self) -> Option<&Crashes> {
        match &self.state {
            State::Live { crashes, .. } => crashes.as_deref(),
            State::Removed { .. } => None,
        }
    }

    /// By whose wish it is or was registered, unless that went on as another registration.
    pub(crate) fn claim(&self) -> Option<ClaimId> {
        match &self.state {
            State::Live { claim, .. } => Some(*claim),
            State::Removed { claim } => *claim,
        }
    }

    /// The member that restarted it too often.
    pub(crate) fn left(&self) -> Option<Life> {
        self.crashes()?.left
    }

    /// Its end, and that of the wish for it.
    pub(crate) fn removed(&self, epoch: Epoch) -> Self {
        let state = State::Removed { claim: self.claim() };
        Self { dot: self.dot, name: self.name.clone(), epoch, state, handed_on: 0 }
    }

    /// Its end, and not that of the wish for it: another registration of its name goes on, perhaps by the same wish, or
    /// its node is taken for gone.
    pub(crate) fn beaten(&self, epoch: Epoch) -> Self {
        Self { state: State::Removed { claim: None }, ..self.removed(epoch) }
    }

    /// The same, for another log. `None` past the last copy that can be counted, which no honest life ever makes.
    pub(crate) fn handed_on(&self) -> Option<Self> {
        Some(Self { handed_on: self.handed_on.checked_add(1)?, ..self.clone() })
    }
}

impl WorkerSpec {
    /// What code; `attached` for a worker that brought its own.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Managed { kind, .. } => kind.clone(),
            Self::Attached => Kind::new("attached").expect("a good kind"),
        }
    }

    /// Where it may run; an attached worker runs where it is.
    pub(crate) fn place(&self) -> Place {
        match self {
            Self::Managed { place, .. } => place.clone(),
            Self::Attached => Place::anywhere(),
        }
    }

    /// About how many bytes it is on the wire.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Managed { kind, args, place } => kind.as_str().len() + args.as_slice().len() + place.size(),
            Self::Attached => 0,
        }
    }
}
