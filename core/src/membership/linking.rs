//! Links as they come and go, which of two survives, and who is refused one.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;

use super::links::Settled;
use super::{Announced, Health, Merged, Record};
use crate::error::{DialFailure, Refusal, RetireReason};
use crate::event::{Event, Output, Way};
use crate::id::{Address, Life, LinkId, NodeName};
use crate::machine::Machine;
use crate::mutant::Mutant;
use crate::wire::Hello;
use crate::wire::message::Goodbye;

/// An accusation by a revision up to here is believed at once: more revisions than come to pass in years.
const MAX_ACCUSED: u32 = 1 << 24;

/// What says that a life is well is believed up to here, so that each accusation can be refuted.
const MAX_REVISION: u32 = MAX_ACCUSED + (1 << 20);

/// From there on a revision is so far ahead of the last one at most: whoever lies has to do so millions of times before
/// there is no revision left.
const MAX_LEAP: u32 = 1024;

/// What to do about a peer that introduces itself.
enum Verdict {
    Admit,
    Refuse(Refusal),
    /// Its name belongs to a member that may be dead: ask, and let the link wait.
    AskAbout(Life),
    /// It is we who must not be here.
    Retire(RetireReason),
    /// It was forgotten: one of the two sides begins anew.
    Estranged,
}

impl Machine {
    pub(crate) fn on_link_up(&mut self, id: LinkId, way: Way, peer: Hello) {
        if let Way::Dialled(address) = &way {
            self.book.reached(address);
        }
        self.links.insert(id, way, peer, self.now);
        if self.is_between_lives() {
            return self.close(id, Refusal::Left);
        }
        self.examine(id);
    }

    /// Lets a link in, refuses it, or leaves it parked.
    pub(crate) fn examine(&mut self, id: LinkId) {
        let Some(link) = self.links.get(id) else {
            return;
        };
        match self.judge(&link.peer) {
            Verdict::Admit => self.admit(id),
            Verdict::Refuse(refusal) => self.close(id, refusal),
            Verdict::AskAbout(rival) => self.inquire(rival, Health::Replaced),
            Verdict::Retire(reason) => self.retire(reason),
            Verdict::Estranged => self.claim_precedence(id),
        }
    }

    fn judge(&self, peer: &Hello) -> Verdict {
        if !self.may_link_with(&peer.node) {
            return Verdict::Refuse(Refusal::NotAllowed);
        }
        if self.conduct.is_shunned(peer.life, self.now) {
            return Verdict::Refuse(Refusal::Malformed);
        }
        if peer.life.tag() == self.me.tag() {
            // The later life makes way; of equal ones, drawn in the same moment, that of the later name or place.
            let ours = (self.me, &self.config.node, &self.config.address);
            return if (peer.life, &peer.node, &peer.address) > ours {
                Verdict::Refuse(Refusal::TagClash)
            } else {
                Verdict::Retire(RetireReason::TagClash)
            };
        }
        if peer.node == self.config.node && !self.broken(Mutant::TwinAdmitted) {
            return if peer.life > self.me {
                Verdict::Refuse(Refusal::NameInUse { address: self.config.address.clone() })
            } else {
                let (node, address) = (peer.node.clone(), peer.address.clone());
                Verdict::Retire(RetireReason::NameInUse { node, address })
            };
        }
        if self.is_given_up(peer.life) && !self.broken(Mutant::EstrangedLetIn) {
            return Verdict::Estranged;
        }
        let is_taken = match self.table.of(peer.life) {
            Some(known) => (&known.node, &known.address) != (&peer.node, &peer.address),
            None => {
                let twin = self.table.others().find(|record| record.life.tag() == peer.life.tag());
                twin.is_some_and(|twin| peer.life > twin.life)
            }
        };
        if is_taken {
            return Verdict::Refuse(Refusal::TagClash);
        }
        let mut rivals =
            self.table.others().filter(|record| record.node == peer.node && record.life < peer.life);
        match rivals.next() {
            Some(rival) if !self.broken(Mutant::TwinAdmitted) => Verdict::AskAbout(rival.life),
            Some(_) | None => Verdict::Admit,
        }
    }

    fn may_link_with(&self, node: &NodeName) -> bool {
        self.config.peers.admits(node) || self.broken(Mutant::ListsIgnored)
    }

