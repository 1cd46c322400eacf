//! Nodes below the quorum of their cluster: what stops, who is told, and what comes back.
#![cfg(feature = "sim")]

mod support;

use skep::core::error::NoQuorum;
use skep::{Event, NodeBuilder, OneOf1, RegisterError, StartError, UnregisterError};
use support::{Begin, Echo, MILLI, PATIENCE, Say, World, event};

#[test]
fn below_the_quorum_workers_stop_attached_ones_are_told_and_all_names_return() {
    let world = World::new(1);
    world.runtime.run(async {
        let builder = |name| {
            let builder = world.builder(name).worker::<Echo>().quorum(2);
            builder.singleton("cron", async |context| {
                loop {
                    context.sleep(MILLI * 1000).await;
                }
            })
        };
        let a = builder("a").start().await.expect("it starts, and waits for the quorum");
        let mut events = a.events_from_start();
        let lack = NoQuorum { present: 1, needed: 2 };
        let refused = a.register::<Echo>("n", Begin::Well, PATIENCE).await;
        assert_eq!(refused, Err(RegisterError::NoQuorum(lack)));
        assert_eq!(a.unregister("n", PATIENCE).await, Err(UnregisterError::NoQuorum(lack)));
        assert!(!a.has_quorum());

        let b = builder("b").start().await.expect("it starts");
        world
            .until("the singleton runs once the quorum is reached", async || {
                a.has_quorum() && a.whereis("cron").is_some()
            })
            .await;
        for number in 0..20 {
            a.register::<Echo>(format!("n{number}"), Begin::Well, PATIENCE).await.expect("two are a quorum");
        }
        let mut attached = a.attach::<(Say,)>("guest", PATIENCE).await.expect("the name is free");

        world.network.kill(b.address());
        attached.quorum_lost().await;
        let reached =
            event(&mut events, |event| matches!(event, Event::QuorumReached { present: 2 }).then_some(()));
        reached.await;
        let lost = event(&mut events, |event| match event {
            Event::QuorumLost { lack } => Some(*lack),
            _ => None,
        });
        assert_eq!(lost.await, lack);
        world
            .until("only the guest is left", async || {
                a.workers().await.is_ok_and(|workers| workers.len() == 1)
            })
            .await;
        assert_eq!(attached.stopping(), None, "it is told, and keeps its name");
        let (said, ()) = futures::join!(a.call("guest", Say("hello".into()), PATIENCE), async {
            let Some(OneOf1::First(call)) = attached.next().await else { panic!("it hears its messages") };
            call.answer(|Say(text)| text);
        });
        assert_eq!(said.as_deref(), Ok("hello"));

        let b = builder("b").start().await.expect("it starts again");
        for number in 0..20 {
            let name = format!("n{number}");
            world
                .until("it answers again", async || {
                    a.call(&name, Say("hello".into()), MILLI * 100).await.is_ok()
                })
                .await;
        }
        world.until("the singleton is back", async || b.whereis("cron").is_some()).await;
    });
}

#[test]
fn nodes_of_different_strategies_refuse_each_other_and_a_quorum_of_none_is_a_mistake() {
    let world = World::new(1);
    world.runtime.run(async {
        let a = world.builder("a").worker::<Echo>().start().await.expect("it starts");
        let b = world.builder("b").worker::<Echo>().quorum(2).start().await.expect("it starts alone");
        let mut events = b.events_from_start();
        let refusal = event(&mut events, |event| match event {
            Event::LinkRefused { refusal, .. } => Some(refusal.clone()),
            _ => None,
        });
        assert_eq!(refusal.await, skep::core::error::Refusal::OtherStrategy);
        assert_eq!(a.members().await.expect("the node runs").len(), 1);
        let none = NodeBuilder::quorum(world.builder("c"), 0).start().await;
        assert!(matches!(none, Err(StartError::Config(_))), "{none:?}");
    });
}

#[test]
fn a_node_whose_name_is_denied_is_told_and_serves_alone() {
    let world = World::new(1);
    world.runtime.run(async {
        let a = world.builder("a").worker::<Echo>().deny("b*").start().await.expect("it starts");
        let b = world.builder("b").worker::<Echo>().start().await.expect("it starts alone");
        for node in [&a, &b] {
            let mut events = node.events_from_start();
            let refusal = event(&mut events, |event| match event {
                Event::LinkRefused { refusal, .. } => Some(refusal.clone()),
                _ => None,
            });
            assert_eq!(refusal.await, skep::core::error::Refusal::NotAllowed);
            assert!(node.register::<Echo>("n", Begin::Well, PATIENCE).await.is_ok());
        }
    });
}
