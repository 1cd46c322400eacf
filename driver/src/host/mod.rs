//! Where workers run: one task each, started, stopped kindly, then by force, and reported when neither helps.

mod moving;
#[cfg(all(test, feature = "sim"))]
mod tests;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{AbortHandle, Abortable};
use skep_core::Instant;
use skep_core::event::{Exit, Input, MoveReason, StopReason, Stopped};
use skep_core::id::{Epoch, Kind, Life, Name, Payload, Reason};
use tracing::{Instrument, Span, info_span};

use crate::calls::{Resident, Stands};
use crate::mail::{Guest, Mail, Running};
use crate::node::Shared;
use crate::worker::{
    Beginning, Cancellation, Code, CurrentEpoch, Delivery, Desk, Order, Seat, State, Verdict, panic_words,
};

pub(crate) use moving::Copy;

/// How long an aborted worker may take to reach an await point before it is reported stuck.
const STUCK_AFTER: Duration = Duration::from_secs(1);

/// All workers of one node.
pub(crate) struct Host {
    shared: Arc<Shared>,
    codes: HashMap<Kind, Arc<dyn Code>>,
    seats: HashMap<(Name, Epoch), Hosted>,
    /// Where a seat is now: a move that is taken back changes the epoch of what sits there.
    places: HashMap<SeatId, (Name, Epoch)>,
    last_seat: SeatId,
    deadlines: BTreeSet<(Instant, Name, Epoch)>,
    /// What the machine is to hear next.
    reports: VecDeque<Input>,
}

/// One start here, however its epoch changes. Never used before.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct SeatId(u64);

struct Hosted {
    kind: Kind,
    mailbox: Arc<dyn Delivery>,
    cancellation: Cancellation,
    /// `None` for a guest, which is never killed and never moves.
    task: Option<Task>,
    phase: Phase,
    /// It goes on elsewhere, and only waits to be let go.
    is_gone: bool,
}

/// What a host has of a start that it made.
struct Task {
    seat: SeatId,
    epoch: CurrentEpoch,
    /// What it logs stands in there.
    span: Span,
    desk: Desk,
    abort: AbortHandle,
    /// What it handed over, while it may still be sent.
    state: Option<Arc<State>>,
    /// Ends the sending of it.
    shipping: Option<AbortHandle>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Starting,
    /// A copy is being prepared.
    Preparing,
    /// A copy waits to be activated.
    Prepared,
    Running,
    /// It runs, and was asked how it moves, in the question of this number.
    Asked(MoveReason, u64),
    /// It said how it moves, and waits.
    Held,
    /// It moved to this life, and may still have to go on.
    Frozen(Life),
    /// It was told; at this time it is aborted.
    Stopping(Instant),
    /// It was aborted; at this time it is reported stuck.
    Forced(Instant),
    Stuck,
}

impl Host {
    pub(crate) fn new(shared: Arc<Shared>, codes: HashMap<Kind, Arc<dyn Code>>) -> Self {
        Self {
            shared,
            codes,
            seats: HashMap::new(),
            places: HashMap::new(),
            last_seat: SeatId(0),
            deadlines: BTreeSet::new(),
            reports: VecDeque::new(),
        }
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
        match self.codes.get(&kind).cloned() {
            Some(code) => self.seat(&*code, name, epoch, kind, args, Beginning::AtOnce),
            None => {
                let result = Err(no_code(&kind));
                self.reports.push_back(Input::WorkerStarted { name, epoch, result });
            }
        }
    }

