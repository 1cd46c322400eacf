//! Asking for signs of life, directly and through others, until silence becomes suspicion and death.

use alloc::vec::Vec;

use super::detector::{Caution, Errand, Probe, observers};
use super::{Announced, Health};
use crate::error::Refusal;
use crate::event::Event;
use crate::id::{Life, LinkId};
use crate::machine::Machine;
use crate::mutant::Mutant;
use crate::time::Instant;
use crate::timer::Timer;
use crate::wire::message::{Ping, PingFor, Pong, PongFor};

/// How many others are asked to ask.
const INDIRECT: usize = 3;

impl Machine {
    /// Recomputes whom we watch, after the set of live members changed.
    pub(crate) fn watch(&mut self) {
        let live: Vec<Life> =
            self.table.iter().filter(|record| !record.is_down()).map(|record| record.life).collect();
        let (me, count) = (self.me, self.config.detection.observers);
        let (ours, all) = match self.detector.caution {
            Caution::Wary if self.broken(Mutant::SilenceNotFollowedUp) => (Vec::new(), false),
            Caution::Usual => (Vec::new(), false),
            Caution::Wary => (observers(me, live.iter().copied(), count), self.is_anyone_suspected()),
        };
        let mine = live.iter().copied().filter(|&subject| {
            let watches = |subject| observers(subject, live.iter().copied(), count).contains(&me);
            subject != me && (all || ours.contains(&subject) || watches(subject))
        });
        self.detector.watch(mine.collect::<Vec<_>>().into_iter());
        if all {
            self.probe_idle(); // all at once, not at their next turn
        }
    }

    fn is_anyone_suspected(&self) -> bool {
        self.table.others().any(|record| record.health == Health::Suspect)
    }

    /// The members that watch `subject`, in order of rank.
    pub(crate) fn observers_of(&self, subject: Life) -> Vec<Life> {
        let live = self.table.iter().filter(|record| !record.is_down()).map(|record| record.life);
        observers(subject, live, self.config.detection.observers)
    }

    pub(crate) fn on_probe_timer(&mut self) {
        if self.ends_for_another_life() {
            return; // nobody owes it an answer any more: silence says nothing
        }
        self.timers.set(self.now + self.config.detection.probe_interval, Timer::Probe);
        self.close_silent_links();
        self.probe_idle();
    }

    /// Probes all subjects whose last probe is over.
    fn probe_idle(&mut self) {
        let idle = self.detector.subjects.iter().filter(|(_, probe)| **probe == Probe::Idle);
        for subject in idle.map(|(&life, _)| life).collect::<Vec<_>>() {
            let seq = self.detector.next_seq();
            self.set_probe(subject, Probe::Direct { seq, sent: self.now });
            match self.links.to(subject) {
                Some(link) => {
                    self.ping(link, seq);
                    let patience = self.config.detection.probe_timeout * self.detector.patience();
                    self.timers.set(self.now + patience, Timer::ProbeTimeout(subject));
                }
                None => self.probe_indirectly(subject, seq),
            }
        }
    }

    /// A link that is open at one end only would never tell; a fresh one says who is there.
    fn close_silent_links(&mut self) {
        let patience = self.config.detection.bound() * self.detector.patience();
        let born = self.born;
        let then =
            Instant::from_nanos(self.now.as_nanos().saturating_sub(patience.as_nanos() as u64)).max(born);
        for link in self.links.silent_since(then) {
            self.close(link, Refusal::Stalled);
        }
    }

    fn set_probe(&mut self, subject: Life, probe: Probe) {
        if let Some(current) = self.detector.subjects.get_mut(&subject) {
            *current = probe;
        }
    }

    pub(crate) fn ping(&mut self, link: LinkId, seq: u64) {
        let (records_hash, positions_hash) = self.hashes();
        let now = self.now;
        if let Some(link) = self.links.get_mut(link) {
            link.asked.get_or_insert(now);
        }
        self.send(link, Ping { seq, records_hash, positions_hash });
    }

    pub(crate) fn on_ping(&mut self, link: LinkId, ping: Ping) {
        let (records_hash, positions_hash) = self.hashes();
        self.send(link, Pong { seq: ping.seq, records_hash, positions_hash });
        self.compare(link, ping.records_hash, ping.positions_hash);
    }

    pub(crate) fn on_pong(&mut self, link: LinkId, pong: Pong) {
        if let Some(life) = self.links.get(link).map(|link| link.peer.life) {
            self.on_sign_of_life(life, pong.seq);
        }
        self.compare(link, pong.records_hash, pong.positions_hash);
    }

