//! A process: one life of a node, its machine, and the way from what happens to what it orders.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use skep_core::error::{Refusal, RetireReason};
use skep_core::event::{Placement, Way};
use skep_core::id::{Address, CallId, Epoch, Group, Life, LinkId, Name, NodeName};
use skep_core::supervisor::PastIntensity;
use skep_core::wire::Hello;
use skep_core::{Event, Input, Instant, Machine, Output};

use crate::hosts::Worker;
use crate::messages::Postroom;
use crate::network::Told;
use crate::world::{Happening, ProcessId, SiteId, Standstill, Waiting, World};

/// One life of a node.
pub struct Process {
    pub site: SiteId,
    pub name: NodeName,
    pub life: Life,
    pub hello: Hello,
    pub running: Running,
    /// When it announced itself up.
    pub formed: Option<Instant>,
    /// When it ended.
    pub died: Option<Instant>,
    /// It was told to drain or leave.
    pub is_leaving: bool,
    /// When it last stood still or had its clock jump.
    pub disturbed: Option<Instant>,
    pub standstill: Standstill,
    /// What carries messages of its users.
    pub post: Postroom,
    /// What it last said of each name.
    pub places: BTreeMap<Name, Placement>,
    /// Who is in each group, as it last said.
    pub groups: BTreeMap<Group, BTreeSet<Name>>,
    pub workers: BTreeMap<(Name, Epoch), Worker>,
    /// Addresses that it dials.
    pub dials: BTreeSet<Address>,
    /// Links that its machine closed.
    pub closed: BTreeSet<LinkId>,
    /// Calls that it has not answered, by when it must.
    pub calls: BTreeMap<CallId, Instant>,
    /// Since when it says that it has no quorum.
    pub quorum_lost: Option<Instant>,
    /// Since when all that the last change of the members asked for is done; `None` while it is not.
    pub settled: Option<Instant>,
    /// Why its machine retired.
    pub retired: Option<RetireReason>,
    /// Members that it counted down, in order.
    pub counted_down: Vec<(Instant, Life)>,
    /// Whom it has no link with, and why, in order.
    pub refusals: Vec<(Address, Refusal)>,
    /// Members that it suspected, in order.
    pub suspected: Vec<(Instant, Life)>,
    /// Workers that it restarted too often, in order.
    pub gave_up: Vec<(Name, PastIntensity)>,
    pub bytes_sent: u64,
    /// It will crash after so many more outputs.
    pub crash_after: Option<(usize, Told)>,
    pub machine: Machine,
    /// Its clock minus the world's.
    pub ahead: Duration,
    pub wake: Option<Instant>,
    pub timeouts: (u64, u32),
    /// Bounds of its machine that were reached.
    pub reached: Vec<skep_core::event::Bound>,
    pub generation: u64,
    /// How often discovery spoke to it.
    pub observations: u64,
    /// Members that it called up and not down since.
    pub known_up: BTreeSet<Life>,
    /// How often it called a source degraded.
    pub degraded: u64,
    /// Addresses that it let go of, in order.
    pub let_go: Vec<Address>,
    /// How often it would have let go of too many at once.
    pub held_on: u64,
}

/// What state a process is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Running {
    Yes,
    /// It stands still as a whole.
    Frozen,
    /// Its core stands still.
    CoreFrozen,
    Dead,
}

/// A machine that asks for more timeouts than this in a second of its time spins.
const TIMEOUTS_A_SECOND: u32 = 2000;

/// A machine that orders more than this at once has an unbounded queue.
const OUTPUTS_AT_ONCE: usize = 20_000;

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.name, self.generation)
    }
}

impl Process {
    pub fn lives(&self) -> bool {
        self.running != Running::Dead
    }

    pub fn clock(&self, now: Instant) -> Instant {
        now + self.ahead
    }

    /// That reading of its clock, in the world's time.
    fn world_time(&self, reading: Instant) -> Instant {
        Instant::ZERO + reading.since(Instant::ZERO + self.ahead)
    }
}

/// A frame would fill the trace: its kind and length will do.
struct Brief<'a, T>(&'a T);

impl fmt::Display for Brief<'_, Input> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Input::Message { link, frame } => {
                write!(f, "<- message on {} {}", link.0, crate::decode::mark(frame))
            }
            other => write!(f, "<- {other:?}"),
        }
    }
}

impl fmt::Display for Brief<'_, Output> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Output::Send { link, frame } => {
                write!(f, "-> send on {} {}", link.0, crate::decode::mark(frame))
            }
            other => write!(f, "-> {other:?}"),
        }
    }
}

