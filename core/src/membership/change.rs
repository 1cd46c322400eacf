//! What follows when records changed: the word is passed on, the ring is moved, the rest of the house is told.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::{Announced, Caution, Health, Record};
use crate::error::Refusal;
use crate::event::{Event, Status, TopologyChange};
use crate::id::NodeName;
use crate::machine::Machine;
use crate::mutant::Mutant;
use crate::timer::Timer;

impl Machine {
    /// Works off all changes of the member table.
    pub(crate) fn settle_members(&mut self) {
        while self.table.has_changed() {
            let changed = self.table.take_changed();
            let records: Vec<Record> =
                changed.iter().filter_map(|&life| self.table.of(life).cloned()).collect();
            self.pass_on(&records);
            let (mut joined, mut left, mut ended) = (Vec::new(), Vec::new(), Vec::new());
            let mut strangers = BTreeSet::new();
            let (mut live_changed, mut doubts_changed) = (false, false);
            for record in &records {
                let before = self.seen.insert(record.life, record.status());
                if record.is_down() && matches!(before, Some(Status::Up | Status::Suspect | Status::Leaving))
                {
                    ended.push(record.life);
                }
                live_changed |= before.is_none_or(|status| status == Status::Down) != record.is_down();
                doubts_changed |= (before == Some(Status::Suspect)) != (record.status() == Status::Suspect);
                if self.is_stranger(record, before) {
                    strangers.insert(record.life);
                }
                if self.is_late_news(record, before) {
                    strangers.extend(self.table.others().map(|record| record.life));
                }
                match (self.ring.contains(record.life), record.is_in_ring()) {
                    (false, true) => joined.push((record.life, record.weight)),
                    (true, false) => left.push(record.life),
                    (true, true) | (false, false) => {}
                }
                self.on_status(record, before);
            }
            if live_changed || (doubts_changed && self.detector.caution == Caution::Wary) {
                self.watch();
            }
            if !joined.is_empty() || !left.is_empty() {
                self.readiness.disturb(self.now);
            }
            self.choose_side();
            self.move_ring(&joined, &left, &ended, strangers);
            self.pull_again = true;
        }
    }

    /// Whether a member that may have registrations of its own is heard of for the first time, or again: also one that
    /// leaves already, which moves no ring.
    fn is_stranger(&self, record: &Record, before: Option<Status>) -> bool {
        let leaves = record.status() == Status::Leaving && !self.broken(Mutant::LeaversOverlooked);
        let unknown = before.is_none_or(|status| status == Status::Down);
        unknown && (record.is_in_ring() || leaves) && record.life != self.me
    }

    /// Whether a member that may have had registrations is heard of only now that it is down: any other may have its log,
    /// also one that still joins.
    fn is_late_news(&self, record: &Record, before: Option<Status>) -> bool {
        let was_up = record.announced != Announced::Joining;
        before.is_none() && record.is_down() && was_up && !self.broken(Mutant::DeadStrangersOverlooked)
    }

    fn pass_on(&mut self, records: &[Record]) {
        let links: Vec<_> = self.links.serving().map(|(_, id)| id).collect();
        for link in links {
            self.send_records(link, records.to_vec());
        }
    }

    fn on_status(&mut self, record: &Record, before: Option<Status>) {
        let (life, node) = (record.life, record.node.clone());
        let status = record.status();
        if record.health == Health::Suspect && status != Status::Down && life != self.me {
            self.await_refutation(record);
        } else {
            self.detector.suspects.remove(&life);
        }
        if before == Some(status) {
            return;
        }
        if life != self.me && status != Status::Down && before.is_none_or(|before| before == Status::Down) {
            // Both ends learn of each other at about the same time: the lower life dials at once, the other waits.
            self.meet(life);
            self.on_life_back(life);
            let wait = if self.me < life { core::time::Duration::ZERO } else { self.config.redial.min * 2 };
            self.book.belongs_to(&record.address, life, self.now + wait);
            self.dial_again = true;
        }
        if before == Some(Status::Down) {
            self.keep_in_mind(life);
        }
        let was_in_ring = matches!(before, Some(Status::Up | Status::Suspect));
        match status {
            Status::Joining => {}
            Status::Up => {
                self.event(Event::MemberUp { node: node.clone(), life });
                if !was_in_ring {
                    self.topology(TopologyChange::NodeUp, node);
                }
            }
            Status::Suspect => self.event(Event::MemberSuspect { node, life }),
            Status::Leaving => {
                self.event(Event::MemberLeaving { node: node.clone(), life });
                if was_in_ring {
                    self.topology(TopologyChange::NodeLeaving, node);
                }
            }
            Status::Down => self.on_member_down(record, was_in_ring),
        }
    }

    fn await_refutation(&mut self, record: &Record) {
        let known = self.detector.suspects.get(&record.life);
        if known.is_some_and(|&(revision, _)| revision == record.revision) {
            return;
        }
        let until = self.now + self.config.detection.suspicion * self.detector.patience();
        self.detector.suspects.insert(record.life, (record.revision, until));
        self.timers.set(until, Timer::Suspicion(record.life));
    }

    fn on_member_down(&mut self, record: &Record, was_in_ring: bool) {
        let (life, node) = (record.life, record.node.clone());
        self.detector.inquiries.remove(&life);
        self.fail_errands(life);
        if matches!(record.announced, Announced::Left) || record.health == Health::Replaced {
            self.book.release(life);
        }
        self.dial_again = true; // its address may be let go of
        if life == self.me {
            return; // we left; a rumour of our death would have been refuted
        }
        self.forget_later(record);
        let evidence = record.evidence().expect("a member that is down is down for a reason");
        self.event(Event::MemberDown { node: node.clone(), life, evidence });
        if was_in_ring {
            self.topology(TopologyChange::NodeDown, node.clone());
        }
        if let Some(link) = self.links.to(life) {
            // A half-open link would never tell; a live peer hears of it, dials again and refutes.
            let refusal = if record.announced == Announced::Left { Refusal::Left } else { Refusal::Stalled };
            self.close(link, refusal);
        }
        self.on_life_down(life);
        self.examine_parked(&node);
    }

    fn topology(&mut self, change: TopologyChange, node: NodeName) {
        self.unsettled = true;
        self.event(Event::TopologyChanged { change, node });
    }
}
