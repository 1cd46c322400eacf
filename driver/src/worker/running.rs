//! The life of one worker: start, then message after message, until it ends or has to stop.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use futures::FutureExt;
use skep_core::event::{Exit, MoveReason, StopReason};
use skep_core::id::{Payload, Reason};
use tracing::warn;

use super::Worker;
use super::args::decode_args;
use super::code::{Beginning, Order, Verdict};
use super::context::{Context, Singleton};
use super::desk::Wish;
use super::failure::Failure;
use super::handoff::{Handoff, State};
use super::mailbox::Mailbox;
use super::messages::{MessageSet, Messages};
use super::timers::Mail;

/// After so many messages in a row that did not make it wait, a worker lets others run.
const TURN: u32 = 64;

/// A worker's life. `order.started` is told first; dropped, it says that the start was given up.
pub(crate) async fn worker<W: Worker>(order: Order, mailbox: Arc<Mailbox<W::Messages>>) -> Verdict {
    let Order { seat, args, beginning, started } = order;
    let mut is_held = matches!(beginning, Beginning::WhenTold(_));
    let mut context = Context::<W>::new(seat);
    let outcome = begin(args, beginning, &mut context).await;
    // Nobody is left to be told only when the node ends.
    let _ = started.send(outcome.as_ref().map(|_| ()).map_err(Reason::clone));
    let mut worker = match outcome {
        Ok(worker) => worker,
        Err(reason) => return Verdict::Exited(Exit::Failed(reason)),
    };
    let cancelled = context.cancellation().cancelled();
    let mut cancelled = pin!(cancelled);
    let mut turn = 0;
    loop {
        if let Some(exit) = context.asked_exit() {
            return Verdict::Exited(exit);
        }
        let next = poll_fn(|task| {
            if let Poll::Ready(why) = cancelled.poll_unpin(task) {
                return Poll::Ready(Next::Stop(why));
            }
            if let Poll::Ready(wish) = context.desk().poll_wish(task.waker()) {
                return Poll::Ready(Next::Wish(wish));
            }
            if is_held {
                return Poll::Pending;
            }
            // By turns, so that neither leaves the other without one.
            if turn % 2 == 0
                && let Poll::Ready(mail) = context.poll_due(task)
            {
                return Poll::Ready(Next::Due(mail));
            }
            if let Poll::Ready(call) = mailbox.poll_next(task.waker()) {
                return Poll::Ready(call.map_or(Next::NodeEnded, Next::Call));
            }
            context.poll_due(task).map(Next::Due)
        });
        let handled = match next.await {
            Next::Stop(why) => {
                return match caught(worker.stopping(why, &mut context)).await {
                    Ok(()) => Verdict::Stopped,
                    Err(panic) => Verdict::Exited(Exit::Failed(panic)),
                };
            }
            Next::NodeEnded => return Verdict::Stopped,
            Next::Wish(Wish::GoOn) => {
                is_held = false;
                Ok(())
            }
            Next::Wish(Wish::Freeze) => {
                is_held = true;
                Ok(())
            }
            Next::Wish(Wish::BeginHandoff(why)) => {
                context.set_moving(Some(why));
                let handoff = caught(worker.begin_handoff(&mut context)).await;
                context.set_moving(None);
                let handoff = match handoff {
                    Ok(handoff) => handoff,
                    Err(panic) => {
                        drop(worker);
                        return anew(panic, &context).await;
                    }
                };
                let handoff = match handoff {
                    Handoff::Resume(state) => Handoff::Resume(state.of_version(W::VERSION)),
                    Handoff::Stay if why == MoveReason::Draining => Handoff::Restart,
                    Handoff::Stay | Handoff::Restart => handoff,
                };
                is_held = !matches!(handoff, Handoff::Stay);
                context.desk().answer(handoff);
                Ok(())
            }
            Next::Wish(Wish::ResolveConflict(beaten, _)) if is_held => {
                context.desk().resolved(beaten, Err(on_its_way())); // it comes again, to where that went
                Ok(())
            }
            Next::Wish(Wish::ResolveConflict(beaten, state)) => {
                let result = resolve(&mut worker, state, &mut context).await;
                result.map(|refused| context.desk().resolved(beaten, refused))
            }
            Next::Call(call) => caught(W::Messages::handle(&mut worker, call, &mut context)).await,
            Next::Due(mut mail) => match W::Messages::adopt(&mut *mail) {
                Some(call) => caught(W::Messages::handle(&mut worker, call, &mut context)).await,
                None => Ok(()), // it is not listed, for which the worker ends
            },
        };
        if let Err(panic) = handled {
            return Verdict::Exited(Exit::Failed(panic));
        }
        turn += 1;
        if turn % TURN == 0 {
            yield_now().await;
        }
    }
}

/// What a worker turns to next.
enum Next<T> {
    Stop(StopReason),
    Wish(Wish),
    Call(T),
    /// A message that it sent itself.
    Due(Mail),
    /// Its mailbox is closed.
    NodeEnded,
}

/// A worker that is ready to act, or why there is none.
async fn begin<W: Worker>(
    args: Payload,
    beginning: Beginning,
    context: &mut Context<W>,
) -> Result<W, Reason> {
    let args = told(caught(async { decode_args::<W>(&args) }).await)?;
    let state = match beginning {
        Beginning::AtOnce | Beginning::WhenTold(None) => None,
        Beginning::WhenTold(Some(arriving)) => Some(arriving.await?),
    };
    let mut worker = told(caught(W::start(args, context)).await)?;
    if let Some(state) = state {
        let state = told(caught(migrated::<W>(state)).await)?;
        told(caught(worker.end_handoff(state, context)).await)?;
    }
    Ok(worker)
}

