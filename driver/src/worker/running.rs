//! The life of one worker: start, then message after message, until it ends or has to stop.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use futures::FutureExt;
use futures::future::{Either, select};
use skep_core::event::Exit;
use skep_core::id::Reason;

use super::Worker;
use super::code::{Order, Verdict};
use super::context::Context;
use super::mailbox::Mailbox;
use super::messages::Messages;

/// After so many messages in a row that did not make it wait, a worker lets others run.
const TURN: u32 = 64;

/// A worker's life. `order.started` is told first; dropped, it says that the start was given up.
pub(crate) async fn worker<W: Worker>(order: Order, mailbox: Arc<Mailbox<W::Messages>>) -> Verdict {
    let Order { seat, args, started } = order;
    // Nobody is left to be told only when the node ends.
    let tell = |result| drop(started.send(result));
    let args = match postcard::take_from_bytes::<W::Args>(args.as_slice()) {
        Ok((args, [])) => args,
        Ok(_) | Err(_) => {
            let reason = Reason::new("its arguments do not decode as those of its kind");
            tell(Err(reason.clone()));
            return Verdict::Exited(Exit::Failed(reason));
        }
    };
    let mut context = Context::<W>::new(seat);
    let outcome = match caught(W::start(args, &mut context)).await {
        Ok(outcome) => outcome.map_err(|failure| failure.reason()),
        Err(panic) => Err(panic),
    };
    let mut worker = match outcome {
        Ok(worker) => {
            tell(Ok(()));
            worker
        }
        Err(reason) => {
            tell(Err(reason.clone()));
            return Verdict::Exited(Exit::Failed(reason));
        }
    };
    let cancelled = context.cancellation().cancelled();
    let mut cancelled = pin!(cancelled);
    let mut turn = 0;
    loop {
        if let Some(exit) = context.asked_exit() {
            return Verdict::Exited(exit);
        }
        let call = match select(&mut cancelled, pin!(mailbox.next())).await {
            Either::Left((why, _)) => {
                return match caught(worker.stopping(why, &mut context)).await {
                    Ok(()) => Verdict::Stopped,
                    Err(panic) => Verdict::Exited(Exit::Failed(panic)),
                };
            }
            Either::Right((None, _)) => return Verdict::Stopped, // closed: the node ends
            Either::Right((Some(call), _)) => call,
        };
        if let Err(panic) = caught(W::Messages::handle(&mut worker, call, &mut context)).await {
            return Verdict::Exited(Exit::Failed(panic));
        }
        turn += 1;
        if turn % TURN == 0 {
            yield_now().await;
        }
    }
}

/// A closure's life: it runs from the moment of its start. When it has to stop it is dropped where it sleeps.
pub(crate) async fn closure(order: Order, future: impl Future<Output = ()>) -> Verdict {
    let cancellation = order.seat.cancellation.clone();
    let mut cancelled = cancellation.cancelled();
    // Nobody is left to be told only when the node ends.
    let _ = order.started.send(Ok(()));
    let mut running = pin!(caught(future));
    poll_fn(|context| match running.as_mut().poll(context) {
        Poll::Ready(Ok(())) => Poll::Ready(Verdict::Exited(Exit::Finished)),
        Poll::Ready(Err(panic)) => Poll::Ready(Verdict::Exited(Exit::Failed(panic))),
        Poll::Pending => {
            if cancelled.poll_unpin(context).is_ready() && cancellation.is_asleep() {
                return Poll::Ready(Verdict::Stopped);
            }
            Poll::Pending
        }
    })
    .await
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

async fn yield_now() {
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
