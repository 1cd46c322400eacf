//! Where workers run: one task each, started, stopped kindly, then by force, and reported when neither helps.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{AbortHandle, Abortable};
use skep_core::Instant;
use skep_core::event::{Exit, Handoff, Input, StopReason, Stopped};
use skep_core::id::{Epoch, Kind, Name, Payload, Reason};
use tracing::{Instrument, info_span};

use crate::calls::Resident;
use crate::mail::{Guest, Mail, Running};
use crate::node::Shared;
use crate::worker::{Cancellation, Code, Delivery, Order, Seat, Verdict, panic_words};

/// How long an aborted worker may take to reach an await point before it is reported stuck.
const STUCK_AFTER: Duration = Duration::from_secs(1);

/// All workers of one node.
pub(crate) struct Host {
    shared: Arc<Shared>,
    codes: HashMap<Kind, Arc<dyn Code>>,
    seats: HashMap<(Name, Epoch), Hosted>,
    deadlines: BTreeSet<(Instant, Name, Epoch)>,
    /// What the machine is to hear next.
    reports: VecDeque<Input>,
}

struct Hosted {
    kind: Kind,
    mailbox: Arc<dyn Delivery>,
    cancellation: Cancellation,
    /// `None` for a guest, which is never killed.
    abort: Option<AbortHandle>,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Starting,
    Running,
    /// It was told; at this time it is aborted.
    Stopping(Instant),
    /// It was aborted; at this time it is reported stuck.
    Forced(Instant),
    Stuck,
}

impl Host {
    pub(crate) fn new(shared: Arc<Shared>, codes: HashMap<Kind, Arc<dyn Code>>) -> Self {
        Self { shared, codes, seats: HashMap::new(), deadlines: BTreeSet::new(), reports: VecDeque::new() }
    }

