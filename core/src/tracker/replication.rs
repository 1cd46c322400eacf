//! How far the others have our log, which pulls are under way, and who is owed an answer once a copy is safe.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::desk::Client;
use crate::id::{ClaimId, Life};
use crate::wire::message::Verdict;

/// Bookkeeping of what was shipped.
#[derive(Debug, Default)]
pub(crate) struct Replication {
    acked: BTreeMap<Life, u64>,
    pulls: BTreeMap<Life, Pull>,
    owed: BTreeMap<u64, Vec<(Client, Verdict)>>,
    owed_to: BTreeSet<ClaimId>,
}

/// A pull under way: from whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Pull {
    from: Life,
}

impl Replication {
    pub(crate) fn on_acked(&mut self, life: Life, position: u64) {
        let acked = self.acked.entry(life).or_default();
        *acked = position.max(*acked);
    }

    pub(crate) fn acked_by(&self, life: Life) -> u64 {
        self.acked.get(&life).copied().unwrap_or(0)
    }

    pub(crate) fn is_pulling(&self, origin: Life) -> bool {
        self.pulls.contains_key(&origin)
    }

    /// Whether this log was asked for there.
    pub(crate) fn pulls_from(&self, origin: Life, from: Life) -> bool {
        self.pulls.get(&origin).is_some_and(|pull| pull.from == from)
    }

    pub(crate) fn begin_pull(&mut self, origin: Life, from: Life) {
        self.pulls.insert(origin, Pull { from });
    }

    pub(crate) fn end_pull(&mut self, origin: Life, from: Life) {
        if self.pulls_from(origin, from) {
            self.pulls.remove(&origin);
        }
    }

    /// The link to `from` is gone.
    pub(crate) fn drop_pulls(&mut self, from: Life) {
        self.pulls.retain(|_, pull| pull.from != from);
    }

    /// This life has no log any more, and reads none.
    pub(crate) fn forget(&mut self, life: Life) {
        self.acked.remove(&life);
        self.pulls.remove(&life);
    }

    /// How much it holds, for `Machine::holdings`.
    #[cfg(feature = "mutants")]
    pub(crate) fn holdings(&self) -> [(&'static str, usize); 2] {
        [("readers", self.acked.len()), ("answers owed", self.owed_to.len())]
    }

    /// None of them came back in time: to be asked again, of others perhaps.
    pub(crate) fn drop_all_pulls(&mut self) {
        self.pulls.clear();
    }

    /// Answers this once another member has our log up to `seq`.
    pub(crate) fn owe(&mut self, seq: u64, client: Client, verdict: Verdict) {
        self.owed_to.insert(client.id);
        self.owed.entry(seq).or_default().push((client, verdict));
    }

    /// Whether this claim is only waiting for its copy.
    pub(crate) fn owes(&self, client: &Client) -> bool {
        self.owed_to.contains(&client.id)
    }

    /// What can be answered now that someone has our log up to `held`.
    pub(crate) fn take_due(&mut self, held: u64) -> Vec<(Client, Verdict)> {
        let later = self.owed.split_off(&held.saturating_add(1));
        let due: Vec<_> = core::mem::replace(&mut self.owed, later).into_values().flatten().collect();
        for (client, _) in &due {
            self.owed_to.remove(&client.id);
        }
        due
    }

    pub(crate) fn owes_any(&self) -> bool {
        !self.owed.is_empty()
    }
}
