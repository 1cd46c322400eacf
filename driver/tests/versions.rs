//! Two releases of a kind in one cluster: arguments of the other version, and messages that the older does not know.
#![cfg(feature = "sim")]

mod support;

use futures::future::join;
use serde::{Deserialize, Serialize};
use skep::core::id::{Payload, Reason};
use skep::{
    CallError, Context, Failure, Handle, Handled, Message, Node, OldArgs, RegisterError, SendError, Worker,
    encode_args,
};
use support::{MILLI, PATIENCE, World, name_owned_by};

/// What it was started with, in words.
#[derive(Serialize, Deserialize)]
struct Describe;

impl Message for Describe {
    const NAME: &'static str = "test.describe";
    type Reply = String;
}

/// Known to the newer release only.
#[derive(Clone, Serialize, Deserialize)]
struct Rename(String);

impl Message for Rename {
    const NAME: &'static str = "test.rename";
    type Reply = ();
}

struct Old(u64);

impl Worker for Old {
    const KIND: &'static str = "thing";
    const VERSION: u16 = 1;
    type Args = u64;
    type Messages = (Describe,);

    async fn start(number: u64, _: &mut Context<Self>) -> Result<Self, Failure> {
        Ok(Self(number))
    }
}

impl Handle<Describe> for Old {
    async fn handle(&mut self, _: Describe, _: &mut Context<Self>) -> String {
        self.0.to_string()
    }
}

struct New(u64, String);

impl Worker for New {
    const KIND: &'static str = "thing";
    const VERSION: u16 = 2;
    type Args = (u64, String);
    type Messages = (Describe, Rename);

    async fn start((number, name): Self::Args, _: &mut Context<Self>) -> Result<Self, Failure> {
        Ok(Self(number, name))
    }

    fn migrate_args(args: OldArgs) -> Result<Self::Args, Failure> {
        assert_eq!(args.version(), 1);
        Ok((args.read()?, "nameless".to_owned()))
    }
}

impl Handle<Describe> for New {
    async fn handle(&mut self, _: Describe, _: &mut Context<Self>) -> String {
        format!("{} {}", self.0, self.1)
    }
}

impl Handle<Rename> for New {
    async fn handle(&mut self, Rename(name): Rename, _: &mut Context<Self>) {
        self.1 = name;
    }
}

/// Node a of the old release, and b of the new one.
async fn two(world: &World) -> (Node, Node) {
    let old = world.builder("a").worker::<Old>().start();
    let new = world.builder("b").worker::<New>().start();
    let (a, b) = join(old, new).await;
    let (a, b) = (a.expect("the node starts"), b.expect("the node starts"));
    world.until("both are up", async || a.ready(2, MILLI, PATIENCE).await.is_ok()).await;
    (a, b)
}

#[test]
fn arguments_of_an_older_release_are_migrated_where_it_starts_next() {
    let world = World::new(1);
    world.runtime.run(async {
        let (a, b) = two(&world).await;
        let (here, there) = (name_owned_by(&a).await, name_owned_by(&b).await);
        for name in [&here, &there] {
            a.register::<Old>(name, 7, PATIENCE).await.expect("it starts");
        }
        assert_eq!(a.call(&here, Describe, PATIENCE).await.as_deref(), Ok("7"));
        assert_eq!(a.call(&there, Describe, PATIENCE).await.as_deref(), Ok("7 nameless"));
        a.drain(PATIENCE).await.expect("b takes it");
        assert_eq!(b.call(&here, Describe, PATIENCE).await.as_deref(), Ok("7 nameless"));
    });
}

#[test]
fn arguments_that_nobody_migrates_or_that_are_none_fail_the_start() {
    let world = World::new(1);
    world.runtime.run(async {
        let (a, b) = two(&world).await;
        let (here, there) = (name_owned_by(&a).await, name_owned_by(&b).await);
        let newer = b.register::<New>(&here, (7, "seven".to_owned()), PATIENCE).await;
        let reason = Reason::new("the arguments are of version 2, and nothing migrates them");
        assert_eq!(newer, Err(RegisterError::StartFailed { reason }));
        let short = encode_args(2, &7u64).expect("it is short");
        let long = encode_args(2, &(7u64, "seven", 7u64)).expect("it is short");
        for none in [Payload::empty(), short, long] {
            let reason = Reason::new("its arguments do not decode as those of its kind");
            let failed = a.register_raw(&there, "thing", none, PATIENCE).await;
            assert_eq!(failed, Err(RegisterError::StartFailed { reason }));
        }
        let args = encode_args(2, &(7u64, "seven")).expect("they are short");
        a.register_raw(&there, "thing", args, PATIENCE).await.expect("they are right");
        assert_eq!(a.call(&there, Describe, PATIENCE).await.as_deref(), Ok("7 seven"));
    });
}

#[test]
fn a_message_that_the_receiver_does_not_list_is_refused_and_was_not_handled() {
    let world = World::new(1);
    world.runtime.run(async {
        let (a, b) = two(&world).await;
        let name = name_owned_by(&a).await;
        a.register::<Old>(&name, 7, PATIENCE).await.expect("it starts");
        for node in [&a, &b] {
            assert_eq!(
                node.call(&name, Rename("eight".into()), PATIENCE).await,
                Err(CallError::UnknownMessage)
            );
        }
        assert_eq!(CallError::UnknownMessage.handled(), Handled::No);
        assert_eq!(a.send(&name, Rename("eight".into())), Err(SendError::UnknownMessage));
        assert_eq!(b.send(&name, Rename("eight".into())), Ok(()), "nobody here knows better");
        assert_eq!(b.call(&name, Describe, PATIENCE).await.as_deref(), Ok("7"), "and the worker goes on");
    });
}
