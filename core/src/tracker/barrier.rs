//! Gained slots stay closed until all who may still act by an older ring have agreed to the new one.
//!
//! A gate is passed when every member not down has said "my ring is yours" since the gain. For any two live
//! members and any slot: one serves it only after the other agreed, at some moment since, that it is the owner;
//! from that moment the other serves it only after a gain of its own, to which the one must agree in turn, and
//! so has stopped. With the agreement come the positions of all logs and the unrecorded starts, so that the new
//! owner knows all that the old one knew.
//!
//! Under a strategy that has no name run twice, it works the other way, too: who agrees knows what the asker knew when
//! the two met. What runs at the one by a registration that the other saw removed is among those starts.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::entry::Entry;
use super::reconcile::DIGESTS;
use crate::event::Status;
use crate::id::{Life, Name, Slot};
use crate::machine::Machine;
use crate::mutant::Mutant;
use crate::ring::SlotSet;
use crate::time::Instant;
use crate::wire::List;
use crate::wire::message::{Barrier, BarrierAck, MAX_STARTS, StartReport};

/// About how many bytes of starts an acknowledgement carries.
const ACK_BYTES: usize = 256 << 10;

/// Gates wait for a probe's time at most, so that more of them than this are the work of members that come and go
/// without end.
const MAX_GATES: usize = 64;

/// Which slots are closed, and for whose word.
#[derive(Debug, Default)]
pub(crate) struct Gates {
    generation: u64,
    gates: Vec<Gate>,
    /// Who asked for our word while our ring was another, with its latest question.
    asked: BTreeMap<Life, Barrier>,
    /// Starts that were reported for slots still closed.
    stashed: BTreeMap<(Name, Life), StartReport>,
    /// Since when each other member is one.
    met: BTreeMap<Life, Instant>,
}

/// Slots gained by one change of the ring.
#[derive(Debug)]
struct Gate {
    generation: u64,
    slots: SlotSet,
    /// Lives whose end it is for: what their logs last said is known with it.
    ended: Vec<Life>,
    waiting: BTreeSet<Life>,
    /// How far those who answered had each log.
    needed: BTreeMap<Life, Needed>,
}

/// What somebody said it had, and when.
#[derive(Debug)]
struct Needed {
    since: Instant,
    positions: BTreeMap<Life, u64>,
}

impl Gates {
    pub(crate) fn is_open(&self, slot: Slot) -> bool {
        !self.gates.iter().any(|gate| gate.slots.contains(slot))
    }

    /// Whether all that anybody has of the log of a life that ended is known here.
    fn is_level(&self, life: Life) -> bool {
        !self.gates.iter().any(|gate| gate.ended.contains(&life))
    }

    pub(crate) fn are_passed(&self) -> bool {
        self.gates.is_empty()
    }

    /// Closes slots until all these have agreed. At the bound they join the last gate, which then waits for all that
    /// both wait for.
    fn close(&mut self, gate: Gate) {
        let is_full = self.gates.len() >= MAX_GATES;
        let Some(last) = self.gates.last_mut().filter(|_| is_full) else {
            self.gates.push(gate);
            return;
        };
        last.generation = gate.generation;
        last.slots.union_with(&gate.slots);
        last.ended.retain(|life| !gate.ended.contains(life)); // each once
        last.ended.extend(gate.ended);
        last.waiting.extend(gate.waiting);
    }

    /// Keeps a report until its slot's gate is passed; a host's later one of the same name replaces it.
    pub(super) fn stash(&mut self, host: Life, report: StartReport, max: usize) {
        let key = (report.name.clone(), host);
        if self.stashed.len() < max || self.stashed.contains_key(&key) {
            self.stashed.insert(key, report); // past the bound the host reports again
        }
    }

    /// This life's log is dropped: no gate waits for it any more, and no report of its starts counts.
    pub(crate) fn forget(&mut self, life: Life) {
        for gate in &mut self.gates {
            for needed in gate.needed.values_mut() {
                needed.positions.remove(&life);
            }
        }
        self.stashed.retain(|(_, host), _| *host != life);
    }

    /// How many reports wait for a gate.
    #[cfg(test)]
    pub(crate) fn stashed(&self) -> usize {
        self.stashed.len()
    }

    /// How much it holds, for `Machine::holdings`.
    #[cfg(feature = "mutants")]
    pub(crate) fn holdings(&self) -> [(&'static str, usize); 3] {
        [
            ("gates", self.gates.len() + self.stashed.len()),
            ("questions about the ring", self.asked.len()),
            ("members met", self.met.len()),
        ]
    }

    fn waiting(&self) -> BTreeSet<Life> {
        self.gates.iter().flat_map(|gate| gate.waiting.iter().copied()).collect()
    }
}

impl Machine {
    /// Whether this node is the arbiter of a slot by its own view; the gate may still be closed.
    pub(crate) fn owns(&self, slot: Slot) -> bool {
        self.ring.owner(slot) == Some(self.me)
    }