impl World {
    pub fn note_of(&mut self, process: ProcessId, what: fmt::Arguments<'_>) {
        let (now, who) = (self.now, &self.processes[process.0]);
        self.trace.line(now, who, what);
    }

    /// A process hears something, now or when it goes on.
    pub fn tell(&mut self, process: ProcessId, input: Input) {
        match self[process].running {
            Running::Dead => {}
            Running::Frozen | Running::CoreFrozen => {
                self[process].standstill.inputs.push_back(Waiting::Input(input))
            }
            Running::Yes => self.feed(process, input),
        }
    }

    pub fn feed(&mut self, process: ProcessId, input: Input) {
        match &input {
            // what the machine closed, it hears nothing more of
            Input::LinkDown { link } | Input::Message { link, .. } if self[process].closed.contains(link) => {
                return;
            }
            Input::DialFailed { address, .. } => {
                self[process].dials.remove(address);
            }
            Input::LinkUp { link, way, peer } => {
                if let Way::Dialled(address) = way {
                    self[process].dials.remove(address);
                }
                self.letters_linked(process, *link, peer.life);
            }
            Input::LinkDown { link } => self.letters_unlinked(process, *link),
            _ => {}
        }
        self.note_of(process, format_args!("{}", Brief(&input)));
        if let Input::Message { frame, .. } = &input {
            self.trace.detail(|| crate::decode::words(frame));
        }
        let now = self[process].clock(self.now);
        self[process].machine.handle(now, input);
        self.drain_outputs(process);
    }

    pub fn drain_outputs(&mut self, process: ProcessId) {
        let mut ordered = 0;
        while let Some(output) = self[process].machine.poll_output() {
            ordered += 1;
            if ordered > OUTPUTS_AT_ONCE {
                return self.violate(format!("{} orders without end", self[process]));
            }
            self.note_of(process, format_args!("{}", Brief(&output)));
            if let Output::Send { frame, .. } = &output {
                self.trace.detail(|| crate::decode::words(frame));
            }
            self.carry_out(process, output);
            match &mut self[process].crash_after {
                Some((0, told)) => {
                    let told = *told;
                    return self.crash(process, told);
                }
                Some((left, _)) => *left -= 1,
                None => {}
            }
            if !self[process].lives() {
                return;
            }
        }
        self.attend(process);
        self.set_alarm(process);
    }

    pub fn set_alarm(&mut self, process: ProcessId) {
        let due = self[process].machine.poll_timeout().map(|due| self[process].world_time(due).max(self.now));
        if due != self[process].wake {
            self[process].wake = due;
            if let Some(due) = due.filter(|&due| due != Instant::FAR) {
                self.at(due, Happening::Wake(process));
            }
        }
    }

    pub fn wake(&mut self, process: ProcessId) {
        if self[process].running != Running::Yes {
            return;
        }
        let now = self[process].clock(self.now);
        if self[process].machine.poll_timeout().is_none_or(|due| due > now) {
            // before its time: harmless, and now and then tried
            if self.random.percent(5) {
                self.feed(process, Input::Timeout);
            }
            return;
        }
        self[process].wake = None;
        let second = self.now.as_nanos() / 1_000_000_000;
        let (counted, count) = &mut self[process].timeouts;
        *count = if *counted == second { *count + 1 } else { 0 };
        *counted = second;
        if *count > TIMEOUTS_A_SECOND {
            return self
                .violate(format!("{} spins: {TIMEOUTS_A_SECOND} timeouts in a second", self[process]));
        }
        self.feed(process, Input::Timeout);
    }

    fn carry_out(&mut self, process: ProcessId, output: Output) {
        match output {
            Output::Dial { address } => self.dial(process, address),
            Output::Send { link, frame } => {
                self[process].bytes_sent += frame.wire_len() as u64;
                self.send(process, link, &frame);
            }
            Output::Close { link, .. } => {
                self.close(process, link);
                self.letters_closed(process, link);
            }
            Output::Start { name, epoch, kind, .. } => self.start_worker(process, name, epoch, kind),
            Output::Stop { name, epoch, grace, why } => {
                self.stopped_for(&name, epoch, why);
                self.stop_worker(process, &name, epoch, grace);
            }
            Output::BeginHandoff { name, epoch, why } => self.begin_handoff(process, name, epoch, why),
            Output::SendState { name, epoch, to, under } => self.send_state(process, name, epoch, to, under),
            Output::GoOn { name, epoch } => self.go_on(process, &name, epoch),
            Output::Freeze { name, epoch, to, under } => self.freeze_worker(process, &name, epoch, to, under),
            Output::Prepare { name, epoch, kind, state, .. } => {
                self.prepare_copy(process, name, epoch, &kind, state);
            }
            Output::ResolveConflict { name, epoch, beaten, from, .. } => {
                self.resolve_conflict(process, name, epoch, beaten, from);
            }
            Output::Activate { name, epoch, under } => self.activate(process, &name, epoch, under),
            Output::Return { call, reply } => {
                self.on_return(process, call, &reply);
                self.assassinate(process, &reply);
            }
            Output::Place { name, placement } => self.on_place(process, name, placement),
            Output::JoinGroup { group, name } => self.on_join(process, group, name),
            Output::LeaveGroup { group, name } => self.on_leave(process, &group, &name),
            Output::Event(event) => self.on_event(process, &event),
            Output::Reached(bound) => self[process].reached.push(bound),
            Output::Retire(reason) => self.on_retire(process, reason),
        }
    }

