//! The moves of workers: what one hands over, what is kept of it, and the copy that goes on elsewhere.

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::{AbortHandle, Abortable};
use skep_core::event::{Handoff, Input, MoveReason};
use skep_core::id::{Epoch, Kind, Life, Name, Payload, Reason};
use tracing::warn;

use super::{Host, Hosted, Phase, SeatId, no_code};
use crate::calls::{Resident, Stands};
use crate::limits::Limit;
use crate::mail::Mail;
use crate::states;
use crate::worker::{self, Beaten, Beginning, Wish};

/// What a copy is prepared from.
pub(crate) struct Copy {
    /// How many bytes of state come for it, if any.
    pub(crate) state: Option<u64>,
    /// Who sends them.
    pub(crate) from: Life,
}

impl Host {
    pub(crate) fn begin_handoff(&mut self, name: Name, epoch: Epoch, why: MoveReason) {
        let hosted = self.seats.get_mut(&(name.clone(), epoch));
        match hosted.and_then(|hosted| Some((&mut hosted.phase, hosted.task.as_ref()?))) {
            Some((phase @ Phase::Running, task)) => {
                *phase = Phase::Asked(why, task.desk.ask(why));
            }
            // A guest stays, and what does not run is answered for by its end.
            Some(_) | None => {
                self.reports.push_back(Input::HandoffBegun { name, epoch, handoff: Handoff::Stay });
            }
        }
    }

    pub(crate) fn on_handoff_begun(&mut self, seat: SeatId, number: u64, handoff: worker::Handoff) {
        let Some((name, epoch)) = self.places.get(&seat).cloned() else { return };
        let Some(hosted) = self.seats.get_mut(&(name.clone(), epoch)) else { return };
        let why = match hosted.phase {
            Phase::Asked(why, asked) if asked == number => why,
            _ => return, // the move was given up, and perhaps it was asked again; or it has to stop
        };
        let Some(task) = &mut hosted.task else { return };
        let max_state = self.shared.router.arrivals.max_state();
        hosted.phase = Phase::Held;
        let handoff = match handoff {
            worker::Handoff::Stay => {
                hosted.phase = Phase::Running;
                Handoff::Stay
            }
            worker::Handoff::Restart => Handoff::Restart,
            worker::Handoff::Resume(state) if state.as_bytes().len() > max_state => {
                let bytes = state.as_bytes().len();
                self.shared.reached.count(Limit::StateLength);
                match why {
                    MoveReason::Balance | MoveReason::Conflict => {
                        warn!(target: "skep", %name, bytes, max_state, "{name} stays: its state is too long to move");
                        hosted.phase = Phase::Running;
                        task.desk.leave(Wish::GoOn);
                        Handoff::Stay
                    }
                    MoveReason::Draining => {
                        warn!(target: "skep", %name, bytes, max_state, "{name} starts anew: its state is too long");
                        Handoff::Restart
                    }
                }
            }
            worker::Handoff::Resume(state) => {
                let bytes = state.as_bytes().len() as u64;
                task.state = Some(Arc::new(state));
                Handoff::Resume { bytes }
            }
        };
        self.reports.push_back(Input::HandoffBegun { name, epoch, handoff });
    }

    pub(crate) fn send_state(&mut self, name: Name, epoch: Epoch, to: Life, under: Epoch) {
        let task = self.seats.get_mut(&(name.clone(), epoch)).and_then(|hosted| hosted.task.as_mut());
        let link = self.shared.router.links.to(to);
        let Some((task, state, link)) = task.and_then(|task| {
            let state = task.state.clone()?;
            Some((task, state, link?))
        }) else {
            self.reports.push_back(Input::StateLost { name, epoch });
            return;
        };
        let (abort, registration) = AbortHandle::new_pair();
        if let Some(earlier) = task.shipping.replace(abort) {
            earlier.abort();
        }
        let (seat, inbox) = (task.seat, self.shared.inbox.clone());
        self.shared.platform.spawn(async move {
            let shipped = Abortable::new(states::ship(&link, &name, under, &state), registration).await;
            if let Ok(Err(_)) = shipped {
                inbox.post(Mail::StateLost { seat });
            }
        });
    }

    pub(crate) fn on_state_lost(&mut self, seat: SeatId) {
        let Some((name, epoch)) = self.places.get(&seat).cloned() else { return };
        self.reports.push_back(Input::StateLost { name, epoch });
    }

    pub(crate) fn go_on(&mut self, name: &Name, epoch: Epoch) {
        let Some(hosted) = self.seats.get_mut(&(name.clone(), epoch)) else { return };
        if matches!(hosted.phase, Phase::Asked(..) | Phase::Held) {
            hosted.phase = Phase::Running;
            hosted.forget_state();
            hosted.wish(Wish::GoOn);
        }
    }