    /// Moves members in and out of the ring, and closes what we gain. `strangers` may bring a registry of their own,
    /// from the other side of a cut: then all our slots wait for their logs. Of lives that `ended` nothing is taken
    /// over before all have said what they know of their logs: the last record there may say that a worker went on
    /// elsewhere.
    pub(crate) fn move_ring(
        &mut self,
        joined: &[(Life, u16)],
        left: &[Life],
        ended: &[Life],
        strangers: BTreeSet<Life>,
    ) {
        if joined.is_empty() && left.is_empty() && ended.is_empty() && strangers.is_empty() {
            return;
        }
        let me = self.me;
        let mut gained = SlotSet::new(self.config.slot_bits);
        for &(life, weight) in joined {
            self.ring.join(life, weight, |slot, _| {
                if life == me {
                    gained.insert(slot);
                } else {
                    gained.remove(slot);
                }
            });
        }
        for &life in left {
            self.ring.leave(life, |slot, heir| {
                if heir == Some(me) {
                    gained.insert(slot);
                } else {
                    gained.remove(slot);
                }
            });
        }
        self.gates.generation += 1;
        let generation = self.gates.generation;
        let others = self.table.others().map(|record| record.life);
        let others: BTreeSet<Life> = others.chain(self.standing.lingering()).collect();
        let skip = self.broken(Mutant::BarrierSkipped);
        let ended = if self.broken(Mutant::TakenOverUnlevelled) { Vec::new() } else { ended.to_vec() };
        if (!gained.is_empty() || !ended.is_empty()) && !skip {
            self.gates.close(Gate {
                generation,
                slots: gained,
                ended,
                waiting: others,
                needed: BTreeMap::new(),
            });
        }
        if !strangers.is_empty() && self.ring.contains(me) && !skip {
            self.close_slots(strangers);
        }
        let ring = &self.ring;
        self.gates.stashed.retain(|(name, _), _| ring.owner(ring.slot_of(name)) == Some(me));
        self.scan_again = true;
        if !joined.is_empty() || !left.is_empty() {
            self.on_ring_moved();
        }
        self.ask_barrier(None);
    }

    /// Of the ring, and of the members that leave: they own no slot any more, and may still run workers.
    fn view_hash(&self) -> u64 {
        let leaving = self.table.iter().filter(|record| record.status() == Status::Leaving);
        leaving.fold(self.ring.hash(), |hash, record| {
            hash ^ xxhash_rust::xxh3::xxh3_64(&record.life.0.to_le_bytes())
        })
    }

    /// Whether what the holder of an entry wrote last is known, should it have ended.
    pub(super) fn is_level(&self, entry: &Entry) -> bool {
        entry.holder().is_none_or(|life| self.gates.is_level(life))
    }

    /// Closes all slots that are ours, until these have said that our ring is theirs, or run nothing any more.
    pub(super) fn close_slots(&mut self, waiting: BTreeSet<Life>) {
        let mut slots = SlotSet::new(self.config.slot_bits);
        for slot in (0..self.ring.slot_count()).map(Slot).filter(|&slot| self.owns(slot)) {
            slots.insert(slot);
        }
        let generation = self.gates.generation;
        self.gates.close(Gate { generation, slots, ended: Vec::new(), waiting, needed: BTreeMap::new() });
    }

    /// Asks those once more whose word was that they have a log of which we know no life. Its record is on its way; or
    /// it was forgotten since, and nobody will ever have that log.
    pub(crate) fn ask_of_strangers_again(&mut self) {
        let table = &self.table;
        let has_strange =
            |positions: &BTreeMap<Life, u64>| positions.keys().any(|&life| table.of(life).is_none());
        let generation = self.gates.generation + 1;
        for gate in &mut self.gates.gates {
            let asked = gate.needed.iter().filter(|(_, needed)| has_strange(&needed.positions));
            for life in asked.map(|(&life, _)| life).collect::<Vec<_>>() {
                gate.needed.remove(&life);
                gate.waiting.insert(life);
                gate.generation = generation; // an earlier answer does not count
                self.gates.generation = generation;
            }
        }
    }

    /// Asks those whose word is missing, or only `whom`.
    pub(crate) fn ask_barrier(&mut self, whom: Option<Life>) {
        let barrier = Barrier { generation: self.gates.generation, ring_hash: self.view_hash() };
        for life in self.gates.waiting() {
            if whom.is_none_or(|whom| whom == life) && self.table.is_live(life) {
                self.send_to(life, barrier.clone());
            }
        }
    }

    pub(crate) fn on_barrier(&mut self, from: Life, barrier: &Barrier) {
        let is_equal = barrier.ring_hash == self.view_hash() || self.broken(Mutant::BarrierIgnoresRing);
        if is_equal && self.may_agree_with(from) {
            self.gates.asked.remove(&from);
            self.acknowledge(from, barrier.generation);
            return;
        }
        self.gates.asked.insert(from, barrier.clone());
        if let Some(link) = self.links.to(from).filter(|_| !is_equal) {
            self.send_all_records(link);
        }
    }

