//! Names of a random run that belong together: their keys, bonds and ranks, and what is promised of them.

use std::collections::BTreeMap;
use std::time::Duration;

use skep_core::event::{Placement, StopReason, WorkerSpec};
use skep_core::id::{Epoch, Name};
use skep_core::placement::{Bond, Together};
use skep_core::supervisor::PastIntensity;

use crate::calls::name;
use crate::faults::kind;
use crate::hosts::Phase;
use crate::process::Running;
use crate::random::Random;
use crate::sweep::Plan;
use crate::world::{ProcessId, World};

/// So many of a hundred seeds have names that belong together, chosen by a number with which none of the seeds that
/// were listed before is: those stay the runs that they were.
const PERCENT: usize = 12;
const CHOICE: u64 = 0xe4;

/// What their names are: enough that end by themselves, more often than they are restarted.
const KINDS: [&str; 8] = [
    kind::PLAIN,
    kind::LIMITED,
    kind::MORTAL,
    kind::WANDERING,
    kind::SLOW,
    kind::LIMITED,
    kind::STUBBORN,
    kind::RARE,
];

/// Which names of a run belong together; in most runs none.
#[derive(Default)]
pub struct Ties(BTreeMap<Name, Together>);

/// Whether names of this seed's run belong together.
pub fn has_some(seed: u64) -> bool {
    Random::new(seed ^ CHOICE).percent(PERCENT)
}

impl Ties {
    /// Draws them, from a stream of its own, and makes the plan one of such names.
    pub fn draw(seed: u64, plan: &mut Plan) -> Self {
        if !has_some(seed) {
            return Self::default();
        }
        let mut random = Random::new(seed ^ 0x71e5_0000);
        plan.kinds = KINDS.to_vec();
        plan.names = 3 + random.below(14);
        plan.send_every = None; // a worker that is stopped with another may leave messages behind, as any restart
        let keys: Vec<Name> = (0..=random.below(3)).map(|number| name(&format!("key-{number}"))).collect();
        let bonds = [Bond::OneForOne, Bond::OneForAll, Bond::RestForOne];
        let one_bond = random.percent(50).then(|| bonds[random.below(3)]);
        let mut ties = BTreeMap::new();
        for number in 0..plan.names {
            let key = keys[random.below(keys.len())].clone();
            let bond = one_bond.unwrap_or(bonds[random.below(3)]);
            let together = Together { key, bond, rank: random.below(5) as u16 };
            if random.percent(80) {
                ties.insert(plan.name(number).name, together);
            }
        }
        Self(ties)
    }

    /// Whether this run has none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same, with the others of its key.
    pub fn tie(&self, name: &Name, worker: WorkerSpec) -> WorkerSpec {
        match (self.0.get(name), worker) {
            (Some(together), WorkerSpec::Managed { kind, args, place }) => {
                WorkerSpec::Managed { kind, args, place: place.together(together.clone()) }
            }
            (_, worker) => worker,
        }
    }

    /// Whether it shares a key.
    pub fn has(&self, name: &Name) -> bool {
        self.0.contains_key(name)
    }

    /// Those whom the end of this one concerns.
    fn bound_by(&self, name: &Name) -> impl Iterator<Item = &Name> {
        let own = self.0.get(name);
        let is_bound = move |other: &Name, theirs: &Together| {
            own.is_some_and(|own| {
                let binds = match own.bond {
                    Bond::OneForOne => false,
                    Bond::OneForAll => true,
                    Bond::RestForOne => theirs.rank > own.rank,
                };
                own.key == theirs.key && binds && other != name
            })
        };
        self.0.iter().filter(move |(other, theirs)| is_bound(other, theirs)).map(|(other, _)| other)
    }
}

/// The workers beside one that ended whose restart goes with its own.
pub struct Bound {
    copies: Vec<(Name, Epoch)>,
    gave_up: usize,
}

impl World {
    /// How long a worker lives that ends more often than it is restarted; `None` if this one does not.
    pub fn short_life(&self, kind: &str, dice: usize, lifetime: Duration) -> Option<Duration> {
        let ends = !self.ties.is_empty() && [kind::LIMITED, kind::WANDERING].contains(&kind);
        (ends && dice < 80).then(|| lifetime / 4)
    }

