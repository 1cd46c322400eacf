//! One call, from its message to its answer; and one message without an answer.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use skep_core::id::Epoch;
use skep_core::wire::Frame;

use super::chain::{Bound, Waiting};
use super::error::{CallError, Handled, SendError};
use super::holding::{Letter, WAIT, Way};
use super::pending::Ticket;
use super::reply::ReplyPath;
use super::router::{Resident, Route, Router};
use super::wheel::Outcome;
use super::wire::{self, Header, Undelivered, Unframed};
use crate::limits::Limit;
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

/// How far an attempt came.
enum Setback<M> {
    /// The call is over.
    Over(CallError),
    /// It may be tried again, with the message that nobody took.
    Again(Again, M),
    /// Nothing is registered under the name.
    Free(M),
}

impl<M> From<CallError> for Setback<M> {
    fn from(error: CallError) -> Self {
        Self::Over(error)
    }
}

impl Router {
    /// Whether the worker of that name can answer somebody for whom these workers wait.
    pub(crate) fn check_chain(&self, name: &str, waiting: &Waiting) -> Result<(), CallError> {
        waiting.chain.check(name, || self.lookup.get(name).epoch()).map_err(|bound| match bound {
            Bound::Cycle => CallError::Cycle,
            Bound::TooDeep => CallError::TooDeep,
        })
    }

    /// Sends a message to the worker of that name and waits for the answer. A planned pause of the name (a
    /// restart, a move, a takeover) is waited for, up to the deadline.
    pub(crate) async fn call<M: Message>(
        &self,
        name: &str,
        message: M,
        waiting: &Waiting,
    ) -> Result<M::Reply, CallError> {
        self.call_registered(name, message, waiting).await.unwrap_or(Err(CallError::NotFound))
    }

