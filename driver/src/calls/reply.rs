//! The way back to a caller, on this node or on another. Whoever drops it unused has failed.

use std::any::Any;
use std::sync::Arc;

use serde::Serialize;
use skep_core::Instant;
use skep_core::id::Life;

use super::chain::Waiting;
use super::error::Handled;
use super::links::Links;
use super::pending::Pending;
use super::wheel::{Key, Outcome};
use super::wire::{self, Answered, Caller, ReplyFor, Undelivered, Unframed, Verdict};
use crate::link::{Backlog, Link, Parked};
use crate::worker::{Call, Message, ReplyTo};

/// Where one answer goes. For skep's own use.
#[doc(hidden)]
pub struct ReplyPath {
    to: To,
    handled: Handled,
    waiting: Waiting,
    /// The message's share in what may wait here, if it came from another node.
    parked: Option<Parked>,
}

enum To {
    /// A one-way message, or one that was answered.
    Nobody,
    Here {
        pending: Arc<Pending>,
        key: Key,
    },
    There {
        links: Arc<Links>,
        link: Link,
        call: u64,
    },
    /// To the caller of a forwarded call.
    Elsewhere {
        links: Arc<Links>,
        pending: Arc<Pending>,
        me: Life,
        caller: Box<Caller>, // it is the largest, and rare
        /// Who forwarded it, and may have a link to the caller if we have none.
        by: Life,
    },
}

impl ReplyPath {
    pub(crate) fn nobody() -> Self {
        Self::new(To::Nobody, Waiting::nobody())
    }

    fn new(to: To, waiting: Waiting) -> Self {
        Self { to, handled: Handled::No, waiting, parked: None }
    }

    pub(crate) fn here(pending: Arc<Pending>, key: Key, waiting: Waiting) -> Self {
        Self::new(To::Here { pending, key }, waiting)
    }

    pub(crate) fn there(links: Arc<Links>, link: Link, call: u64, waiting: Waiting) -> Self {
        Self::new(To::There { links, link, call }, waiting)
    }

    pub(super) fn elsewhere(
        links: Arc<Links>,
        pending: Arc<Pending>,
        me: Life,
        caller: Caller,
        by: Life,
        waiting: Waiting,
    ) -> Self {
        Self::new(To::Elsewhere { links, pending, me, caller: Box::new(caller), by }, waiting)
    }

    /// The same, of a message that waits with this share.
    pub(super) fn of_parked(mut self, parked: Option<Parked>) -> Self {
        self.parked = parked;
        self
    }

    /// Whether its message came from another node, and waits.
    pub(crate) fn is_parked(&self) -> bool {
        self.parked.is_some()
    }

    /// Its message waits in a mailbox.
    pub(crate) fn enter(&mut self, mailbox: &Backlog) {
        if let Some(parked) = &mut self.parked {
            parked.enter(mailbox);
        }
    }

    /// Its message leaves the mailbox, and waits elsewhere with this share.
    pub(super) fn leave(&mut self) -> Option<Parked> {
        let mut parked = self.parked.take()?;
        parked.leave();
        Some(parked)
    }

    /// Who waits for the answer, as seen from this life: whoever is told this answers instead.
    pub(super) fn into_caller(mut self, me: Life) -> Option<(Caller, Waiting)> {
        let caller = match std::mem::replace(&mut self.to, To::Nobody) {
            To::Nobody => return None,
            To::Here { key, .. } => Caller { life: me, asked: me, call: key.0 },
            To::There { link, call, .. } => Caller { life: link.peer(), asked: me, call },
            To::Elsewhere { caller, .. } => *caller,
        };
        Some((caller, std::mem::replace(&mut self.waiting, Waiting::nobody())))
    }

    /// From now on a lost answer says that the message may have been handled; it does not wait any more.
    pub(crate) fn mark_handled(&mut self) {
        self.handled = Handled::Maybe;
        self.parked = None;
    }

    /// Whether nobody waits for the answer any more, so that the work can be saved.
    pub(crate) fn is_late(&self, now: Instant) -> bool {
        self.waiting.until <= now
    }

    /// Until when somebody waits for the answer, and which workers do.
    pub(crate) fn waiting(&self) -> &Waiting {
        &self.waiting
    }

    /// The message leaves this node as these bytes: a caller here that gave it away can have it again.
    pub(super) fn keep(&self, bytes: &[u8]) {
        if let To::Here { pending, key } = &self.to {
            pending.keep(*key, bytes.to_vec());
        }
    }

