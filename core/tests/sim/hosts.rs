//! The hosts of workers: they start, stop, fail, dawdle and die as their kind says.

use std::collections::BTreeSet;
use std::time::Duration;

use skep_core::config::{Backoff, KindConfig};
use skep_core::event::{Exit, Stopped};
use skep_core::id::{Epoch, Kind, Life, Name, Reason};
use skep_core::supervisor::{PastIntensity, Restart, RestartPolicy};
use skep_core::{Input, Instant};

use crate::faults::kind;
use crate::oracle::{Handed, Note};
use crate::process::Running;
use crate::world::{Happening, ProcessId, World};

/// A worker, or the start of one.
pub struct Worker {
    pub kind: String,
    pub phase: Phase,
    /// What it knows: the number of its first start, which a handoff takes along.
    pub state: u64,
    /// The question about its handoff that waits for an answer.
    pub asked: Option<u64>,
    /// Whether its state was kept for a handoff.
    pub is_kept: bool,
    /// It lost against another copy, and does nothing while what it knows is looked at.
    pub is_beaten: bool,
    /// What it made of all that: the states of all copies that it heard, and of those that they had heard.
    pub known: BTreeSet<u64>,
    /// Beaten copies whose state is on its way, and whose; what came of it, not looked at yet.
    pub awaited: Vec<(Epoch, Life)>,
    pub arrived: Vec<(Epoch, BTreeSet<u64>)>,
    /// What it heard, and of which beaten copy: two may know the same, if one came from the other.
    pub heard: Vec<(Epoch, u64)>,
    /// Messages that wait for it.
    pub mailbox: Vec<Note>,
}

/// What a worker does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Not running yet.
    Starting,
    Running,
    /// Runs, and handles nothing while it may be handed over.
    Held,
    /// Was handed over, and is kept for a while.
    Frozen,
    /// A copy whose state is on its way.
    AwaitingState,
    /// A copy that is being started.
    Preparing,
    /// A copy that is ready and does nothing.
    Prepared,
    /// Told to stop; runs on until it does.
    Stopping(Stopped),
    /// Its start was cancelled.
    Cancelled,
    /// Runs, and cannot be stopped.
    Stuck,
}

impl Worker {
    pub fn new(kind: &Kind, state: u64) -> Self {
        let kind = kind.as_str().to_owned();
        let (asked, is_kept, is_beaten) = (None, false, false);
        let (awaited, arrived, heard) = (Vec::new(), Vec::new(), Vec::new());
        let (phase, known, mailbox) = (Phase::Starting, BTreeSet::from([state]), Vec::new());
        Self { kind, phase, state, asked, is_kept, is_beaten, known, awaited, arrived, heard, mailbox }
    }

    pub fn is_active(&self) -> bool {
        let acts = matches!(self.phase, Phase::Running | Phase::Held | Phase::Stopping(_) | Phase::Stuck);
        acts && !self.is_beaten
    }
}

/// What the core is told of a kind.
pub fn kind_config(kind: &Kind) -> KindConfig {
    let restart = if kind.as_str() == kind::TEMPORARY { Restart::Temporary } else { Restart::Permanent };
    let backoff = Backoff { min: Duration::from_millis(5), max: Duration::from_millis(500) };
    let (intensity, past) = match kind.as_str() {
        kind::LIMITED => (3, PastIntensity::GiveUp),
        kind::WANDERING => (3, PastIntensity::Move),
        _ => (10_000, PastIntensity::GiveUp),
    };
    let policy = RestartPolicy { restart, backoff, intensity, past, ..RestartPolicy::default() };
    KindConfig { kind: kind.clone(), restart: policy }
}

impl World {
    /// The machine orders a start.
    pub fn start_worker(&mut self, process: ProcessId, name: Name, epoch: Epoch, kind: Kind) {
        self.must_have_code(process, &name, &kind);
        self.check_start(process, &name, epoch);
        let birth = self.fresh_id();
        self[process].workers.insert((name.clone(), epoch), Worker::new(&kind, birth));
        let pause = self.start_pause(process, &name, epoch);
        if !self.hangs(kind.as_str()) {
            self.after(pause, Happening::WorkerReady(process, name, epoch));
        }
    }

