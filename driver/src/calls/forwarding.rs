//! Messages for names that moved: the former holder forwards them, the new one takes each once, and who waits for an
//! answer learns from whom it comes.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use skep_core::Instant;
use skep_core::delivery::{Forwarder, Then, Token};
use skep_core::id::{Epoch, Life, Name};
use skep_core::wire::Frame;

use super::chain::{Chain, Waiting};
use super::reply::ReplyPath;
use super::router::Router;
use super::wheel::{Key, Outcome};
use super::wire::{self, Caller, Forward, Moved, ReplyFor, Undelivered};
use crate::limits::Limit;
use crate::link::{Link, Parked, PushError};
use crate::mail::Mail;
use crate::worker::{Delivery, MessageId};

/// How long a lane that is full is left alone.
pub(super) const PAUSE: Duration = Duration::from_millis(5);

/// A message as it is forwarded.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) message: MessageId,
    pub(crate) bytes: Vec<u8>,
    /// Who waits for the answer, and how.
    pub(crate) caller: Option<(Caller, Waiting)>,
    /// The start that it is for.
    pub(crate) under: Epoch,
    /// Its share in what may wait here, if it came from another node.
    pub(crate) parked: Option<Parked>,
}

/// What a mailbox does with its messages once its worker has moved.
pub(crate) struct Forwarding {
    router: Arc<Router>,
    name: Name,
    to: Life,
    under: Epoch,
}

impl Forwarding {
    pub(crate) fn forward(&self, message: MessageId, bytes: Vec<u8>, mut path: ReplyPath) {
        path.keep(&bytes);
        let parked = path.leave();
        let caller = path.into_caller(self.router.life());
        let parcel = Parcel { message, bytes, caller, under: self.under, parked };
        self.router.forward(self.name.clone(), self.to, parcel, None);
    }
}

impl Router {
    /// A worker moved: what waits in its mailbox and what still comes for it goes to where it goes on.
    pub(crate) fn depart(
        self: &Arc<Self>,
        name: &Name,
        epoch: Epoch,
        to: Life,
        under: Epoch,
        mailbox: &dyn Delivery,
    ) {
        let received = self.received(); // what is forwarded to us meanwhile is forwarded by number, or before
        let mut forwarder = self.forwarder();
        forwarder.depart(name.clone(), to, under);
        self.reached.add(Limit::Departed, forwarder.take_forgotten());
        drop(forwarder);
        mailbox.forward(Forwarding { router: self.clone(), name: name.clone(), to, under });
        self.withdraw(name, epoch);
        drop(received);
    }

    /// That life is dead: what was on its way there and did not arrive.
    pub(crate) fn dead(&self, life: Life) -> Vec<(Name, Parcel)> {
        let mut forwarder = self.forwarder();
        let (left, then) = forwarder.lost(life);
        self.forwarding.store(!forwarder.is_empty(), Ordering::SeqCst);
        drop(forwarder);
        then.into_iter().for_each(|then| self.tell(then));
        left
    }

    /// A message that was on its way to a holder that died, and reaches nobody else.
    pub(crate) fn give_up(&self, parcel: Parcel) {
        let mut path = self.path_to(parcel.caller, self.life());
        path.mark_handled(); // perhaps it had arrived
    }

    /// The way for the answer to a message that comes back here, as the one to whom it was forwarded died.
    pub(crate) fn path_of(&self, caller: Option<(Caller, Waiting)>, parked: Option<Parked>) -> ReplyPath {
        self.path_to(caller, self.life()).of_parked(parked)
    }

    /// The way for the answer to a forwarded message.
    pub(crate) fn path_to(&self, caller: Option<(Caller, Waiting)>, by: Life) -> ReplyPath {
        match caller {
            None => ReplyPath::nobody(),
            Some((caller, waiting)) => {
                let (links, pending) = (self.links.clone(), self.pending.clone());
                ReplyPath::elsewhere(links, pending, self.life(), caller, by, waiting)
            }
        }
    }

