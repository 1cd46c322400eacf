//! Workers that move: what hosts do when one is asked, held, shipped, prepared, frozen, and goes on elsewhere.

use std::collections::BTreeSet;
use std::time::Duration;

use skep_core::Input;
use skep_core::event::{Handoff, MoveReason};
use skep_core::id::{Epoch, Kind, Life, LinkId, Name, Reason};
use skep_core::wire::{FIRST_BULK_KIND, Frame};

use crate::faults::kind;
use crate::hosts::{Phase, Worker};
use crate::world::{Happening, ProcessId, World};

/// How long a copy waits for its state.
const STATE_PATIENCE: Duration = Duration::from_secs(2);

/// What a worker's state is on its way: whose, for which start, from which life, what it knows and what it heard.
type Shipment = (Name, Epoch, Life, u64, Vec<(Epoch, u64)>, BTreeSet<u64>);

impl World {
    /// The machine wants to know how a worker moves. It says so between two messages.
    pub fn begin_handoff(&mut self, process: ProcessId, name: Name, epoch: Epoch, why: MoveReason) {
        let asked = self.fresh_id();
        let Some(worker) = self[process].workers.get_mut(&(name.clone(), epoch)) else { return };
        worker.asked = Some(asked);
        let pause = if self.random.percent(10) {
            self.random.between(Duration::from_millis(50), Duration::from_secs(1))
        } else {
            self.random.skewed(Duration::from_millis(2))
        };
        self.after(pause, Happening::HandoffAsked(process, name, epoch, asked, why));
    }

    pub fn handoff_asked(
        &mut self,
        process: ProcessId,
        name: &Name,
        epoch: Epoch,
        asked: u64,
        why: MoveReason,
    ) {
        if self.waits(process, Happening::HandoffAsked(process, name.clone(), epoch, asked, why)) {
            return;
        }
        let resumes = self.random.percent(50);
        let Some(worker) = self[process].workers.get_mut(&(name.clone(), epoch)) else { return };
        if worker.phase != Phase::Running || worker.asked != Some(asked) {
            return;
        }
        let handoff = match worker.kind.as_str() {
            kind::STAYING if why != MoveReason::Draining => Handoff::Stay,
            kind::LOYAL if why == MoveReason::Balance => Handoff::Stay,
            kind::LOYAL | kind::PLAIN | kind::RARE | kind::SLOW | kind::STUBBORN => {
                Handoff::Resume { bytes: 8 }
            }
            kind::MORTAL if resumes => Handoff::Resume { bytes: 8 },
            _ => Handoff::Restart,
        };
        if handoff != Handoff::Stay {
            worker.phase = Phase::Held;
        }
        worker.is_kept = matches!(handoff, Handoff::Resume { .. });
        worker.is_beaten = why == MoveReason::Conflict && worker.is_kept;
        if worker.is_beaten {
            self.oracle.copies.frozen(process, name, epoch);
        }
        self.tell(process, Input::HandoffBegun { name: name.clone(), epoch, handoff });
    }

    /// The machine orders the state of a worker to be shipped.
    pub fn send_state(&mut self, process: ProcessId, name: Name, epoch: Epoch, to: Life, under: Epoch) {
        let Some(worker) = self[process].workers.get(&(name.clone(), epoch)) else { return };
        if worker.phase != Phase::Held || !worker.is_kept {
            let why = format!("{} ships the state of {name}, which it does not hold", self[process]);
            return self.violate(why);
        }
        let shipment: Shipment = (
            name.clone(),
            under,
            self[process].life,
            worker.state,
            worker.heard.clone(),
            worker.known.clone(),
        );
        let body = postcard::to_allocvec(&shipment).expect("plain data");
        self.step_of_move(process, to, &name);
        match self.link_to(process, to) {
            Some(link) => self.send(process, link, &Frame { kind: FIRST_BULK_KIND, body }),
            None => self.tell(process, Input::StateLost { name, epoch }),
        }
    }

