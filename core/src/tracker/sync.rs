//! How replicas become one: our own log pushed to all, the rest pulled from whoever has it.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::entry::Entry;
use super::item::{Item, Key};
use crate::event::Status;
use crate::id::{Dot, Epoch, Life, LinkId};
use crate::machine::Machine;
use crate::membership::Link;
use crate::mutant::Mutant;
use crate::wire::List;
use crate::wire::message::{Acked, Delta, Digest, MAX_DELTA, Positions, Pull};

/// At most about this many bytes of items in one delta.
const DELTA_BYTES: usize = 48 << 10;

/// At most this many sequence numbers of our log are on their way to one peer.
const WINDOW: u64 = 4 * MAX_DELTA as u64;

impl Machine {
    pub(crate) fn positions(&self) -> Positions {
        List(self.registry.positions())
    }

    /// The next epoch: above all that this node has seen, and above the time that passed since the floor. A start
    /// that died with its node unseen is in nobody's causal past; by the clock it is below all the same.
    pub(crate) fn next_epoch(&mut self) -> Epoch {
        let epoch = self.registry.newest().next(self.epoch_floor(), self.me);
        self.registry.witness(epoch);
        epoch
    }

    /// The time of day, in milliseconds, as far as this life can tell.
    pub(crate) fn epoch_floor(&self) -> u64 {
        let elapsed = u64::try_from(self.now.since(self.born).as_millis()).unwrap_or(u64::MAX);
        self.config.epoch_floor_ms.saturating_add(elapsed)
    }

    /// The milliseconds of an epoch that would be made now.
    pub(crate) fn present_millis(&self) -> u64 {
        self.registry.newest().millis().max(self.epoch_floor())
    }

    /// The dot of a registration that is written next.
    pub(crate) fn next_dot(&self) -> Dot {
        Dot { life: self.me, seq: self.registry.position(self.me) + 1 }
    }

    /// Writes to our own log. Its position there.
    pub(crate) fn write(&mut self, item: impl Into<Item>) -> u64 {
        let seq = self.registry.position(self.me) + 1;
        let news = self.registry.apply(self.me, seq, item);
        debug_assert!(news, "we write nothing that is old news to ourselves");
        self.registry.advance(self.me, seq);
        seq
    }

    /// Writes down that a registration which stands has ended, with the wish for it.
    pub(super) fn write_removal(&mut self, dot: Dot) {
        self.write_end(dot, Entry::removed);
    }

    /// Writes down that an attached worker has ended with its node. That says nothing of the wish for it: a node that is
    /// there after all registers it again.
    pub(super) fn write_vacated(&mut self, dot: Dot) {
        self.write_end(dot, Entry::beaten);
    }

    fn write_end(&mut self, dot: Dot, end: impl Fn(&Entry, Epoch) -> Entry) {
        let standing = self.registry.entry(dot).filter(|entry| entry.is_live());
        if let Some(ended) = standing.map(|entry| end(entry, self.registry.newest())) {
            self.write(ended);
        }
    }

    /// Writes down that a registration has ended for the sake of another one of its name. Where both were made of one
    /// wish they are one to its caller, and so the other takes its places in groups.
    pub(super) fn write_beaten(&mut self, beaten: &Entry, by: Dot) {
        let is_same = self.registry.entry(by).is_some_and(|entry| entry.claim() == beaten.claim());
        if is_same && !self.broken(Mutant::GroupsLostWithTheDouble) {
            for enrolment in self.registry.later_enrolments(beaten.dot, by) {
                self.write(enrolment);
            }
        }
        self.write(beaten.beaten(self.registry.newest()));
    }

    /// Sends each peer what it does not have of our log, as far as its window allows, and says what we have of its.
    pub(crate) fn flush_log(&mut self) {
        let (head, stable) = (self.registry.position(self.me), self.stability.stable());
        let hears_news = |&(life, id): &(Life, LinkId)| {
            let link = self.links.get(id).expect("it serves");
            let lacks = link.sent < head || link.stable != stable || self.registry.position(life) > link.told;
            link.theirs.is_some() && lacks
        };
        let links: Vec<(Life, LinkId)> = self.links.serving().filter(hears_news).collect();
        for (life, id) in links {
            let link = self.links.get(id).expect("it serves");
            let (mut sent, acked, told) = (link.sent, link.acked, link.told);
            let knows_stable = link.stable == stable;
            while sent < head && sent - acked.min(sent) < WINDOW {
                let delta = self.delta(self.me, sent);
                sent = delta.to;
                self.send(id, delta);
            }
            if sent == head && !knows_stable {
                let nothing = self.delta(self.me, head); // but the word that removals may go
                self.send(id, nothing);
            }
            let have = self.registry.position(life);
            if have > told {
                self.send(id, Acked { position: have });
            }
            let link = self.links.get_mut(id).expect("it serves");
            link.sent = sent;
            if sent == head {
                link.stable = stable;
            }
            link.told = have;
        }
    }

