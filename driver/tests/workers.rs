//! How workers start, end and are stopped: virtual time, whole nodes.
#![cfg(feature = "sim")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use skep::core::error::{BadPlace, BadText};
use skep::core::event::{EndReason, Event, Exit, StartReason, Stopped};
use skep::core::id::{Payload, Reason};
use skep::{RegisterError, Runtime, Stopping};
use support::{Begin, Echo, End, MILLI, PATIENCE, Say, World, event};

fn stopped(event: &Event) -> Option<EndReason> {
    match event {
        Event::Stopped { why, .. } => Some(why.clone()),
        _ => None,
    }
}

#[test]
fn a_worker_that_ignores_its_stop_is_aborted_after_the_grace() {
    let world = World::new(1);
    world.runtime.run(async {
        let a = world.start("a").await;
        let mut events = a.events();
        a.register::<Echo>("n", Begin::Stubborn, PATIENCE).await.expect("it starts");
        let told = world.runtime.now();
        assert_eq!(a.unregister("n", PATIENCE).await, Ok(()));
        let why = event(&mut events, stopped).await;
        assert_eq!(why, EndReason::Ordered(Stopping::Unregistered, Stopped::ByForce));
        let took = world.runtime.now() - told;
        assert!(took >= Duration::from_secs(3) && took < Duration::from_secs(4), "stopped after {took:?}");
        assert_eq!(a.workers().await, Ok(vec![]));
    });
}

#[test]
fn a_kind_worker_stops_at_once() {
    let world = World::new(1);
    world.runtime.run(async {
        let a = world.start("a").await;
        let mut events = a.events();
        a.register::<Echo>("n", Begin::Well, PATIENCE).await.expect("it starts");
        let told = world.runtime.now();
        assert_eq!(a.unregister("n", PATIENCE).await, Ok(()));
        let why = event(&mut events, stopped).await;
        assert_eq!(why, EndReason::Ordered(Stopping::Unregistered, Stopped::Kindly));
        assert!(world.runtime.now() - told < MILLI * 10);
    });
}

#[test]
fn a_start_that_never_ends_ends_with_its_callers_patience() {
    let world = World::new(1);
    world.runtime.run(async {
        let a = world.start("a").await;
        let asked = world.runtime.now();
        let registered = a.register::<Echo>("n", Begin::Never, MILLI * 500).await;
        assert_eq!(registered, Err(RegisterError::Timeout));
        assert_eq!(world.runtime.now() - asked, MILLI * 500);
        world
            .until("the name is free again", async || {
                a.register::<Echo>("n", Begin::Well, PATIENCE).await.is_ok()
            })
            .await;
        assert_eq!(a.workers().await.expect("the node runs").len(), 1);
    });
}

#[test]
fn a_start_that_panics_or_does_not_decode_is_told_to_the_caller() {
    let world = World::new(1);
    world.runtime.run(async {
        let a = world.start("a").await;
        let panicked = a.register::<Echo>("n", Begin::Panicking, PATIENCE).await;
        let reason = Reason::new("panicked: this panic is part of a test");
        assert_eq!(panicked, Err(RegisterError::StartFailed { reason }));
        let garbage = Payload::new([0, 99]).expect("it is short");
        let undecoded = a.register_raw("n", "echo", garbage, PATIENCE).await;
        let reason = Reason::new("its arguments do not decode as those of its kind");
        assert_eq!(undecoded, Err(RegisterError::StartFailed { reason }));
        assert_eq!(a.registered().await, Ok(vec![]));
        assert_eq!(world.runtime.panics(), 0, "no panic of a worker reaches the runtime");
    });
}

#[test]
fn each_way_to_end_is_an_exit_and_leads_to_a_restart() {
    let world = World::new(1);
    world.runtime.run(async {
        let a = world.start("a").await;
        let mut events = a.events();
        a.register::<Echo>("n", Begin::Well, PATIENCE).await.expect("it starts");
        for (end, exit) in [
            (End::Exit, Exit::Finished),
            (End::Fail, Exit::Failed(Reason::new("it was told to fail"))),
            (End::Panic, Exit::Failed(Reason::new("panicked: this panic is part of a test"))),
        ] {
            a.send("n", end).expect("it runs");
            assert_eq!(event(&mut events, stopped).await, EndReason::Exited(exit));
            let restarted = event(&mut events, |event| match event {
                Event::Started { why, .. } => Some(*why),
                _ => None,
            });
            assert_eq!(restarted.await, StartReason::Restart);
            let said = a.call("n", Say("hello".into()), PATIENCE).await;
            assert_eq!(said.as_deref(), Ok("a says hello"));
        }
    });
}

