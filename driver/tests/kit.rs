//! The kit with which users test their own workers, used as they do.
#![cfg(feature = "sim")]

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use skep::testing::Cluster;
use skep::{
    CallError, Context, Ending, Failure, Handle, Handoff, Message, Ref, RegisterError, State, Worker,
};

const SECOND: Duration = Duration::from_secs(1);

/// Counts, and takes its count along.
struct Counter(u64);

#[derive(Serialize, Deserialize)]
struct Add(u64);

impl Message for Add {
    const NAME: &'static str = "counter.add";
    type Reply = u64;
}

impl Worker for Counter {
    const KIND: &'static str = "counter";
    type Args = u64;
    type Messages = (Add,);

    async fn start(first: u64, _: &mut Context<Self>) -> Result<Self, Failure> {
        Ok(Self(first))
    }

    async fn begin_handoff(&mut self, _: &mut Context<Self>) -> Handoff {
        Handoff::resume(&self.0)
    }

    async fn end_handoff(&mut self, state: State, _: &mut Context<Self>) -> Result<(), Failure> {
        self.0 = state.read()?;
        Ok(())
    }

    async fn resolve_conflict(&mut self, state: State, _: &mut Context<Self>) {
        self.0 += state.read::<u64>().unwrap_or(0);
    }
}

impl Handle<Add> for Counter {
    async fn handle(&mut self, Add(number): Add, _: &mut Context<Self>) -> u64 {
        self.0 += number;
        self.0
    }
}

fn counters(seed: u64) -> Cluster {
    Cluster::new(seed, |node| node.worker::<Counter>())
}

#[test]
fn a_stopped_node_hands_over_what_a_killed_one_cannot() {
    for seed in 0..5 {
        let cluster = counters(seed);
        cluster.run(async {
            let [a, ..] = cluster.start_all(["a", "b", "c"]).await;
            for number in 0..20 {
                let name = format!("n-{number}");
                a.register::<Counter>(&name, 0, SECOND).await.expect("it starts");
                assert_eq!(a.call(&name, Add(5), SECOND).await, Ok(5));
            }
            cluster.stop("b").await;
            cluster.settled().await;
            for number in 0..20 {
                assert_eq!(
                    a.call(format!("n-{number}"), Add(1), SECOND).await,
                    Ok(6),
                    "it moved with its count"
                );
            }
            let mut on_c = BTreeSet::new();
            for number in 0..20 {
                let name = format!("n-{number}");
                if cluster.holders(&name).await[0].as_str() == "c" {
                    on_c.insert(name);
                }
            }
            assert!(!on_c.is_empty() && on_c.len() < 20, "both have some of 20");
            cluster.kill("c");
            cluster.settled().await;
            for number in 0..20 {
                let name = format!("n-{number}");
                let count = if on_c.contains(&name) { 1 } else { 7 };
                assert_eq!(a.call(&name, Add(1), SECOND).await, Ok(count), "{name}");
            }
            cluster.start("c").await;
            cluster.settled().await;
        });
    }
}

#[test]
fn both_sides_of_a_cut_run_a_name_and_one_does_once_it_is_healed() {
    let cluster = counters(3);
    cluster.run(async {
        let [a, b, _] = cluster.start_all(["a", "b", "c"]).await;
        a.register::<Counter>("n", 0, SECOND).await.expect("it starts");
        a.call("n", Add(1), SECOND).await.expect("it runs");
        cluster.settled().await;
        cluster.cut(&["a"], &["b", "c"]);
        cluster.sleep(SECOND / 10).await;
        assert_eq!(cluster.holders("n").await.len(), 1, "nobody was told of the cut");
        cluster.until("each side runs it", async || cluster.holders("n").await.len() == 2).await;
        for node in [&a, &b] {
            cluster
                .until("its own one answers", async || node.call("n", Add(10), SECOND).await.is_ok())
                .await;
        }
        cluster.heal();
        cluster.settled().await;
        assert_eq!(cluster.holders("n").await.len(), 1);
        let sum = a.call("n", Add(0), SECOND).await.expect("it runs");
        assert_eq!(sum, 21, "1 before, 10 on each side");
    });
}

#[test]
fn a_killed_node_does_nothing_and_says_so() {
    let cluster = counters(1);
    cluster.run(async {
        let [a, b] = cluster.start_all(["a", "b"]).await;
        for number in 0..10 {
            a.register::<Counter>(format!("n-{number}"), 0, SECOND).await.expect("it starts");
        }
        let call = a.call("n-0", Add(1), SECOND);
        cluster.kill("a");
        assert!(call.await.is_err());
        assert_eq!(a.ended().await, Ending::Dropped);
        assert_eq!(a.call("n-1", Add(1), SECOND).await, Err(CallError::Ended));
        let late = a.register::<Counter>("late", 0, SECOND).await;
        assert_eq!(late, Err(RegisterError::Leaving));
        cluster.settled().await;
        for number in 0..10 {
            assert_eq!(cluster.holders(format!("n-{number}")).await, [b.name().clone()]);
        }
    });
}

#[test]
#[should_panic(expected = "the test is over within 3600s")]
fn a_test_that_waits_for_what_does_not_come_is_told_so() {
    let cluster = counters(1);
    cluster.run(async {
        let a = cluster.start("a").await;
        while a.events().next().await.is_some() {}
    });
}

#[test]
fn one_seed_is_one_run_and_another_seed_another() {
    let run = |seed| {
        let cluster = counters(seed);
        cluster.run(async {
            let [a, b, c] = cluster.start_all(["a", "b", "c"]).await;
            let mut events = b.events_from_start();
            for number in 0..20 {
                let name = format!("n-{number}");
                let counter = Ref::<Counter>::new(&name).expect("a good name");
                counter.call_or_start(&a, 0, Add(1), SECOND).await.expect("it runs");
            }
            cluster.kill("c");
            drop(c);
            cluster.settled().await;
            let at = cluster.now();
            cluster.stop("b").await;
            let mut told = vec![format!("{at:?}")];
            while let Some(news) = events.next().await {
                told.push(format!("{news:?}"));
            }
            told
        })
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
