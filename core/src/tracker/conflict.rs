//! Two copies of a name met, after a cut: what the beaten one knows is offered to the other, once, then it stops.
//!
//! The node of the beaten copy asks it how it moves, as for a handoff. What it would take along goes to the node
//! that runs the winner, whose worker makes of it what it likes. All of that has a deadline, which is put off, so many
//! times, while the two nodes have no link, as when a cut heals link by link: states are not relayed. Whatever goes
//! wrong, the beaten copy stops.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::host::{Phase, Then};
use crate::event::{Bound, Handoff, MoveReason, Output, StopReason};
use crate::id::{Epoch, Life, Name, Reason};
use crate::machine::Machine;
use crate::mutant::Mutant;
use crate::time::Instant;
use crate::timer::Timer;
use crate::wire::message::{Reception, Surrender, SurrenderReply};

/// At most so many beaten copies are heard by one start of a winner: as many as a cluster can fall into parts.
const MAX_BEATEN: usize = 64;

/// So often the deadline is put off for lack of a link with the winner's node. The beaten copy handles nothing
/// meanwhile.
const MAX_WAITS: u8 = 20;

/// The beaten copies that run here.
#[derive(Debug, Default)]
pub(crate) struct Surrenders(BTreeMap<Name, Beaten>);

/// One of them.
#[derive(Clone, Debug)]
struct Beaten {
    why: StopReason,
    /// Who runs the winner, and as which start.
    to: Life,
    winner: Epoch,
    /// Who it is since the state went to that one, who may have heard it and is asked first.
    next: Option<(Life, Epoch)>,
    step: Step,
    deadline: Instant,
    waits: u8,
    again: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// It was asked what it would take along.
    Asking,
    /// The winner's node was told of so many bytes.
    Offered { bytes: u64 },
    /// They are on their way.
    Sending { bytes: u64 },
}

/// What a winner heard of one beaten copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Heard {
    /// Its state is on its way, or being looked at.
    Coming,
    Done,
}

impl Beaten {
    /// What was sent did not arrive: it is to be offered anew.
    fn unsend(&mut self) {
        if let Step::Sending { bytes } = self.step {
            self.step = Step::Offered { bytes };
        }
    }
}

impl Surrenders {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn remove(&mut self, name: &Name) -> bool {
        self.0.remove(name).is_some()
    }
}

impl Machine {
    /// A running copy of ours is beaten by the start `winner` at `to`: offers what it knows, and stops it then.
    pub(super) fn surrender(&mut self, name: &Name, why: StopReason, to: Life, winner: Epoch) {
        let now = self.now;
        let again = now + self.config.retry_after;
        let heard = to != self.me && !self.broken(Mutant::LoserNotHeard);
        let Some(beaten) = self.surrenders.0.get_mut(name) else {
            if !heard {
                self.stop_here(name, why, Then::Forget);
                return;
            }
            self.call_off(name, core::time::Duration::ZERO);
            let deadline = now + self.config.handoff_timeout;
            let beaten =
                Beaten { why, to, winner, next: None, step: Step::Asking, deadline, waits: 0, again };
            self.surrenders.0.insert(name.clone(), beaten);
            self.timers.set(deadline, Timer::Surrender(name.clone()));
            let epoch = self.host.workers[name].epoch;
            let why = MoveReason::Conflict;
            self.outputs.push_back(Output::BeginHandoff { name: name.clone(), epoch, why });
            return;
        };
        // It went on elsewhere meanwhile.
        beaten.next = Some((to, winner)).filter(|next| *next != (beaten.to, beaten.winner));
        self.turn_to_next(name);
    }

