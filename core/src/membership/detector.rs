//! Who watches whom, and how far each probe is. Pure bookkeeping; `probing.rs` acts on it.
//!
//! SWIM (Das, Gupta, Motivala 2002) with fixed observers instead of random ones, so that detection has a bound,
//! and Lifeguard's local health (Dadgar, Phillips, Currey 2018): a node that is slow itself is slow to accuse.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::id::{Life, Revision};
use crate::time::Instant;

/// The worst local health: timeouts are this many times longer, plus one.
const WORST_HEALTH: u32 = 8;

/// How many times longer timeouts may become where others count on our noticing.
pub(crate) const WARY_PATIENCE: u32 = 2;

/// How far a node goes to notice that it is cut off.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Caution {
    /// Others will notice who is gone, and tell.
    #[default]
    Usual,
    /// It watches those who watch it too, and all members as soon as anyone is suspected: that others are gone may
    /// be what being cut off looks like, and then nobody else will tell.
    Wary,
}

/// All that this node asks about others.
#[derive(Debug, Default)]
pub(crate) struct Detector {
    /// Who is watched by this node, and how far the probe is.
    pub(crate) subjects: BTreeMap<Life, Probe>,
    /// Who is suspected, in which revision, and until when it may refute.
    pub(crate) suspects: BTreeMap<Life, (Revision, Instant)>,
    /// Proof of death that waits for the word of the other observers.
    pub(crate) inquiries: BTreeMap<Life, Inquiry>,
    /// Peers of whom old letters may lie in our inbox, until they answer this ping.
    pub(crate) thawing: BTreeMap<Life, u64>,
    /// Who ended its link with us for another one, which has yet to come up here, and when.
    pub(crate) expected: BTreeMap<Life, Instant>,
    /// When this process went on last, after a gap longer than detection.
    pub(crate) thawed: Option<Instant>,
    /// Others asked us about this subject and wait for an answer.
    pub(crate) errands: BTreeMap<Life, Vec<Errand>>,
    pub(crate) caution: Caution,
    health: u32,
    seq: u64,
}

/// The probe of one subject.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Probe {
    Idle,
    /// Asked directly.
    Direct {
        seq: u64,
        sent: Instant,
    },
    /// Others were asked to ask; `silent` of the `asked` did not even say that they are there.
    Indirect {
        seq: u64,
        sent: Instant,
        silent: u32,
    },
}

/// A question to the observers of a member that looks dead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Inquiry {
    pub(crate) seq: u64,
    pub(crate) asked: Instant,
    pub(crate) evidence: super::Health,
    pub(crate) waiting: alloc::collections::BTreeSet<Life>,
}

/// A question from another member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Errand {
    pub(crate) asker: Life,
    /// The asker's number.
    pub(crate) seq: u64,
    /// Ours, on the ping that the subject must answer.
    pub(crate) ping: u64,
}

impl Detector {
    pub(crate) fn new(caution: Caution) -> Self {
        Self { caution, ..Self::default() }
    }

    /// How much it holds, for `Machine::holdings`.
    #[cfg(feature = "mutants")]
    pub(crate) fn holdings(&self) -> [(&'static str, usize); 3] {
        [
            ("members watched", self.subjects.len()),
            ("questions of others", self.errands.len()),
            ("doubts", self.suspects.len() + self.inquiries.len() + self.thawing.len() + self.expected.len()),
        ]
    }

    pub(crate) fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    /// How many times longer timeouts are while this node doubts itself.
    pub(crate) fn patience(&self) -> u32 {
        1 + self.health
    }

    /// Something says that this node is slow.
    pub(crate) fn doubt(&mut self) {
        let worst = match self.caution {
            Caution::Usual => WORST_HEALTH,
            Caution::Wary => WARY_PATIENCE - 1,
        };
        self.health = (self.health + 1).min(worst);
    }

    /// Something says that it is not.
    pub(crate) fn trust(&mut self) {
        self.health = self.health.saturating_sub(1);
    }

    /// Watches exactly these from now on.
    pub(crate) fn watch(&mut self, subjects: impl Iterator<Item = Life>) {
        let old = core::mem::take(&mut self.subjects);
        self.subjects = subjects.map(|life| (life, old.get(&life).copied().unwrap_or(Probe::Idle))).collect();
    }

    /// Nothing that was under way counts.
    pub(crate) fn forget_probes(&mut self) {
        self.subjects.values_mut().for_each(|probe| *probe = Probe::Idle);
    }
}

/// Who watches `subject`: the `count` members that rank highest by a hash of the pair, so that all agree without
/// a word, and a change of members changes few pairs.
pub(crate) fn observers(subject: Life, members: impl Iterator<Item = Life>, count: usize) -> Vec<Life> {
    let mut ranked: Vec<(u64, Life)> =
        members.filter(|&life| life != subject).map(|life| (rank(life, subject), life)).collect();
    ranked.sort_unstable();
    ranked.truncate(count);
    ranked.into_iter().map(|(_, life)| life).collect()
}

fn rank(observer: Life, subject: Life) -> u64 {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&observer.0.to_le_bytes());
    bytes[8..].copy_from_slice(&subject.0.to_le_bytes());
    xxhash_rust::xxh3::xxh3_64(&bytes)
}
