//! How far this node's log is stable: no older version of what is removed there can come any more, to anyone.
//!
//! A removal may be forgotten only when nobody can still receive the registration it ends. That all have the log
//! is not enough: a version that somebody wrote or sent before may be on its way to a third, who would take it for
//! new. So two rounds: first every life shows positions that include our log up to a mark. The highest of all
//! those positions bound what was ever written or passed on by somebody who had not yet seen the removals. Then
//! every life shows that it is past these bounds: from there on its replica refuses such a version as old.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::id::Life;
use crate::machine::Machine;
use crate::membership::Announced;
use crate::mutant::Mutant;

/// One sweep after another over our own log.
#[derive(Debug, Default)]
pub(crate) struct Stability {
    stable: u64,
    sweep: Option<Sweep>,
}

#[derive(Debug)]
struct Sweep {
    /// The position in our log that becomes stable with its end.
    upto: u64,
    round: Round,
    /// Who has shown its positions in this round.
    shown: BTreeSet<Life>,
    /// The highest positions that were shown in the first round.
    bounds: BTreeMap<Life, u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Round {
    Seen,
    Past,
}

impl Stability {
    /// Up to here removals of our log may be dropped.
    pub(crate) fn stable(&self) -> u64 {
        self.stable
    }

    /// This life's log is dropped: nothing of it can come any more.
    pub(crate) fn forget(&mut self, life: Life) {
        if let Some(sweep) = self.sweep.as_mut() {
            sweep.bounds.remove(&life);
            sweep.shown.remove(&life);
        }
    }

    /// Whether it matters what this life shows.
    fn awaits(&self, life: Life) -> bool {
        self.sweep.as_ref().is_some_and(|sweep| !sweep.shown.contains(&life))
    }
}

impl Machine {
    /// A life has all logs as far as this, at the least.
    pub(crate) fn on_positions_shown(&mut self, life: Life, positions: &BTreeMap<Life, u64>) {
        let me = self.me;
        let Some(sweep) = self.stability.sweep.as_mut() else {
            return;
        };
        let position = |origin: &Life| positions.get(origin).copied().unwrap_or(0);
        match sweep.round {
            Round::Seen if position(&me) >= sweep.upto => {
                for (&origin, &shown) in positions {
                    let bound = sweep.bounds.entry(origin).or_default();
                    *bound = shown.max(*bound);
                }
                sweep.shown.insert(life);
            }
            Round::Past if sweep.bounds.iter().all(|(origin, &bound)| position(origin) >= bound) => {
                sweep.shown.insert(life);
            }
            Round::Seen | Round::Past => {}
        }
    }

    /// A life has shown by a hash that it has all logs exactly as far as we.
    pub(crate) fn on_equal_positions(&mut self, life: Life) {
        if self.stability.awaits(life) {
            let positions = self.registry.positions().into_iter().collect();
            self.on_positions_shown(life, &positions);
        }
    }

    /// Takes the sweep a round further when all that may ever come back have shown their positions.
    pub(crate) fn settle_stability(&mut self) {
        let head = self.registry.position(self.me);
        if self.stability.sweep.is_none() {
            if head == self.stability.stable {
                return;
            }
            let (shown, bounds) = (BTreeSet::new(), BTreeMap::new());
            self.stability.sweep = Some(Sweep { upto: head, round: Round::Seen, shown, bounds });
        }
        let sweep = self.stability.sweep.as_mut().expect("it was just begun");
        let mut others =
            self.table.iter().filter(|record| record.life != self.me && record.announced != Announced::Left);
        if !others.all(|record| sweep.shown.contains(&record.life)) {
            return;
        }
        if sweep.round == Round::Seen {
            sweep.round = Round::Past;
            sweep.shown.clear();
            if !self.config.broken(Mutant::RemovalDroppedEarly) {
                return; // to be called again at the next positions
            }
        }
        let behind = |(&origin, &bound): (&Life, &u64)| self.registry.position(origin) < bound;
        if sweep.bounds.iter().any(behind) && !self.config.broken(Mutant::RemovalDroppedEarly) {
            return;
        }
        self.stability.stable = sweep.upto;
        self.stability.sweep = None;
        let table = &self.table;
        self.registry.stabilise(self.me, self.stability.stable, |life| table.of(life).is_some());
    }
}
