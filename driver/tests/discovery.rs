//! Finding peers, as users and sources see it: topologies, their failures, readiness.
#![cfg(feature = "sim")]

mod support;

use std::future::pending;
use std::time::Duration;

use futures::future::join3;
use skep::core::error::ConfigError;
use skep::core::event::{Event, Observation, SourceFault};
use skep::core::id::Source;
use skep::discovery::{Announced, Discovery, ObservationSink};
use skep::{Limit, ReadyError, Runtime, SimRuntime, StartError};
use support::{MILLI, PATIENCE, World, address, event};

/// Says what it was given, then waits or panics.
struct Says {
    observations: Vec<Observation>,
    panics: bool,
}

impl Discovery<SimRuntime> for Says {
    fn source(&self) -> Source {
        Source::new("says").expect("a good name")
    }

    async fn run(&mut self, _: SimRuntime, _: Announced, mut sink: ObservationSink) {
        for observation in self.observations.clone() {
            sink.observe(observation).await;
        }
        sink.reached(Limit::BeaconSenders);
        assert!(!self.panics, "this panic is part of a test");
        pending().await
    }
}

fn says(observations: impl IntoIterator<Item = Observation>) -> Says {
    Says { observations: observations.into_iter().collect(), panics: false }
}

#[test]
fn two_topologies_of_one_sort_have_two_names() {
    let world = World::new(1);
    world.runtime.run(async {
        let x = || world.builder("x").discover(says([]));
        let twice = x().discover(says([])).start().await.map(|_| ());
        assert_eq!(twice, Err(StartError::DuplicateTopology(Source::new("says").expect("a good name"))));
        let nameless = x().topology("", says([])).start().await;
        assert!(matches!(nameless, Err(StartError::BadText { what: "topology", .. })));
        let nowhere = x().authority("nowhere", MILLI).start().await.map(|_| ());
        let expected = StartError::UnknownTopology(Source::new("nowhere").expect("a good name"));
        assert_eq!(nowhere, Err(expected));
        let hasty = x().topology("one", says([])).authority("one", Duration::ZERO).start().await.map(|_| ());
        assert_eq!(hasty, Err(StartError::Config(ConfigError::ZeroDuration("authorities"))));
        let node = x().topology("other", says([])).authority("other", MILLI).start().await;
        assert!(node.is_ok(), "{node:?}");
    });
}

#[test]
fn a_source_that_panics_is_degraded_and_what_it_said_stands() {
    let world = World::new(2);
    world.runtime.run(async {
        let a = world.start("a").await;
        let source = Says { observations: vec![Observation::Upsert(address("a"))], panics: true };
        let x = world.builder("x").topology("broken", source).start().await.expect("the node starts");
        let mut events = x.events_from_start();
        let degraded = event(&mut events, |event| match event {
            Event::SourceDegraded { source, failure } => Some((source.to_string(), failure.clone())),
            _ => None,
        });
        let (source, failure) = degraded.await;
        assert_eq!((source.as_str(), failure.fault), ("broken", SourceFault::Config));
        assert_eq!(failure.reason.as_str(), "panicked: this panic is part of a test");
        world.until("they meet", async || a.members().await.is_ok_and(|members| members.len() == 2)).await;
        let counters = x.counters().await.expect("the node runs");
        assert_eq!((counters.sources, counters.sources_degraded), (2, 1), "it and the list of addresses");
        assert_eq!(counters.withdrawn, 0);
        let reached = x.limits_reached().find(|(limit, _)| *limit == Limit::BeaconSenders);
        assert_eq!(reached, Some((Limit::BeaconSenders, 1)), "what a source counts is its node's");
    });
}

#[test]
fn a_start_waits_for_nobody_and_ready_for_as_many_as_it_is_told() {
    let world = World::new(3);
    world.runtime.run(async {
        let dead = world.builder("a").discover(says([Observation::transient("connection refused")]));
        let a = dead.start().await.expect("it starts with a source that does not answer");
        let alone = a.ready(2, MILLI * 100, MILLI * 300).await;
        assert_eq!(alone, Err(ReadyError::Timeout { up: 1 }));
        let began = world.runtime.now();
        let (ready, _b, _c) =
            join3(a.ready(3, MILLI * 700, PATIENCE), world.start("b"), world.start("c")).await;
        assert_eq!(ready, Ok(3));
        assert!(world.runtime.now() - began >= Duration::from_millis(700), "nobody came or went for so long");
        a.leave(PATIENCE).await;
        assert_eq!(a.ready(1, Duration::ZERO, PATIENCE).await, Err(ReadyError::Leaving));
    });
}
