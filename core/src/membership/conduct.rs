//! What no correct peer sends: its link is closed with the reason, and for a while it is let in no more.
//!
//! Only what the peer itself says is held against it. What it hands on may be the lie of another that it could not see
//! through: that is dropped without a word. And each rule holds through all that may befall an honest cluster (the
//! oracle of the simulator fails a run without a liar in which anyone is accused).

use alloc::collections::BTreeMap;

use crate::error::Refusal;
use crate::event::{Event, Misbehaviour};
use crate::id::{ClaimId, Dot, Epoch, Life, LinkId};
use crate::machine::Machine;
use crate::mutant::Mutant;
use crate::time::Instant;
use crate::tracker::Item;
use crate::wire::Hello;
use crate::wire::message::{Delta, Greet, Message, Progress, Relay, Reproach, StartReport, Verdict};

/// So many milliseconds may an epoch be ahead of our clock: ten years, more than clocks are wrong by and than restarts
/// lead epochs ahead, and so far from the last epoch that it takes centuries to get there.
const EPOCH_AHEAD_MS: u64 = 10 * 366 * 24 * 3600 * 1000;

/// A clock that shows an earlier time (the first day of 2020) was never set: no epoch is measured by it.
const CLOCK_IS_SET_MS: u64 = 1_577_836_800_000;