    /// Puts a message on its way to where its name went.
    fn forward(&self, name: Name, to: Life, parcel: Parcel, owed: Option<(Life, u64)>) {
        if let Some((caller, _)) = &parcel.caller {
            let moved = Moved { call: caller.call, asked: caller.asked, to };
            if caller.life == self.life() {
                let link = self.links.to(to).map(|link| link.id());
                self.pending.sent_from_here(Key(caller.call), caller.asked, to, link);
            } else if let Some(link) = self.links.to(caller.life) {
                let _ = link.push(wire::plain(wire::MOVED, &moved)); // else the loss of our link ends the call
            }
        }
        let mut forwarder = self.forwarder();
        forwarder.forward(to, name, parcel, owed);
        self.forwarding.store(true, Ordering::SeqCst);
        self.pump(&mut forwarder, to);
    }

    /// Puts on the link to that life what may be there.
    fn pump(&self, forwarder: &mut Forwarder<Parcel>, to: Life) {
        let Some(link) = self.links.to(to) else { return }; // it goes on when there is one
        let now = self.platform.now();
        while let Some((number, name, parcel)) = forwarder.next(to) {
            match link.push(parcel.frame(now, number, name)) {
                Ok(()) => forwarder.sent(to),
                Err(PushError::Full) => return self.try_later(to),
                Err(PushError::Ended) => return,
            }
        }
    }

    pub(super) fn pump_to(&self, to: Life) {
        self.pump(&mut self.forwarder(), to);
    }

    pub(super) fn relink(&self, to: Life) {
        let mut forwarder = self.forwarder();
        forwarder.relink(to);
        self.pump(&mut forwarder, to);
    }

    pub(super) fn on_forward(&self, link: &Link, body: &[u8]) -> Option<()> {
        let (header, bytes) = postcard::take_from_bytes::<Forward<'_>>(body).ok()?;
        let (peer, number) = (link.peer(), header.number);
        let mut received = self.received(); // until it is in its mailbox: a second link waits its turn
        if !received.is_new(peer, number) {
            if !self.forwarder().is_owed(peer, number) {
                self.tell(Then::Acknowledge(peer, number));
            }
            return Some(());
        }
        self.reached.add(Limit::Forwarders, received.take_forgotten());
        let until = self.platform.now() + Duration::from_micros(header.remaining_micros);
        let caller = header.caller.map(|caller| (caller, Waiting { until, chain: header.chain }));
        let message = MessageId(header.message);
        let Some(parked) = link.park_forwarded(body.len()) else {
            self.path_to(caller, peer).refuse(Undelivered::Overloaded);
            self.tell(Then::Acknowledge(peer, number));
            return Some(());
        };
        match self.resident(header.name) {
            Some(resident) if self.may_take(&resident, header.name, header.epoch) => {
                let path = self.path_to(caller, peer).of_parked(Some(parked));
                if let Err((why, path)) = resident.mailbox.deliver_forwarded(message, bytes, path) {
                    path.refuse(why);
                }
            }
            Some(_) | None => match self.way_on(header.name, header.epoch) {
                Some((name, to, under)) => {
                    let parcel =
                        Parcel { message, bytes: bytes.to_vec(), caller, under, parked: Some(parked) };
                    self.forward(name, to, parcel, Some((peer, number)));
                    return Some(()); // acknowledged when it has arrived there
                }
                None => self.path_to(caller, peer).refuse(Undelivered::NotHere),
            },
        }
        self.tell(Then::Acknowledge(peer, number));
        Some(())
    }