#[test]
fn a_bad_name_and_long_arguments_are_refused_here() {
    let world = World::new(1);
    world.runtime.run(async {
        let a = world.start("a").await;
        for name in ["", "tab\t", &"n".repeat(256)] {
            let refused = a.register::<Echo>(name, Begin::Well, PATIENCE).await;
            assert!(matches!(refused, Err(RegisterError::BadName(_))), "{name:?}: {refused:?}");
        }
        assert!(Payload::new(vec![0; Payload::MAX + 1]).is_err());
        let unknown = a.register_raw("n", "", Payload::empty(), PATIENCE).await;
        assert_eq!(unknown, Err(RegisterError::UnknownKind));
    });
}

#[test]
fn a_worker_that_asks_for_a_role_runs_where_it_is_offered_and_nowhere_else() {
    let world = World::new(1);
    world.runtime.run(async {
        let a = world.start("a").await;
        let ask = |name: &str| a.register::<Echo>(name, Begin::Well, PATIENCE).on_role("gpu");
        assert_eq!(ask("n").await, Err(RegisterError::NoNodeAvailable));
        let b = world.builder("b").worker::<Echo>().role("gpu").weight(1).start().await.expect("it starts");
        world.until("a knows that b is up", async || ask("first").await.is_ok()).await;
        for number in 0..20 {
            let registered = ask(&format!("n{number}")).await.expect("b offers it");
            assert_eq!(registered.node, *b.name());
        }
        let both = ask("both").on_role("ssd").await;
        assert_eq!(both, Err(RegisterError::NoNodeAvailable), "b has one of the two");
        let many = (0..17).fold(ask("many"), |asked, number| asked.on_role(format!("r{number}")));
        assert_eq!(many.await, Err(RegisterError::BadPlace(BadPlace { roles: 18 })));
        let bad = a.whereis_or_register::<Echo>("n0", Begin::Well, PATIENCE).on_role("tab\t").await;
        assert_eq!(bad, Err(RegisterError::BadRole(BadText::ControlCharacter)));
        let found = a.whereis_or_register::<Echo>("n0", Begin::Well, PATIENCE).on_role("gpu").await;
        assert!(found.is_ok_and(|found| !found.started));
    });
}

#[test]
fn workers_with_one_key_run_on_one_node_and_start_again_in_their_order() {
    let world = World::new(1);
    world.runtime.run(async {
        let (a, b) = world.pair().await;
        let mut homes = Vec::new();
        for (rank, name) in (1..).zip(["reader", "parser", "writer"]) {
            let asked =
                a.register::<Echo>(name, Begin::Well, PATIENCE).placed_with("feed").rest_for_one(rank);
            homes.push(asked.await.expect("it starts").node);
        }
        assert!(homes.iter().all(|node| *node == homes[0]), "{homes:?}");
        let home = if homes[0] == *a.name() { &a } else { &b };
        let mut events = home.events();
        home.send("parser", End::Fail).expect("it runs");
        let mut again = Vec::new();
        while again.len() < 2 {
            let restarted = event(&mut events, |event| match event {
                Event::Started { name, why: StartReason::Restart, .. } => Some(name.as_str().to_owned()),
                Event::Stopped { name, why: EndReason::Ordered(why, _), .. } => {
                    assert_eq!((name.as_str(), why), ("writer", &Stopping::Companion));
                    None
                }
                _ => None,
            });
            again.push(restarted.await);
        }
        assert_eq!(again, ["parser", "writer"], "and the reader runs on");
        assert_eq!(home.workers().await.map(|workers| workers.len()), Ok(3));
    });
}

