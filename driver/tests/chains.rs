//! Workers that call workers: who waits for whom, until when, and what may be asked while a worker starts.
#![cfg(feature = "sim")]

mod support;

use std::time::Duration;

use futures::FutureExt;
use futures::future::{join, select};
use serde::{Deserialize, Serialize};
use skep::core::id::Name;
use skep::{
    Attached, Call, CallError, Context, Failure, Handle, LookupError, Message, Node, OneOf1, Ref,
    RegisterError, Runtime, Worker,
};
use support::{Begin, Echo, MILLI, PATIENCE, Say, Wait, World, name_owned_by};

/// Does in its start what its arguments say, and passes calls on.
struct Relay {
    found: String,
}

#[derive(Clone, Serialize, Deserialize)]
enum First {
    Nothing,
    /// Pass a call along these, and remember how it went.
    Pass(Vec<String>),
    /// Register another one, look it up, join a group, and look oneself up.
    Arrange(String),
    /// Register oneself.
    Again,
}

/// To be passed along these names. The answer is how many passed it on, or the error of the last one.
#[derive(Serialize, Deserialize)]
struct Pass(Vec<String>);

impl Message for Pass {
    const NAME: &'static str = "test.pass";
    type Reply = Result<u32, String>;
}

/// What was found in the start.
#[derive(Serialize, Deserialize)]
struct Found;

impl Message for Found {
    const NAME: &'static str = "test.found";
    type Reply = String;
}

/// Wait at another worker for a long time.
#[derive(Serialize, Deserialize)]
struct Linger(String);

impl Message for Linger {
    const NAME: &'static str = "test.linger";
    type Reply = ();
}

/// Whether a clone of the node can call the worker itself, and until when the caller waits.
#[derive(Serialize, Deserialize)]
struct Inspect;

impl Message for Inspect {
    const NAME: &'static str = "test.inspect";
    type Reply = (bool, Option<Duration>);
}

async fn pass(context: &Context<Relay>, path: &[String]) -> Result<u32, String> {
    let Some((next, rest)) = path.split_first() else { return Ok(0) };
    let next = Ref::<Relay>::new(next).map_err(|error| error.to_string())?;
    match next.call(context, Pass(rest.to_vec()), PATIENCE).await {
        Ok(passed) => passed.map(|workers| workers + 1),
        Err(error) => Err(format!("{error:?}")),
    }
}

impl Worker for Relay {
    const KIND: &'static str = "relay";
    type Args = First;
    type Messages = (Pass, Found, Linger, Inspect);

    async fn start(first: First, context: &mut Context<Self>) -> Result<Self, Failure> {
        let found = match first {
            First::Nothing => String::new(),
            First::Pass(path) => format!("{:?}", pass(context, &path).await),
            First::Arrange(other) => {
                let node = context.node();
                let started = node.register::<Self>(&other, First::Nothing, PATIENCE).await?;
                let there = node.whereis_consistent(&other, PATIENCE).await?;
                context.join_group("relays")?;
                node.join_group("relays", &other, PATIENCE).await?;
                let here = node.whereis_consistent(context.name().as_str(), MILLI * 100).await;
                format!("{} {:?}", started == there, here.map(|_| ()))
            }
            First::Again => {
                let node = context.node();
                let again = node.register::<Self>(context.name().as_str(), First::Nothing, MILLI * 100).await;
                format!("{again:?}")
            }
        };
        Ok(Self { found })
    }
}

impl Handle<Pass> for Relay {
    async fn handle(&mut self, Pass(path): Pass, context: &mut Context<Self>) -> Result<u32, String> {
        pass(context, &path).await
    }
}

impl Handle<Found> for Relay {
    async fn handle(&mut self, _: Found, _: &mut Context<Self>) -> String {
        self.found.clone()
    }
}

impl Handle<Linger> for Relay {
    async fn handle(&mut self, Linger(at): Linger, context: &mut Context<Self>) {
        // Whatever comes of it: how long it takes is what is measured.
        let _ = Ref::<Echo>::new(at).expect("a good name").call(context, Wait(10_000), PATIENCE).await;
    }
}