    pub(crate) fn answer<T: Serialize + Send + 'static>(mut self, reply: T) {
        match std::mem::replace(&mut self.to, To::Nobody) {
            To::Nobody => {}
            To::Here { pending, key } => pending.finish(key, Outcome::Replied(Box::new(reply))),
            To::There { links, link, call } => {
                let verdict = Verdict { call, outcome: Answered::Reply };
                match wire::frame(wire::REPLY, &verdict, &reply) {
                    Ok(frame) => links.send_back(&link, frame),
                    Err(error) => tell(&links, &link, call, error.into()),
                }
            }
            To::Elsewhere { pending, me, caller, .. } if caller.life == me => {
                pending.finish_for(caller.asked, Key(caller.call), Outcome::Replied(Box::new(reply)));
            }
            To::Elsewhere { links, caller, by, .. } => {
                match wire::frame(wire::REPLY_FOR, &reply_for(&caller, Answered::Reply), &reply) {
                    Ok(frame) => links.send_by(caller.life, by, frame),
                    Err(error) => tell_elsewhere(&links, &caller, by, error.into()),
                }
            }
        }
    }

    pub(crate) fn refuse(mut self, why: Undelivered) {
        match std::mem::replace(&mut self.to, To::Nobody) {
            To::Nobody => {}
            To::Here { pending, key } => pending.finish(key, Outcome::Undelivered(why)),
            To::There { links, link, call } => tell(&links, &link, call, Answered::Undelivered(why)),
            To::Elsewhere { pending, me, caller, .. } if caller.life == me => {
                pending.finish_for(caller.asked, Key(caller.call), Outcome::Undelivered(why));
            }
            To::Elsewhere { links, caller, by, .. } => {
                tell_elsewhere(&links, &caller, by, Answered::Undelivered(why));
            }
        }
    }

    /// The worker ended before it took the message: the caller has it again, and may try its next start.
    pub(crate) fn give_back(mut self, message: impl Any + Send) {
        match std::mem::replace(&mut self.to, To::Nobody) {
            To::Here { pending, key } => pending.finish(key, Outcome::Returned(Box::new(message))),
            to @ (To::Nobody | To::There { .. } | To::Elsewhere { .. }) => {
                self.to = to;
                self.refuse(Undelivered::NotHere);
            }
        }
    }

    /// Takes the path back from a call that could not be delivered: nobody is told anything by it.
    pub(crate) fn forget(mut self) {
        self.to = To::Nobody;
    }

    /// The call that came as these bytes.
    pub(crate) fn decode<M: Message>(self, bytes: &[u8]) -> Result<Call<M>, (Undelivered, Self)> {
        match postcard::take_from_bytes(bytes) {
            Ok((message, [])) => Ok(Call { message, reply: ReplyTo::new(self) }),
            Ok(_) | Err(_) => Err((Undelivered::BadMessage, self)),
        }
    }
}

impl Drop for ReplyPath {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.to, To::Nobody) {
            To::Nobody => {}
            To::Here { pending, key } => pending.finish(key, Outcome::Failed(self.handled)),
            To::There { links, link, call } => tell(&links, &link, call, Answered::Failed(self.handled)),
            To::Elsewhere { pending, me, caller, .. } if caller.life == me => {
                pending.finish_for(caller.asked, Key(caller.call), Outcome::Failed(self.handled));
            }
            To::Elsewhere { links, caller, by, .. } => {
                tell_elsewhere(&links, &caller, by, Answered::Failed(self.handled));
            }
        }
    }
}

impl From<Unframed> for Answered {
    /// Why there is no frame of an answer.
    fn from(error: Unframed) -> Self {
        match error {
            Unframed::TooLarge { .. } => Self::ReplyTooLarge,
            Unframed::NotEncoded => Self::Failed(Handled::Maybe),
        }
    }
}

fn reply_for(caller: &Caller, outcome: Answered) -> ReplyFor {
    ReplyFor { to: caller.life, asked: caller.asked, verdict: Verdict { call: caller.call, outcome } }
}

fn tell_elsewhere(links: &Links, caller: &Caller, by: Life, outcome: Answered) {
    links.send_by(caller.life, by, wire::plain(wire::REPLY_FOR, &reply_for(caller, outcome)));
}

fn tell(links: &Links, link: &Link, call: u64, outcome: Answered) {
    let verdict = Verdict { call, outcome };
    links.send_back(link, wire::frame(wire::REPLY, &verdict, &()).expect("a verdict is short"));
}
