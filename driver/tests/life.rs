//! The life of nodes: up, leaving, dropped, refused, found by a source.
#![cfg(feature = "sim")]

mod support;

use std::future::{Future, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{join, join_all};
use skep::core::Instant;
use skep::core::error::ConfigError;
use skep::core::event::{Event, Evidence, Observation, Status};
use skep::core::id::{Life, Source};
use skep::discovery::{Announced, Discovery, ObservationSink};
use skep::link::LinkBounds;
use skep::transport::BindError;
use skep::{
    CallBounds, CallError, Ending, Limit, Node, NodeBuilder, NodeEnded, RegisterError, Runtime, SimRuntime,
    StartError,
};
use support::{Begin, Echo, MILLI, PATIENCE, Say, Wait, World, address, event, name_owned_by};

fn down(event: &Event) -> Option<Evidence> {
    match event {
        Event::MemberDown { evidence, .. } => Some(*evidence),
        _ => None,
    }
}

#[test]
fn a_node_whose_last_user_dropped_it_leaves_and_is_taken_over() {
    let world = World::new(1);
    world.runtime.run(async {
        let (a, b) = world.pair().await;
        let name = name_owned_by(&a).await;
        a.register::<Echo>(&name, Begin::Stubborn, PATIENCE).await.expect("it starts");
        let mut events = b.events();
        let dropped = world.runtime.now();
        drop(a.clone()); // a clone is not the last
        drop(a);
        assert_eq!(event(&mut events, down).await, Evidence::Left);
        let said = b.call(&name, Say("mine".into()), PATIENCE).await;
        assert_eq!(said.as_deref(), Ok("b says mine"));
        assert!(world.runtime.now() - dropped < Duration::from_secs(2), "although it was stubborn");
    });
}

#[test]
fn who_asks_a_node_that_has_ended_is_told() {
    let world = World::new(1);
    world.runtime.run(async {
        let a = world.start("a").await;
        let mut events = a.events();
        a.leave(PATIENCE).await;
        assert_eq!(a.ended().await, Ending::Left);
        assert_eq!(a.up().await, Err(Ending::Left));
        assert_eq!(a.members().await, Err(NodeEnded));
        assert_eq!(a.workers().await, Err(NodeEnded));
        assert_eq!(a.register::<Echo>("n", Begin::Well, PATIENCE).await, Err(RegisterError::Leaving));
        assert!(matches!(a.attach::<()>("n", PATIENCE).await, Err(RegisterError::Leaving)));
        assert_eq!(a.drain(PATIENCE).await, Ok(0));
        a.leave(PATIENCE).await;
        while events.next().await.is_some() {}
        world.start("a").await; // and its address is free
    });
}

#[test]
fn a_call_that_is_under_way_when_its_node_ends_is_lost_and_a_later_one_is_told() {
    let world = World::new(1);
    world.runtime.run(async {
        let (a, b) = world.pair().await;
        let name = name_owned_by(&a).await;
        a.register::<Echo>(&name, Begin::Well, PATIENCE).await.expect("it starts");
        let ending = async {
            world.sleep(MILLI * 10).await;
            b.leave(PATIENCE).await;
        };
        let (lost, ()) = join(b.call(&name, Wait(1_000_000), PATIENCE), ending).await;
        assert_eq!(lost, Err(CallError::LinkLost));
        assert_eq!(b.call(&name, Wait(0), PATIENCE).await, Err(CallError::Ended));
    });
}

#[test]
fn a_drained_node_owns_nothing_and_stays_a_member() {
    let world = World::new(2);
    world.runtime.run(async {
        let (a, b) = world.pair().await;
        for n in 0..20 {
            a.register::<Echo>(format!("n-{n}"), Begin::Well, PATIENCE).await.expect("it starts");
        }
        let here = a.workers().await.expect("the node runs").len();
        assert!(here > 0, "some of 20 are here");
        assert_eq!(a.drain(PATIENCE).await, Ok(here));
        assert_eq!(a.workers().await, Ok(vec![]));
        for n in 0..20 {
            let said = a.call(format!("n-{n}"), Say("moved".into()), PATIENCE).await;
            assert_eq!(said.as_deref(), Ok("b says moved"));
        }
        let members = b.members().await.expect("the node runs");
        let leaving = members.iter().find(|member| member.node == *a.name()).expect("it is known");
        assert_eq!(leaving.status, Status::Leaving);
    });
}

#[test]
fn a_node_whose_table_of_members_is_full_lets_nobody_in_and_counts_it() {
    let world = World::new(1);
    world.runtime.run(async {
        let full = |name| world.builder(name).configure(|config| config.max_members = 2).start();
        let (a, b) = join(full("a"), full("b")).await;
        let [a, b] = [a, b].map(|node| node.expect("the node starts"));
        let reached = |node: &Node| node.limits_reached().find(|(limit, _)| *limit == Limit::Members);
        assert_eq!(reached(&a), Some((Limit::Members, 0)));
        let c = world.start("c").await;
        let counts = async || [&a, &b].iter().all(|node| reached(node) > Some((Limit::Members, 0)));
        world.until("both have counted it", counts).await;
        assert_eq!(a.members().await.map(|members| members.len()), Ok(2));
        drop(c);
    });
}

#[test]
fn a_cluster_that_has_as_many_names_as_it_may_refuses_more_and_counts_it() {
    let world = World::new(1);
    world.runtime.run(async {
        let (a, b) = {
            let bounded =
                |name| world.builder(name).worker::<Echo>().configure(|config| config.max_names = 2);
            join(bounded("a").start(), bounded("b").join("a").start()).await
        };
        let (a, b) = (a.expect("the node starts"), b.expect("the node starts"));
        world.until("they meet", async || a.members().await.is_ok_and(|members| members.len() == 2)).await;
        let register =
            async |node: &Node, name: &str| node.register::<Echo>(name, Begin::Well, PATIENCE).await;
        register(&a, "one").await.expect("there is room");
        let two = b.attach::<()>("two", PATIENCE).await.expect("there is room");
        let knows = |node: &Node| node.whereis("one").is_some() && node.whereis("two").is_some();
        world.until("both know of both", async || knows(&a) && knows(&b)).await;
        let full = RegisterError::TooManyNames { max: 2 };
        for node in [&a, &b] {
            for name in ["three", "four", "five", "six"] {
                assert_eq!(register(node, name).await, Err(full.clone()));
            }
            assert_eq!(node.attach::<()>("seven", PATIENCE).await.err(), Some(full.clone()));
        }
        let counted =
            |node: &Node| node.limits_reached().into_iter().find(|(limit, _)| *limit == Limit::Names);
        let counted: Vec<u64> = [&a, &b].iter().filter_map(|node| Some(counted(node)?.1)).collect();
        assert_eq!(counted.iter().sum::<u64>(), 10, "each by the name's arbiter: {counted:?}");
        assert!(!counted.contains(&0), "both are arbiters: {counted:?}");
        drop(two);
        world.until("its name is free", async || register(&b, "three").await.is_ok()).await;
    });
}

#[test]
fn an_arbiter_with_as_many_claims_as_may_wait_tells_another_s_callers_that_it_is_busy_and_counts_it() {
    let world = World::new(1);
    world.runtime.run(async {
        let bounded = world.builder("a").worker::<Echo>().configure(|config| config.max_claims = 2).start();
        let (a, b) = join(bounded, world.start("b")).await;
        let a = a.expect("the node starts");
        world.until("they meet", async || b.members().await.is_ok_and(|members| members.len() == 2)).await;
        let claim = |number: u32| b.register::<Echo>(format!("n-{}", number % 4), Begin::Never, PATIENCE);
        let told = join_all((0..40).map(claim)).await;
        let busy = told.iter().filter(|told| **told == Err(RegisterError::Busy)).count() as u64;
        let others = told.iter().filter(|told| **told == Err(RegisterError::Timeout)).count() as u64;
        assert_eq!(busy + others, 40, "{told:?}");
        let requests = |node: &Node| {
            let mut all = node.limits_reached();
            all.find(|(limit, _)| *limit == Limit::Requests).expect("each limit has its count").1
        };
        assert!(busy > 0 && others > 0, "{busy} of 40 are too many for a");
        assert_eq!((requests(&a), requests(&b)), (busy, 0));
    });
}

#[test]
fn a_bound_of_nothing_is_refused_by_its_name() {
    let world = World::new(1);
    let links = |field, of: fn(&mut LinkBounds)| {
        let mut bounds = LinkBounds::default();
        of(&mut bounds);
        (field, world.builder("a").link_bounds(bounds))
    };
    let calls = |field, of: fn(&mut CallBounds)| {
        let mut bounds = CallBounds::default();
        of(&mut bounds);
        (field, world.builder("a").call_bounds(bounds))
    };
    let builders = [
        ("max_names", world.builder("a").configure(|config| config.max_names = 0)),
        ("max_log", world.builder("a").configure(|config| config.max_log = 0)),
        links("link_bounds.control", |bounds| bounds.control = 0),
        links("link_bounds.calls", |bounds| bounds.calls = 0),
        links("link_bounds.bulk", |bounds| bounds.bulk = 0),
        links("link_bounds.unhandled", |bounds| bounds.unhandled = 0),
        links("link_bounds.parked", |bounds| bounds.parked = 0),
        calls("call_bounds.pending", |bounds| bounds.pending = 0),
        calls("call_bounds.mailbox", |bounds| bounds.mailbox = 0),
        calls("call_bounds.parked", |bounds| bounds.parked = 0),
        calls("call_bounds.parked_bytes", |bounds| bounds.parked_bytes = 0),
        calls("call_bounds.held", |bounds| bounds.held = 0),
    ];
    world.runtime.run(async {
        for (field, builder) in builders {
            let refused = builder.start().await.err();
            assert_eq!(refused, Some(StartError::Config(ConfigError::ZeroBound(field))));
        }
    });
}

#[test]
fn mistakes_are_told_at_start_in_the_order_in_which_they_were_made() {
    let world = World::new(1);
    world.runtime.run(async {
        let twice = world.builder("a").worker::<Echo>().worker::<Echo>().role("").start().await;
        assert!(matches!(twice, Err(StartError::DuplicateKind(kind)) if kind.as_str() == "echo"));
        let role = world.builder("a").role("").start().await;
        assert!(matches!(role, Err(StartError::BadText { what: "role", .. })));
        let nameless = NodeBuilder::new("", world.runtime.clone(), world.network.at(address("x")));
        assert!(matches!(nameless.start().await, Err(StartError::BadText { what: "name", .. })));
        assert!(matches!(world.builder("a").weight(0).start().await, Err(StartError::Config(_))));
        let first = world.start("a").await;
        let second = world.builder("a").start().await;
        assert_eq!(second.map(|_| ()), Err(StartError::Bind(BindError::InUse("a".into()))));
        drop(first);
    });
}

#[test]
fn a_dropped_registration_is_not_begun_or_shows_in_the_next_look_up() {
    let world = World::new(1);
    world.runtime.run(async {
        let a = world.start("a").await;
        drop(a.register::<Echo>("never", Begin::Well, PATIENCE));
        assert!(a.register::<Echo>("late", Begin::Well, PATIENCE).now_or_never().is_none());
        let late = a.whereis_consistent("late", PATIENCE).await.expect("it was asked for, and so it starts");
        assert_eq!(late.node, *a.name());
        world.sleep(PATIENCE).await;
        assert!(a.whereis("never").is_none(), "nobody asked for it");
        assert!(a.attach::<()>("guest", PATIENCE).now_or_never().is_none());
        world
            .until("a guest that did not wait has no name", async || {
                a.register::<Echo>("guest", Begin::Well, PATIENCE).await.is_ok()
            })
            .await;
    });
}

/// Says one address, and counts how often it runs.
struct Counted {
    running: Arc<AtomicU32>,
    started: Arc<AtomicU32>,
}

struct Runs(Arc<AtomicU32>);

impl Drop for Runs {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Discovery<SimRuntime> for Counted {
    fn source(&self) -> Source {
        Source::new("counted").expect("a good name")
    }

    async fn run(&mut self, _: SimRuntime, me: Announced, mut sink: ObservationSink) {
        self.started.fetch_add(1, Ordering::SeqCst);
        self.running.fetch_add(1, Ordering::SeqCst);
        let _runs = Runs(self.running.clone());
        assert_eq!(me.node.as_str(), "x");
        sink.observe(Observation::Upsert(address("a"))).await;
        pending().await
    }
}

#[test]
fn a_source_finds_peers_and_is_dropped_when_the_node_drains() {
    let world = World::new(1);
    world.runtime.run(async {
        let a = world.start("a").await;
        let (running, started) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let source = Counted { running: running.clone(), started: started.clone() };
        let transport = world.network.at(address("x"));
        let x = NodeBuilder::new("x", world.runtime.clone(), transport).discover(source).start();
        let x = x.await.expect("the node starts");
        world.until("they meet", async || a.members().await.is_ok_and(|members| members.len() == 2)).await;
        assert_eq!(running.load(Ordering::SeqCst), 1);
        x.drain(PATIENCE).await.expect("there is nothing to give away");
        world.until("it is dropped", async || running.load(Ordering::SeqCst) == 0).await;
        assert_eq!(started.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn run_ends_when_it_is_told_and_gives_its_workers_away() {
    let world = World::new(4);
    world.runtime.run(async {
        let a = world.start("a").await;
        let told = world.runtime.sleep_until(world.runtime.now() + MILLI * 500);
        let running = world.builder("b").worker::<Echo>().until(told).run();
        let working = async {
            world.until("b is up", async || a.members().await.is_ok_and(|members| members.len() == 2)).await;
            for n in 0..20 {
                a.register::<Echo>(format!("n-{n}"), Begin::Well, PATIENCE).await.expect("it starts");
            }
            assert!(a.workers().await.expect("the node runs").len() < 20, "some of 20 are there");
        };
        let (ended, ()) = join(running, working).await;
        assert_eq!(ended, Ok(()));
        world.until("all are here", async || a.workers().await.is_ok_and(|here| here.len() == 20)).await;
    });
}

/// A simulated runtime whose Unix time begins where the test wants it.
#[derive(Clone)]
struct Shifted {
    runtime: SimRuntime,
    micros: Arc<AtomicU64>,
}

impl Runtime for Shifted {
    fn now(&self) -> Instant {
        Runtime::now(&self.runtime)
    }

    fn unix_micros(&self) -> u64 {
        self.micros.fetch_add(1, Ordering::SeqCst)
    }

    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> + Send + 'static {
        self.runtime.sleep_until(deadline)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }

    fn entropy(&self, buffer: &mut [u8]) {
        self.runtime.entropy(buffer);
    }
}

#[test]
fn a_node_whose_tag_is_taken_takes_a_new_life() {
    let world = World::new(1);
    world.runtime.run(async {
        let a = world.start("a").await;
        let clashing = (a.life().0 + 1..).find(|&life| Life(life).tag() == a.life().tag());
        let clashing = clashing.expect("one of the lives to come has that tag");
        let micros = Arc::new(AtomicU64::new(clashing));
        let runtime = Shifted { runtime: world.runtime.clone(), micros };
        let x = NodeBuilder::new("x", runtime, world.network.at(address("x"))).worker::<Echo>().join("a");
        let x = x.start().await.expect("the node starts");
        assert!(x.life().0 > clashing, "life {} clashed", x.life());
        world
            .until("they meet", async || {
                let members = a.members().await.expect("the node runs");
                members.iter().any(|member| member.life == x.life() && member.status == Status::Up)
            })
            .await;
        for n in 0..10 {
            let name = format!("n-{n}");
            x.register::<Echo>(&name, Begin::Well, PATIENCE).await.expect("it starts");
            assert!(x.call(&name, Say("hello".into()), PATIENCE).await.is_ok());
        }
    });
}

#[test]
fn two_nodes_that_drew_one_life_in_one_moment_form_one_cluster() {
    let world = World::new(1);
    world.runtime.run(async {
        let start = |name: &'static str, other: &'static str| {
            let micros = Arc::new(AtomicU64::new(1_795_000_000_000_000));
            let runtime = Shifted { runtime: world.runtime.clone(), micros };
            NodeBuilder::new(name, runtime, world.network.at(address(name))).join(other).start()
        };
        let (x, y) = join(start("x", "y"), start("y", "x")).await;
        let (x, y) = (x.expect("the node starts"), y.expect("the node starts"));
        for node in [&x, &y] {
            world
                .until("they meet", async || {
                    let members = node.members().await.expect("the node runs");
                    members.iter().filter(|member| member.status == Status::Up).count() == 2
                })
                .await;
        }
        assert_ne!(x.life(), y.life());
        let _kept = x.attach::<()>("of-x", PATIENCE).await.expect("the name is free");
        let seen = async || {
            let names = y.registered().await.expect("the node runs");
            names.into_iter().find(|it| it.name.as_str() == "of-x").and_then(|it| it.node)
        };
        world.until("y hears of it", async || seen().await.is_some()).await;
        let why = "y does not take the life that it drew first for its own";
        assert_eq!(seen().await.as_ref(), Some(x.name()), "{why}");
    });
}