impl Handle<Inspect> for Relay {
    async fn handle(&mut self, _: Inspect, context: &mut Context<Self>) -> (bool, Option<Duration>) {
        let clone = context.node().clone();
        let is_under_way = clone.call(context.name().as_str(), Found, PATIENCE).now_or_never().is_none();
        (is_under_way, context.deadline().map(|deadline| deadline.since(context.now())))
    }
}

async fn start(world: &World, name: &str) -> Node {
    world.builder(name).worker::<Relay>().worker::<Echo>().start().await.expect("the node starts")
}

/// A worker on each of two nodes, whose names both know.
async fn two(world: &World) -> (Node, Node, String, String) {
    let (a, b) = join(start(world, "a"), start(world, "b")).await;
    world.until("both are up", async || a.ready(2, MILLI, PATIENCE).await.is_ok()).await;
    let (here, there) = (name_owned_by(&a).await, name_owned_by(&b).await);
    for name in [&here, &there] {
        a.register::<Relay>(name, First::Nothing, PATIENCE).await.expect("it starts");
    }
    let known =
        async || [&a, &b].iter().all(|node| node.whereis(&here).is_some() && node.whereis(&there).is_some());
    world.until("both know both", known).await;
    (a, b, here, there)
}

fn path(names: &[&String]) -> Pass {
    Pass(names.iter().map(|&name| name.clone()).collect())
}

#[test]
fn a_call_into_its_own_chain_is_refused_at_once_here_and_over_nodes() {
    let world = World::new(1);
    world.runtime.run(async {
        let (a, b, here, there) = two(&world).await;
        let asked = world.runtime.now();
        for node in [&a, &b] {
            for (first, way) in [
                (&here, path(&[&here])),
                (&there, path(&[&there])),
                (&here, path(&[&there, &here])),
                (&here, path(&[&there, &there])),
                (&there, path(&[&here, &there, &here])),
            ] {
                assert_eq!(node.call(first, way, PATIENCE).await, Ok(Err("Cycle".to_owned())));
            }
            assert_eq!(node.call(&here, path(&[&there]), PATIENCE).await, Ok(Ok(1)), "nobody waits any more");
        }
        assert!(world.runtime.now() - asked < MILLI, "at once");
        assert_eq!(CallError::Cycle.handled(), skep::Handled::No);
    });
}

#[test]
fn sixteen_workers_may_wait_for_one_another() {
    let world = World::new(1);
    world.runtime.run(async {
        let (a, ..) = two(&world).await;
        let names: Vec<String> = (0..18).map(|n| format!("relay-{n}")).collect();
        for name in &names {
            a.register::<Relay>(name, First::Nothing, PATIENCE).await.expect("it starts");
        }
        assert_eq!(a.call(&names[0], Pass(names[1..17].to_vec()), PATIENCE).await, Ok(Ok(16)));
        let deeper = a.call(&names[0], Pass(names[1..].to_vec()), PATIENCE).await;
        assert_eq!(deeper, Ok(Err("TooDeep".to_owned())));
    });
}

#[test]
fn a_call_that_a_worker_makes_for_a_caller_ends_when_that_one_stops_waiting() {
    let world = World::new(1);
    world.runtime.run(async {
        let (a, b, here, there) = two(&world).await;
        a.register::<Echo>("slow", Begin::Well, PATIENCE).await.expect("it starts");
        for (node, name) in [(&a, &here), (&b, &here), (&a, &there)] {
            let asked = world.runtime.now();
            assert!(node.call(name, Linger("slow".to_owned()), MILLI * 100).await.is_err());
            assert_eq!(node.call(name, Pass(vec![]), PATIENCE).await, Ok(Ok(0)), "it is free again");
            let took = world.runtime.now() - asked;
            assert!((MILLI * 100..MILLI * 120).contains(&took), "it took {took:?}");
        }
        let (_, left) = b.call(&here, Inspect, MILLI * 100).await.expect("it answers");
        assert_eq!(left, Some(MILLI * 100), "the caller's patience, as the worker sees it");
    });
}