    fn delta(&self, origin: Life, from: u64) -> Delta {
        let (to, items) = self.registry.chunk(origin, from, MAX_DELTA, DELTA_BYTES);
        let (head, stable) = (self.registry.position(origin), self.stable(origin));
        Delta { origin, from, to, head, stable, items: List(items) }
    }

    /// How far a log is stable, as its writer said.
    fn stable(&self, origin: Life) -> u64 {
        if origin == self.me {
            self.stability.stable()
        } else {
            self.registry.log(origin).map_or(0, |log| log.stable())
        }
    }

    pub(crate) fn on_delta(&mut self, id: LinkId, delta: Delta) {
        let Some(life) = self.links.get(id).filter(|link| self.may_learn_of(link)).map(|link| link.peer.life)
        else {
            return; // or what it has is no whole: it comes again once it is, or once we are up
        };
        let Delta { origin, from, to, head, stable, items } = delta;
        if origin == self.me || self.table.of(origin).is_none() {
            return; // nobody teaches us our own log, and a life's record comes before its log
        }
        let is_asked = self.replication.pulls_from(origin, life) && !self.comes_by_itself(origin);
        if origin != life && !is_asked && !self.broken(Mutant::HearsayOfLogs) {
            return self.on_hearsay(id, origin, life, head);
        }
        let mut drop_one = self.broken(Mutant::DeltaDropped) && self.random.next().is_multiple_of(4);
        for (seq, item) in items {
            if self.is_overlooked(&item, origin) {
                continue;
            }
            if !core::mem::take(&mut drop_one) {
                self.take_in(origin, seq, item);
            }
        }
        let have = self.registry.position(origin);
        if from <= have {
            if to > have {
                self.registry.advance(origin, to);
                self.progress_at = self.now;
            }
            let table = &self.table;
            self.registry.stabilise(origin, stable, |life| table.of(life).is_some());
        }
        if origin == life {
            if from > have {
                self.send_digest(id, false); // a gap: it thinks that we have more
            }
            return;
        }
        if self.is_gone(origin) && from > have {
            self.adopt_orphans(origin); // ahead of a gap that nobody may ever fill
        }
        self.replication.end_pull(origin, life);
        if let Some(theirs) = self.links.get_mut(id).and_then(|link| link.theirs.as_mut()) {
            theirs.insert(origin, head); // what it really has, should it have less than it said
        }
        self.pull_again = true;
    }

    /// Another's word on a log for which we did not ask, or whose writer tells us all of it itself: nothing of it is
    /// taken.
    fn on_hearsay(&mut self, id: LinkId, origin: Life, by: Life, head: u64) {
        self.replication.end_pull(origin, by);
        if let Some(theirs) = self.links.get_mut(id).and_then(|link| link.theirs.as_mut()) {
            theirs.insert(origin, head);
        }
        self.pull_again = true;
    }

    /// Whether a log is pushed to us by its writer.
    pub(super) fn comes_by_itself(&self, origin: Life) -> bool {
        self.links.to(origin).is_some() && self.table.status(origin) != Some(Status::Suspect)
    }

    /// Whether what the peer has of logs is taken. A newcomer, which has nothing of its own to hold it against, waits for
    /// one that has no gaps, or until its sync stalls.
    fn may_learn_of(&self, link: &Link) -> bool {
        self.was_up || !link.has_gaps
    }

    /// Of a rule that is turned off.
    fn is_overlooked(&self, item: &Item, origin: Life) -> bool {
        match item {
            Item::Entry(entry) => {
                let is_news = entry.is_live() || self.registry.entry(entry.dot).is_some();
                !is_news && self.broken(Mutant::RemovalForgotten)
            }
            Item::Enrolment(_) => self.broken(Mutant::GroupsNotLevelled) && !self.table.is_live(origin),
        }
    }

    pub(crate) fn on_acked(&mut self, id: LinkId, position: u64) {
        let head = self.registry.position(self.me);
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let position = position.min(head);
        link.acked = link.acked.max(position);
        let life = link.peer.life;
        if let Some(theirs) = link.theirs.as_mut() {
            theirs.insert(self.me, position);
        }
        self.replication.on_acked(life, position);
    }

    pub(crate) fn send_digest(&mut self, id: LinkId, answer: bool) {
        let positions = self.positions();
        self.send(id, Digest { positions, answer });
    }