    /// A frame that is not for the core.
    pub fn on_bulk(&mut self, process: ProcessId, frame: &Frame) {
        let (name, under, from, state, heard, known): Shipment =
            postcard::from_bytes(&frame.body).expect("we wrote it");
        let Some(worker) = self[process].workers.get_mut(&(name.clone(), under)) else { return };
        if let Some(place) = worker.awaited.iter().position(|&(_, life)| life == from) {
            let (beaten, _) = worker.awaited.remove(place);
            worker.arrived.push((beaten, known));
            let pause = self.random.skewed(Duration::from_millis(5));
            return self.after(pause, Happening::ConflictHeard(process, name, under, beaten, from, state));
        }
        if worker.phase != Phase::AwaitingState {
            return;
        }
        worker.phase = Phase::Preparing;
        (worker.state, worker.heard, worker.known) = (state, heard, known);
        let pause = self.start_pause(process, &name, under);
        self.after(pause, Happening::CopyReady(process, name, under));
    }

    /// The machine orders a copy.
    pub fn prepare_copy(
        &mut self,
        process: ProcessId,
        name: Name,
        epoch: Epoch,
        kind: &Kind,
        state: Option<u64>,
    ) {
        self.must_have_code(process, &name, kind);
        self.check_copy(process, &name, epoch);
        let birth = self.fresh_id();
        let phase = if state.is_some() { Phase::AwaitingState } else { Phase::Preparing };
        let worker = Worker { phase, ..Worker::new(kind, birth) };
        self[process].workers.insert((name.clone(), epoch), worker);
        match state {
            Some(_) => self.after(STATE_PATIENCE, Happening::CopyReady(process, name, epoch)),
            None => {
                let pause = self.start_pause(process, &name, epoch);
                if !self.hangs(kind.as_str()) {
                    self.after(pause, Happening::CopyReady(process, name, epoch));
                }
            }
        }
    }

    /// The machine orders that a worker hears a copy that it beat.
    pub fn resolve_conflict(
        &mut self,
        process: ProcessId,
        name: Name,
        epoch: Epoch,
        beaten: Epoch,
        from: Life,
    ) {
        let Some(worker) = self[process].workers.get_mut(&(name.clone(), epoch)) else { return };
        worker.awaited.push((beaten, from));
        self.after(STATE_PATIENCE, Happening::ConflictMissed(process, name, epoch, beaten, from));
    }

    /// A worker has looked at what a beaten copy knew.
    pub fn conflict_heard(
        &mut self,
        process: ProcessId,
        name: &Name,
        epoch: Epoch,
        beaten: Epoch,
        from: Life,
        state: u64,
    ) {
        if self.waits(process, Happening::ConflictHeard(process, name.clone(), epoch, beaten, from, state)) {
            return;
        }
        let Some(worker) = self[process].workers.get_mut(&(name.clone(), epoch)) else { return };
        if worker.phase == Phase::Held {
            worker.arrived.retain(|(arrived, _)| *arrived != beaten);
            let result = Err(Reason::new("what it knows is on its way elsewhere")); // as the driver's workers do
            let resolved = Input::ConflictResolved { name: name.clone(), epoch, beaten, from, result };
            return self.tell(process, resolved);
        }
        if worker.heard.contains(&(beaten, state)) {
            let why =
                format!("{} hears twice what the copy of {name} with epoch {beaten} knew", self[process]);
            return self.contradict(name, why);
        }
        worker.heard.push((beaten, state));
        let looked_at = worker.arrived.extract_if(.., |(arrived, _)| *arrived == beaten);
        worker.known.extend(looked_at.flat_map(|(_, known)| known));
        self.tell(
            process,
            Input::ConflictResolved { name: name.clone(), epoch, beaten, from, result: Ok(()) },
        );
    }

    /// What a beaten copy knew did not come.
    pub fn conflict_missed(
        &mut self,
        process: ProcessId,
        name: &Name,
        epoch: Epoch,
        beaten: Epoch,
        from: Life,
    ) {
        if self.waits(process, Happening::ConflictMissed(process, name.clone(), epoch, beaten, from)) {
            return;
        }
        let Some(worker) = self[process].workers.get_mut(&(name.clone(), epoch)) else { return };
        let Some(place) = worker.awaited.iter().position(|&awaited| awaited == (beaten, from)) else {
            return;
        };
        worker.awaited.remove(place);
        let result = Err(Reason::new("its state did not come"));
        self.tell(process, Input::ConflictResolved { name: name.clone(), epoch, beaten, from, result });
    }