    /// A message came for a name that is not here: it is forwarded if the name went elsewhere. Says if not.
    pub(super) fn pass_on(
        &self,
        name: &str,
        epoch: Epoch,
        message: MessageId,
        bytes: &[u8],
        mut path: ReplyPath,
    ) -> Result<(), ReplyPath> {
        let Some((name, to, under)) = self.way_on(name, epoch) else { return Err(path) };
        let parked = path.leave();
        let caller = path.into_caller(self.life());
        self.forward(name, to, Parcel { message, bytes: bytes.to_vec(), caller, under, parked }, None);
        Ok(())
    }

    fn way_on(&self, name: &str, epoch: Epoch) -> Option<(Name, Life, Epoch)> {
        let (to, under) = self.forwarder().way(name, epoch)?;
        Some((Name::new(name).ok()?, to, under))
    }

    pub(super) fn on_forwarded(&self, peer: Life, body: &[u8]) -> Option<()> {
        let number = wire::number(body)?;
        let mut forwarder = self.forwarder();
        let then = forwarder.arrived(peer, number);
        self.forwarding.store(!forwarder.is_empty(), Ordering::SeqCst);
        self.pump(&mut forwarder, peer);
        drop(forwarder);
        then.into_iter().for_each(|then| self.tell(then));
        Some(())
    }

    /// Somebody asks whether all that it sent before has come to its new holders.
    pub(crate) fn on_question(&self, asker: Life, token: Token) {
        let mut forwarder = self.forwarder();
        if !forwarder.is_empty() && !forwarder.hears(asker) {
            self.reached.count(Limit::Questions);
        }
        let then = forwarder.flush(asker, token);
        drop(forwarder);
        then.into_iter().for_each(|then| self.tell(then));
    }

    fn tell(&self, then: Then) {
        let (to, frame) = match then {
            Then::Acknowledge(to, number) => (to, wire::plain(wire::FORWARDED, &number)),
            Then::Flushed(to, token) if to == self.life() => {
                return self.inbox.post(Mail::Flushed { from: to, token, credit: None });
            }
            Then::Flushed(to, token) => (to, wire::plain(wire::FLUSHED, &token.0)),
        };
        if let Some(link) = self.links.to(to) {
            let _ = link.push(frame); // a new link brings what was not acknowledged again; a question expires
        }
    }

    /// A call of ours was forwarded: its answer comes from there.
    pub(super) fn on_call_moved(&self, moved: &Moved) {
        let link = self.links.to(moved.to).map(|link| link.id());
        self.pending.moved(Key(moved.call), moved.asked, moved.to, link);
    }

    /// An answer to a forwarded call: ours, or that of a node to which its worker's node has no link.
    pub(super) fn on_reply_for(&self, frame: Frame) -> Option<()> {
        let (reply, rest) = postcard::take_from_bytes::<ReplyFor>(&frame.body).ok()?;
        if reply.to != self.life() {
            if let Some(link) = self.links.to(reply.to) {
                let _ = link.push(frame); // else its caller's deadline ends it
            }
            return Some(());
        }
        let from = frame.body.len() - rest.len();
        let key = Key(reply.verdict.call);
        let outcome = Outcome::answered(reply.verdict.outcome, frame.body, from);
        self.pending.finish_for(reply.asked, key, outcome);
        Some(())
    }

    pub(super) fn forwarder(&self) -> MutexGuard<'_, Forwarder<Parcel>> {
        self.forwarder.lock().unwrap_or_else(PoisonError::into_inner) // each use is one step
    }
}

impl Parcel {
    fn frame(&self, now: Instant, number: u64, name: &Name) -> Frame {
        let (caller, remaining_micros, chain) = match &self.caller {
            Some((caller, waiting)) => (Some(*caller), waiting.remaining_micros(now), waiting.chain.clone()),
            None => (None, 0, Chain::default()),
        };
        let header = Forward {
            number,
            remaining_micros,
            epoch: self.under,
            message: self.message.0,
            caller,
            chain,
            name: name.as_str(),
        };
        wire::with_bytes(wire::FORWARD, &header, &self.bytes)
    }
}
