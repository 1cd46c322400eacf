//! Calls between workers and nodes: answers, deadlines, full mailboxes, lost links, moves.
#![cfg(feature = "sim")]

mod support;

use std::cell::Cell;
use std::collections::HashSet;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{join, join_all};
use serde::{Deserialize, Serialize};
use skep::core::Instant;
use skep::core::event::{EndReason, Exit};
use skep::{
    CallError, CallOrStartError, Context, Event, Failure, Handle, Handled, Message, Node, Ref, RegisterError,
    RestartPolicy, Runtime, SendError, Worker,
};
use support::{Begin, Echo, End, Large, MILLI, PATIENCE, Say, Wait, World, event, name_owned_by};

/// What the work gives, during which the node is killed, and when that was.
async fn while_killed<T>(world: &World, node: &Node, work: impl Future<Output = T>) -> (T, Instant) {
    let kill = async {
        world.sleep(MILLI * 10).await;
        world.network.kill(node.address());
        world.runtime.now()
    };
    join(work, kill).await
}

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
        let (lost, killed) = while_killed(&world, &a, b.call(&name, Wait(1000), PATIENCE)).await;
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
        let (lost, _) = while_killed(&world, &a, b.call(&name, Wait(1000), PATIENCE)).await;
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

#[test]
fn a_dropped_call_may_be_handled_all_the_same() {
    let world = World::new(1);
    world.runtime.run(async {
        let a = world.start("a").await;
        let mut events = a.events();
        a.register::<Echo>("n", Begin::Well, PATIENCE).await.expect("it starts");
        assert!(a.call("n", End::Exit, PATIENCE).now_or_never().is_none());
        event(&mut events, |event| matches!(event, Event::Stopped { .. }).then_some(())).await;
    });
}

#[test]
fn an_idempotent_call_is_sent_again_to_the_next_holder() {
    let world = World::new(1);
    world.runtime.run(async {
        let (a, b) = world.pair().await;
        let name = name_owned_by(&a).await;
        a.register::<Echo>(&name, Begin::Well, PATIENCE).await.expect("it starts");
        world.until("b knows", async || b.whereis(&name).is_some()).await;
        let worker = Ref::<Echo>::new(&name).expect("a good name");
        let (waited, _) = while_killed(&world, &a, worker.call_idempotent(&b, Wait(100), PATIENCE)).await;
        assert_eq!(waited, Ok(()));
    });
}

#[test]
fn an_idempotent_call_that_ends_its_worker_is_given_up_after_five_times() {
    let world = World::new(1);
    world.runtime.run(async {
        let a = world.start("a").await;
        let mut events = a.events();
        a.register::<Echo>("n", Begin::Well, PATIENCE).await.expect("it starts");
        let failed = Err(CallError::WorkerFailed { handled: Handled::Maybe });
        assert_eq!(a.call_idempotent("n", End::Panic, PATIENCE).await, failed);
        a.call("n", End::Exit, PATIENCE).await.expect("it has started again");
        let crashes = Cell::new(0);
        event(&mut events, |event| match event {
            Event::Stopped { why: EndReason::Exited(Exit::Finished), .. } => Some(()),
            Event::Stopped { .. } => {
                crashes.set(crashes.get() + 1);
                None
            }
            _ => None,
        })
        .await;
        assert_eq!(crashes.get(), 5);
        a.register::<Echo>("m", Begin::Well, PATIENCE).await.expect("it starts");
        let failed = a.call_idempotent("m", End::Panic, MILLI * 20).await;
        let doubt = CallError::WorkerFailed { handled: Handled::Maybe };
        assert_eq!(failed, Err(doubt), "that the last one was not handled says nothing of the first");
    });
}

#[test]
fn a_call_starts_its_worker_once_if_it_is_not_there() {
    let world = World::new(1);
    world.runtime.run(async {
        let (a, b) = world.pair().await;
        for name in [name_owned_by(&a).await, name_owned_by(&b).await] {
            let session = Ref::<Echo>::new(&name).expect("a good name");
            let calls = (0..20).map(|n| {
                let (session, node) = (session.clone(), if n % 2 == 0 { &a } else { &b });
                async move { session.call_or_start(node, Begin::Well, Say(n.to_string()), PATIENCE).await }
            });
            let said = join_all(calls).await;
            let holder = a.registration(&name).expect("it runs");
            for (n, said) in said.into_iter().enumerate() {
                assert_eq!(said, Ok(format!("{} says {n}", holder.node)));
            }
            assert!(a.call(&name, End::Panic, PATIENCE).await.is_err());
            let again = session.call_or_start(&b, Begin::Panicking, Say("again".into()), PATIENCE).await;
            assert_eq!(again, Ok(format!("{} says again", holder.node)), "its arguments are the first ones");
        }
        let failing = Ref::<Echo>::new("failing").expect("a good name");
        let failed = failing.call_or_start(&a, Begin::Panicking, Say("never".into()), PATIENCE).await;
        assert!(
            matches!(failed, Err(CallOrStartError::Start(RegisterError::StartFailed { .. }))),
            "{failed:?}"
        );
    });
}

/// Calls who is introduced to it.
struct Friend;

#[derive(Serialize, Deserialize)]
struct Meet(Ref<Echo>);

impl Message for Meet {
    const NAME: &'static str = "test.meet";
    type Reply = (Ref<Echo>, String);
}

impl Worker for Friend {
    const KIND: &'static str = "friend";
    type Args = ();
    type Messages = (Meet,);

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }
}

impl Handle<Meet> for Friend {
    async fn handle(&mut self, Meet(who): Meet, context: &mut Context<Self>) -> (Ref<Echo>, String) {
        let said = who.call(context, Say("hello".into()), PATIENCE).await.expect("it runs");
        (who, said)
    }
}

#[test]
fn a_ref_travels_in_messages() {
    let world = World::new(1);
    world.runtime.run(async {
        let start = |name| world.builder(name).worker::<Echo>().worker::<Friend>().start();
        let (a, b) = join(start("a"), start("b")).await;
        let (a, b) = (a.expect("the node starts"), b.expect("the node starts"));
        world.until("both are up", async || a.ready(2, MILLI, PATIENCE).await.is_ok()).await;
        let (here, there) = (name_owned_by(&a).await, name_owned_by(&b).await);
        a.register::<Echo>(&here, Begin::Well, PATIENCE).await.expect("it starts");
        a.register::<Friend>(&there, (), PATIENCE).await.expect("it starts");
        let echo = Ref::<Echo>::new(&here).expect("a good name");
        let met = a.call(&there, Meet(echo.clone()), PATIENCE).await;
        assert_eq!(met, Ok((echo.clone(), "a says hello".to_owned())));
        assert_eq!(HashSet::from([echo.clone(), echo.clone()]).len(), 1);
        assert_eq!(format!("{echo:?}"), format!("Ref({:?})", echo.name()));
    });
}