    /// Whether we know what this member knew when we met it. Under a strategy that has no name run twice, nobody agrees
    /// before: a worker here may have ended by what is on its way to us, and then its arbiter hears of it with our word.
    fn may_agree_with(&self, life: Life) -> bool {
        if !self.runs_names_once() || self.broken(Mutant::AgreedUnlevelled) {
            return true;
        }
        let is_stalled = self.now.since(self.progress_at) >= self.config.sync_stall;
        match self.links.to(life).and_then(|id| self.links.get(id)) {
            Some(link) => self.is_synced(link) || is_stalled,
            None => {
                // What it knew comes by others, with their digests.
                let met = self.gates.met.get(&life);
                met.is_none_or(|&met| self.now.since(met) >= self.config.digest_interval * DIGESTS)
            }
        }
    }

    /// A member is heard of for the first time, or again.
    pub(crate) fn meet(&mut self, life: Life) {
        self.gates.met.insert(life, self.now);
    }

    /// Answers those whose ring is ours by now.
    pub(crate) fn answer_barriers(&mut self) {
        if self.gates.asked.is_empty() {
            return;
        }
        let hash = self.view_hash();
        let agreed = self
            .gates
            .asked
            .iter()
            .filter(|&(&life, barrier)| barrier.ring_hash == hash && self.may_agree_with(life));
        let agreed: Vec<(Life, u64)> = agreed.map(|(&life, barrier)| (life, barrier.generation)).collect();
        for (life, generation) in agreed {
            self.gates.asked.remove(&life);
            self.acknowledge(life, generation);
        }
    }

    fn acknowledge(&mut self, to: Life, generation: u64) {
        let positions =
            if self.broken(Mutant::NoPositionsInBarrier) { List::default() } else { self.positions() };
        let mut starts = List::<StartReport, MAX_STARTS>::default();
        if !self.broken(Mutant::ForgetUnrecordedStarts) {
            let mut room = ACK_BYTES;
            let fits = |report: &StartReport| {
                room = room.saturating_sub(report.size());
                room > 0
            };
            // The rest was reported one by one when our ring moved: on the same link, before this.
            starts.extend(self.unrecorded_for(to).into_iter().take(MAX_STARTS).take_while(fits));
        }
        self.send_to(to, BarrierAck { generation, positions, starts });
    }

    pub(crate) fn on_barrier_ack(&mut self, from: Life, ack: BarrierAck) {
        let positions = self.listed(ack.positions);
        for gate in self.gates.gates.iter_mut().filter(|gate| gate.generation <= ack.generation) {
            if gate.waiting.remove(&from) {
                gate.needed.insert(from, Needed { since: self.now, positions: positions.clone() });
            }
        }
        if let Some(theirs) = self.links.of_mut(from).and_then(|link| link.theirs.as_mut()) {
            for (&origin, &position) in &positions {
                let known = theirs.entry(origin).or_default();
                *known = position.max(*known);
            }
        }
        self.pull_again = true;
        for report in ack.starts {
            self.on_start_report(from, report);
        }
    }

    /// Opens the gates that are passed.
    pub(crate) fn settle_gates(&mut self) {
        if self.gates.gates.is_empty() {
            return;
        }
        let (table, registry, standing, links) = (&self.table, &self.registry, &self.standing, &self.links);
        let (bound, patient) = (self.config.detection.bound(), !self.config.broken(Mutant::LiesAwaited));
        // Whoever has a link with us told us all of its log that anybody had by then: there is no more of it, whatever
        // was said of it.
        let is_lie = |origin: Life, since: Instant| {
            let heard = links.to(origin).and_then(|id| links.get(id)).map(|link| link.heard);
            patient && heard.is_some_and(|heard| heard > since + bound * 2)
        };
        let before = self.gates.gates.len();
        self.gates.gates.retain_mut(|gate| {
            gate.waiting.retain(|&life| table.is_live(life) || standing.lingers(life));
            gate.needed.retain(|&life, _| table.is_live(life));
            let is_had = |needed: &Needed| {
                let has = |(&origin, &position): (&Life, &u64)| {
                    registry.position(origin) >= position || is_lie(origin, needed.since)
                };
                needed.positions.iter().all(has)
            };
            !(gate.waiting.is_empty() && gate.needed.values().all(is_had))
        });
        if self.gates.gates.len() < before {
            self.on_gate_passed();
        }
    }

    fn on_gate_passed(&mut self) {
        self.scan_again = true;
        for ((_, host), report) in core::mem::take(&mut self.gates.stashed) {
            self.on_start_report(host, report);
        }
        self.serve_queued();
    }

    /// A life is down: its question needs no answer.
    pub(crate) fn drop_question(&mut self, life: Life) {
        self.gates.asked.remove(&life);
        self.gates.met.remove(&life);
    }
}