#[test]
fn a_singleton_runs_on_one_node_and_on_another_after_a_kill() {
    let world = World::new(3);
    world.runtime.run(async {
        let runs = ["a", "b"].map(|_| Arc::new(AtomicU32::new(0)));
        let mut nodes = Vec::new();
        for (name, runs) in ["a", "b"].into_iter().zip(&runs) {
            let runs = runs.clone();
            let builder = world.builder(name).singleton("cron", move |context| {
                let runs = runs.clone();
                async move {
                    runs.fetch_add(1, Ordering::SeqCst);
                    loop {
                        context.sleep(Duration::from_secs(60)).await;
                    }
                }
            });
            nodes.push(builder.start().await.expect("the node starts"));
        }
        world
            .until("the other knows", async || nodes.iter().all(|node| node.whereis("cron").is_some()))
            .await;
        let first = nodes[0].registration("cron").expect("it runs").node;
        let counts = || runs.each_ref().map(|runs| runs.load(Ordering::SeqCst));
        let (killed, left) = if first.as_str() == "a" { (0, 1) } else { (1, 0) };
        assert_eq!((counts()[killed], counts()[left]), (1, 0));
        world.network.kill(nodes[killed].address());
        let at = world.runtime.now();
        world.until("it runs on the other", async || counts()[left] == 1).await;
        assert!(world.runtime.now() - at < MILLI * 100, "taken over after {:?}", world.runtime.now() - at);
    });
}

#[test]
fn a_closure_ends_its_work_before_it_stops() {
    let world = World::new(1);
    world.runtime.run(async {
        let (begun, done) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let counts = (begun.clone(), done.clone());
        let runtime = world.runtime.clone();
        let node = world
            .builder("a")
            .singleton("cron", move |context| {
                let ((begun, done), runtime) = (counts.clone(), runtime.clone());
                async move {
                    loop {
                        begun.fetch_add(1, Ordering::SeqCst);
                        runtime.sleep_until(runtime.now() + MILLI * 100).await; // work, not rest
                        done.fetch_add(1, Ordering::SeqCst);
                        context.sleep(MILLI * 100).await;
                    }
                }
            })
            .start()
            .await
            .expect("the node starts");
        for _ in 0..10 {
            world.sleep(MILLI * 33).await;
            assert_eq!(node.unregister("cron", PATIENCE).await, Ok(()));
            assert_eq!(begun.load(Ordering::SeqCst), done.load(Ordering::SeqCst));
            node.register_raw("cron", "cron", Payload::empty(), PATIENCE).await.expect("the name is free");
        }
    });
}

#[test]
fn a_closure_needs_no_more_than_its_context() {
    let world = World::new(1);
    world.runtime.run(async {
        let node = world
            .builder("a")
            .singleton("cron", async |context| {
                loop {
                    context.sleep(Duration::from_secs(60)).await;
                }
            })
            .singleton("once", async |_| {})
            .start()
            .await
            .expect("the node starts");
        world.until("what returns is freed", async || node.whereis("once").is_none()).await;
        assert!(node.whereis("cron").is_some());
    });
}

#[test]
fn many_are_registered_with_one_call_and_each_is_answered_in_its_place() {
    let world = World::new(1);
    world.runtime.run(async {
        let (a, b) = world.pair().await;
        b.register::<Echo>("n-77", Begin::Well, PATIENCE).await.expect("it starts");
        // More than are under way at once, and some that cannot be.
        let wanted = (0..5000).map(|n| match n {
            13 => (String::new(), Begin::Well),
            42 => (format!("n-{n}"), Begin::Panicking),
            _ => (format!("n-{n}"), Begin::Well),
        });
        let answers = a.register_many::<Echo>(wanted, PATIENCE).await;
        assert_eq!(answers.len(), 5000);
        for (number, answer) in answers.iter().enumerate() {
            match (number, answer) {
                (13, Err(RegisterError::BadName(_))) => {}
                (42, Err(RegisterError::StartFailed { .. })) => {}
                (77, Err(RegisterError::AlreadyRegistered { .. })) => {}
                (_, Ok(registration)) => {
                    assert_eq!(
                        a.whereis(format!("n-{number}")).map(|found| found.epoch),
                        Some(registration.epoch)
                    );
                }
                (_, Err(error)) => panic!("n-{number}: {error}"),
            }
        }
        assert_eq!(
            a.register_many::<Echo>([("late", Begin::Well)], Duration::ZERO).await,
            [Err(RegisterError::Timeout)]
        );
        let here = a.workers().await.expect("the node runs").len();
        let there = b.workers().await.expect("the node runs").len();
        assert_eq!(here + there, 4998);
    });
}
