//! Users and their calls: each must be answered once, by its deadline, with what the oracle believes.

use std::time::Duration;

use skep_core::event::{Reply, Request, WorkerSpec};
use skep_core::id::{CallId, Epoch, Group, Kind, Name, Payload, Role};
use skep_core::placement::Place;
use skep_core::{Input, Instant};

use crate::oracle::Answer;
use crate::process::Running;
use crate::sweep::Planned;
use crate::world::{Happening, ProcessId, World};

/// A process that has just gone on, or whose clock leapt, sees deadlines late.
const SLACK: Duration = Duration::from_millis(1);

pub fn name(text: &str) -> Name {
    Name::new(text).expect("a good name")
}

pub fn managed(kind: &str) -> WorkerSpec {
    on_roles(kind, &[])
}

/// The same, but only on members with these roles.
pub fn on_roles(kind: &str, roles: &[&str]) -> WorkerSpec {
    let roles = roles.iter().map(|role| Role::new(role).expect("a good role"));
    let place = Place::with(roles).expect("a few roles");
    WorkerSpec::Managed { kind: Kind::new(kind).expect("a good kind"), args: Payload::empty(), place }
}

impl World {
    /// A user asks a node. Nothing keeps the answer.
    pub fn ask(&mut self, process: ProcessId, timeout: Duration, request: Request) -> CallId {
        self.ask_for(process, timeout, request, Answer::Dropped)
    }

    /// The same; the answer will be in `oracle.replies`.
    pub fn ask_and_keep(&mut self, process: ProcessId, timeout: Duration, request: Request) -> CallId {
        self.ask_for(process, timeout, request, Answer::Kept)
    }

    fn ask_for(&mut self, process: ProcessId, timeout: Duration, request: Request, answer: Answer) -> CallId {
        let call = CallId(self.fresh_id());
        let deadline = self[process].clock(self.now) + timeout;
        self.oracle.asked(self.now, process, call, &request, answer);
        self[process].calls.insert(call, deadline);
        self.after(timeout + SLACK, Happening::CallDue(process, call));
        self.tell(process, Input::Call { call, deadline, request });
        call
    }

    pub fn on_return(&mut self, process: ProcessId, call: CallId, reply: &Reply) {
        let Some(deadline) = self[process].calls.remove(&call) else {
            return self
                .violate(format!("{} answers call {}, which waits for no answer", self[process], call.0));
        };
        let late = self[process].clock(self.now).since(deadline);
        let is_excused = self[process].disturbed.is_some_and(|when| self.now.since(when) <= SLACK);
        if late > Duration::ZERO && !is_excused {
            self.violate(format!("{} answers call {} {late:?} late", self[process], call.0));
        }
        if let Err(why) = self.oracle.answered(self.now, call, reply) {
            self.violate(format!("{}: {why}", self[process]));
        }
    }

    pub fn call_due(&mut self, process: ProcessId, call: CallId) {
        if !self[process].lives() || !self[process].calls.contains_key(&call) {
            return;
        }
        if self[process].running != Running::Yes {
            return self.after(Duration::from_millis(100), Happening::CallDue(process, call));
        }
        self.violate(format!("{} has not answered call {} by its deadline", self[process], call.0));
    }

    /// Its callers are gone with it.
    pub fn forget_calls(&mut self, process: ProcessId) {
        self[process].calls.clear();
        for call in self.oracle.open_calls(process) {
            self.oracle.lost_caller(self.now, call);
        }
    }

    /// What a node's end does to what callers may believe.
    pub fn lose_node(&mut self, process: ProcessId) {
        let now = self.now;
        let settled =
            |booted: Option<Instant>| booted.is_some_and(|when| now.since(when) >= crate::oracle::QUIET);
        let survivors: Vec<ProcessId> = self.all_running();
        let others = survivors.iter().any(|&other| settled(self[other].formed) && !self[other].is_leaving);
        let (processes, promised) = (&self.processes, &self.promised);
        let forgiven = self.oracle.node_ended(
            now,
            process,
            others,
            |name: &Name, epoch: Epoch| {
                promised.contains(name)
                    || survivors.iter().any(|&other| {
                        processes[other.0].places.get(name).is_some_and(|placement| placement.epoch >= epoch)
                    })
            },
            |group: &Group, name: &Name| {
                survivors.iter().any(|&other| {
                    processes[other.0].groups.get(group).is_some_and(|names| names.contains(name))
                })
            },
        );
        if !forgiven.is_empty() {
            self.note(&"oracle", format_args!("does not know any more of {forgiven:?}"));
        }
    }

    /// The next call of a random run: any request, any node, any deadline.
    pub fn user_call(&mut self) {
        let Some(pause) = self.plan.call_every else { return };
        let pause = self.random.between(Duration::ZERO, pause * 2);
        self.after(pause, Happening::UserCall);
        let running = self.all_running();
        let Some(process) = self.random.pick(&running) else { return };
        let (number, timeout) =
            (self.random.below(self.plan.names), self.random.skewed(Duration::from_secs(6)));
        let timeout = timeout.max(Duration::from_millis(1));
        let Planned { name, kind, roles, may_attach, may_remove } = self.plan.name(number);
        let request = match self.random.below(100) {
            0..45 if may_attach && self.random.percent(70) => {
                Request::Register { name, worker: WorkerSpec::Attached }
            }
            0..45 => {
                let worker = self.ties.tie(&name, on_roles(kind, roles));
                Request::Register { name, worker }
            }
            45..65 if may_remove => Request::Unregister { name },
            45..88 => Request::Locate { name },
            88..93 => Request::Owner { name },
            93..97 => Request::Members,
            _ => Request::Counters,
        };
        self.ask(process, timeout, request);
    }

    /// Asks, and runs the world until the answer is there.
    ///
    /// # Panics
    /// When a promise is broken meanwhile, or the node dies.
    pub fn call(&mut self, process: ProcessId, request: Request) -> Reply {
        let call = self.ask_and_keep(process, Duration::from_secs(5), request);
        self.answer(call)
    }

    /// Runs the world until this answer is there.
    pub fn answer(&mut self, call: CallId) -> Reply {
        let arrived =
            self.run_until(Duration::from_secs(6), |world| world.oracle.replies.contains_key(&call));
        match arrived {
            Ok(true) => self.oracle.replies.remove(&call).expect("it was just there"),
            Ok(false) => self.give_up(&format!("no answer to call {}", call.0)),
            Err(violation) => self.give_up(&violation.0),
        }
    }

    /// Ends a scenario.
    pub fn give_up(&self, why: &str) -> ! {
        let lines = crate::sweeps::number("SKEP_LINES").map_or(200, |lines| lines as usize);
        panic!("{}\n{why}\n(seed {})", self.trace.last(lines), self.settings.seed)
    }
}