    /// A copy is ready, or its state did not come, or its start fails.
    pub fn copy_ready(&mut self, process: ProcessId, name: &Name, epoch: Epoch) {
        if self.waits(process, Happening::CopyReady(process, name.clone(), epoch)) {
            return;
        }
        let fails = !self.healed && self.random.percent(40);
        let key = (name.clone(), epoch);
        let Some(worker) = self[process].workers.get_mut(&key) else { return };
        let why = match worker.phase {
            Phase::AwaitingState => Some("its state did not come"),
            Phase::Preparing if worker.kind == kind::FAILING && fails => Some("no luck"),
            Phase::Preparing => None,
            _ => return,
        };
        let result = match why {
            Some(why) => {
                self[process].workers.remove(&key);
                Err(Reason::new(why))
            }
            None => {
                worker.phase = Phase::Prepared;
                Ok(())
            }
        };
        self.disturb_move(process, process, name);
        self.tell(process, Input::WorkerPrepared { name: name.clone(), epoch, result });
    }

    /// The handoff is off.
    pub fn go_on(&mut self, process: ProcessId, name: &Name, epoch: Epoch) {
        if let Some(worker) = self[process].workers.get_mut(&(name.clone(), epoch)) {
            worker.asked = None;
            if worker.phase == Phase::Held {
                worker.phase = Phase::Running;
            }
            if std::mem::take(&mut worker.is_beaten) {
                self.oracle.copies.started(process, name, epoch);
            }
        }
        self.work(process, name, epoch);
    }

    /// It goes on elsewhere, as the machine has just written down.
    pub fn freeze_worker(&mut self, process: ProcessId, name: &Name, epoch: Epoch, to: Life, under: Epoch) {
        let Some(worker) = self[process].workers.get_mut(&(name.clone(), epoch)) else {
            return self.violate(format!(
                "{} hands over {name}, epoch {epoch}, which it does not run",
                self[process]
            ));
        };
        if worker.phase != Phase::Held {
            let phase = worker.phase;
            return self.violate(format!("{} hands over {name}, which is {phase:?}", self[process]));
        }
        worker.phase = Phase::Frozen;
        let state = worker.is_kept.then_some(worker.state);
        let target = self.all_running().into_iter().find(|&other| self[other].life == to);
        self.oracle.copies.frozen(process, name, epoch);
        self.oracle.copies.committed(name, under);
        if let Some(target) = target {
            self.oracle.copies.expect_state(name, under, process, target, state);
        }
        self.forward_all(process, name, epoch, to, under);
        self.step_of_move(process, to, name);
    }

    /// A copy acts, or a frozen worker goes on.
    pub fn activate(&mut self, process: ProcessId, name: &Name, epoch: Epoch, under: Epoch) {
        let Some(mut worker) = self[process].workers.remove(&(name.clone(), epoch)) else {
            return self.violate(format!(
                "{} lets {name}, epoch {epoch}, act, which it does not have",
                self[process]
            ));
        };
        if matches!(worker.phase, Phase::Running | Phase::Held) && under != epoch {
            self.oracle.copies.frozen(process, name, epoch);
        } else if !matches!(worker.phase, Phase::Prepared | Phase::Frozen) {
            let phase = worker.phase;
            return self.violate(format!("{} lets {name} act, which is {phase:?}", self[process]));
        }
        if under == epoch {
            self.check_copy_acts(name, under);
        } else {
            self.check_start(process, name, under);
        }
        worker.phase = Phase::Running;
        (worker.asked, worker.is_beaten) = (None, false);
        let state = worker.state;
        self[process].workers.insert((name.clone(), under), worker);
        self.oracle.copies.started(process, name, under);
        if let Err(why) = self.oracle.copies.acts(process, name, under, state) {
            self.contradict(name, why);
        }
        self.settle_letters(process, name, under);
    }

    fn step_of_move(&mut self, source: ProcessId, to: Life, name: &Name) {
        let target = self.all_running().into_iter().find(|&other| self[other].life == to);
        self.disturb_move(source, target.unwrap_or(source), name);
    }

    /// The link by which a process reaches a life, if it is open.
    fn link_to(&mut self, process: ProcessId, to: Life) -> Option<LinkId> {
        let target = self.all_running().into_iter().find(|&other| self[other].life == to)?;
        self.open_link(process, target)
    }
}
