//! Groups: who is in them, on every node, wherever the workers run.
#![cfg(feature = "sim")]

mod support;

use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use skep::core::id::Name;
use skep::{
    Attached, CallError, Context, Event, Failure, GroupError, Handle, Handled, Message, Node, OneOf1,
    Runtime, SendError, Worker,
};
use support::{Begin, Echo, MILLI, PATIENCE, World, event, name_owned_by};

/// Something to say to all.
#[derive(Clone, Serialize, Deserialize, PartialEq, Debug)]
struct Tell(String);

impl Message for Tell {
    const NAME: &'static str = "test.tell";
    type Reply = usize;
}

/// Joins a group while it starts.
struct Joiner;

impl Worker for Joiner {
    const KIND: &'static str = "joiner";
    type Args = ();
    type Messages = (Tell,);

    async fn start((): (), context: &mut Context<Self>) -> Result<Self, Failure> {
        context.join_group("joiners").map_err(|bad| Failure::new(bad.to_string()))?;
        Ok(Self)
    }
}

impl Handle<Tell> for Joiner {
    async fn handle(&mut self, Tell(text): Tell, context: &mut Context<Self>) -> usize {
        if text == "leave" {
            context.leave_group("joiners").expect("a good name");
        }
        text.len()
    }
}

async fn attach(node: &Node, group: &str, name: &str) -> Attached<(Tell,)> {
    let attached = node.attach(name, PATIENCE).await.expect("the name is free");
    node.join_group(group, name, PATIENCE).await.expect("it is registered");
    attached
}

/// The members of a group, as this node knows them.
fn names(node: &Node, group: &str) -> Vec<String> {
    node.members_of(group).into_iter().map(|member| member.name.to_string()).collect()
}

#[test]
fn who_joined_is_a_member_on_every_node_until_its_name_ends() {
    let world = World::new(1);
    world.runtime.run(async {
        let (a, b) = world.pair().await;
        let (here, there) = (name_owned_by(&a).await, name_owned_by(&b).await);
        for name in [&here, &there] {
            a.register::<Echo>(name, Begin::Well, PATIENCE).await.expect("it starts");
            assert_eq!(
                b.join_group("g", name, PATIENCE).await,
                Ok(()),
                "b asks for a name that it has yet to hear of"
            );
            assert_eq!(b.join_group("g", name, PATIENCE).await, Ok(()), "twice is once");
        }
        let mut both = [here.clone(), there.clone()];
        both.sort();
        assert_eq!(names(&b, "g"), both, "at once on the node that was asked");
        world.until("a knows", async || names(&a, "g") == both).await;
        for (node, local) in [(&a, &here), (&b, &there)] {
            let here = node.local_members_of("g");
            assert_eq!(
                here.iter().map(Name::as_str).collect::<Vec<_>>(),
                [local.as_str()],
                "on {}",
                node.name()
            );
            let member = node.members_of("g").into_iter().find(|member| member.name.as_str() == local);
            assert_eq!(member.and_then(|member| member.node).as_ref(), Some(node.name()));
        }
        let mut events = b.events();
        assert_eq!(a.leave_group("g", &there, PATIENCE).await, Ok(()));
        assert_eq!(a.leave_group("g", &there, PATIENCE).await, Ok(()), "who is not there may leave");
        let left = event(&mut events, |event| match event {
            Event::LeftGroup { group, name } => Some((group.to_string(), name.to_string())),
            _ => None,
        });
        assert_eq!(left.await, ("g".to_owned(), there));
        assert_eq!(names(&b, "g"), [here.as_str()]);
        a.unregister(&here, PATIENCE).await.expect("it is registered");
        world.until("it is gone", async || names(&a, "g").is_empty() && names(&b, "g").is_empty()).await;
    });
}

#[test]
fn who_cannot_join_hears_why() {
    let world = World::new(2);
    world.runtime.run(async {
        let (a, b) = world.pair().await;
        assert_eq!(a.join_group("g", "nobody", PATIENCE).await, Err(GroupError::NotFound));
        assert_eq!(b.leave_group("g", "nobody", PATIENCE).await, Err(GroupError::NotFound));
        assert_eq!(a.join_group("g", "", PATIENCE).await, Err(GroupError::NotFound), "nobody is called so");
        assert!(matches!(a.join_group("", "n", PATIENCE).await, Err(GroupError::BadGroup(_))));
        b.leave(PATIENCE).await;
        assert_eq!(b.join_group("g", "nobody", PATIENCE).await, Err(GroupError::Leaving));
        assert!(b.members_of("g").is_empty());
    });
}

