//! The first words on a link, and when a joining node has heard enough to come up.

use alloc::vec::Vec;

use super::links::Link;
use super::{Announced, Health, Record};
use crate::error::Refusal;
use crate::event::{Event, Way};
use crate::id::LinkId;
use crate::machine::Machine;
use crate::mutant::Mutant;
use crate::timer::Timer;
use crate::wire::List;
use crate::wire::message::{Forgotten, Greet, Positions, Records};

/// About how many bytes of records one message carries; a record has at most 150 kB.
const PART: usize = 256 << 10;

impl Machine {
    /// Tells the peer all that we know of members, and how far we have each log.
    pub(crate) fn greet(&mut self, id: LinkId) {
        let positions =
            if self.broken(Mutant::NoResyncOnLinkUp) { List::default() } else { self.positions() };
        let mut records = self.table.all();
        records.sort_by_key(|record| record.life != self.me); // ours in the first part: it lets us in
        let mut parts = in_parts(records).into_iter();
        let records = List(parts.next().unwrap_or_default());
        let forgotten = self.forgotten();
        self.send(id, Greet { records, positions, forgotten });
        for records in parts {
            self.send(id, Records { records: List(records) });
        }
    }

    pub(crate) fn on_greet(&mut self, id: LinkId, greet: Greet) {
        let Some(life) = self.links.get(id).map(|link| link.peer.life) else {
            return;
        };
        if self.is_other_side(&greet.records, &greet.forgotten) {
            self.claim_precedence(id);
            return;
        }
        self.take_forgotten(&greet.forgotten);
        self.merge_records(life, greet.records);
        if self.table.of(life).is_none() {
            self.close(id, Refusal::Full);
            return;
        }
        self.on_first_positions(id, greet.positions);
    }

    /// The first that a peer says of its logs on a link: from here on ours is pushed to it.
    pub(crate) fn on_first_positions(&mut self, id: LinkId, positions: Positions) {
        let has_gaps = self.misses_some_of(&positions);
        let positions = self.listed(positions);
        let ours = positions.get(&self.me).copied().unwrap_or(0).min(self.registry.position(self.me));
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let life = link.peer.life;
        self.refusals.remove(&link.peer.address); // should it refuse us later, that is news
        if let Way::Dialled(address) = &link.way {
            self.book.welcomed(address);
        }
        link.greeted = positions.clone();
        link.theirs = Some(positions.clone());
        link.has_gaps = has_gaps;
        link.sent = ours;
        link.acked = ours;
        link.told = 0;
        self.replication.on_acked(life, ours);
        self.replication.drop_pulls(life); // what was asked on an earlier link may be lost
        self.on_positions_shown(life, &positions);
        self.progress_at = self.now;
        self.pull_again = true;
        self.on_contact(life);
    }

    /// All records, to a peer whose table differs: it may list someone whom we have forgotten.
    pub(crate) fn send_all_records(&mut self, id: LinkId) {
        let lives = self.forgotten();
        if !lives.is_empty() {
            self.send(id, Forgotten { lives });
        }
        self.send_records(id, self.table.all());
    }

    /// These records, in as many messages as it takes.
    pub(crate) fn send_records(&mut self, id: LinkId, records: Vec<Record>) {
        for records in in_parts(records) {
            self.send(id, Records { records: List(records) });
        }
    }

    /// Comes up when there is nothing left to wait for.
    pub(crate) fn come_up(&mut self) {
        if self.table.mine().announced != Announced::Joining {
            return;
        }
        if !self.is_ready() {
            let stalls = self.progress_at + self.config.sync_stall;
            if stalls > self.now {
                self.timers.set(stalls, Timer::SyncStall); // past it, we are alone and wait for `Form`
            }
            return;
        }
        self.table.announce(Announced::Up);
        self.was_up = true;
        self.pull_again = true;
        let up = self.table.iter().filter(|record| record.is_in_ring()).count();
        self.event(Event::Formed { up });
    }

    fn is_ready(&self) -> bool {
        let healthy = |life| self.table.of(life).is_none_or(|record| record.health == Health::Alive);
        let mut linked = self.links.serving().filter(|&(life, _)| healthy(life));
        let synced = |(_, id)| self.links.get(id).is_some_and(|link| self.is_synced(link));
        match linked.next() {
            None => self.now.since(self.born) >= self.config.form_after,
            Some(_) if self.may_meet_others() => false,
            Some(_) if self.broken(Mutant::UpBeforeSync) => true,
            Some(first) => {
                let stalled = self.now.since(self.progress_at) >= self.config.sync_stall;
                stalled || (synced(first) && linked.all(synced))
            }
        }
    }

    /// Whether only newcomers were met so far, and others may be about to answer: the members of a cluster which the
    /// newcomers, by themselves, would take themselves for.
    fn may_meet_others(&self) -> bool {
        let is_new =
            |(life, _)| self.table.of(life).is_none_or(|record| record.announced == Announced::Joining);
        self.now.since(self.born) < self.config.meet_within
            && self.book.may_answer()
            && self.links.serving().all(is_new)
            && !self.broken(Mutant::NewcomersAmongThemselves)
    }

    pub(crate) fn is_synced(&self, link: &Link) -> bool {
        link.theirs.is_some()
            && link.greeted.iter().all(|(&origin, &position)| self.registry.position(origin) >= position)
    }
}

/// Records in parts that each fit a message well, in their order: who has many kinds has a long record.
fn in_parts(records: Vec<Record>) -> Vec<Vec<Record>> {
    let mut parts: Vec<Vec<Record>> = Vec::new();
    let mut room = 0;
    for record in records {
        let size = record.size();
        if parts.is_empty() || size > room {
            parts.push(Vec::new());
            room = PART;
        }
        room = room.saturating_sub(size);
        parts.last_mut().expect("one was just pushed").push(record);
    }
    parts
}