    /// Whether nothing runs here, nor starts, nor stops.
    pub(crate) fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    pub(crate) fn report(&mut self) -> Option<Input> {
        self.reports.pop_front()
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _, _)| *at)
    }

    pub(crate) fn start(&mut self, name: Name, epoch: Epoch, kind: Kind, args: Payload) {
        let Some(code) = self.codes.get(&kind).cloned() else {
            let result = Err(Reason::new(format!("this node has no code for kind {kind}")));
            self.reports.push_back(Input::WorkerStarted { name, epoch, result });
            return;
        };
        let cancellation = Cancellation::default();
        let seat = Seat {
            name: name.clone(),
            epoch,
            node: self.shared.node(),
            platform: self.shared.platform.clone(),
            cancellation: cancellation.clone(),
        };
        let (started, start) = oneshot::channel();
        let (abort, registration) = AbortHandle::new_pair();
        let order = Order { seat, args, started };
        let (mailbox, life) = code.seat(order);
        let span = info_span!(target: "skep", "worker", name = %name, epoch = epoch.0);
        let hosted = Hosted { kind, mailbox, cancellation, abort: Some(abort), phase: Phase::Starting };
        self.seats.insert((name.clone(), epoch), hosted);

        let inbox = self.shared.inbox.clone();
        let starting = (name.clone(), inbox.clone());
        let life = async move {
            // The life itself is dropped in here too, as dropping it runs the user's code.
            Abortable::new(life, registration).await.ok()
        };
        self.shared.platform.spawn(
            async move {
                let (name, inbox) = starting;
                let life = AssertUnwindSafe(life).catch_unwind();
                let tell_start = start.map({
                    let (name, inbox) = (name.clone(), inbox.clone());
                    move |result| {
                        if let Ok(result) = result {
                            inbox.post(Mail::Started { name, epoch, result });
                        }
                    }
                });
                let (verdict, ()) = futures::join!(life, tell_start);
                let verdict =
                    verdict.unwrap_or_else(|panic| Some(Verdict::Exited(Exit::Failed(panic_words(&*panic)))));
                inbox.post(Mail::Ended { name, epoch, verdict });
            }
            .instrument(span),
        );
    }

    pub(crate) fn stop(&mut self, now: Instant, name: Name, epoch: Epoch, grace: Duration, why: StopReason) {
        let Some(hosted) = self.seats.get_mut(&(name.clone(), epoch)) else {
            self.reports.push_back(Input::WorkerStopped { name, epoch, outcome: Stopped::Kindly });
            return;
        };
        hosted.cancellation.cancel(why);
        if hosted.abort.is_none() {
            self.remove(&name, epoch);
            self.reports.push_back(Input::WorkerStopped { name, epoch, outcome: Stopped::Kindly });
            return;
        }
        if matches!(hosted.phase, Phase::Starting | Phase::Running) {
            let at = now + grace;
            hosted.phase = Phase::Stopping(at);
            self.shared.router.evict(&name, epoch);
            self.deadlines.insert((at, name, epoch));
        }
    }

    /// No worker can say how it moves yet: all stay.
    pub(crate) fn begin_handoff(&mut self, name: Name, epoch: Epoch) {
        self.reports.push_back(Input::HandoffBegun { name, epoch, handoff: Handoff::Stay });
    }

    /// No copy can be prepared yet.
    pub(crate) fn prepare(&mut self, name: Name, epoch: Epoch) {
        let result = Err(Reason::new("this node takes no worker over"));
        self.reports.push_back(Input::WorkerPrepared { name, epoch, result });
    }

    pub(crate) fn attach(&mut self, name: Name, epoch: Epoch, kind: Kind, guest: Guest) {
        let Guest { mailbox, cancellation } = guest;
        let resident = Resident { epoch, mailbox: mailbox.clone() };
        let hosted = Hosted { kind, mailbox, cancellation, abort: None, phase: Phase::Running };
        self.seats.insert((name.clone(), epoch), hosted);
        self.shared.router.settle(name, resident);
    }

    pub(crate) fn on_detached(&mut self, name: Name, epoch: Epoch) {
        if self.remove(&name, epoch).is_some() {
            self.reports.push_back(Input::WorkerExited { name, epoch, exit: Exit::Finished });
        }
    }

    pub(crate) fn on_started(&mut self, name: Name, epoch: Epoch, result: Result<(), Reason>) {
        let Some(hosted) = self.seats.get_mut(&(name.clone(), epoch)) else { return };
        if hosted.phase != Phase::Starting {
            return; // it is being stopped: its end is what counts
        }
        match &result {
            Ok(()) => {
                hosted.phase = Phase::Running;
                let resident = Resident { epoch, mailbox: hosted.mailbox.clone() };
                self.shared.router.settle(name.clone(), resident);
            }
            Err(_) => {
                self.remove(&name, epoch);
            }
        }
        self.reports.push_back(Input::WorkerStarted { name, epoch, result });
    }

    pub(crate) fn on_ended(&mut self, name: Name, epoch: Epoch, verdict: Option<Verdict>) {
        let Some(hosted) = self.remove(&name, epoch) else { return };
        let exit = match verdict {
            Some(Verdict::Exited(exit)) => exit,
            Some(Verdict::Stopped) => Exit::Finished,
            None => Exit::Failed(Reason::new("aborted")),
        };
        self.reports.push_back(match hosted.phase {
            Phase::Starting => {
                let reason = match exit {
                    Exit::Finished => Reason::new("ended before it had started"),
                    Exit::Failed(reason) => reason,
                };
                Input::WorkerStarted { name, epoch, result: Err(reason) }
            }
            Phase::Running => Input::WorkerExited { name, epoch, exit },
            Phase::Stopping(_) => Input::WorkerStopped { name, epoch, outcome: Stopped::Kindly },
            Phase::Forced(_) | Phase::Stuck => {
                Input::WorkerStopped { name, epoch, outcome: Stopped::ByForce }
            }
        });
    }

    /// Uses force on those whose grace is over.
    pub(crate) fn on_time(&mut self, now: Instant) {
        while let Some((at, name, epoch)) = self.deadlines.pop_first() {
            if at > now {
                self.deadlines.insert((at, name, epoch));
                return;
            }
            let Some(hosted) = self.seats.get_mut(&(name.clone(), epoch)) else { continue };
            match hosted.phase {
                Phase::Stopping(_) => {
                    hosted.abort.iter().for_each(AbortHandle::abort);
                    hosted.phase = Phase::Forced(now + STUCK_AFTER);
                    self.deadlines.insert((now + STUCK_AFTER, name, epoch));
                }
                Phase::Forced(_) => {
                    hosted.phase = Phase::Stuck;
                    self.reports.push_back(Input::WorkerStopped { name, epoch, outcome: Stopped::Stuck });
                }
                Phase::Starting | Phase::Running | Phase::Stuck => {}
            }
        }
    }

    /// What really runs here, sorted by name.
    pub(crate) fn workers(&self) -> Vec<Running> {
        let mut workers: Vec<Running> = self
            .seats
            .iter()
            .filter(|(_, hosted)| hosted.phase != Phase::Starting)
            .map(|((name, epoch), hosted)| Running {
                name: name.clone(),
                epoch: *epoch,
                kind: hosted.kind.clone(),
                is_stuck: hosted.phase == Phase::Stuck,
            })
            .collect();
        workers.sort_unstable();
        workers
    }

    fn remove(&mut self, name: &Name, epoch: Epoch) -> Option<Hosted> {
        let hosted = self.seats.remove(&(name.clone(), epoch))?;
        match hosted.phase {
            Phase::Stopping(at) | Phase::Forced(at) => {
                self.deadlines.remove(&(at, name.clone(), epoch));
            }
            Phase::Starting | Phase::Running | Phase::Stuck => {}
        }
        hosted.mailbox.close();
        self.shared.router.evict(name, epoch);
        Some(hosted)
    }
}

impl Drop for Host {
    /// The node has ended: all that it started ends at its next await point. Guests are told.
    fn drop(&mut self) {
        for hosted in self.seats.values() {
            hosted.mailbox.close();
            match &hosted.abort {
                Some(abort) => abort.abort(),
                None => hosted.cancellation.cancel(StopReason::Draining),
            }
        }
    }
}
