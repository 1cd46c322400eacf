//! Lives that are down: each is forgotten in time, and for a while listed as forgotten.
//!
//! A life is forgotten `forget_after` past the moment at which this node counted it down, once nothing stands in its
//! log and no name is held by it any more. Whoever forgets it first tells the others, so that all do at about the
//! same time and their tables and positions stay alike. For as long again its id stays listed: what others still
//! say of it is not taken, and whoever comes with that life is a stranger (`estranged.rs`). One that only fell silent
//! may come at any time, so that it stays listed until a later life of its node proves that it has ended.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Announced, Health, Record};
use crate::id::{Dot, Life, LinkId, NodeName};
use crate::machine::Machine;
use crate::mutant::Mutant;
use crate::time::Instant;
use crate::timer::Timer;
use crate::wire::List;
use crate::wire::message::{Forgotten, Lives};

/// A life that was forgotten, as one member tells another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) life: Life,
    pub(crate) node: NodeName,
    /// For how long it stays listed; `None` while nothing proves that it has ended.
    pub(crate) left_ms: Option<u64>,
}

/// Those that are down, and those that were forgotten.
#[derive(Debug, Default)]
pub(crate) struct Departed {
    down: BTreeMap<Life, Due>,
    forgotten: BTreeMap<Life, Gone>,
}

/// So many digests are awaited before a place of nobody's is thought to be one.
const DIGESTS: u32 = 3;

/// A life that is down.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Due {
    /// When it is to be forgotten, or looked at again.
    at: Instant,
    /// Whether a peer has forgotten it, and so what is left of it here is ours to hand on, arbiter or not.
    is_told: bool,
    /// How often it was looked at.
    tries: u32,
    heard: Heard,
}

/// A life that was forgotten.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Gone {
    node: NodeName,
    /// For how long it is listed.
    until: Instant,
    /// Whether it is known to have ended.
    is_proved: bool,
    /// `None` if we never knew it.
    heard: Option<Heard>,
}

/// What a life can have heard of, if it is not dead but only out of reach.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Heard {
    /// How far it was known to have our log.
    acked: u64,
    /// How far we had the other logs when we counted it down: it may have had them as far.
    positions: BTreeMap<Life, u64>,
}

impl Departed {
    pub(crate) fn has_forgotten(&self, life: Life) -> bool {
        self.forgotten.contains_key(&life)
    }

    /// Whether this life, which is down or forgotten, may have heard of a registration before it was out of reach.
    /// `None` if we were not there.
    pub(super) fn may_know(&self, life: Life, me: Life, dot: Dot) -> Option<bool> {
        let down = self.down.get(&life).map(|due| &due.heard);
        let heard = down.or_else(|| self.forgotten.get(&life)?.heard.as_ref())?;
        let position = if dot.life == me { Some(&heard.acked) } else { heard.positions.get(&dot.life) };
        Some(position.is_some_and(|&position| dot.seq <= position))
    }

    /// How many lives are down or listed as forgotten.
    #[cfg(feature = "mutants")]
    pub(crate) fn len(&self) -> usize {
        self.down.len() + self.forgotten.len()
    }
}

impl Machine {
    /// Whether a life is forgotten, by us or by a peer who said so: then it comes back to nobody.
    pub(super) fn is_given_up(&self, life: Life) -> bool {
        let is_told = || self.departed.down.get(&life).is_some_and(|due| due.is_told);
        self.departed.has_forgotten(life) || (is_told() && !self.broken(Mutant::GivenUpLetIn))
    }

    /// A life is down: it is forgotten in time.
    pub(super) fn forget_later(&mut self, record: &Record) {
        let life = record.life;
        let at = self.now + self.config.forget_after;
        let heard = Heard {
            acked: self.replication.acked_by(life),
            positions: if is_proof(record) {
                BTreeMap::new()
            } else {
                self.registry.positions().into_iter().collect()
            },
        };
        self.detector.expected.remove(&life);
        self.departed.down.insert(life, Due { at, is_told: false, tries: 0, heard });
        self.timers.set(at, Timer::Forget(life));
    }