    /// As [`Router::call`]. `Err` with the message if nothing is registered under the name.
    pub(crate) async fn call_registered<M: Message>(
        &self,
        name: &str,
        mut message: M,
        waiting: &Waiting,
    ) -> Result<Result<M::Reply, CallError>, M> {
        let Some(ticket) = self.pending.open(self.platform.now(), waiting.until) else {
            self.reached.count(Limit::PendingCalls);
            return Ok(Err(CallError::Overloaded));
        };
        let mut watch = None;
        let mut pause = FIRST_PAUSE;
        loop {
            let again;
            (again, message) = match self.attempt(name, message, &ticket, waiting).await {
                Ok(reply) => return Ok(Ok(reply)),
                Err(Setback::Over(error)) => return Ok(Err(error)),
                Err(Setback::Again(again, message)) => (again, message),
                Err(Setback::Free(message)) => return Err(message),
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
            if waited == Waited::Expired || self.platform.now() >= waiting.until {
                return Ok(Err(match again {
                    Again::Refused(Undelivered::Overloaded) => CallError::Overloaded,
                    Again::Refused(_) | Again::NoWay => CallError::Timeout { handled: Handled::No },
                }));
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn attempt<M: Message>(
        &self,
        name: &str,
        message: M,
        ticket: &Ticket,
        waiting: &Waiting,
    ) -> Result<M::Reply, Setback<M>> {
        let seen = self.moves();
        let route = self.route(name);
        if self.is_held(name) {
            return Err(Setback::Again(Again::NoWay, message));
        }
        // A mailbox here takes the message itself.
        let ours = match route {
            Route::Free if self.has_ended() => return Err(CallError::Ended.into()),
            Route::Free => return Err(Setback::Free(message)),
            Route::Between => return Err(Setback::Again(Again::NoWay, message)),
            Route::Here(resident) => {
                let path = ReplyPath::here(self.pending.clone(), ticket.key(), waiting.clone());
                offer(&resident, message, path, ticket).await?;
                if self.moves() != seen {
                    self.sent_late(name, self.life());
                }
                None
            }
            Route::There(link, epoch) => {
                let frame = self.request(ticket, waiting, epoch, name, &message)?;
                ticket.sent_on(link.id(), link.peer());
                match link.push(frame) {
                    Ok(()) if self.moves() != seen => self.sent_late(name, link.peer()),
                    Ok(()) => {}
                    Err(PushError::Full) => return Err(CallError::Overloaded.into()),
                    Err(PushError::Ended) => {
                        ticket.not_sent();
                        return Err(Setback::Again(Again::NoWay, message));
                    }
                }
                Some(message)
            }
        };
        let error = match ticket.outcome().await {
            Outcome::Replied(reply) => match reply.downcast() {
                Ok(reply) => return Ok(*reply),
                Err(_) => CallError::BadReply,
            },
            Outcome::Encoded(bytes, from) => match postcard::take_from_bytes(&bytes[from..]) {
                Ok((reply, [])) => return Ok(reply),
                Ok(_) | Err(_) => CallError::BadReply,
            },
            Outcome::Undelivered(why @ (Undelivered::NotHere | Undelivered::Overloaded)) => {
                // One that left this node in its mailbox was kept, as nobody here has it.
                let kept = || postcard::from_bytes(&ticket.kept()?).ok();
                match ours.or_else(kept) {
                    Some(message) => return Err(Setback::Again(Again::Refused(why), message)),
                    None => CallError::WorkerFailed { handled: Handled::No },
                }
            }
            Outcome::Undelivered(Undelivered::UnknownMessage) => CallError::UnknownMessage,
            Outcome::Undelivered(Undelivered::BadMessage) => CallError::BadMessage,
            Outcome::Returned(returned) => match returned.downcast() {
                Ok(message) => return Err(Setback::Again(Again::NoWay, *message)),
                Err(_) => CallError::WorkerFailed { handled: Handled::No },
            },
            Outcome::Failed(handled) => CallError::WorkerFailed { handled },
            Outcome::ReplyTooLarge => CallError::ReplyTooLarge,
            Outcome::LinkLost => CallError::LinkLost,
            Outcome::Expired => CallError::Timeout { handled: Handled::Maybe },
        };
        Err(error.into())
    }

    fn request<M: Message>(
        &self,
        ticket: &Ticket,
        waiting: &Waiting,
        epoch: Epoch,
        name: &str,
        message: &M,
    ) -> Result<Frame, CallError> {
        let header = Header {
            call: ticket.key().0,
            remaining_micros: waiting.remaining_micros(self.platform.now()),
            epoch,
            message: MessageId::of::<M>().0,
            name,
        };
        wire::frame(wire::REQUEST, &(header, &waiting.chain), message).map_err(|error| match error {
            Unframed::TooLarge { length } => CallError::MessageTooLarge { length },
            Unframed::NotEncoded => CallError::BadMessage,
        })
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

/// Puts the message into a mailbox here, by value; waits for room until the call's deadline.
async fn offer<M: Message>(
    resident: &Resident,
    message: M,
    path: ReplyPath,
    ticket: &Ticket,
) -> Result<(), Setback<M>> {
    let mut call = Some(Call { message, reply: ReplyTo::<M>::new(path) });
    let refused = poll_fn(|context| {
        let waker = context.waker();
        match resident.mailbox.offer(&mut call, Some(waker)) {
            Ok(()) => Poll::Ready(None),
            Err(why @ Undelivered::Overloaded) => ticket.poll(waker).map(|_| Some(why)),
            Err(why) => Poll::Ready(Some(why)),
        }
    })
    .await;
    let Some(Call { message, reply }) = call else { return Ok(()) };
    reply.path.forget();
    Err(match refused {
        Some(Undelivered::Overloaded) => CallError::Overloaded.into(),
        Some(Undelivered::UnknownMessage) => CallError::UnknownMessage.into(),
        Some(Undelivered::NotHere | Undelivered::BadMessage) | None => Setback::Again(Again::NoWay, message),
    })
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