    /// It answered this ping: what was on its way when it was asked would prove nothing, it may have died since.
    fn on_sign_of_life(&mut self, life: Life, ping: u64) {
        if self.detector.thawing.get(&life).is_some_and(|&asked| asked <= ping) {
            self.detector.thawing.remove(&life);
        }
        if self.detector.inquiries.get(&life).is_some_and(|inquiry| inquiry.seq <= ping) {
            self.on_witnessed(life, self.me);
        }
        let Some(errands) = self.detector.errands.get_mut(&life) else {
            return;
        };
        let answered: Vec<Errand> = errands.iter().filter(|errand| errand.ping <= ping).cloned().collect();
        errands.retain(|errand| errand.ping > ping);
        for errand in answered {
            self.send_to(errand.asker, PongFor { seq: errand.seq, subject: life, heard: true });
        }
    }

    fn hashes(&self) -> (u64, u128) {
        (self.table.hash(), self.registry.hash())
    }

    /// A difference that lasts for two probes is more than a message under way.
    fn compare(&mut self, id: LinkId, records_hash: u64, positions_hash: u128) {
        let (our_records, our_positions) = self.hashes();
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let differs = |count: &mut u8, differs: bool| {
            *count = if differs { *count + 1 } else { 0 };
            let lasting = *count >= 2;
            if lasting {
                *count = 0;
            }
            lasting
        };
        let life = link.peer.life;
        let records = differs(&mut link.records_differ, records_hash != our_records);
        let positions = differs(&mut link.positions_differ, positions_hash != our_positions);
        if records {
            self.send_all_records(id);
        }
        if positions {
            self.send_digest(id, false);
        }
        if positions_hash != our_positions {
            return;
        }
        let is_unread = self.links.get(id).is_some_and(|link| link.theirs.is_none()) && self.links.serves(id);
        if is_unread && !self.broken(Mutant::LostGreetingsMissed) {
            self.on_first_positions(id, self.positions()); // its greeting was lost, and its logs end where ours do
        }
        self.on_equal_positions(life);
    }

    /// Bytes came from this life.
    pub(crate) fn on_heard(&mut self, life: Life) {
        if let Some(probe @ (Probe::Direct { .. } | Probe::Indirect { .. })) =
            self.detector.subjects.get_mut(&life)
        {
            *probe = Probe::Idle;
            self.detector.trust();
        }
    }

    pub(crate) fn on_probe_timeout(&mut self, subject: Life) {
        let timeout = self.config.detection.probe_timeout * self.detector.patience();
        match self.detector.subjects.get(&subject) {
            Some(&Probe::Direct { seq, sent })
                if self.now.since(sent) >= self.config.detection.probe_timeout =>
            {
                self.probe_indirectly(subject, seq);
            }
            Some(&Probe::Indirect { silent, sent, .. })
                if self.now.since(sent) >= timeout.min(self.config.detection.probe_timeout) =>
            {
                self.set_probe(subject, Probe::Idle);
                for _ in 0..silent.min(1) {
                    self.detector.doubt(); // those who should have said "I am here" did not: it may be us
                }
                self.suspect(subject);
            }
            Some(Probe::Idle | Probe::Direct { .. } | Probe::Indirect { .. }) | None => {}
        }
    }

    fn probe_indirectly(&mut self, subject: Life, seq: u64) {
        let linked = self.links.serving().map(|(life, _)| life);
        let mut others: Vec<Life> =
            linked.filter(|&life| life != subject && self.table.is_live(life)).collect();
        if self.broken(Mutant::NoIndirectProbes) {
            others.clear();
        }
        match others.len() as u64 {
            0 => {
                if let Some(link) = self.links.to(subject) {
                    self.ping(link, seq); // nobody to ask: one answer may be late, two are not
                }
            }
            count => others.rotate_left((self.random.next() % count) as usize),
        }
        others.truncate(INDIRECT);
        self.set_probe(subject, Probe::Indirect { seq, sent: self.now, silent: others.len() as u32 });
        for other in others {
            self.send_to(other, PingFor { seq, subject });
        }
        let patience = self.config.detection.probe_timeout * self.detector.patience();
        self.timers.set(self.now + patience, Timer::ProbeTimeout(subject));
    }

    fn suspect(&mut self, subject: Life) {
        if self.table.is_live(subject) {
            self.table.accuse(subject, Health::Suspect);
        }
    }

    pub(crate) fn on_suspicion_timer(&mut self, subject: Life) {
        let Some(&(revision, until)) = self.detector.suspects.get(&subject) else {
            return;
        };
        if until > self.now {
            self.timers.set(until, Timer::Suspicion(subject));
            return;
        }
        self.detector.suspects.remove(&subject);
        if self.ends_for_another_life() {
            return;
        }
        let still = |record: &super::Record| record.revision == revision && record.health == Health::Suspect;
        if self.table.of(subject).is_some_and(still) {
            self.table.accuse(subject, Health::Silent);
        }
    }

    /// Someone spoke ill of us and was corrected: we may be slow.
    pub(crate) fn on_refuted(&mut self) {
        self.detector.doubt();
    }

