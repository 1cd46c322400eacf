//! Which members may run a worker, and what keeps the others from it.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::event::WorkerSpec;
use crate::id::{Life, Name, Role, Slot};
use crate::machine::Machine;
use crate::membership::Record;
use crate::mutant::Mutant;
use crate::tracker::Entry;

/// Why a member is no candidate for a worker.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Exclusion {
    /// It is not up yet.
    Joining,
    /// It gives its workers away.
    Leaving,
    /// It is counted down.
    Down,
    /// It has no code for the kind.
    NoKind,
    /// It lacks this role.
    NoRole(Role),
}

impl Record {
    /// What keeps this member from running such a worker; `None` if it may.
    pub(crate) fn exclusion(&self, spec: &WorkerSpec) -> Option<Exclusion> {
        use crate::event::Status;
        match self.status() {
            Status::Down => return Some(Exclusion::Down),
            Status::Joining => return Some(Exclusion::Joining),
            Status::Leaving => return Some(Exclusion::Leaving),
            Status::Up | Status::Suspect => {}
        }
        if !self.kinds.contains(&spec.kind()) {
            return Some(Exclusion::NoKind);
        }
        let lacks = |role: &&Role| !self.roles.contains(role);
        spec.place().roles().iter().find(lacks).map(|role| Exclusion::NoRole(role.clone()))
    }
}

impl Machine {
    /// The members that may run such a worker, with their weights, by rising life.
    pub(crate) fn candidates(&self, spec: &WorkerSpec) -> Vec<(Life, u16)> {
        let allowed = |record: &&Record| match record.exclusion(spec) {
            None => true,
            Some(Exclusion::NoKind) => self.broken(Mutant::KindsIgnored),
            Some(Exclusion::NoRole(_)) => self.broken(Mutant::RolesIgnored),
            Some(_) => false,
        };
        self.table.iter().filter(allowed).map(|record| (record.life, record.weight)).collect()
    }

    /// By which slot a name is placed: by its own, or by that of the key that it shares.
    pub(crate) fn slot_for(&self, name: &Name, spec: &WorkerSpec) -> Slot {
        let place = spec.place();
        let key =
            place.companions().filter(|_| !self.broken(Mutant::KeyIgnored)).map(|together| &together.key);
        self.ring.slot_of(key.unwrap_or(name))
    }

    /// Where a name should run: the strategy's choice among the members that may run it, if possible among those
    /// that are not in `except`, and not that which restarted it too often; nowhere below the quorum. This alone
    /// answers that question.
    pub(crate) fn choose_host(
        &self,
        name: &Name,
        spec: &WorkerSpec,
        except: &BTreeSet<Life>,
    ) -> Option<Life> {
        self.quorum().ok()?;
        let slot = self.slot_for(name, spec);
        let left = self.registry.winner(name).and_then(Entry::left);
        let candidates = prefer(self.candidates(spec), |life| Some(life) != left);
        let candidates = prefer(candidates, |life| !except.contains(&life));
        self.strategy.host(&self.ring, slot, self.ring.owner(slot)?, &candidates)
    }
}

/// Those that suit, if any does.
fn prefer(mut candidates: Vec<(Life, u16)>, suits: impl Fn(Life) -> bool) -> Vec<(Life, u16)> {
    if candidates.iter().any(|&(life, _)| suits(life)) {
        candidates.retain(|&(life, _)| suits(life));
    }
    candidates
}
