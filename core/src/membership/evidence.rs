//! Proof of death: a refused connection or a later life, unless an observer still hears the member.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::Health;
use super::detector::Inquiry;
use crate::error::Refusal;
use crate::id::{Life, LinkId};
use crate::machine::Machine;
use crate::mutant::Mutant;
use crate::timer::Timer;
use crate::wire::message::PingFor;

impl Machine {
    /// Something says that `subject` is dead: asks all that should know. With nobody to ask it is down now.
    pub(crate) fn inquire(&mut self, subject: Life, evidence: Health) {
        if !self.table.is_live(subject) {
            return;
        }
        if self.detector.inquiries.contains_key(&subject) {
            return;
        }
        let me = self.me;
        let mut waiting: BTreeSet<Life> = self
            .observers_of(subject)
            .into_iter()
            .filter(|&life| life != me && self.table.is_live(life))
            .collect();
        if self.broken(Mutant::EvidenceNotAsked) {
            waiting.clear();
        }
        let seq = self.detector.next_seq();
        for &witness in &waiting {
            self.send_to(witness, PingFor { seq, subject });
        }
        if let Some(link) = self.links.to(subject) {
            waiting.insert(me);
            self.ping(link, seq);
        }
        if self.is_expected(subject) {
            waiting.insert(me);
        }
        let asked = self.now;
        self.detector.inquiries.insert(subject, Inquiry { seq, asked, evidence, waiting });
        self.timers.set(self.now + self.config.detection.probe_timeout, Timer::Inquiry(subject));
        self.conclude(subject);
    }

    /// Whether a link with it is about to come up here, of which it told us just now.
    fn is_expected(&self, life: Life) -> bool {
        let told = self.detector.expected.get(&life);
        told.is_some_and(|&told| self.now.since(told) <= self.config.detection.probe_timeout)
    }

    /// `witness` heard the subject: it lives, whatever the evidence.
    pub(crate) fn on_witnessed(&mut self, subject: Life, witness: Life) {
        let asked =
            self.detector.inquiries.get(&subject).is_some_and(|inquiry| inquiry.waiting.contains(&witness));
        if asked {
            self.on_proved_alive(subject);
        }
    }

    /// The subject lives: the question is answered, and who came under its name is refused.
    pub(crate) fn on_proved_alive(&mut self, subject: Life) {
        if self.detector.inquiries.remove(&subject).is_none() {
            return;
        }
        let Some(record) = self.table.of(subject) else {
            return;
        };
        let (node, address) = (record.node.clone(), record.address.clone());
        for link in self.parked_of(&node) {
            self.close(link, Refusal::NameInUse { address: address.clone() });
        }
    }

    /// `witness` does not hear the subject.
    pub(crate) fn on_not_witnessed(&mut self, subject: Life, witness: Life) {
        if let Some(inquiry) = self.detector.inquiries.get_mut(&subject) {
            inquiry.waiting.remove(&witness);
            self.conclude(subject);
        }
    }

    /// The link to `life` is gone: it can neither bear witness nor be heard by us.
    pub(crate) fn witness_is_gone(&mut self, life: Life) {
        self.on_not_witnessed(life, self.me);
    }

    pub(crate) fn on_inquiry_timer(&mut self, subject: Life) {
        let Some(inquiry) = self.detector.inquiries.get_mut(&subject) else {
            return;
        };
        let until = inquiry.asked + self.config.detection.probe_timeout;
        if until > self.now {
            self.timers.set(until, Timer::Inquiry(subject));
            return;
        }
        inquiry.waiting.clear(); // silence is "closed"
        self.conclude(subject);
    }

    fn conclude(&mut self, subject: Life) {
        let Some(inquiry) =
            self.detector.inquiries.get(&subject).filter(|inquiry| inquiry.waiting.is_empty())
        else {
            return;
        };
        let evidence = inquiry.evidence;
        self.detector.inquiries.remove(&subject);
        self.table.accuse(subject, evidence);
    }

    /// The links that wait for what becomes of the member of this name.
    fn parked_of(&self, node: &crate::id::NodeName) -> Vec<LinkId> {
        self.links.parked().filter(|(_, link)| link.peer.node == *node).map(|(id, _)| id).collect()
    }

    /// A member went down: those who wait for its name are looked at again.
    pub(crate) fn examine_parked(&mut self, node: &crate::id::NodeName) {
        for link in self.parked_of(node) {
            self.examine(link);
        }
    }
}
