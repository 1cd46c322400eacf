//! What a runtime must do by itself: time, sleep, spawn, chance.

use std::pin::pin;
use std::time::Duration;

use futures::channel::{mpsc, oneshot};
use futures::future::{Either, join_all, select};
use futures::{FutureExt, StreamExt};
use skep_core::Instant;

use crate::runtime::Runtime;

const MILLI: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(30);

/// Checks one runtime, from inside of it.
pub async fn runtime<R: Runtime>(runtime: &R) {
    the_clock_never_falls(runtime).await;
    a_past_deadline_is_ready_at_once(runtime).await;
    a_sleep_is_never_too_short(runtime).await;
    a_dropped_sleep_disturbs_nobody(runtime).await;
    many_sleeps_end_in_the_order_of_their_deadlines(runtime).await;
    a_task_runs_beside_its_caller(runtime).await;
    a_task_that_panics_takes_nobody_with_it(runtime).await;
    randomness_differs(runtime);
    lives_rise(runtime).await;
}

async fn the_clock_never_falls<R: Runtime>(runtime: &R) {
    let mut last = runtime.now();
    for _ in 0..1000 {
        let now = runtime.clone().now();
        assert!(now >= last, "the clock fell from {last:?} to {now:?}");
        last = now;
    }
}

async fn a_past_deadline_is_ready_at_once<R: Runtime>(runtime: &R) {
    for deadline in [Instant::ZERO, runtime.now()] {
        let sleep = runtime.sleep_until(deadline);
        within(runtime, sleep, "a sleep until a time that has passed").await;
    }
}

async fn a_sleep_is_never_too_short<R: Runtime>(runtime: &R) {
    for millis in [1, 2, 5, 20] {
        let deadline = runtime.now() + MILLI * millis;
        runtime.sleep_until(deadline).await;
        let now = runtime.now();
        assert!(now >= deadline, "a sleep until {deadline:?} ended at {now:?}");
    }
}

async fn a_dropped_sleep_disturbs_nobody<R: Runtime>(runtime: &R) {
    let far = runtime.sleep_until(Instant::FAR);
    let near = runtime.sleep_until(runtime.now() + MILLI);
    match select(pin!(far), pin!(near)).await {
        Either::Left(_) => panic!("a sleep until the end of time has ended"),
        Either::Right(_) => {}
    }
    runtime.sleep_until(runtime.now() + MILLI).await;
}

async fn many_sleeps_end_in_the_order_of_their_deadlines<R: Runtime>(runtime: &R) {
    let start = runtime.now() + MILLI * 20;
    let (sender, receiver) = mpsc::unbounded();
    for step in (0..200u32).map(|n| n * 77 % 200) {
        let (runtime, sender) = (runtime.clone(), sender.clone());
        runtime.clone().spawn(async move {
            let deadline = start + MILLI * step / 4;
            runtime.sleep_until(deadline).await;
            // The receiver is there until all have told.
            let _ = sender.unbounded_send((deadline, runtime.now()));
        });
    }
    drop(sender);
    let ended: Vec<(Instant, Instant)> = within(runtime, receiver.collect(), "200 sleeps").await;
    assert_eq!(ended.len(), 200);
    for (deadline, at) in ended {
        assert!(at >= deadline, "a sleep until {deadline:?} ended at {at:?}");
        assert!(at.since(deadline) < PATIENCE, "a sleep until {deadline:?} ended at {at:?}");
    }
}

async fn a_task_runs_beside_its_caller<R: Runtime>(runtime: &R) {
    let (to_task, from_caller) = oneshot::channel();
    let (to_caller, from_task) = oneshot::channel();
    runtime.spawn(async move {
        let said: u32 = from_caller.await.expect("the caller says something");
        to_caller.send(said + 1).expect("the caller listens");
    });
    to_task.send(1).expect("the task listens");
    let answer = within(runtime, from_task, "a task's answer").await;
    assert_eq!(answer, Ok(2));

    let tasks = (0..100u32).map(|n| {
        let (sender, receiver) = oneshot::channel();
        runtime.spawn(async move {
            // The receiver waits below.
            let _ = sender.send(n);
        });
        receiver
    });
    let answers = within(runtime, join_all(tasks), "100 tasks").await;
    assert_eq!(answers, (0..100).map(Ok).collect::<Vec<_>>());
}

async fn a_task_that_panics_takes_nobody_with_it<R: Runtime>(runtime: &R) {
    let (sender, receiver) = oneshot::channel::<()>();
    runtime.spawn(async move {
        let _sender = sender; // dropped by the panic
        panic!("this panic is part of the conformance suite");
    });
    let ended = within(runtime, receiver, "the end of a task that panics").await;
    assert!(ended.is_err());
    a_task_runs_beside_its_caller(runtime).boxed().await;
}

fn randomness_differs<R: Runtime>(runtime: &R) {
    let mut drawn: Vec<[u8; 19]> = (0..100)
        .map(|_| {
            let mut bytes = [0; 19];
            runtime.entropy(&mut bytes);
            bytes
        })
        .collect();
    drawn.sort_unstable();
    drawn.dedup();
    assert_eq!(drawn.len(), 100, "100 draws of 19 random bytes differ");
    assert!((0..19).all(|at| drawn.iter().any(|bytes| bytes[at] != drawn[0][at])), "every byte is filled");
}

async fn lives_rise<R: Runtime>(runtime: &R) {
    let first = runtime.unix_micros();
    runtime.sleep_until(runtime.now() + MILLI * 2).await;
    let second = runtime.unix_micros();
    assert!(second > first, "the Unix time went from {first} to {second} in 2 ms");
    assert!(first > 1_700_000_000_000_000, "{first} are no microseconds since 1970");
}

async fn within<R: Runtime, T>(runtime: &R, future: impl Future<Output = T>, what: &str) -> T {
    let deadline = runtime.now() + PATIENCE;
    match select(pin!(future), pin!(runtime.sleep_until(deadline))).await {
        Either::Left((output, _)) => output,
        Either::Right(_) => panic!("{what} did not come within {PATIENCE:?}"),
    }
}