    pub fn must_have_code(&mut self, process: ProcessId, name: &Name, kind: &Kind) {
        let place = self.oracle.place_of(name);
        if !self.may_run(self[process].site, kind, &place) {
            let text = format!(
                "{} starts {name} of kind {kind} and {place:?}, for which it lacks code or a role",
                self[process]
            );
            self.contradict(name, text);
        }
        if self[process].quorum_lost.is_some() {
            self.violate(format!("{} starts {name} without a quorum", self[process]));
        }
    }

    /// How long a start takes.
    pub fn start_pause(&mut self, process: ProcessId, name: &Name, epoch: Epoch) -> Duration {
        let kind = self[process].workers[&(name.clone(), epoch)].kind.clone();
        match kind.as_str() {
            kind::SLOW => self.random.between(Duration::from_millis(20), Duration::from_millis(1500)),
            kind::RARE => self.random.skewed(Duration::from_millis(60)),
            _ => self.random.skewed(Duration::from_millis(2)),
        }
    }

    /// Whether a start of this kind never ends.
    pub fn hangs(&mut self, kind: &str) -> bool {
        kind == kind::HANGING && !self.healed && self.random.percent(70)
    }

    /// Whether the process stands still with its workers; then this happens later.
    pub fn waits(&mut self, process: ProcessId, happening: Happening) -> bool {
        let stands_still = self[process].running == Running::Frozen;
        if stands_still {
            self[process].standstill.happenings.push_back(happening);
        }
        stands_still || !self[process].lives()
    }

    pub fn worker_ready(&mut self, process: ProcessId, name: &Name, epoch: Epoch) {
        if self.waits(process, Happening::WorkerReady(process, name.clone(), epoch)) {
            return;
        }
        let (healed, dice, lifetime) = (
            self.healed,
            self.random.below(100),
            self.random.between(Duration::ZERO, Duration::from_secs(3)),
        );
        let key = (name.clone(), epoch);
        let Some(worker) = self[process].workers.get_mut(&key) else { return };
        if worker.phase != Phase::Starting {
            return;
        }
        let fails = worker.kind == kind::FAILING && !healed && dice < 40;
        if fails {
            self[process].workers.remove(&key);
            let result = Err(Reason::new("no luck"));
            self.oracle.copies.start_failed(name);
            return self.tell(process, Input::WorkerStarted { name: name.clone(), epoch, result });
        }
        worker.phase = Phase::Running;
        let kind = worker.kind.clone();
        let is_mortal = [kind::MORTAL, kind::TEMPORARY].contains(&kind.as_str());
        let short_life = self.short_life(&kind, dice, lifetime);
        if is_mortal && !healed && dice < 60 {
            // some end before anyone can have recorded their start
            let lifetime = if dice < 15 { Duration::ZERO } else { lifetime };
            self.after(lifetime, Happening::WorkerExits(process, name.clone(), epoch));
        } else if let Some(lifetime) = short_life.filter(|_| !healed) {
            self.after(lifetime, Happening::WorkerExits(process, name.clone(), epoch));
        }
        self.oracle.copies.started(process, name, epoch);
        self.settle_letters(process, name, epoch);
        self.check_state_kept(name);
        self.tell(process, Input::WorkerStarted { name: name.clone(), epoch, result: Ok(()) });
    }

    pub fn worker_exits(&mut self, process: ProcessId, name: &Name, epoch: Epoch) {
        if self.healed || self.waits(process, Happening::WorkerExits(process, name.clone(), epoch)) {
            return;
        }
        let key = (name.clone(), epoch);
        let Some(worker) = self[process].workers.get(&key) else { return };
        if worker.phase != Phase::Running {
            return;
        }
        let gives_up = worker.kind == kind::TEMPORARY;
        self[process].workers.remove(&key);
        self.oracle.ended(process, name, epoch);
        if gives_up {
            self.oracle.worker_gave_up(self.now, name);
        }
        let exit =
            if self.random.percent(50) { Exit::Finished } else { Exit::Failed(Reason::new("had enough")) };
        let bound = self.bound_by(process, name, epoch);
        self.tell(process, Input::WorkerExited { name: name.clone(), epoch, exit });
        if !gives_up {
            self.check_bonds(process, name, &bound);
        }
    }

