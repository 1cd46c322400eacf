//! Calls between workers and nodes: answers, deadlines, full mailboxes, lost links, moves.
#![cfg(feature = "sim")]

mod support;

use std::time::Duration;

use futures::FutureExt;
use futures::future::{join, join_all};
use skep::core::event::{EndReason, Event, Exit};
use skep::{CallError, Handled, Ref, RestartPolicy, Runtime, SendError};
use support::{Begin, Echo, End, Large, MILLI, PATIENCE, Say, Wait, World, event, name_owned_by};

#[test]
fn a_slow_answer_ends_at_the_deadline_here_and_there() {
    let world = World::new(1);
    world.runtime.run(async {
        let (a, b) = world.pair().await;
        let name = name_owned_by(&a).await;
        a.register::<Echo>(&name, Begin::Well, PATIENCE).await.expect("it starts");
        world.until("b knows", async || b.whereis(&name).is_some()).await;
        for node in [&a, &b] {
            let asked = world.runtime.now();
            let late = node.call(&name, Wait(1000), MILLI * 100).await;
            assert_eq!(late, Err(CallError::Timeout { handled: Handled::Maybe }));
            let took = world.runtime.now() - asked;
            assert!((MILLI * 100..MILLI * 111).contains(&took), "it took {took:?}");
            assert_eq!(node.call(&name, Wait(0), PATIENCE).await, Ok(()), "and the worker goes on");
        }
    });
}

#[test]
fn what_is_too_large_is_refused_by_whoever_makes_it() {
    let world = World::new(1);
    world.runtime.run(async {
        let (a, b) = world.pair().await;
        let name = name_owned_by(&a).await;
        a.register::<Echo>(&name, Begin::Well, PATIENCE).await.expect("it starts");
        world.until("b knows", async || b.whereis(&name).is_some()).await;
        let limit = 1 << 20;
        let long = Say("x".repeat(limit));
        let refused = b.call(&name, long, PATIENCE).await;
        assert!(
            matches!(refused, Err(CallError::MessageTooLarge { length }) if length > limit),
            "{refused:?}"
        );
        let long = Say("x".repeat(limit));
        assert!(matches!(b.send(&name, long), Err(SendError::MessageTooLarge { .. })));
        assert_eq!(b.call(&name, Large(limit), PATIENCE).await, Err(CallError::ReplyTooLarge));
        assert_eq!(b.call(&name, Large(limit / 2), PATIENCE).await.map(|bytes| bytes.len()), Ok(limit / 2));
        assert_eq!(a.call(&name, Large(limit), PATIENCE).await.map(|bytes| bytes.len()), Ok(limit));
    });
}

#[test]
fn a_full_mailbox_makes_calls_wait_and_sends_fail() {
    let world = World::new(1);
    world.runtime.run(async {
        let a = world.start("a").await;
        a.register::<Echo>("n", Begin::Well, PATIENCE).await.expect("it starts");
        a.send("n", Wait(1000)).expect("it runs");
        world.sleep(MILLI).await;
        let mut sent = 0;
        while a.send("n", Wait(0)) == Ok(()) {
            sent += 1;
        }
        assert_eq!(sent, 1024);
        assert_eq!(a.send("n", Wait(0)), Err(SendError::MailboxFull));
        assert_eq!(a.call("n", Wait(0), MILLI * 100).await, Err(CallError::Overloaded));
        assert_eq!(a.call("n", Wait(0), PATIENCE).await, Ok(()), "it waited for room");
    });
}

#[test]
fn an_overloaded_worker_elsewhere_is_tried_again_until_the_deadline() {
    let world = World::new(1);
    world.runtime.run(async {
        let (a, b) = world.pair().await;
        let name = name_owned_by(&a).await;
        a.register::<Echo>(&name, Begin::Well, PATIENCE).await.expect("it starts");
        world.until("b knows", async || b.whereis(&name).is_some()).await;
        b.send(&name, Wait(1000)).expect("the link has room");
        world.sleep(MILLI).await;
        for _ in 0..4000 {
            b.send(&name, Wait(1)).expect("the link has room"); // what does not fit there is lost
        }
        world.sleep(MILLI).await;
        assert_eq!(b.call(&name, Wait(0), MILLI * 10).await, Err(CallError::Overloaded));
        assert_eq!(b.call(&name, Wait(0), PATIENCE).await, Ok(()));
    });
}