    fn on_place(&mut self, process: ProcessId, name: Name, placement: Option<Placement>) {
        if self[process].places.get(&name) != placement.as_ref() {
            self.oracle.copies.changes += 1;
        }
        self.hold_if_moved(process, &name, placement.as_ref().and_then(|placement| placement.holder));
        match placement {
            Some(placement) => {
                if placement.holder.is_none() {
                    self.oracle.copies.vacant(&name, placement.epoch);
                }
                self[process].places.insert(name, placement);
            }
            None => {
                self.oracle.copies.removed(&name);
                self[process].places.remove(&name); // a removal may come before what it removes
            }
        }
    }

    fn on_event(&mut self, process: ProcessId, event: &Event) {
        match event {
            Event::Formed { up } => {
                let mut others = self.all_running();
                others.retain(|&other| {
                    other != process && self[other].formed.is_some() && !self[other].is_leaving
                });
                // who is linked with them boots together with them, and hears of each other in a moment
                let is_linked = others.iter().any(|&other| self.open_link(process, other).is_some());
                if *up <= 1 && !others.is_empty() && !is_linked {
                    self.oracle.split(self.now); // two clusters, until they meet
                }
                self[process].formed = Some(self.now);
                self.oracle.disturb(self.now);
            }
            Event::MemberUp { life, .. } => {
                self[process].known_up.insert(*life);
            }
            Event::PeerMisbehaved { .. } | Event::Reproached { .. } if !self.oracle.lies => {
                let text = format!("{} accuses, or is accused, and nobody lies: {event:?}", self[process]);
                self.violate(text);
            }
            Event::SourceDegraded { .. } => self[process].degraded += 1,
            Event::LetGo { address, .. } => self[process].let_go.push(address.clone()),
            Event::LettingGoHeld { .. } => self[process].held_on += 1,
            Event::QuorumLost { .. } => {
                let now = self.now;
                self[process].quorum_lost = Some(now);
                self.oracle.disturb(now);
                let pause = crate::world::STOP_GRACE + Duration::from_millis(50);
                self.after(pause, Happening::MustBeStopped(process, now));
            }
            Event::QuorumReached { .. } => {
                self[process].quorum_lost = None;
                self.oracle.disturb(self.now);
            }
            Event::TopologyChanged { .. } => self[process].settled = None,
            Event::TopologySettled => self[process].settled = Some(self.now),
            Event::LinkRefused { address, refusal } => {
                self[process].refusals.push((address.clone(), refusal.clone()));
            }
            Event::GaveUp { name, past, .. } => {
                self[process].gave_up.push((name.clone(), *past));
                if *past == PastIntensity::GiveUp {
                    self.names_given_up(name);
                }
            }
            Event::MemberSuspect { life, .. } => {
                let now = self.now;
                self[process].suspected.push((now, *life));
            }
            Event::MemberDown { life, evidence, .. } => {
                let now = self.now;
                self[process].known_up.remove(life);
                self[process].counted_down.push((now, *life));
                self.check_innocence(process, *life, *evidence);
                self.take_back_letters(process, *life);
            }
            _ => {}
        }
    }

    fn on_retire(&mut self, process: ProcessId, reason: RetireReason) {
        self[process].retired = Some(reason.clone());
        self.note_of(process, format_args!("is over"));
        let site = self[process].site;
        match reason {
            RetireReason::TagClash => {
                self.end_process(process, Told::ByEnd);
                self.after(Duration::from_millis(1), Happening::Boot(site));
            }
            RetireReason::Forgotten { again } => self.take_new_life(process, again),
            _ => self.end_process(process, Told::ByEnd),
        }
        if self.oracle.lies {
            self.after(Duration::from_millis(300), Happening::Boot(site)); // it was talked into it
        }
    }
}
