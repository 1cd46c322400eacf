//! One call, from its message to its answer; and one message without an answer.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use skep_core::Instant;
use skep_core::id::Epoch;
use skep_core::wire::Frame;

use super::error::{CallError, Handled, SendError};
use super::holding::{Letter, WAIT, Way};
use super::pending::Ticket;
use super::reply::ReplyPath;
use super::router::{Resident, Route, Router};
use super::wheel::Outcome;
use super::wire::{self, Header, Undelivered, Unframed};
use crate::link::PushError;
use crate::lookup::Watch;
use crate::worker::{Call, LONGEST, Message, MessageId, ReplyTo};

/// How long a call waits before it is sent again to a worker that would not have it: doubled each time, between
/// these two. It is sent again at once when something changes around its name.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// A call that was not handled by anybody, and may be tried again.
enum Again {
    /// The name has no holder that can be reached.
    NoWay,
    /// The holder's node would not have it.
    Refused(Undelivered),
}

impl Router {
    /// Sends a message to the worker of that name and waits for the answer. A planned pause of the name (a
    /// restart, a move, a takeover) is waited for, up to the deadline.
    pub(crate) async fn call<M: Message>(
        &self,
        name: &str,
        message: M,
        deadline: Instant,
    ) -> Result<M::Reply, CallError> {
        let Some(ticket) = self.pending.open(self.platform.now(), deadline) else {
            return Err(CallError::Overloaded);
        };
        let mut message = Some(message);
        let mut watch = None;
        let mut pause = FIRST_PAUSE;
        loop {
            let again = match self.attempt(name, &mut message, &ticket, deadline).await? {
                Ok(reply) => return Ok(reply),
                Err(again) => again,
            };
            let Some(watch) = &watch else {
                watch = Some(self.lookup.watch(name));
                continue; // look again: it may have changed before the watch began
            };
            let paused = match &again {
                Again::NoWay => None,
                Again::Refused(_) => Some(self.platform.sleep(pause)),
            };
            let waited = wait(&ticket, watch, paused).await;
            if waited == Waited::Expired || self.platform.now() >= deadline {
                return Err(match again {
                    Again::Refused(Undelivered::Overloaded) => CallError::Overloaded,
                    Again::Refused(_) | Again::NoWay => CallError::Timeout { handled: Handled::No },
                });
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn attempt<M: Message>(
        &self,
        name: &str,
        message: &mut Option<M>,
        ticket: &Ticket,
        deadline: Instant,
    ) -> Result<Result<M::Reply, Again>, CallError> {
        let seen = self.moves();
        let route = self.route(name);
        if self.is_held(name) {
            return Ok(Err(Again::NoWay));
        }
        match route {
            Route::Free if self.has_ended() => return Err(CallError::Ended),
            Route::Free => return Err(CallError::NotFound),
            Route::Between => return Ok(Err(Again::NoWay)),
            Route::Here(resident) => {
                let path = ReplyPath::here(self.pending.clone(), ticket.key(), deadline);
                match offer(&resident, message, path, ticket).await {
                    Ok(()) if self.moves() != seen => self.sent_late(name, self.life()),
                    Ok(()) => {}
                    Err(NotOffered::Expired) => return Err(CallError::Overloaded),
                    Err(NotOffered::Refused(Undelivered::UnknownMessage)) => {
                        return Err(CallError::UnknownMessage);
                    }
                    Err(NotOffered::Refused(_)) => return Ok(Err(Again::NoWay)),
                }
            }
            Route::There(link, epoch) => {
                let remaining = deadline.since(self.platform.now());
                let sent = message.as_ref().expect("only a message that was taken here is gone");
                let frame =
                    request(ticket.key().0, remaining, epoch, name, sent).map_err(|error| match error {
                        Unframed::TooLarge { length } => CallError::MessageTooLarge { length },
                        Unframed::NotEncoded => CallError::BadMessage,
                    })?;
                ticket.sent_on(link.id(), link.peer());
                match link.push(frame) {
                    Ok(()) if self.moves() != seen => self.sent_late(name, link.peer()),
                    Ok(()) => {}
                    Err(PushError::Full) => return Err(CallError::Overloaded),
                    Err(PushError::Ended) => {
                        ticket.not_sent();
                        return Ok(Err(Again::NoWay));
                    }
                }
            }
        }
        match ticket.outcome().await {
            Outcome::Replied(reply) => match reply.downcast() {
                Ok(reply) => Ok(Ok(*reply)),
                Err(_) => Err(CallError::BadReply),
            },
            Outcome::Encoded(bytes, from) => match postcard::take_from_bytes(&bytes[from..]) {
                Ok((reply, [])) => Ok(Ok(reply)),
                Ok(_) | Err(_) => Err(CallError::BadReply),
            },
            Outcome::Undelivered(why @ (Undelivered::NotHere | Undelivered::Overloaded)) => {
                Ok(Err(Again::Refused(why)))
            }
            Outcome::Undelivered(Undelivered::UnknownMessage) => Err(CallError::UnknownMessage),
            Outcome::Undelivered(Undelivered::BadMessage) => Err(CallError::BadMessage),
            Outcome::Returned(returned) => {
                *message = returned.downcast().ok().map(|returned| *returned);
                Ok(Err(Again::NoWay))
            }
            Outcome::Failed(handled) => Err(CallError::WorkerFailed { handled }),
            Outcome::ReplyTooLarge => Err(CallError::ReplyTooLarge),
            Outcome::LinkLost => Err(CallError::LinkLost),
            Outcome::Expired => Err(CallError::Timeout { handled: Handled::Maybe }),
        }
    }

    /// Sends a message that wants no answer. Never waits: while its name moves or has no holder it is held here.
    pub(crate) fn send<M: Message>(&self, name: &str, message: M) -> Result<(), SendError> {
        let seen = self.moves();
        let to = match self.way(name, || self.letter(&message))? {
            Way::Free => return Err(SendError::NotFound),
            Way::Held => return Ok(()),
            Way::Here(resident) => {
                let mut call = Some(Call { message, reply: ReplyTo::new(ReplyPath::nobody()) });
                match (resident.mailbox.offer(&mut call, None), call) {
                    (Ok(()), _) => self.life(),
                    (Err(Undelivered::NotHere), Some(call)) => {
                        return self.hold_on(name, self.letter(&call.message)?); // it has just ended
                    }
                    (Err(Undelivered::NotHere | Undelivered::Overloaded), _) => {
                        return Err(SendError::MailboxFull);
                    }
                    (Err(Undelivered::UnknownMessage), _) => return Err(SendError::UnknownMessage),
                    (Err(Undelivered::BadMessage), _) => return Err(SendError::BadMessage),
                }
            }
            Way::There(link, epoch) => {
                match link.push(one_way(name, epoch, &message)?) {
                    Ok(()) => {}
                    Err(PushError::Full) => return Err(SendError::MailboxFull),
                    Err(PushError::Ended) => return self.hold_on(name, self.letter(&message)?),
                }
                link.peer()
            }
        };
        if self.moves() != seen {
            self.sent_late(name, to);
        }
        Ok(())
    }

    /// A message as it is held.
    pub(super) fn letter<M: Message>(&self, message: &M) -> Result<Letter, SendError> {
        let until = self.platform.now() + WAIT;
        match postcard::to_allocvec(message) {
            Ok(bytes) if bytes.len() > LONGEST => Err(SendError::MessageTooLarge { length: bytes.len() }),
            Ok(bytes) => Ok(Letter { message: MessageId::of::<M>(), bytes, until }),
            Err(_) => Err(SendError::BadMessage),
        }
    }
}

fn one_way<M: Message>(name: &str, epoch: Epoch, message: &M) -> Result<Frame, SendError> {
    let id = MessageId::of::<M>().0;
    let header = Header { call: 0, remaining_micros: 0, epoch, message: id, name };
    wire::frame(wire::ONE_WAY, &header, message).map_err(|error| match error {
        Unframed::TooLarge { length } => SendError::MessageTooLarge { length },
        Unframed::NotEncoded => SendError::BadMessage,
    })
}

fn request<M: Message>(
    call: u64,
    remaining: Duration,
    epoch: Epoch,
    name: &str,
    message: &M,
) -> Result<Frame, Unframed> {
    let remaining_micros = u64::try_from(remaining.as_micros()).unwrap_or(u64::MAX);
    let header = Header { call, remaining_micros, epoch, message: MessageId::of::<M>().0, name };
    wire::frame(wire::REQUEST, &header, message)
}

enum NotOffered {
    Expired,
    Refused(Undelivered),
}

/// Puts the message into a mailbox here, by value; waits for room until the call's deadline. What is not taken
/// stays in `message`.
async fn offer<M: Message>(
    resident: &Resident,
    message: &mut Option<M>,
    path: ReplyPath,
    ticket: &Ticket,
) -> Result<(), NotOffered> {
    let taken = message.take().expect("only a message that was taken here is gone");
    let mut call = Some(Call { message: taken, reply: ReplyTo::<M>::new(path) });
    let offered = poll_fn(|context| {
        let waker = context.waker();
        match resident.mailbox.offer(&mut call, Some(waker)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(Undelivered::Overloaded) => ticket.poll(waker).map(|_| Err(NotOffered::Expired)),
            Err(why) => Poll::Ready(Err(NotOffered::Refused(why))),
        }
    })
    .await;
    if let Some(call) = call {
        call.reply.path.forget();
        *message = Some(call.message);
    }
    offered
}

#[derive(PartialEq, Eq)]
enum Waited {
    Enough,
    Expired,
}

/// Until something changes around the name, the pause is over, or the call's deadline has come.
async fn wait(ticket: &Ticket, watch: &Watch<'_>, mut pause: Option<BoxFuture<'static, ()>>) -> Waited {
    poll_fn(|context| {
        if ticket.poll(context.waker()).is_ready() {
            return Poll::Ready(Waited::Expired);
        }
        let paused = pause.as_mut().is_some_and(|pause| pause.poll_unpin(context).is_ready());
        if paused || watch.poll_changed(context.waker()).is_ready() {
            return Poll::Ready(Waited::Enough);
        }
        Poll::Pending
    })
    .await
}