    /// Offers what it knows to who runs the winner now, once the former one cannot have heard it. Whether it did.
    fn turn_to_next(&mut self, name: &Name) -> bool {
        let asks_first = !self.config.broken(Mutant::HeardByBoth);
        let Some(beaten) = self.surrenders.0.get_mut(name) else {
            return false;
        };
        let may_have_heard = matches!(beaten.step, Step::Sending { .. }) && self.table.is_live(beaten.to);
        let Some((to, winner)) = beaten.next.take_if(|_| !(may_have_heard && asks_first)) else {
            return false;
        };
        (beaten.to, beaten.winner) = (to, winner);
        beaten.unsend();
        self.offer_surrender(name);
        true
    }

    /// What was sent did not arrive: it is offered again, until the deadline.
    fn offer_again(&mut self, name: &Name) {
        if let Some(beaten) = self.surrenders.0.get_mut(name) {
            beaten.unsend();
        }
        self.turn_to_next(name);
    }

    /// It is not beaten any more: it goes on.
    pub(super) fn stand_again(&mut self, name: &Name) {
        if self.surrenders.remove(name)
            && let Some(worker) = self.host.workers.get(name)
        {
            self.outputs.push_back(Output::GoOn { name: name.clone(), epoch: worker.epoch });
        }
    }

    /// Whether the answer to a question about a handoff was about a surrender.
    pub(super) fn on_surrender_begun(&mut self, name: &Name, epoch: Epoch, handoff: Handoff) -> bool {
        let ours = self.host.workers.get(name).is_some_and(|worker| worker.epoch == epoch);
        let Some(beaten) = self.surrenders.0.get_mut(name).filter(|beaten| beaten.step == Step::Asking)
        else {
            return false;
        };
        match handoff {
            Handoff::Resume { bytes } if ours => {
                beaten.step = Step::Offered { bytes };
                self.offer_surrender(name);
            }
            Handoff::Resume { .. } | Handoff::Restart | Handoff::Stay => self.end_surrender(name),
        }
        true
    }

    fn offer_surrender(&mut self, name: &Name) {
        let again = self.now + self.config.retry_after;
        let Some(beaten) = self.surrenders.0.get_mut(name) else {
            return;
        };
        beaten.again = again;
        let (Step::Offered { bytes } | Step::Sending { bytes }) = beaten.step else {
            return;
        };
        let (to, winner) = (beaten.to, beaten.winner);
        let beaten = self.host.workers[name].epoch;
        // Who has no link with us may have one soon; one who does not come back loses its names to another.
        if self.links.to(to).is_some() || self.broken(Mutant::OfferedOverRelays) {
            self.send_to(to, Surrender { name: name.clone(), winner, beaten, bytes });
        }
    }

    /// A copy that we beat offers what it knows.
    pub(crate) fn on_surrender(&mut self, from: Life, surrender: Surrender) {
        let Surrender { name, winner, beaten, bytes } = surrender;
        let answer = |answer| SurrenderReply { name: name.clone(), beaten, answer };
        let forgets = self.broken(Mutant::HeardAgain);
        let Some(worker) = self.host.workers.get_mut(&name).filter(|worker| worker.epoch == winner) else {
            let is_heard = self.host.has_heard(&name, beaten) && !forgets;
            self.send_to(from, answer(if is_heard { Reception::Done } else { Reception::Refused }));
            return;
        };
        if forgets {
            worker.heard.remove(&beaten);
        }
        let reply = match worker.heard.get(&beaten) {
            Some(Heard::Done) => Reception::Done,
            Some(Heard::Coming) => Reception::Accepted,
            _ if !matches!(worker.phase, Phase::Running) => return, // soon, perhaps: it asks again
            // It has said what it knows to one that beat it in turn: who asks again will know of that one.
            None if self.surrenders.0.contains_key(&name) => return,
            None if worker.heard.len() >= MAX_BEATEN => {
                self.reached(Bound::Beaten);
                Reception::Refused
            }
            None => {
                worker.heard.insert(beaten, Heard::Coming);
                let output =
                    Output::ResolveConflict { name: name.clone(), epoch: winner, beaten, from, bytes };
                self.outputs.push_back(output);
                Reception::Accepted
            }
        };
        self.send_to(from, answer(reply));
    }

