//! The hosts of workers: they start, stop, fail, dawdle and die as their kind says.

use std::time::Duration;

use skep_core::config::{Backoff, KindConfig};
use skep_core::event::{Exit, Stopped};
use skep_core::id::{Epoch, Kind, Name, Reason};
use skep_core::supervisor::{Restart, RestartPolicy};
use skep_core::{Input, Instant};

use crate::faults::kind;
use crate::process::Running;
use crate::world::{Happening, ProcessId, World};

/// A worker, or the start of one.
pub struct Worker {
    pub kind: String,
    pub phase: Phase,
}

/// What a worker does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Not running yet.
    Starting,
    Running,
    /// Told to stop; runs on until it does.
    Stopping(Stopped),
    /// Its start was cancelled.
    Cancelled,
    /// Runs, and cannot be stopped.
    Stuck,
}

impl Worker {
    pub fn is_active(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Stopping(_) | Phase::Stuck)
    }
}

/// What the core is told of a kind.
pub fn kind_config(kind: &Kind) -> KindConfig {
    let restart = if kind.as_str() == kind::TEMPORARY { Restart::Temporary } else { Restart::Permanent };
    let backoff = Backoff { min: Duration::from_millis(5), max: Duration::from_millis(500) };
    let policy = RestartPolicy { restart, backoff, intensity: 10_000, ..RestartPolicy::default() };
    KindConfig { kind: kind.clone(), restart: policy }
}

impl World {
    /// The machine orders a start.
    pub fn start_worker(&mut self, process: ProcessId, name: Name, epoch: Epoch, kind: Kind) {
        let place = self.oracle.place_of(&name);
        if !self.may_run(self[process].site, &kind, &place) {
            self.violate(format!(
                "{} starts {name} of kind {kind} and {place:?}, for which it lacks code or a role",
                self[process]
            ));
        }
        self.check_start(process, &name, epoch);
        let pause = match kind.as_str() {
            kind::SLOW => self.random.between(Duration::from_millis(20), Duration::from_millis(1500)),
            kind::RARE => self.random.skewed(Duration::from_millis(60)),
            _ => self.random.skewed(Duration::from_millis(2)),
        };
        let hangs = kind.as_str() == kind::HANGING && !self.healed && self.random.percent(70);
        let worker = Worker { kind: kind.as_str().to_owned(), phase: Phase::Starting };
        self[process].workers.insert((name.clone(), epoch), worker);
        if hangs {
            return;
        }
        self.after(pause, Happening::WorkerReady(process, name, epoch));
    }

    /// Whether the process stands still with its workers; then this happens later.
    fn waits(&mut self, process: ProcessId, happening: Happening) -> bool {
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
        let is_mortal = [kind::MORTAL, kind::TEMPORARY].contains(&worker.kind.as_str());
        if is_mortal && !healed && dice < 60 {
            // some end before anyone can have recorded their start
            let lifetime = if dice < 15 { Duration::ZERO } else { lifetime };
            self.after(lifetime, Happening::WorkerExits(process, name.clone(), epoch));
        }
        self.oracle.copies.started(process, name, epoch);
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
        self.oracle.copies.ended(process, name, epoch);
        if gives_up {
            self.oracle.worker_gave_up(self.now, name);
        }
        let exit =
            if self.random.percent(50) { Exit::Finished } else { Exit::Failed(Reason::new("had enough")) };
        self.tell(process, Input::WorkerExited { name: name.clone(), epoch, exit });
    }

    /// The machine orders a stop.
    pub fn stop_worker(&mut self, process: ProcessId, name: &Name, epoch: Epoch, grace: Duration) {
        let (soon, healed) = (self.random.skewed(Duration::from_millis(3)), self.healed);
        let key = (name.clone(), epoch);
        let mut pause = soon;
        if let Some(worker) = self[process].workers.get_mut(&key) {
            worker.phase = match (worker.phase, worker.kind.as_str()) {
                (Phase::Starting, _) => Phase::Cancelled,
                (Phase::Running, kind::STUBBORN) if !healed => {
                    pause = grace;
                    Phase::Stopping(Stopped::ByForce)
                }
                (Phase::Running, kind::BLOCKING) => {
                    pause = grace;
                    Phase::Stopping(Stopped::Stuck)
                }
                (Phase::Running, _) => Phase::Stopping(Stopped::Kindly),
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
                self.oracle.copies.ended(process, name, epoch);
                outcome
            }
            Some(Phase::Cancelled) => {
                self[process].workers.remove(&key);
                Stopped::Kindly
            }
            // it had ended by itself before the order came, or is an attached one, which is left alone
            None | Some(Phase::Starting | Phase::Running | Phase::Stuck) => Stopped::Kindly,
        };
        self.tell(process, Input::WorkerStopped { name: name.clone(), epoch, outcome });
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