    /// It was down and came back.
    pub(super) fn keep_in_mind(&mut self, life: Life) {
        if let Some(due) = self.departed.down.remove(&life) {
            self.timers.cancel(due.at, Timer::Forget(life));
        }
    }

    pub(crate) fn on_forget_timer(&mut self, life: Life) {
        if self.departed.has_forgotten(life) {
            self.strike_off(life);
            return;
        }
        let again = self.now + self.config.digest_interval; // what others hand on is on its way
        let Some(due) = self.departed.down.get_mut(&life).filter(|due| due.at <= self.now) else {
            return;
        };
        due.at = again;
        due.tries += 1;
        let (all, tries) = (due.is_told, due.tries);
        self.hand_on(life, all);
        if tries > DIGESTS && self.knows_all_logs() && !self.broken(Mutant::OrphansKeepLives) {
            self.registry.end_orphans_of(life);
        }
        if self.is_spent(life) {
            self.forget(life);
        } else {
            self.timers.set(again, Timer::Forget(life));
        }
    }

    fn forget(&mut self, life: Life) {
        let (Some(record), Some(due)) = (self.table.of(life), self.departed.down.remove(&life)) else {
            return;
        };
        let (node, is_proved) = (record.node.clone(), is_proof(record));
        self.table.forget(life);
        self.seen.remove(&life);
        self.choose_side();
        self.links.forget(life);
        self.conduct.forget(life);
        self.gates.forget(life);
        self.registry.forget(life);
        if self.knows_all_logs() {
            self.registry.end_orphans(life);
        }
        self.replication.forget(life);
        self.stability.forget(life);
        self.pull_again = true;
        let until = self.now + self.config.forget_after;
        self.list_forgotten(life, Gone { node, until, is_proved, heard: Some(due.heard) });
        self.flush_log(); // what was handed on goes first
        let links: Vec<LinkId> = self.links.serving().map(|(_, id)| id).collect();
        for link in links {
            let lives = self.forgotten();
            self.send(link, Forgotten { lives });
        }
    }

    fn list_forgotten(&mut self, life: Life, gone: Gone) {
        if self.departed.forgotten.len() >= self.config.max_members {
            let first = self.departed.forgotten.iter().min_by_key(|(_, gone)| (!gone.is_proved, gone.until));
            if let Some((&oldest, gone)) = first {
                self.timers.cancel(gone.until, Timer::Forget(oldest));
                self.departed.forgotten.remove(&oldest);
                self.book.release(oldest);
            }
        }
        self.timers.set(gone.until, Timer::Forget(life));
        self.departed.forgotten.insert(life, gone);
    }

    /// It was listed for long enough, unless it may still be somewhere, or we lack some of the logs.
    fn strike_off(&mut self, life: Life) {
        let knows_all = self.knows_all_logs();
        let is_replaced =
            self.departed.forgotten.get(&life).is_some_and(|gone| self.has_later(life, &gone.node));
        let Some(gone) = self.departed.forgotten.get_mut(&life).filter(|gone| gone.until <= self.now) else {
            return;
        };
        if knows_all && (gone.is_proved || is_replaced) {
            self.departed.forgotten.remove(&life);
        } else {
            gone.until = self.now + self.config.forget_after;
            self.timers.set(gone.until, Timer::Forget(life));
        }
        self.book.release(life);
        if knows_all {
            self.registry.end_orphans(life); // some may have come from who forgot it later
        }
    }

    /// Whether we have all of the logs that our peers have. Who has not, as a newcomer, may still hear of a registration
    /// in one of them.
    fn knows_all_logs(&self) -> bool {
        let has = |origin: Life, position: u64| {
            self.registry.position(origin) >= position || self.departed.has_forgotten(origin)
        };
        let has_logs_of = |id: LinkId| {
            let theirs = self.links.get(id).and_then(|link| link.theirs.as_ref());
            theirs.is_some_and(|theirs| theirs.iter().all(|(&origin, &position)| has(origin, position)))
        };
        self.broken(Mutant::OrphansEndedEarly)
            || (self.was_up && self.links.serving().all(|(_, id)| has_logs_of(id)))
    }

