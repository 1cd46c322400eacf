//! Messages that a worker sends itself: later, once or again and again.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::task::{self, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use skep_core::Instant;

use super::context::Context;
use super::failure::Failure;
use super::message::{Call, Message, MessageId, ReplyTo};
use super::messages::MessageSet;
use super::{Handle, Worker};
use crate::calls::ReplyPath;
use crate::runtime::Platform;

/// The shortest period: one of nothing would leave no time for anything else.
const SHORTEST: Duration = Duration::from_millis(1);

/// A message that a worker will send itself; [`Context::cancel`] takes it back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Timer(u64);

/// What one worker will send itself, and when.
pub(super) struct Timers {
    platform: Platform,
    queue: BTreeMap<(Instant, Timer), Due>,
    times: HashMap<Timer, Instant>,
    last: u64,
    alarm: Option<(Instant, BoxFuture<'static, ()>)>,
}

/// Some `Option<Call<M>>`.
pub(super) type Mail = Box<dyn Any + Send>;

enum Due {
    Once(Mail),
    Every(Duration, Box<dyn Fn() -> Mail + Send>),
}

fn mail<M: Message>(message: M) -> Mail {
    Box::new(Some(Call { message, reply: ReplyTo::new(ReplyPath::nobody()) }))
}

impl<W: Worker> Context<W> {
    /// Sends itself a message after this time. It comes between two others, as one that wants no answer, and before
    /// those that wait in the mailbox then; of two that are due at once the earlier one first.
    ///
    /// It ends with this start of the worker: after a restart or a move the worker arranges anew what it needs, in
    /// [`Worker::start`] or [`Worker::end_handoff`]. While the worker is held for a move nothing comes; if the move
    /// is given up, what has become due meanwhile does.
    ///
    /// A message that [`Worker::Messages`] does not list ends the worker as failed.
    pub fn send_after<M: Message>(&mut self, after: Duration, message: M) -> Timer
    where
        W: Handle<M>,
    {
        self.arrange::<M>(after, Due::Once(mail(message)))
    }

    /// Sends itself a message whenever this time has passed, the first one after the first time; as
    /// [`Context::send_after`] else. Those that would have come while the worker was busy are left out: it is never
    /// behind by more than one. A time of less than a millisecond counts as one.
    pub fn send_every<M: Message + Clone>(&mut self, period: Duration, message: M) -> Timer
    where
        W: Handle<M>,
    {
        let period = period.max(SHORTEST);
        self.arrange::<M>(period, Due::Every(period, Box::new(move || mail(message.clone()))))
    }

    /// Takes back what [`Context::send_after`] or [`Context::send_every`] arranged. Whether there was something: not
    /// if it has come already.
    pub fn cancel(&mut self, timer: Timer) -> bool {
        self.timers().cancel(timer)
    }

    fn arrange<M: Message>(&mut self, after: Duration, due: Due) -> Timer {
        if W::Messages::list().iter().all(|(id, _)| *id != MessageId::of::<M>()) {
            self.fail(Failure::new(format!("{} is not among its messages", M::NAME)));
        }
        self.timers().add(after, due)
    }

    /// The next message that is due.
    pub(super) fn poll_due(&mut self, task: &mut task::Context<'_>) -> Poll<Mail> {
        self.timers().poll(task)
    }
}

impl Timers {
    pub(super) fn new(platform: Platform) -> Self {
        Self { platform, queue: BTreeMap::new(), times: HashMap::new(), last: 0, alarm: None }
    }

    fn add(&mut self, after: Duration, due: Due) -> Timer {
        self.last += 1;
        let timer = Timer(self.last);
        self.put(self.platform.now() + after, timer, due);
        timer
    }

    fn put(&mut self, at: Instant, timer: Timer, due: Due) {
        self.queue.insert((at, timer), due);
        self.times.insert(timer, at);
    }

    fn cancel(&mut self, timer: Timer) -> bool {
        self.times.remove(&timer).is_some_and(|at| self.queue.remove(&(at, timer)).is_some())
    }

    fn poll(&mut self, task: &mut task::Context<'_>) -> Poll<Mail> {
        loop {
            let Some((&(at, _), _)) = self.queue.first_key_value() else { return Poll::Pending };
            let now = self.platform.now();
            if at <= now {
                return Poll::Ready(self.take(now));
            }
            // One that rings early rings for what was cancelled, and saves a timer of the runtime.
            if self.alarm.as_ref().is_none_or(|(set, _)| *set > at) {
                self.alarm = Some((at, self.platform.sleep_until(at)));
            }
            let Some((_, alarm)) = &mut self.alarm else { return Poll::Pending };
            task::ready!(alarm.poll_unpin(task));
            self.alarm = None;
        }
    }

    /// Takes the first, which is due.
    fn take(&mut self, now: Instant) -> Mail {
        let ((at, timer), due) = self.queue.pop_first().expect("the first one is due");
        self.times.remove(&timer);
        match due {
            Due::Once(mail) => mail,
            Due::Every(period, next) => {
                let mail = next();
                let passed = now.since(at).as_nanos() / period.as_nanos();
                let late = u64::try_from(passed * period.as_nanos()).unwrap_or(u64::MAX);
                self.put(at + Duration::from_nanos(late) + period, timer, Due::Every(period, next));
                mail
            }
        }
    }
}