    /// There is no link with who is at this address, and there will be none. Told once, however often it tries again.
    fn on_refusal(&mut self, address: Address, refusal: Refusal) {
        if self.refusals.get(&address) == Some(&refusal) {
            return;
        }
        if self.refusals.len() < self.config.max_addresses || self.refusals.contains_key(&address) {
            self.refusals.insert(address.clone(), refusal.clone());
        }
        self.event(Event::LinkRefused { address, refusal });
    }

    fn admit(&mut self, id: LinkId) {
        match self.links.settle(id) {
            Settled::Only => self.links.serve(id),
            Settled::Replaces(old) => {
                self.links.serve(id);
                if !self.broken(Mutant::DuplicateLinkKept) {
                    self.close(old, Refusal::Duplicate);
                }
            }
            Settled::Loses => {
                // The peer dialled, so it may have lost the old one, of which we alone hold an end.
                let old = self.links.to(self.links.get(id).expect("it was just judged").peer.life);
                if let Some(old) = old {
                    let seq = self.detector.next_seq();
                    self.ping(old, seq);
                }
                if !self.broken(Mutant::DuplicateLinkKept) {
                    self.close(id, Refusal::Duplicate);
                }
                return;
            }
        }
        let life = self.links.get(id).expect("it was just admitted").peer.life;
        self.detector.expected.remove(&life);
        self.on_proved_alive(life); // it has just shaken hands
        self.greet(id);
        self.on_link_after_gap(life, id);
        let link = self.links.get_mut(id).expect("it was just admitted");
        if let Some(greet) = link.early.take() {
            self.on_greet(id, *greet);
        }
    }

    /// Tells the peer why, and ends the link.
    pub(crate) fn close(&mut self, id: LinkId, refusal: Refusal) {
        self.send(id, Goodbye { refusal: refusal.clone() });
        self.outputs.push_back(Output::Close { link: id, reason: refusal.clone() });
        let Some((link, served)) = self.links.remove(id) else {
            return;
        };
        let mut is_news = true;
        if let Way::Dialled(address) = &link.way {
            match &refusal {
                Refusal::Duplicate | Refusal::Stalled => {
                    let jitter = self.random.next();
                    self.book.failed(address, self.now, jitter);
                }
                _ => is_news = self.book.unwanted(address, &refusal, self.now),
            }
            self.dial_again = true;
        }
        if is_news && !matches!(refusal, Refusal::Duplicate | Refusal::Left | Refusal::Stalled) {
            self.on_refusal(link.peer.address.clone(), refusal);
        }
        if served {
            self.on_unlinked(link.peer.life);
        }
    }

    pub(crate) fn on_goodbye(&mut self, id: LinkId, refusal: Refusal) {
        let Some((link, served)) = self.links.remove(id) else {
            return;
        };
        self.outputs.push_back(Output::Close { link: id, reason: refusal.clone() });
        let mut is_news = true;
        if let Way::Dialled(address) = &link.way {
            let jitter = self.random.next();
            match &refusal {
                Refusal::Duplicate | Refusal::Stalled => {
                    self.book.failed(address, self.now, jitter);
                }
                _ => is_news = self.book.unwanted(address, &refusal, self.now),
            }
            self.dial_again = true;
        }
        if served {
            self.on_unlinked(link.peer.life);
        }
        match refusal {
            Refusal::NameInUse { address } if link.peer.node == self.config.node || link.theirs.is_none() => {
                self.retire(RetireReason::NameInUse { node: self.config.node.clone(), address });
            }
            Refusal::TagClash if link.theirs.is_none() => self.retire(RetireReason::TagClash),
            Refusal::Duplicate => self.expect_link(link.peer.life),
            Refusal::Left | Refusal::Stalled => {}
            refusal if is_news => self.on_refusal(link.peer.address, refusal),
            _ => {} // told before
        }
    }

    /// This peer keeps another link with us, and so it lives, though that one has yet to come up here.
    fn expect_link(&mut self, life: Life) {
        if self.links.to(life).is_none()
            && self.table.is_live(life)
            && !self.broken(Mutant::OtherLinkForgotten)
        {
            self.detector.expected.insert(life, self.now);
        }
    }