#[test]
fn a_clone_of_a_workers_node_calls_for_itself() {
    let world = World::new(1);
    world.runtime.run(async {
        let (a, _b, here, _) = two(&world).await;
        let (is_under_way, _) = a.call(&here, Inspect, PATIENCE).await.expect("it answers");
        assert!(is_under_way, "no call of a task beside the worker is part of the chain");
    });
}

#[test]
fn a_start_may_register_look_up_join_and_call() {
    let world = World::new(1);
    world.runtime.run(async {
        let (a, b, here, there) = two(&world).await;
        for (number, node) in [&a, &b].into_iter().enumerate() {
            let (name, other) = (format!("arranges-{number}"), format!("other-{number}"));
            let started = node.register::<Relay>(&name, First::Arrange(other), PATIENCE).await;
            started.expect("it starts");
            let found = node.call(&name, Found, PATIENCE).await.expect("it runs");
            let not_yet = Err::<(), _>(LookupError::Timeout);
            assert_eq!(found, format!("true {not_yet:?}"), "whoever asks for it waits until it has started");
        }
        world.until("all have joined", async || a.members_of("relays").len() == 4).await;

        let way = [there.clone(), here.clone()].to_vec();
        a.register::<Relay>("passes", First::Pass(way), PATIENCE).await.expect("it starts");
        assert_eq!(b.call("passes", Found, PATIENCE).await.as_deref(), Ok("Ok(2)"));
    });
}

#[test]
fn a_start_that_calls_itself_or_is_called_by_whom_it_calls_is_a_cycle() {
    let world = World::new(1);
    world.runtime.run(async {
        let (a, _b, here, there) = two(&world).await;
        let asked = world.runtime.now();
        for (name, way) in [
            ("self", vec!["self".to_owned()]),
            ("round", vec![here.clone(), "round".to_owned()]),
            ("far", vec![here.clone(), there.clone(), "far".to_owned()]),
        ] {
            a.register::<Relay>(name, First::Pass(way), PATIENCE).await.expect("it starts");
            assert_eq!(a.call(name, Found, PATIENCE).await.as_deref(), Ok("Err(\"Cycle\")"), "{name}");
        }
        assert!(world.runtime.now() - asked < MILLI * 10, "at once");
    });
}

/// As anybody's claim of a name that is just being started does.
#[test]
fn a_start_that_registers_its_own_name_waits_to_its_deadline() {
    let world = World::new(1);
    world.runtime.run(async {
        let (a, ..) = two(&world).await;
        a.register::<Relay>("again", First::Again, PATIENCE).await.expect("it starts");
        let found = a.call("again", Found, PATIENCE).await.expect("it runs");
        assert_eq!(found, format!("{:?}", Err::<(), _>(RegisterError::Timeout)));
        assert!(a.whereis(Name::new("again").expect("a good name").as_str()).is_some());
        a.register::<Echo>("echo", Begin::Well, PATIENCE).await.expect("the node goes on");
        assert!(a.call("echo", Say("well".to_owned()), PATIENCE).await.is_ok());
    });
}

/// From where an attached task calls.
#[derive(Clone, Copy)]
enum From {
    /// From the node for the answer.
    Answer,
    /// From the node that it was attached on.
    Anywhere,
}

/// Passes one call on, as a relay does, from an attached task.
async fn pass_attached(attached: &Attached<(Pass,)>, node: &Node, call: Call<Pass>, from: From) {
    let (Pass(path), reply) = call.split();
    let Some((next, rest)) = path.split_first() else { return reply.send(Ok(0)) };
    let node = match from {
        From::Answer => attached.node_for(&reply),
        From::Anywhere => node.clone(),
    };
    let passed = node.call(next, Pass(rest.to_vec()), PATIENCE).await;
    reply.send(passed.unwrap_or_else(|error| Err(format!("{error:?}"))).map(|workers| workers + 1));
}