/// A worker that panicked when it was asked how it moves has nothing more to lose: it starts anew where it is wanted.
/// Started anew here, it would be asked again, and panic again. If the move is given up it has ended here after all.
async fn anew<W: Worker>(panic: Reason, context: &Context<W>) -> Verdict {
    let name = context.name();
    warn!(target: "skep", %name, reason = %panic, "{name} was asked how it moves and starts anew there");
    context.desk().answer(Handoff::Restart);
    let mut cancelled = pin!(context.cancellation().cancelled());
    poll_fn(|task| {
        if cancelled.poll_unpin(task).is_ready() {
            return Poll::Ready(Verdict::Stopped);
        }
        while let Poll::Ready(wish) = context.desk().poll_wish(task.waker()) {
            match wish {
                Wish::GoOn => return Poll::Ready(Verdict::Exited(Exit::Failed(panic.clone()))),
                Wish::Freeze | Wish::BeginHandoff(_) => {}
                Wish::ResolveConflict(beaten, _) => context.desk().resolved(beaten, Err(on_its_way())),
            }
        }
        Poll::Pending
    })
    .await
}

fn on_its_way() -> Reason {
    Reason::new("the worker is on its way to another node")
}

/// Lets the worker look at what a beaten copy knew: a refusal to read another version's state, or a panic.
async fn resolve<W: Worker>(
    worker: &mut W,
    state: State,
    context: &mut Context<W>,
) -> Result<Result<(), Reason>, Reason> {
    match caught(migrated::<W>(state)).await? {
        Ok(state) => caught(worker.resolve_conflict(state, context)).await.map(Ok),
        Err(failure) => Ok(Err(failure.reason())),
    }
}

/// The state as this version of the kind writes it.
async fn migrated<W: Worker>(state: State) -> Result<State, Failure> {
    if state.version() == W::VERSION { Ok(state) } else { W::migrate_state(state) }
}

fn told<T>(outcome: Result<Result<T, Failure>, Reason>) -> Result<T, Reason> {
    outcome?.map_err(|failure| failure.reason())
}

/// A closure's life: it runs from the moment of its start, or from when it is told. When it has to stop it is
/// dropped where it sleeps. It moves when it sleeps: from then on it sleeps until it is told to go on.
pub(crate) async fn closure<F: Future<Output = ()>>(
    order: Order,
    run: impl FnOnce(Context<Singleton>) -> F,
) -> Verdict {
    let Order { seat, beginning, started, .. } = order;
    let (cancellation, desk) = (seat.cancellation.clone(), seat.desk.clone());
    let mut cancelled = cancellation.cancelled();
    // Nobody is left to be told only when the node ends.
    let _ = started.send(Ok(()));
    if let Beginning::WhenTold(_) = beginning {
        let told = poll_fn(|task| match cancelled.poll_unpin(task) {
            Poll::Ready(_) => Poll::Ready(Told::Stop),
            Poll::Pending => desk.poll_wish(task.waker()).map(|_| Told::Begin), // no other wish comes before
        });
        if told.await == Told::Stop {
            return Verdict::Stopped;
        }
    }
    let (mut is_asked, mut is_frozen) = (false, false);
    let mut running = pin!(caught(run(Context::new(seat))));
    poll_fn(|task| {
        while let Poll::Ready(wish) = desk.poll_wish(task.waker()) {
            match wish {
                Wish::BeginHandoff(_) => is_asked = true,
                Wish::Freeze => is_frozen = true,
                Wish::GoOn => (is_asked, is_frozen) = (false, false),
                Wish::ResolveConflict(beaten, _) => desk.resolved(beaten, Ok(())), // it has nothing to add it to
            }
        }
        if is_asked && !is_frozen && cancellation.is_asleep() {
            is_frozen = true;
            desk.answer(Handoff::Restart);
        }
        if !(is_frozen && cancellation.is_asleep()) {
            match running.as_mut().poll(task) {
                Poll::Ready(Ok(())) => return Poll::Ready(Verdict::Exited(Exit::Finished)),
                Poll::Ready(Err(panic)) => return Poll::Ready(Verdict::Exited(Exit::Failed(panic))),
                Poll::Pending => {}
            }
        }
        if is_asked && !is_frozen && cancellation.is_asleep() {
            is_frozen = true; // it has just fallen asleep
            desk.answer(Handoff::Restart);
        }
        if cancelled.poll_unpin(task).is_ready() && cancellation.is_asleep() {
            return Poll::Ready(Verdict::Stopped);
        }
        Poll::Pending
    })
    .await
}

#[derive(PartialEq, Eq)]
enum Told {
    Begin,
    Stop,
}

/// The future's output, or the words of its panic. What the future borrows is dropped by its owner afterwards, so
/// nobody sees it half changed.
pub(crate) async fn caught<T>(future: impl Future<Output = T>) -> Result<T, Reason> {
    AssertUnwindSafe(future).catch_unwind().await.map_err(|panic| panic_words(&*panic))
}

/// What a panic said.
pub(crate) fn panic_words(panic: &(dyn Any + Send)) -> Reason {
    let words = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without words");
    Reason::new(format!("panicked: {words}"))
}

pub(crate) async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