#[test]
fn what_is_published_reaches_each_member_once_in_frames_that_fit() {
    const HERE: usize = 3;
    const THERE: usize = 2500; // more than one frame is for
    let world = World::new(3);
    world.runtime.run(async {
        let (a, b) = world.pair().await;
        let mut all = Vec::new();
        for n in 0..HERE {
            all.push(attach(&a, "g", &format!("here-{n}")).await);
        }
        all.extend(
            join_all((0..THERE).map(|n| {
                let b = &b;
                async move { attach(b, "g", &format!("there-{n}")).await }
            }))
            .await,
        );
        world.until("a knows all", async || a.members_of("g").len() == HERE + THERE).await;
        assert_eq!(a.publish("g", Tell("hello".into())), Ok(HERE + THERE));
        assert_eq!(a.publish_local("g", Tell("you here".into())), Ok(HERE));
        let large = "x".repeat(1 << 20);
        assert!(matches!(a.publish("g", Tell(large)), Err(SendError::MessageTooLarge { .. })));
        assert_eq!(a.publish("nobody", Tell("hello".into())), Ok(0));
        for (n, attached) in all.iter_mut().enumerate() {
            let expected: &[&str] = if n < HERE { &["hello", "you here"] } else { &["hello"] };
            for text in expected {
                let Some(OneOf1::First(call)) = attached.next().await else { panic!("it is attached") };
                assert_eq!(call.message(), &Tell((*text).into()));
            }
            assert!(attached.next().now_or_never().is_none(), "once");
        }
    });
}

#[test]
fn each_member_answers_for_itself_and_by_the_deadline() {
    let world = World::new(4);
    world.runtime.run(async {
        let (a, b) = world.pair().await;
        let _silent = attach(&b, "g", "silent").await;
        let mut dropping = attach(&b, "g", "dropping").await;
        let mut well = attach(&a, "g", "well").await;
        let _other = b.attach::<()>("other", PATIENCE).await.expect("the name is free");
        b.join_group("g", "other", PATIENCE).await.expect("it is registered");
        world.until("a knows all", async || a.members_of("g").len() == 4).await;
        world.runtime.spawn(async move { while dropping.next().await.is_some() {} });
        world.runtime.spawn(async move {
            while let Some(OneOf1::First(call)) = well.next().await {
                call.answer(|Tell(text)| text.len());
            }
        });
        let asked = world.runtime.now();
        let answers = a.multi_call("g", Tell("hello".into()), MILLI * 100).await;
        let took = world.runtime.now() - asked;
        assert!(took < MILLI * 120, "it took {took:?}");
        let answers: Vec<_> = (answers.iter())
            .map(|(member, answer)| {
                (member.name.as_str(), member.node.as_ref().map(|node| node.as_str()), answer)
            })
            .collect();
        assert_eq!(
            answers,
            [
                ("dropping", Some("b"), &Err(CallError::WorkerFailed { handled: Handled::No })),
                ("other", Some("b"), &Err(CallError::UnknownMessage)),
                ("silent", Some("b"), &Err(CallError::Timeout { handled: Handled::Maybe })),
                ("well", Some("a"), &Ok(5)),
            ]
        );
        let local = a.multi_call_local("g", Tell("hello".into()), MILLI * 100).await;
        assert_eq!(local.iter().map(|(member, _)| member.name.as_str()).collect::<Vec<_>>(), ["well"]);
    });
}

#[test]
fn a_worker_joins_in_its_start_and_is_there_once_it_is_registered() {
    let world = World::new(5);
    world.runtime.run(async {
        let start = async |name| world.builder(name).worker::<Joiner>().start().await.expect("it starts");
        let (a, b) = futures::future::join(start("a"), start("b")).await;
        for name in ["m", "n"] {
            a.register::<Joiner>(name, (), PATIENCE).await.expect("it starts");
        }
        for node in [&a, &b] {
            world.until("both are there", async || names(node, "joiners") == ["m", "n"]).await;
        }
        assert_eq!(a.call("n", Tell("leave".into()), Duration::from_secs(5)).await, Ok(5));
        for node in [&a, &b] {
            world.until("one has left", async || names(node, "joiners") == ["m"]).await;
        }
    });
}