#[test]
fn calls_in_the_mailbox_of_a_worker_that_fails_wait_for_its_next_start() {
    let world = World::new(1);
    world.runtime.run(async {
        let a = world.start("a").await;
        a.register::<Echo>("n", Begin::Well, PATIENCE).await.expect("it starts");
        a.send("n", Wait(10)).expect("it runs");
        let crash = a.call("n", End::Panic, PATIENCE);
        let wait = a.call("n", Say("here".into()), PATIENCE);
        let (crashed, waited) = join(crash, wait).await;
        assert_eq!(crashed, Err(CallError::WorkerFailed { handled: Handled::Maybe }));
        assert_eq!(waited.as_deref(), Ok("a says here"));
    });
}

#[test]
fn a_call_waits_for_a_worker_that_restarts() {
    let world = World::new(1);
    world.runtime.run(async {
        let (a, b) = world.pair().await;
        let name = name_owned_by(&a).await;
        a.register::<Echo>(&name, Begin::Well, PATIENCE).await.expect("it starts");
        world.until("b knows", async || b.whereis(&name).is_some()).await;
        for node in [&a, &b] {
            let pause = RestartPolicy::default().backoff.min;
            let asked = world.runtime.now();
            assert!(node.call(&name, End::Panic, PATIENCE).await.is_err());
            let said = node.call(&name, Say("again".into()), PATIENCE).await;
            assert_eq!(said.as_deref(), Ok("a says again"));
            assert!(world.runtime.now() - asked >= pause / 2, "it was not the old one that answered");
        }
    });
}

#[test]
fn a_call_that_was_sent_to_a_killed_node_may_have_been_handled_and_the_next_finds_the_new_holder() {
    let world = World::new(1);
    world.runtime.run(async {
        let (a, b) = world.pair().await;
        let name = name_owned_by(&a).await;
        a.register::<Echo>(&name, Begin::Well, PATIENCE).await.expect("it starts");
        world.until("b knows", async || b.whereis(&name).is_some()).await;
        let kill = async {
            world.sleep(MILLI * 10).await;
            world.network.kill(a.address());
            world.runtime.now()
        };
        let (lost, killed) = join(b.call(&name, Wait(1000), PATIENCE), kill).await;
        assert_eq!(lost, Err(CallError::LinkLost));
        assert!(world.runtime.now() - killed < MILLI, "told at once");
        let said = b.call(&name, Say("hello".into()), PATIENCE).await;
        assert_eq!(said.as_deref(), Ok("b says hello"));
        assert!(world.runtime.now() - killed < MILLI * 100, "taken over at once");
    });
}

#[test]
fn a_message_for_a_name_that_has_no_holder_just_now_reaches_its_next_one() {
    let world = World::new(1);
    world.runtime.run(async {
        let (a, b) = world.pair().await;
        let name = name_owned_by(&a).await;
        let mut events = b.events();
        a.register::<Echo>(&name, Begin::Well, PATIENCE).await.expect("it starts");
        world.until("b knows", async || b.whereis(&name).is_some()).await;
        let kill = async {
            world.sleep(MILLI * 10).await;
            world.network.kill(a.address());
        };
        let (lost, ()) = join(b.call(&name, Wait(1000), PATIENCE), kill).await;
        assert_eq!(lost, Err(CallError::LinkLost));
        assert_eq!(b.send(&name, End::Exit), Ok(()), "nobody holds it now, and b will");
        let exit = event(&mut events, |event| match event {
            Event::Stopped { why: EndReason::Exited(exit), .. } => Some(exit.clone()),
            _ => None,
        });
        assert_eq!(exit.await, Exit::Finished);
    });
}

#[test]
fn many_callers_at_once_each_get_their_own_answer() {
    let world = World::new(5);
    world.runtime.run(async {
        let (a, b) = world.pair().await;
        let name = name_owned_by(&a).await;
        a.register::<Echo>(&name, Begin::Well, PATIENCE).await.expect("it starts");
        world.until("b knows", async || b.whereis(&name).is_some()).await;
        let worker = Ref::<Echo>::new(&name).expect("a good name");
        let calls = (0..500).map(|n| {
            let (worker, node) = (worker.clone(), if n % 2 == 0 { a.clone() } else { b.clone() });
            async move { (n, worker.call(&node, Say(n.to_string()), PATIENCE).await) }
        });
        for (n, said) in join_all(calls).await {
            assert_eq!(said, Ok(format!("a says {n}")));
        }
    });
}

#[test]
fn a_dropped_call_leaves_nothing_behind() {
    let world = World::new(1);
    world.runtime.run(async {
        let a = world.start("a").await;
        a.register::<Echo>("n", Begin::Well, PATIENCE).await.expect("it starts");
        for _ in 0..100 {
            assert!(a.call("n", Wait(10), PATIENCE).now_or_never().is_none());
        }
        world.sleep(Duration::from_secs(2)).await;
        assert_eq!(a.call("n", Wait(0), PATIENCE).await, Ok(()));
    });
}