    pub(crate) fn on_link_down(&mut self, id: LinkId) {
        let Some((link, served)) = self.links.remove(id) else {
            return;
        };
        let life = link.peer.life;
        if let Way::Dialled(address) = &link.way
            && link.theirs.is_none()
        {
            let jitter = self.random.next();
            self.book.failed(address, self.now, jitter);
            self.dial_again = true;
        }
        if served {
            // Whoever closes each link before it says a word must not make us dial without a pause.
            let has_greeted = link.theirs.is_some() || self.broken(Mutant::SilentLinksRedialled);
            if has_greeted && self.table.is_live(life) {
                self.book.lost(&link.peer.address, self.now);
            }
            self.on_unlinked(life);
        }
    }

    /// There is no link to this life any more.
    pub(super) fn on_unlinked(&mut self, life: Life) {
        self.dial_again = true;
        self.fail_errands(life);
        self.witness_is_gone(life);
        self.detector.thawing.remove(&life);
        self.replication.drop_pulls(life);
        self.callers_lost(life);
        self.moves_lost(life);
        self.scan_again = true;
        self.pull_again = true;
    }

    pub(crate) fn on_dial_failed(&mut self, address: Address, failure: DialFailure) {
        self.dial_again = true;
        self.counters.dials_failed += 1;
        if let DialFailure::Handshake(refusal) = failure {
            let transient = matches!(refusal, Refusal::Duplicate | Refusal::Stalled);
            if transient {
                let jitter = self.random.next();
                self.book.failed(&address, self.now, jitter);
            } else if self.book.unwanted(&address, &refusal, self.now) && refusal != Refusal::Ourselves {
                self.on_refusal(address, refusal);
            }
            return;
        }
        self.pause_after(&address, &failure);
        // Who just boots may know nobody else to ask, and takes nothing over: probes will tell.
        let is_booting = self.table.mine().announced == Announced::Joining;
        if failure != DialFailure::Refused || is_booting || self.broken(Mutant::EvidenceIgnored) {
            return;
        }
        let unlinked = |record: &&Record| record.address == address && self.links.to(record.life).is_none();
        let dead: alloc::vec::Vec<Life> =
            self.table.others().filter(unlinked).map(|record| record.life).collect();
        for life in dead {
            self.inquire(life, Health::Refused);
        }
    }

    /// Takes records from a peer.
    pub(crate) fn merge_records(&mut self, by: Life, records: impl IntoIterator<Item = Record>) {
        for mut record in records {
            if self.leaps(&record) {
                continue;
            }
            if let Some(link) = self.links.to(record.life).and_then(|id| self.links.get(id)) {
                record.wire = link.peer.wire_max; // whatever others say, its hello said so
            }
            if record.life == by {
                self.correct(&record);
            }
            if record.life == self.me && self.broken(Mutant::NoRefutation) {
                continue;
            }
            if self.is_given_up(record.life) && !self.broken(Mutant::ForgottenReturn) {
                continue; // whoever lists it still is told when our tables are compared
            }
            match self.table.merge(&record) {
                Merged::Refuted => self.on_refuted(),
                Merged::Known | Merged::Changed | Merged::Full => {}
            }
        }
    }

    /// Whether a revision is too far ahead to be true: past the last one nobody can refute.
    fn leaps(&self, record: &Record) -> bool {
        let known = self.table.of(record.life).map_or(0, |known| known.revision.0);
        let is_accusation = record.health != Health::Alive && record.life != self.me;
        let most = if is_accusation { MAX_ACCUSED } else { MAX_REVISION };
        record.revision.0 > most.max(known.saturating_add(MAX_LEAP)) && !self.broken(Mutant::RevisionsLeap)
    }

    /// What a life says of itself that never changes counts, whatever others said of it before.
    fn correct(&mut self, own: &Record) {
        if self.broken(Mutant::FirstWordCounts) || !self.table.correct(own) || !self.ring.contains(own.life) {
            return;
        }
        self.move_ring(&[], &[own.life], &[], BTreeSet::new());
        self.move_ring(&[(own.life, own.weight)], &[], &[], BTreeSet::new());
    }

    /// Keeps a greeting that came before its link was let in.
    pub(crate) fn keep_early(&mut self, id: LinkId, greet: Box<crate::wire::message::Greet>) {
        if let Some(link) = self.links.get_mut(id) {
            link.early = Some(greet);
        }
    }
}
