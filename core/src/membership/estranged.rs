//! Two sides of a cut that lasted longer than forgetting: one of them begins anew.
//!
//! Each side has dropped what it needs to tell an old registration of the other from a removed one. So their
//! registries never meet: of two nodes that find that one of them has forgotten the other, or a member of the
//! other's side, the one with the smaller side takes a new life. It stops its workers, drops its registry, joins
//! the larger side as a stranger, and claims again what was registered on its own side since the cut.

use alloc::vec::Vec;
use core::cmp::Reverse;

use super::Record;
use super::links::Link;
use crate::error::Refusal;
use crate::event::WorkerSpec;
use crate::id::{Dot, Life, LinkId, Name};
use crate::machine::Machine;
use crate::mutant::Mutant;
use crate::tracker::{Entry, State};
use crate::wire::List;
use crate::wire::message::{Estranged, Lives};

/// Which side goes on: that with more members up, of two equal ones that with the lowest life. Never equal, so that of
/// two nodes which know what both said exactly one gives way.
fn precedence(up: &[Life], node: Life) -> (usize, Reverse<Life>, Reverse<Life>) {
    (up.len(), Reverse(up.iter().copied().min().unwrap_or(node)), Reverse(node))
}

impl Machine {
    /// Whether a peer that says this belongs to a side which has forgotten ours, or which ours has.
    pub(super) fn is_other_side(&self, records: &[Record], forgotten: &Lives) -> bool {
        if self.broken(Mutant::EstrangedLetIn) {
            return false;
        }
        let with_forgotten = records.iter().any(|record| !record.is_down() && self.is_given_up(record.life));
        with_forgotten || forgotten.iter().any(|ended| self.table.is_live(ended.life))
    }

    /// Says how large our side is, on a link that serves nobody until one of the two gives way.
    pub(super) fn claim_precedence(&mut self, id: LinkId) {
        let served = self.links.serves(id);
        self.links.park(id);
        let up = self.side();
        let now = self.now;
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.side = Some(up.clone());
        link.asked = Some(now); // closed if nothing comes
        let life = link.peer.life;
        self.send(id, Estranged { up: List(up) });
        if served {
            self.on_unlinked(life);
        }
    }

    /// The members that are up and that this node hears, itself included.
    fn side(&self) -> Vec<Life> {
        let bound = self.config.detection.bound();
        let is_heard = |life: Life, link: &Link| {
            let is_fresh = self.now.since(link.heard) <= bound && !self.detector.thawing.contains_key(&life);
            link.theirs.is_some() && is_fresh
        };
        let heard = (self.links.serving())
            .filter(|&(life, id)| self.links.get(id).is_some_and(|link| is_heard(life, link)));
        heard.map(|(life, _)| life).chain([self.me]).filter(|&life| self.ring.contains(life)).collect()
    }

    /// The peer is of another side, and says who is of that.
    pub(crate) fn on_estranged(&mut self, id: LinkId, theirs: &[Life]) {
        if self.links.get(id).is_some_and(|link| link.side.is_none()) {
            self.claim_precedence(id);
        }
        let Some(link) = self.links.get(id) else {
            return;
        };
        let ours = link.side.as_ref().map(|ours| precedence(ours, self.me));
        if ours > Some(precedence(theirs, link.peer.life)) {
            self.close(id, Refusal::Forgotten);
        } else {
            let again = self.to_claim_again(theirs);
            self.begin_anew(again);
        }
    }

    /// What was registered on this side, by us or by who is gone, and the other side cannot know: what is older was
    /// removed there, or goes on there. Attached workers are told, and are their owner's affair.
    fn to_claim_again(&self, theirs: &[Life]) -> Vec<(Name, WorkerSpec)> {
        if self.broken(Mutant::NotClaimedAgain) {
            return Vec::new();
        }
        let is_ours = |entry: &&Entry| {
            let Dot { life, .. } = entry.dot;
            life == self.me || (!self.table.is_live(life) && self.owns(self.ring.slot_of(&entry.name)))
        };
        let is_news = |entry: &&Entry| {
            let known: Vec<bool> = theirs.iter().filter_map(|&life| self.may_know(life, entry.dot)).collect();
            // who came after the cut cannot tell of the dead which of their names are older than that
            !known.contains(&true) && (entry.dot.life == self.me || !known.is_empty())
        };
        let managed =
            self.registry.all().filter(is_ours).filter(is_news).filter_map(|entry| match &entry.state {
                State::Live { spec: spec @ WorkerSpec::Managed { .. }, .. } => {
                    Some((entry.name.clone(), spec.clone()))
                }
                State::Live { spec: WorkerSpec::Attached, .. } | State::Removed { .. } => None,
            });
        managed.collect()
    }

    fn may_know(&self, life: Life, dot: Dot) -> Option<bool> {
        if self.table.is_live(life) {
            // only it has forgotten us: it may have all that we have, but our own log past what it told us
            return Some(dot.life != self.me || dot.seq <= self.replication.acked_by(life));
        }
        self.departed.may_know(life, self.me, dot)
    }
}