    pub(crate) fn freeze(&mut self, name: &Name, epoch: Epoch, to: Life, under: Epoch) {
        let Some(hosted) = self.seats.get_mut(&(name.clone(), epoch)) else { return };
        if matches!(hosted.phase, Phase::Running | Phase::Asked(..) | Phase::Held) {
            hosted.phase = Phase::Frozen(to);
            hosted.is_gone = true;
            hosted.forget_state();
            hosted.wish(Wish::Freeze);
            self.shared.router.depart(name, epoch, to, under, &*hosted.mailbox);
        }
    }

    /// A member is dead: what was forwarded to it and did not arrive waits here for what becomes of its worker.
    pub(crate) fn on_dead(&mut self, life: Life) {
        let left = self.shared.router.dead(life);
        let mut frozen = HashMap::new();
        for ((name, _), hosted) in &self.seats {
            match hosted.phase {
                Phase::Frozen(to) if to == life => {
                    hosted.mailbox.reopen();
                    frozen.insert(name, &hosted.mailbox);
                }
                Phase::Running if !left.is_empty() => drop(frozen.insert(name, &hosted.mailbox)),
                _ => {}
            }
        }
        for (name, parcel) in left {
            let Some(mailbox) = frozen.get(&name) else {
                self.shared.router.give_up(parcel);
                continue;
            };
            let path = self.shared.router.path_of(parcel.caller, parcel.parked);
            if let Err((why, path)) = mailbox.deliver_forwarded(parcel.message, &parcel.bytes, path) {
                path.refuse(why);
            }
        }
    }

    pub(crate) fn prepare(&mut self, name: Name, epoch: Epoch, kind: Kind, args: Payload, copy: &Copy) {
        let Some(code) = self.codes.get(&kind).cloned() else {
            let result = Err(no_code(&kind));
            self.reports.push_back(Input::WorkerPrepared { name, epoch, result });
            return;
        };
        let arrivals = &self.shared.router.arrivals;
        let arriving = copy.state.map(|_| arrivals.expect(copy.from, name.clone(), epoch));
        self.seat(&*code, name, epoch, kind, args, Beginning::WhenTold(arriving));
    }

    pub(crate) fn resolve_conflict(&mut self, name: Name, epoch: Epoch, beaten: Beaten) {
        let hosted = self.seats.get(&(name.clone(), epoch));
        let Some(task) =
            hosted.filter(|hosted| hosted.phase.is_active()).and_then(|hosted| hosted.task.as_ref())
        else {
            let (from, result) = (beaten.at, Err(Reason::new("it does not run here any more")));
            let beaten = beaten.epoch;
            self.reports.push_back(Input::ConflictResolved { name, epoch, beaten, from, result });
            return;
        };
        let arriving = self.shared.router.arrivals.expect(beaten.at, name, epoch);
        let desk = task.desk.clone();
        self.shared.platform.spawn(async move {
            match arriving.await {
                Ok(state) => desk.leave(Wish::ResolveConflict(beaten, state)),
                Err(reason) => desk.resolved(beaten, Err(reason)),
            }
        });
    }

    pub(crate) fn on_conflict_resolved(&mut self, seat: SeatId, beaten: Beaten, result: Result<(), Reason>) {
        let Some((name, epoch)) = self.places.get(&seat).cloned() else { return };
        let (beaten, from) = (beaten.epoch, beaten.at);
        self.reports.push_back(Input::ConflictResolved { name, epoch, beaten, from, result });
    }

    pub(crate) fn activate(&mut self, name: Name, epoch: Epoch, under: Epoch) {
        let key = (name.clone(), epoch);
        let can = |hosted: &Hosted| hosted.phase.acts_when_told();
        if !self.seats.get(&key).is_some_and(can) {
            return; // it has ended, which the machine hears of
        }
        let Some(mut hosted) = self.seats.remove(&key) else { return };
        hosted.phase = Phase::Running;
        hosted.is_gone = false;
        hosted.forget_state();
        hosted.mailbox.reopen();
        if let Some(task) = &hosted.task {
            task.epoch.set(under);
            task.span.record("epoch", under.0);
            self.places.insert(task.seat, (name.clone(), under));
        }
        let mailbox = hosted.mailbox.clone();
        let resident = Resident { epoch: under, mailbox, stands: Stands::Active };
        self.shared.router.settle(name.clone(), resident);
        hosted.wish(Wish::GoOn);
        self.seats.insert((name, under), hosted);
    }
}

impl Hosted {
    fn wish(&self, wish: Wish) {
        if let Some(task) = &self.task {
            task.desk.leave(wish);
        }
    }

    /// It does not move, or has moved: its state is not sent any more.
    pub(super) fn forget_state(&mut self) {
        let Some(task) = &mut self.task else { return };
        task.state = None;
        if let Some(shipping) = task.shipping.take() {
            shipping.abort();
        }
    }
}