/// What comes of a call while the task serves its name.
async fn served<T>(
    attached: &mut Attached<(Pass,)>,
    node: &Node,
    from: From,
    asking: impl Future<Output = T>,
) -> T {
    let serving = async {
        while let Some(OneOf1::First(call)) = attached.next().await {
            pass_attached(attached, node, call, from).await;
        }
    };
    match select(Box::pin(asking), Box::pin(serving)).await {
        futures::future::Either::Left((answer, _)) => answer,
        futures::future::Either::Right(_) => panic!("the name is held"),
    }
}

#[test]
fn an_attached_task_that_calls_for_an_answer_is_part_of_its_chain() {
    let world = World::new(1);
    world.runtime.run(async {
        let (a, b, here, there) = two(&world).await;
        let mut attached = a.attach::<(Pass,)>("guest", PATIENCE).await.expect("the name is free");
        world.until("both know it", async || b.whereis("guest").is_some()).await;
        let guest = "guest".to_owned();
        let asked = world.runtime.now();
        for (first, way) in [
            (&guest, path(&[&guest])),
            (&guest, path(&[&here, &guest])),
            (&guest, path(&[&there, &guest])),
            (&guest, path(&[&there, &there])),
            (&there, path(&[&guest, &here, &guest])),
            (&there, path(&[&guest, &there])),
        ] {
            for node in [&a, &b] {
                let asking = node.call(first, Pass(way.0.clone()), PATIENCE);
                let answer = served(&mut attached, &a, From::Answer, asking).await;
                assert_eq!(answer, Ok(Err("Cycle".to_owned())), "{first} {:?}", way.0);
            }
        }
        let asking = b.call(&guest, path(&[&there, &here]), PATIENCE);
        assert_eq!(served(&mut attached, &a, From::Answer, asking).await, Ok(Ok(2)), "which is no circle");
        // Nobody waits for it: only its own name is in the chain.
        let round = attached.node().call(&there, path(&[&guest]), PATIENCE).await;
        assert_eq!(round, Ok(Err("Cycle".to_owned())));
        assert!(world.runtime.now() - asked < MILLI, "at once");
    });
}

#[test]
fn what_an_attached_task_calls_for_an_answer_ends_when_its_caller_stops_waiting() {
    let world = World::new(1);
    world.runtime.run(async {
        let (a, b, here, _) = two(&world).await;
        let mut attached = a.attach::<(Pass,)>("guest", PATIENCE).await.expect("the name is free");
        a.register::<Echo>("slow", Begin::Well, PATIENCE).await.expect("it starts");
        let busy = a.call(&here, Linger("slow".to_owned()), PATIENCE);
        let asking = async {
            let asked = world.runtime.now();
            let late = b.call("guest", path(&[&here]), MILLI * 100).await;
            assert!(!matches!(late, Ok(Ok(_))), "it went to a busy worker");
            assert_eq!(b.call("guest", path(&[]), PATIENCE).await, Ok(Ok(0)), "the task is free again");
            world.runtime.now() - asked
        };
        let serving = served(&mut attached, &a, From::Answer, asking);
        let (_, took) = join(busy, serving).await; // the former only keeps the worker busy
        assert!((MILLI * 100..MILLI * 120).contains(&took), "it took {took:?}");
    });
}

/// A call that says nothing of whom it is for waits, as one of another process would: to its deadline, and no longer.
#[test]
fn an_attached_task_that_calls_from_anywhere_waits_in_a_circle_to_the_deadline_only() {
    let world = World::new(1);
    world.runtime.run(async {
        let (a, b, _, there) = two(&world).await;
        let mut attached = a.attach::<(Pass,)>("guest", PATIENCE).await.expect("the name is free");
        let guest = "guest".to_owned();
        let asking = b.call(&guest, path(&[&there, &guest]), PATIENCE * 2);
        let answer = served(&mut attached, &a, From::Anywhere, asking).await;
        let timeout = CallError::Timeout { handled: skep::Handled::Maybe };
        assert_eq!(answer, Ok(Err(format!("{timeout:?}"))));
        let asking = b.call(&guest, path(&[&there]), PATIENCE);
        assert_eq!(served(&mut attached, &a, From::Anywhere, asking).await, Ok(Ok(1)), "all go on");
    });
}