    /// Whether a later life of that node is known: no node has two.
    fn has_later(&self, life: Life, node: &NodeName) -> bool {
        self.table.iter().any(|record| record.life > life && record.node == *node)
    }

    /// All that are listed as forgotten. Who has never been up says nothing of that: it may have met one side of a cut
    /// and be about to meet the other, and of two newcomers the one should not tell the other whose friend it is.
    pub(super) fn forgotten(&self) -> Lives {
        if !self.was_up {
            return List::default();
        }
        let left = |until: Instant| u64::try_from(until.since(self.now).as_millis()).unwrap_or(u64::MAX);
        let ended = self.departed.forgotten.iter().map(|(&life, gone)| Ended {
            life,
            node: gone.node.clone(),
            left_ms: gone.is_proved.then(|| left(gone.until)),
        });
        List(ended.collect())
    }

    /// A peer has forgotten these.
    pub(crate) fn on_forgotten(&mut self, id: LinkId, lives: &Lives) {
        if self.is_other_side(&[], lives) {
            self.claim_precedence(id);
            return;
        }
        self.take_forgotten(lives);
    }

    /// Forgets them, too, as soon as what they wrote and we know goes on elsewhere; and lists those that we never
    /// knew, for no longer than the peer does.
    pub(super) fn take_forgotten(&mut self, lives: &Lives) {
        let soon = self.now + self.config.digest_interval;
        for Ended { life, node, left_ms } in lives.iter() {
            let life = *life;
            if life == self.me {
                continue;
            }
            let left = left_ms.map_or(Duration::MAX, Duration::from_millis).min(self.config.forget_after);
            if self.departed.has_forgotten(life) {
                self.list_as_long(life, self.now + left);
                continue;
            }
            let is_strange = self.table.of(life).is_none() && !self.has_later(life, node);
            match self.departed.down.get_mut(&life) {
                Some(due) if due.is_told => {}
                Some(due) => {
                    self.timers.cancel(due.at, Timer::Forget(life));
                    (due.at, due.is_told) = (due.at.min(soon), true);
                    self.timers.set(due.at, Timer::Forget(life));
                }
                None if !is_strange => {} // it is known to have ended, or its record says more
                None => {
                    let (node, is_proved) = (node.clone(), left_ms.is_some());
                    self.list_forgotten(life, Gone { node, until: self.now + left, is_proved, heard: None });
                }
            }
        }
    }

    /// A life stays listed as long as it does elsewhere: who strikes it off takes its record again from one that has
    /// it yet, and among some that do so in turn it would go round for ever. But for what the word of it takes on its
    /// way, or two could put off the end with each other.
    fn list_as_long(&mut self, life: Life, until: Instant) {
        let margin = self.config.digest_interval / 2;
        let Some(gone) = self.departed.forgotten.get_mut(&life).filter(|gone| gone.until + margin < until)
        else {
            return;
        };
        self.timers.cancel(gone.until, Timer::Forget(life));
        gone.until = until;
        self.timers.set(until, Timer::Forget(life));
    }

    /// Whether a peer that has these logs has one that we know nothing of and do not take any more, as others had
    /// forgotten its life before we came. What such a log overwrote in others is missing in what the peer has of them,
    /// and we shall never have what took its place, until the peer forgets that life and hands it on.
    pub(crate) fn misses_some_of(&self, positions: &[(Life, u64)]) -> bool {
        let is_strange =
            |life: &Life| self.departed.forgotten.get(life).is_some_and(|gone| gone.heard.is_none());
        positions.iter().any(|(life, _)| is_strange(life)) && !self.broken(Mutant::GapsOverlooked)
    }

    /// The positions of logs that still count.
    pub(crate) fn listed(&self, positions: impl IntoIterator<Item = (Life, u64)>) -> BTreeMap<Life, u64> {
        let counts = |(life, _): &(Life, u64)| !self.departed.has_forgotten(*life);
        positions.into_iter().filter(counts).collect()
    }
}

/// Whether this record says that its life has ended, not only that it is out of reach.
fn is_proof(record: &Record) -> bool {
    record.announced == Announced::Left || record.health == Health::Replaced
}