/// Who misbehaved, and until when it is let in no more.
#[derive(Debug, Default)]
pub(crate) struct Conduct(BTreeMap<Life, Offence>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Offence {
    /// In a row.
    count: u32,
    until: Instant,
}

impl Conduct {
    /// Whether this life has to wait before it may have a link again.
    pub(super) fn is_shunned(&self, life: Life, now: Instant) -> bool {
        self.0.get(&life).is_some_and(|offence| offence.until > now)
    }

    /// One more. How often that was in a row.
    fn count(&mut self, life: Life) -> u32 {
        self.0.get(&life).map_or(0, |offence| offence.count).saturating_add(1)
    }

    fn note(&mut self, life: Life, offence: Offence, max: usize) {
        if self.0.len() >= max && !self.0.contains_key(&life) {
            let first = self.0.iter().min_by_key(|(_, offence)| offence.until).map(|(&life, _)| life);
            first.map(|life| self.0.remove(&life));
        }
        self.0.insert(life, offence);
    }

    pub(crate) fn forget(&mut self, life: Life) {
        self.0.remove(&life);
    }

    /// How many are remembered.
    #[cfg(feature = "mutants")]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Machine {
    /// Whether a greeting is of the peer that shook hands.
    pub(crate) fn introduces(&self, peer: &Hello, greet: &Greet) -> bool {
        let own = greet.records.iter().find(|record| record.life == peer.life);
        let is_itself = own.is_some_and(|own| (&own.node, &own.address) == (&peer.node, &peer.address));
        is_itself || self.broken(Mutant::StrangersGreet)
    }

    /// What is wrong with a message that this life itself says.
    pub(crate) fn misbehaviour(&self, peer: Life, message: &Message) -> Option<Misbehaviour> {
        match message {
            Message::Delta(delta) => self.misbehaviour_in_log(peer, delta),
            Message::BarrierAck(ack) => ack.starts.iter().find_map(|report| self.early_report(report)),
            Message::Claim(claim) => {
                let is_its = claim.id.life == peer || self.broken(Mutant::ClaimsForOthers);
                (!is_its).then_some(Misbehaviour::NotItsClaim)
            }
            Message::ClaimReply(reply) if !self.has_claimed(reply.id) => Some(Misbehaviour::NotAsked),
            Message::ClaimReply(reply) => match &reply.verdict {
                Verdict::Registered { origin, seq, entry } | Verdict::Unregistered { origin, seq, entry } => {
                    let is_made = entry.dot.seq > 0 && (entry.dot.life != *origin || entry.dot.seq <= *seq);
                    if is_made { self.early(entry.epoch) } else { Some(Misbehaviour::NotYetMade) }
                }
                _ => None,
            },
            Message::StartOrder(order) => self.early(order.epoch),
            Message::StartReport(report) => self.early_report(report),
            Message::StopOrder(order) => self.early(order.epoch),
            Message::Offer(offer) => self.early(offer.epoch.max(offer.replaces)),
            Message::Relay(relay) => self.misbehaviour_in_relay(peer, relay),
            Message::Greet(_)
            | Message::Goodbye(_)
            | Message::Records(_)
            | Message::Forgotten(_)
            | Message::Estranged(_)
            | Message::Reproach(_)
            | Message::Ping(_)
            | Message::Pong(_)
            | Message::PingFor(_)
            | Message::PongFor(_)
            | Message::Digest(_)
            | Message::Pull(_)
            | Message::Acked(_)
            | Message::Barrier(_)
            | Message::StopReport(_)
            | Message::OfferReply(_)
            | Message::Withdraw(_)
            | Message::Surrender(_)
            | Message::SurrenderReply(_) => None, // whatever is in them, somebody may honestly believe it
        }
    }

    fn misbehaviour_in_log(&self, peer: Life, delta: &Delta) -> Option<Misbehaviour> {
        let Delta { origin, from, to, head, stable, items } = delta;
        if *origin == self.me {
            return Some(Misbehaviour::ForeignLog).filter(|_| !self.broken(Mutant::ForeignLogsTaken));
        }
        let mut last = *from;
        let rises = items.iter().all(|(seq, _)| core::mem::replace(&mut last, *seq) < *seq);
        let is_ordered = rises && last <= *to && *to <= (*head).max(*from) && stable <= head;
        if !is_ordered && !self.broken(Mutant::DisorderTaken) {
            return Some(Misbehaviour::Disordered);
        }
        if *origin != peer {
            return None; // it says what it was told
        }
        if self.is_too_long(peer, items.iter().map(|(_, item)| item)) {
            return Some(Misbehaviour::LogTooLong);
        }
        items.iter().find_map(|(seq, item)| self.misbehaviour_in_item(*origin, *seq, item))
    }

    /// Whether a log of another is longer than any may be, with these records.
    pub(crate) fn is_too_long<'a>(&self, origin: Life, items: impl Iterator<Item = &'a Item>) -> bool {
        let max = self.config.max_log;
        let most = self.registry.len_of(origin).saturating_add(items.size_hint().1.unwrap_or(usize::MAX));
        let is_too_long = most > max && self.registry.len_with(origin, items) > max;
        is_too_long && !self.broken(Mutant::LogsUnbounded)
    }

    /// What no honest life writes at this place of its log: of a registration that comes later in it, or that we
    /// ourselves have yet to make.
    pub(crate) fn misbehaviour_in_item(&self, origin: Life, seq: u64, item: &Item) -> Option<Misbehaviour> {
        let Dot { life, seq: first } = item.dot();
        let is_impossible = first == 0
            || (life == origin && first > seq)
            || (life == self.me && first > self.registry.position(self.me));
        if is_impossible {
            return Some(Misbehaviour::NotYetMade).filter(|_| !self.broken(Mutant::FutureDotsTaken));
        }
        self.early(match item {
            Item::Entry(entry) => entry.epoch,
            Item::Enrolment(enrolment) => enrolment.stamp,
        })
    }

    /// Whether a node of ours ever made this claim.
    fn has_claimed(&self, id: ClaimId) -> bool {
        (id.life == self.me && self.callers.has_made(id.seq)) || self.broken(Mutant::AnswersUnasked)
    }

    fn misbehaviour_in_relay(&self, peer: Life, relay: &Relay) -> Option<Misbehaviour> {
        // One step only: what is not for us is the peer's own, and nobody writes to himself.
        let is_possible = if relay.to == self.me { relay.from != self.me } else { relay.from == peer };
        (!is_possible && !self.broken(Mutant::LettersInAnyName)).then_some(Misbehaviour::NotItsLetter)
    }

    fn early_report(&self, report: &StartReport) -> Option<Misbehaviour> {
        let newest = match report.progress {
            Progress::Refused { newest } => newest,
            Progress::Starting | Progress::Running | Progress::Failed(_) | Progress::Ready => report.epoch,
        };
        self.early(newest.max(report.epoch))
    }

    fn early(&self, epoch: Epoch) -> Option<Misbehaviour> {
        let now = self.epoch_floor();
        let is_early = now >= CLOCK_IS_SET_MS && epoch.millis() > now.saturating_add(EPOCH_AHEAD_MS);
        (is_early && !self.broken(Mutant::FutureEpochsTaken)).then_some(Misbehaviour::EpochFromFuture)
    }

    /// Tells a peer what it did, and ends the link; the next one has to wait, longer each time.
    pub(crate) fn expel(&mut self, id: LinkId, what: Misbehaviour) {
        let Some(link) = self.links.get(id) else {
            return;
        };
        let (life, node, address) = (link.peer.life, link.peer.node.clone(), link.peer.address.clone());
        self.counters.malformed_frames += 1;
        self.send(id, Reproach { code: what.code() });
        self.close(id, Refusal::Malformed);
        let (count, jitter) = (self.conduct.count(life), self.random.next());
        let until = self.now + self.config.redial.pause(count, jitter);
        if !self.broken(Mutant::OffendersWelcome) {
            self.conduct.note(life, Offence { count, until }, self.config.max_members);
            self.book.put_off(&address, until);
        }
        self.event(Event::PeerMisbehaved { node, life, what });
    }

    /// A peer says that we did what nobody should, and will close the link. Told once for each link.
    pub(crate) fn on_reproach(&mut self, id: LinkId, code: u16) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        if !core::mem::replace(&mut link.reproached, true) {
            let by = link.peer.node.clone();
            self.event(Event::Reproached { by, what: Misbehaviour::of(code) });
        }
    }
}