    fn seat(
        &mut self,
        code: &dyn Code,
        name: Name,
        epoch: Epoch,
        kind: Kind,
        args: Payload,
        beginning: Beginning,
    ) {
        self.last_seat.0 += 1;
        let (id, inbox) = (self.last_seat, self.shared.inbox.clone());
        let seat = Seat {
            name: name.clone(),
            epoch: CurrentEpoch::new(epoch),
            node: self.shared.node(),
            platform: self.shared.platform.clone(),
            cancellation: Cancellation::default(),
            desk: Desk::new(id, inbox.clone()),
        };
        let phase = match &beginning {
            Beginning::AtOnce => Phase::Starting,
            Beginning::WhenTold(_) => Phase::Preparing,
        };
        let span = info_span!(target: "skep", "worker", name = %name, epoch = epoch.0);
        let (abort, registration) = AbortHandle::new_pair();
        let task = Task {
            seat: id,
            epoch: seat.epoch.clone(),
            span: span.clone(),
            desk: seat.desk.clone(),
            abort,
            state: None,
            shipping: None,
        };
        let cancellation = seat.cancellation.clone();
        let (started, start) = oneshot::channel();
        let (mailbox, life) = code.seat(Order { seat, args, beginning, started });
        let hosted = Hosted { kind, mailbox, cancellation, task: Some(task), phase, is_gone: false };
        self.seats.insert((name.clone(), epoch), hosted);
        self.places.insert(id, (name, epoch));

        let life = async move {
            // The life itself is dropped in here too, as dropping it runs the user's code.
            Abortable::new(life, registration).await.ok()
        };
        self.shared.platform.spawn(
            async move {
                let life = AssertUnwindSafe(life).catch_unwind();
                let tell_start = start.map(|result| {
                    if let Ok(result) = result {
                        inbox.post(Mail::Started { seat: id, result });
                    }
                });
                let (verdict, ()) = futures::join!(life, tell_start);
                let verdict =
                    verdict.unwrap_or_else(|panic| Some(Verdict::Exited(Exit::Failed(panic_words(&*panic)))));
                inbox.post(Mail::Ended { seat: id, verdict });
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
        if hosted.task.is_none() {
            self.remove(&name, epoch);
            self.reports.push_back(Input::WorkerStopped { name, epoch, outcome: Stopped::Kindly });
            return;
        }
        match hosted.phase {
            Phase::Stopping(_) | Phase::Forced(_) | Phase::Stuck => {}
            Phase::Starting
            | Phase::Preparing
            | Phase::Prepared
            | Phase::Running
            | Phase::Asked(..)
            | Phase::Held
            | Phase::Frozen(_) => {
                let at = now + grace;
                hosted.phase = Phase::Stopping(at);
                hosted.forget_state();
                hosted.mailbox.close();
                self.shared.router.evict(&name, epoch);
                self.deadlines.insert((at, name, epoch));
            }
        }
    }

    pub(crate) fn attach(&mut self, name: Name, epoch: Epoch, kind: Kind, guest: Guest) {
        let Guest { mailbox, cancellation } = guest;
        let resident = Resident { epoch, mailbox: mailbox.clone(), stands: Stands::Active };
        let phase = Phase::Running;
        let hosted = Hosted { kind, mailbox, cancellation, task: None, phase, is_gone: false };
        self.seats.insert((name.clone(), epoch), hosted);
        self.shared.router.settle(name, resident);
    }

    pub(crate) fn on_detached(&mut self, name: Name, epoch: Epoch) {
        if self.remove(&name, epoch).is_some() {
            self.reports.push_back(Input::WorkerExited { name, epoch, exit: Exit::Finished });
        }
    }

    pub(crate) fn on_started(&mut self, seat: SeatId, result: Result<(), Reason>) {
        let Some((name, epoch)) = self.places.get(&seat).cloned() else { return };
        let Some(hosted) = self.seats.get_mut(&(name.clone(), epoch)) else { return };
        let was = hosted.phase;
        if !matches!(was, Phase::Starting | Phase::Preparing) {
            return; // it is being stopped: its end is what counts
        }
        match &result {
            Ok(()) => {
                let stands;
                (hosted.phase, stands) = match was {
                    Phase::Starting => (Phase::Running, Stands::Active),
                    _ => (Phase::Prepared, Stands::Prepared),
                };
                let resident = Resident { epoch, mailbox: hosted.mailbox.clone(), stands };
                self.shared.router.settle(name.clone(), resident);
            }
            Err(_) => {
                self.remove(&name, epoch);
            }
        }
        self.reports.push_back(began(was, name, epoch, result));
    }

    pub(crate) fn on_ended(&mut self, seat: SeatId, verdict: Option<Verdict>) {
        let Some((name, epoch)) = self.places.get(&seat).cloned() else { return };
        let Some(hosted) = self.remove(&name, epoch) else { return };
        let exit = match verdict {
            Some(Verdict::Exited(exit)) => exit,
            Some(Verdict::Stopped) => Exit::Finished,
            None => Exit::Failed(Reason::new("aborted")),
        };
        self.reports.push_back(match hosted.phase {
            Phase::Starting | Phase::Preparing => {
                let reason = match exit {
                    Exit::Finished => Reason::new("ended before it had started"),
                    Exit::Failed(reason) => reason,
                };
                began(hosted.phase, name, epoch, Err(reason))
            }
            Phase::Prepared | Phase::Running | Phase::Asked(..) | Phase::Held | Phase::Frozen(_) => {
                Input::WorkerExited { name, epoch, exit }
            }
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
                    hosted.task.iter().for_each(|task| task.abort.abort());
                    hosted.phase = Phase::Forced(now + STUCK_AFTER);
                    self.deadlines.insert((now + STUCK_AFTER, name, epoch));
                }
                Phase::Forced(_) => {
                    hosted.phase = Phase::Stuck;
                    self.reports.push_back(Input::WorkerStopped { name, epoch, outcome: Stopped::Stuck });
                }
                Phase::Starting
                | Phase::Preparing
                | Phase::Prepared
                | Phase::Running
                | Phase::Asked(..)
                | Phase::Held
                | Phase::Frozen(_)
                | Phase::Stuck => {}
            }
        }
    }

    /// What really runs here, sorted by name: what is held for a move does, what was moved or is prepared does not.
    pub(crate) fn workers(&self) -> Vec<Running> {
        let mut workers: Vec<Running> = self
            .seats
            .iter()
            .filter(|(_, hosted)| hosted.phase.is_active() && !hosted.is_gone)
            .map(|((name, epoch), hosted)| Running {
                name: name.clone(),
                epoch: *epoch,
                kind: hosted.kind.clone(),
                is_stuck: hosted.phase == Phase::Stuck,
            })
            .collect();
        workers.sort_unstable_by(|one, other| {
            (one.name.as_str(), one.epoch).cmp(&(other.name.as_str(), other.epoch))
        });
        workers
    }

    fn remove(&mut self, name: &Name, epoch: Epoch) -> Option<Hosted> {
        let hosted = self.seats.remove(&(name.clone(), epoch))?;
        if let Phase::Stopping(at) | Phase::Forced(at) = hosted.phase {
            self.deadlines.remove(&(at, name.clone(), epoch));
        }
        if let Some(task) = &hosted.task {
            self.places.remove(&task.seat);
        }
        hosted.mailbox.close();
        self.shared.router.evict(name, epoch);
        Some(hosted)
    }
}

impl Phase {
    /// Whether it is there and can go on as another start.
    fn acts_when_told(self) -> bool {
        match self {
            Self::Prepared | Self::Frozen(_) | Self::Running | Self::Asked(..) | Self::Held => true,
            Self::Starting | Self::Preparing | Self::Stopping(_) | Self::Forced(_) | Self::Stuck => false,
        }
    }

    fn is_active(self) -> bool {
        match self {
            Self::Starting | Self::Preparing | Self::Prepared | Self::Frozen(_) => false,
            Self::Running
            | Self::Asked(..)
            | Self::Held
            | Self::Stopping(_)
            | Self::Forced(_)
            | Self::Stuck => true,
        }
    }
}

/// The answer to the order that put it into this phase.
fn began(phase: Phase, name: Name, epoch: Epoch, result: Result<(), Reason>) -> Input {
    if phase == Phase::Preparing {
        Input::WorkerPrepared { name, epoch, result }
    } else {
        Input::WorkerStarted { name, epoch, result }
    }
}

fn no_code(kind: &Kind) -> Reason {
    Reason::new(format!("this node has no code for kind {kind}"))
}

impl Drop for Host {
    /// The node has ended: all that it started ends at its next await point. Guests are told.
    fn drop(&mut self) {
        for hosted in self.seats.values() {
            hosted.mailbox.close();
            match &hosted.task {
                Some(task) => task.abort.abort(),
                None => hosted.cancellation.cancel(StopReason::Draining),
            }
        }
    }
}