    /// The machine orders a stop.
    pub fn stop_worker(&mut self, process: ProcessId, name: &Name, epoch: Epoch, grace: Duration) {
        let (soon, healed) = (self.random.skewed(Duration::from_millis(3)), self.healed);
        let key = (name.clone(), epoch);
        let mut pause = soon;
        if let Some(worker) = self[process].workers.get_mut(&key) {
            worker.phase = match (worker.phase, worker.kind.as_str()) {
                (Phase::Starting | Phase::AwaitingState | Phase::Preparing | Phase::Prepared, _)
                | (Phase::Frozen, _) => Phase::Cancelled,
                (Phase::Running | Phase::Held, kind::STUBBORN) if !healed => {
                    pause = grace;
                    Phase::Stopping(Stopped::ByForce)
                }
                (Phase::Running | Phase::Held, kind::BLOCKING) => {
                    pause = grace;
                    Phase::Stopping(Stopped::Stuck)
                }
                (Phase::Running | Phase::Held, _) => Phase::Stopping(Stopped::Kindly),
                (going @ (Phase::Stopping(_) | Phase::Cancelled), _) => {
                    worker.phase = going;
                    return; // its answer is on the way
                }
                (Phase::Stuck, _) => Phase::Stopping(Stopped::Stuck),
            };
        }
        self.after(pause, Happening::WorkerEnded(process, name.clone(), epoch));
    }

    pub fn worker_ended(&mut self, process: ProcessId, name: &Name, epoch: Epoch) {
        if self.waits(process, Happening::WorkerEnded(process, name.clone(), epoch)) {
            return;
        }
        let key = (name.clone(), epoch);
        let phase = self[process].workers.get(&key).map(|worker| worker.phase);
        let outcome = match phase {
            Some(Phase::Stopping(Stopped::Stuck)) => {
                self[process].workers.get_mut(&key).expect("it was just there").phase = Phase::Stuck;
                self.oracle.copies.stuck(name);
                Stopped::Stuck
            }
            Some(Phase::Stopping(outcome)) => {
                self[process].workers.remove(&key);
                self.oracle.ended(process, name, epoch);
                outcome
            }
            Some(Phase::Cancelled) => {
                self[process].workers.remove(&key);
                Stopped::Kindly
            }
            // it had ended by itself before the order came, or is an attached one, which is left alone
            None
            | Some(
                Phase::Starting
                | Phase::Running
                | Phase::Held
                | Phase::Frozen
                | Phase::AwaitingState
                | Phase::Preparing
                | Phase::Prepared
                | Phase::Stuck,
            ) => Stopped::Kindly,
        };
        self.tell(process, Input::WorkerStopped { name: name.clone(), epoch, outcome });
    }

    /// A worker starts from its arguments: nothing may have been handed over for it that somebody still has.
    fn check_state_kept(&mut self, name: &Name) {
        if !self.oracle.is_strict() {
            return;
        }
        let Some(Handed { under, source, target, .. }) = self.oracle.copies.lost_state(name) else { return };
        let has_it = |&process: &ProcessId| {
            let process = &self[process];
            process.lives() && process.disturbed.is_none() && !process.is_leaving
        };
        if let Some(keeper) = [target, source].into_iter().find(has_it) {
            let keeper = &self[keeper];
            self.violate(format!(
                "{name} starts anew, though {keeper} has what was handed over for epoch {under}"
            ));
        }
    }

    /// The copies that run now, as (process, epoch).
    pub fn active_copies(&self, name: &Name) -> Vec<(ProcessId, Epoch)> {
        let mut found = Vec::new();
        for process in self.all_running() {
            let from = (name.clone(), Epoch(0));
            for ((other, epoch), worker) in self[process].workers.range(from..) {
                if other != name {
                    break;
                }
                if worker.is_active() {
                    found.push((process, *epoch));
                }
            }
        }
        found
    }

    /// When it was: for messages.
    pub fn seconds(instant: Instant) -> f64 {
        instant.as_nanos() as f64 / 1e9
    }
}