    pub(crate) fn on_digest(&mut self, id: LinkId, digest: Digest) {
        let (me, head) = (self.me, self.registry.position(self.me));
        if self.links.get(id).is_some_and(|link| link.theirs.is_none()) {
            self.on_first_positions(id, digest.positions); // its greeting was lost
            return;
        }
        let has_gaps = self.misses_some_of(&digest.positions);
        let positions = self.listed(digest.positions);
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let ours = positions.get(&me).copied().unwrap_or(0).min(head);
        link.theirs = Some(positions.clone());
        link.has_gaps = has_gaps;
        let life = link.peer.life;
        let head = positions.get(&life).copied().unwrap_or(0);
        let is_misled = self.registry.position(life) > head && !self.config.broken(Mutant::OwnersUnheeded);
        if ours <= link.acked && ours < link.sent {
            link.sent = ours; // nothing came of what we sent since: again
            link.acked = ours;
        }
        link.told = 0; // say again how far we have its log
        self.pull_again = true;
        if is_misled {
            self.registry.rewind(life); // a third one said that there is more of its log; who writes it knows better
            self.send_digest(id, false);
        }
        self.on_positions_shown(life, &positions);
        let has_less =
            self.registry.positions().iter().any(|(origin, have)| positions.get(origin).unwrap_or(&0) < have);
        if has_less && !digest.answer {
            self.send_digest(id, true);
        }
    }

    pub(crate) fn on_pull(&mut self, id: LinkId, pull: &Pull) {
        let delta = self.delta(pull.origin, pull.from);
        self.send(id, delta);
    }

    /// Asks for what others have and we lack. A live peer's own log comes by itself.
    pub(crate) fn pull_missing(&mut self) {
        if !core::mem::take(&mut self.pull_again) {
            return;
        }
        let mut pulls: Vec<(Life, Life, LinkId)> = Vec::new();
        for (life, id) in self.links.serving() {
            let link = self.links.get(id).filter(|link| self.may_learn_of(link));
            let theirs = link.and_then(|link| link.theirs.as_ref());
            for (&origin, &position) in theirs.into_iter().flatten() {
                if origin == self.me
                    || self.comes_by_itself(origin)
                    || position <= self.registry.position(origin)
                {
                    continue;
                }
                if self.broken(Mutant::NoLevelling) && !self.table.is_live(origin) {
                    continue;
                }
                if self.replication.is_pulling(origin) || pulls.iter().any(|&(pulled, ..)| pulled == origin) {
                    continue;
                }
                pulls.push((origin, life, id));
            }
        }
        for (origin, life, id) in pulls {
            self.replication.begin_pull(origin, life);
            let from = self.registry.position(origin);
            self.send(id, Pull { origin, from });
        }
    }

    /// Copies of a dead life's records that came ahead of a gap which nobody can fill: they go on in our own log,
    /// unchanged, so that all get them.
    pub(crate) fn adopt_orphans(&mut self, origin: Life) {
        for key in self.registry.beyond(origin) {
            self.write_on(&key);
        }
    }

    /// Writes what is known of something to our own log, as it is.
    pub(super) fn write_on(&mut self, key: &Key) {
        let Some(item) = self.registry.item(key) else {
            return;
        };
        let copy = match item.handed_on() {
            Some(copy) => copy,
            None if self.broken(Mutant::LastCopiesKept) => return,
            None => item.restated(self.next_epoch()), // or its log could never be forgotten
        };
        self.write(copy);
    }

    /// Answers those whose registration, removal or place in a group another member holds by now, or where there is
    /// no other.
    pub(crate) fn pay_owed(&mut self) {
        if !self.replication.owes_any() && !self.groups.owes_any() {
            return;
        }
        let others: BTreeSet<Life> =
            self.ring.members().map(|(life, _)| life).filter(|&life| life != self.me).collect();
        let held = others.iter().map(|&life| self.replication.acked_by(life)).max().unwrap_or(u64::MAX);
        for (client, verdict) in self.replication.take_due(held) {
            self.answer(client, verdict);
        }
        self.pay_groups(held);
    }

    /// A copy that came inside an answer. A removal is kept even of what is unknown here: this may be the only copy
    /// of it when its writer dies.
    pub(crate) fn keep_copy(&mut self, origin: Life, seq: u64, entry: Entry) {
        if origin == self.me || self.table.of(origin).is_none() {
            return; // our own log has it, or it is from nobody
        }
        self.take_in(origin, seq, entry);
        if self.is_gone(origin) {
            self.adopt_orphans(origin); // its writer will not share it any more
        }
    }

    /// Takes an item of another life's log, unless no honest life can have written it.
    fn take_in(&mut self, origin: Life, seq: u64, item: impl Into<Item>) {
        let mut item = item.into();
        let is_too_long = self.is_too_long(origin, core::iter::once(&item));
        if is_too_long || self.misbehaviour_in_item(origin, seq, &item).is_some() {
            self.counters.malformed_frames += 1;
            return;
        }
        if let Item::Enrolment(enrolment) = &mut item
            && self.broken(Mutant::GroupsByArrival)
        {
            enrolment.stamp = self.next_epoch();
        }
        self.registry.apply(origin, seq, item);
    }
}