    pub(crate) fn on_conflict_resolved(
        &mut self,
        name: &Name,
        epoch: Epoch,
        beaten: Epoch,
        from: Life,
        result: &Result<(), Reason>,
    ) {
        let Some(worker) = self.host.workers.get_mut(name).filter(|worker| worker.epoch == epoch) else {
            return;
        };
        let answer = match result {
            Ok(()) => {
                worker.heard.insert(beaten, Heard::Done);
                Reception::Done
            }
            Err(_) => {
                worker.heard.remove(&beaten); // it may offer it again
                Reception::Refused
            }
        };
        if self.table.is_live(from) {
            self.send_to(from, SurrenderReply { name: name.clone(), beaten, answer });
        }
    }

    /// The winner's node says what became of the offer.
    pub(crate) fn on_surrender_reply(&mut self, from: Life, reply: SurrenderReply) {
        let SurrenderReply { name, beaten: epoch, answer } = reply;
        let ours = self.host.workers.get(&name).is_some_and(|worker| worker.epoch == epoch);
        let Some(beaten) = self.surrenders.0.get_mut(&name).filter(|beaten| beaten.to == from && ours) else {
            return;
        };
        match answer {
            Reception::Accepted => {
                if let Step::Offered { bytes } = beaten.step {
                    beaten.step = Step::Sending { bytes };
                    let under = beaten.winner;
                    self.outputs.push_back(Output::SendState { name, epoch, to: from, under });
                }
            }
            Reception::Done => self.end_surrender(&name),
            Reception::Refused => self.offer_again(&name),
        }
    }

    /// Heard or not: the beaten copy stops.
    fn end_surrender(&mut self, name: &Name) {
        if let Some(beaten) = self.surrenders.0.remove(name)
            && self.host.workers.get(name).is_some_and(|worker| matches!(worker.phase, Phase::Running))
        {
            self.stop_here(name, beaten.why, Then::Forget);
        }
    }

    /// Whether the state that cannot be sent was one of a beaten copy.
    pub(super) fn on_beaten_state_lost(&mut self, name: &Name) -> bool {
        if !self.surrenders.0.contains_key(name) {
            return false;
        }
        self.offer_again(name);
        true
    }

    pub(crate) fn on_surrender_timer(&mut self, name: &Name) {
        let Some(beaten) = self.surrenders.0.get(name).filter(|beaten| beaten.deadline <= self.now) else {
            return;
        };
        let is_apart = self.table.is_live(beaten.to) && self.links.to(beaten.to).is_none();
        let may_come = is_apart && !self.broken(Mutant::OfferedOverRelays);
        if !(may_come && self.put_off_surrender(name)) {
            self.end_surrender(name);
        }
    }

    /// Gives it more time, unless that was done too often.
    fn put_off_surrender(&mut self, name: &Name) -> bool {
        let deadline = self.now + self.config.handoff_timeout;
        let Some(beaten) = self.surrenders.0.get_mut(name).filter(|beaten| beaten.waits < MAX_WAITS) else {
            return false;
        };
        beaten.waits += 1;
        beaten.deadline = deadline;
        self.timers.set(deadline, Timer::Surrender(name.clone()));
        true
    }

    /// There is a link with this life again: what waited for that is offered.
    pub(super) fn offer_to(&mut self, life: Life) {
        let waiting = self.surrenders.0.iter().filter(|(_, beaten)| beaten.to == life);
        for name in waiting.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            if self.put_off_surrender(&name) {
                self.offer_surrender(&name);
            }
        }
    }

    /// Offers without an answer are made again.
    pub(super) fn retry_surrenders(&mut self) {
        let now = self.now;
        let due = self.surrenders.0.iter().filter(|(_, beaten)| beaten.again <= now);
        for name in due.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            // who was asked first may be gone
            if !self.turn_to_next(&name) {
                self.offer_surrender(&name);
            }
        }
    }
}