    /// Whom the end of this worker will concern: those that run beside it, and whose node knows them to.
    pub fn bound_by(&self, process: ProcessId, name: &Name, epoch: Epoch) -> Bound {
        let this = &self[process];
        let is_recorded = |name: &Name, epoch: Epoch| {
            let placement = this.places.get(name);
            placement.is_some_and(|known| known.epoch == epoch && known.holder == Some(this.life))
        };
        let running = |name: &Name| {
            let copies = this.workers.iter().filter(|((other, _), _)| other == name);
            let mut copies = copies.filter(|(_, worker)| worker.phase == Phase::Running);
            copies.next().map(|((name, epoch), _)| (name.clone(), *epoch))
        };
        let mut copies = Vec::new();
        if is_recorded(name, epoch) && this.running == Running::Yes {
            copies.extend(self.ties.bound_by(name).filter_map(running));
            copies.retain(|(other, epoch)| is_recorded(other, *epoch));
        }
        Bound { copies, gave_up: this.gave_up.len() }
    }

    /// It ended by itself, and its node was told: unless it goes on elsewhere, those that it binds are stopped.
    pub fn check_bonds(&mut self, process: ProcessId, name: &Name, bound: &Bound) {
        let this = &self[process];
        let moves = this.gave_up[bound.gave_up..].contains(&(name.clone(), PastIntensity::Move));
        if this.running != Running::Yes || moves {
            return;
        }
        let runs_on = |copy: &&(Name, Epoch)| {
            this.workers.get(copy).is_some_and(|worker| worker.phase == Phase::Running)
        };
        if let Some((other, epoch)) = bound.copies.iter().find(runs_on) {
            self.violate(format!(
                "{name} ended on {this} and is bound to {other}, which runs on there (epoch {epoch})"
            ));
        }
    }

    /// It was restarted too often and its name is freed, and those that it binds with it.
    pub fn names_given_up(&mut self, name: &Name) {
        let names: Vec<Name> = self
            .ties
            .bound_by(name)
            .chain([name])
            .filter(|name| self.oracle.names.contains_key(name))
            .cloned()
            .collect();
        for name in names {
            self.oracle.worker_gave_up(self.now, &name);
        }
    }

    /// A worker that is stopped for the sake of another, or where there is no quorum, starts anew: what was handed over of
    /// it does not matter. One that is stopped with its registration ends, and be it a copy that has yet to act: what
    /// is on its way to it is for nobody. Both are so of one whose node leaves at once, without handing over.
    pub fn stopped_for(&mut self, name: &Name, epoch: Epoch, why: StopReason) {
        match why {
            StopReason::Companion | StopReason::QuorumLost => self.oracle.copies.removed(name),
            StopReason::Unregistered => self.oracle.messages.ended(name, epoch),
            StopReason::Draining => {
                self.oracle.copies.removed(name);
                self.oracle.messages.ended(name, epoch);
            }
            _ => {}
        }
    }

    /// Names of one key that the same members may run must run on one of them.
    pub fn apart(&self, places: &BTreeMap<Name, Placement>) -> Option<String> {
        let running = self.all_running();
        let mut seen: BTreeMap<(&Name, Vec<ProcessId>), (&Name, &Placement)> = BTreeMap::new();
        for (name, placement) in places {
            let Some(together) = self.ties.0.get(name).filter(|_| !placement.attached) else { continue };
            let went = (name.clone(), PastIntensity::Move);
            let wandered = self.processes.iter().any(|process| process.gave_up.contains(&went));
            if wandered || placement.holder.is_none() || self.oracle.copies.has_stuck(name) {
                continue;
            }
            let place = self.oracle.place_of(name);
            let mut may = running.clone();
            may.retain(|&process| self.may_run(self[process].site, &placement.kind, &place));
            let (first, other) = *seen.entry((&together.key, may)).or_insert((name, placement));
            if other.holder != placement.holder {
                return Some(format!(
                    "{name} and {first} share {} and the members that may run them, and run on {:?} and {:?}",
                    together.key, placement.holder, other.holder
                ));
            }
        }
        None
    }
}