    /// Another member wants to know whether a third is there.
    pub(crate) fn on_ping_for(&mut self, asker: Life, question: PingFor) {
        let PingFor { seq, subject } = question;
        let Some(link) = self.links.to(subject).filter(|_| !self.broken(Mutant::HearingDenied)) else {
            self.send_to(asker, PongFor { seq, subject, heard: subject == self.me });
            return;
        };
        let ping = self.detector.next_seq();
        let errands = self.detector.errands.entry(subject).or_default();
        if errands.len() >= self.config.max_members {
            return; // the asker takes silence for an answer
        }
        errands.push(Errand { asker, seq, ping });
        self.ping(link, ping);
        let wait = self.config.detection.probe_timeout * 3 / 4; // the answer must be there before the asker gives up
        self.timers.set(self.now + wait, Timer::Errand(subject, ping));
    }

    pub(crate) fn on_errand_timer(&mut self, subject: Life, ping: u64) {
        let Some(errands) = self.detector.errands.get_mut(&subject) else {
            return;
        };
        let due: Vec<Errand> = errands.iter().filter(|errand| errand.ping == ping).cloned().collect();
        errands.retain(|errand| errand.ping != ping);
        for errand in due {
            self.send_to(errand.asker, PongFor { seq: errand.seq, subject, heard: false });
        }
    }

    /// There is nobody to ask any more.
    pub(crate) fn fail_errands(&mut self, subject: Life) {
        for errand in self.detector.errands.remove(&subject).unwrap_or_default() {
            self.send_to(errand.asker, PongFor { seq: errand.seq, subject, heard: false });
        }
    }

    pub(crate) fn on_pong_for(&mut self, witness: Life, answer: PongFor) {
        let asked =
            self.detector.inquiries.get(&answer.subject).is_some_and(|inquiry| inquiry.seq == answer.seq);
        if asked {
            if answer.heard {
                self.on_witnessed(answer.subject, witness);
            } else {
                self.on_not_witnessed(answer.subject, witness);
            }
            return;
        }
        match self.detector.subjects.get_mut(&answer.subject) {
            Some(probe @ &mut Probe::Indirect { seq, .. }) if seq == answer.seq && answer.heard => {
                *probe = Probe::Idle;
                self.detector.trust();
            }
            Some(Probe::Indirect { seq, silent, .. }) if *seq == answer.seq => {
                *silent = silent.saturating_sub(1)
            }
            Some(Probe::Idle | Probe::Direct { .. } | Probe::Indirect { .. }) | None => {}
        }
    }

    /// Compares positions with the next linked member, in turn: all pairs do, observers or not.
    pub(crate) fn on_digest_timer(&mut self) {
        self.timers.set(self.now + self.config.digest_interval, Timer::Digest);
        let peers: Vec<LinkId> = self.links.serving().map(|(_, id)| id).collect();
        if peers.is_empty() {
            return;
        }
        let link = peers[(self.digests % peers.len() as u64) as usize];
        self.digests += 1;
        let seq = self.detector.next_seq();
        self.ping(link, seq);
    }

    /// Time jumped: this process did not run, or its clock leapt. What was asked before does not count, and after
    /// a long gap what waits in our inbox may be answered elsewhere by now: what comes behind the answer to a
    /// fresh ping is fresh, because links keep their order.
    pub(crate) fn on_gap(&mut self, due: Instant) {
        let gap = self.now.since(due);
        let detection = &self.config.detection;
        if gap < detection.probe_timeout || self.broken(Mutant::PauseBlamesOthers) {
            return;
        }
        let bound = detection.bound();
        let seen = Some((due, gap >= bound));
        if core::mem::replace(&mut self.gap, seen) == seen {
            return; // the same one, at the next letter in the inbox
        }
        let suspicion = detection.suspicion;
        self.detector.doubt();
        self.detector.forget_probes();
        self.links.forget_questions();
        let now = self.now;
        self.detector.suspects.values_mut().for_each(|(_, until)| *until = (*until).max(now + suspicion));
        self.detector.inquiries.values_mut().for_each(|inquiry| inquiry.asked = now);
        if gap < bound || self.table.mine().announced == Announced::Joining {
            return;
        }
        self.event(Event::Thawed { gap });
        self.detector.thawed = Some(now);
        let links: Vec<(Life, LinkId)> = self.links.serving().collect();
        for (life, link) in links {
            self.await_fresh(life, link);
        }
    }

    /// A link came up. Its peer may have made it long ago, and have talked to us, while we stood still.
    pub(super) fn on_link_after_gap(&mut self, life: Life, link: LinkId) {
        let patience = self.config.detection.probe_timeout;
        let is_recent = self.detector.thawed.is_some_and(|thawed| self.now.since(thawed) <= patience);
        if is_recent && !self.broken(Mutant::OldLinksTrusted) {
            self.await_fresh(life, link);
        }
    }

    /// What this peer says is old until it answers a ping of now.
    fn await_fresh(&mut self, life: Life, link: LinkId) {
        let seq = self.detector.next_seq();
        self.ping(link, seq);
        self.detector.thawing.insert(life, seq);
    }
}
