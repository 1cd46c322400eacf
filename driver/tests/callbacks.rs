//! A worker that panics in any of its callbacks: a typed error where somebody waits, and never a lost worker.
#![cfg(feature = "sim")]

use std::time::Duration;

use serde::{Deserialize, Serialize};
use skep::core::id::Reason;
use skep::testing::Cluster;
use skep::{
    CallError, Context, Failure, Handle, Handled, Handoff, Message, Node, RegisterError, State, Stopping,
    Worker,
};

const SECOND: Duration = Duration::from_secs(1);
const WORDS: &str = "this panic is part of a test";

/// Panics there, and counts.
struct Fragile {
    there: There,
    total: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum There {
    Nowhere,
    Start,
    Handle,
    BeginHandoff,
    EndHandoff,
    MigrateState,
    ResolveConflict,
    Stopping,
    Drop,
}

impl There {
    fn reached(self, here: Self) {
        assert!(self != here, "{WORDS}");
    }
}

#[derive(Serialize, Deserialize)]
struct Add(u64);

impl Message for Add {
    const NAME: &'static str = "test.add";
    type Reply = u64;
}

impl Worker for Fragile {
    const KIND: &'static str = "fragile";
    type Args = There;
    type Messages = (Add,);

    async fn start(there: There, _: &mut Context<Self>) -> Result<Self, Failure> {
        there.reached(There::Start);
        Ok(Self { there, total: 0 })
    }

    async fn begin_handoff(&mut self, _: &mut Context<Self>) -> Handoff {
        self.there.reached(There::BeginHandoff);
        Handoff::resume(&self.total)
    }

    async fn end_handoff(&mut self, state: State, _: &mut Context<Self>) -> Result<(), Failure> {
        self.there.reached(There::EndHandoff);
        self.total = state.read()?;
        Ok(())
    }

    async fn resolve_conflict(&mut self, _: State, _: &mut Context<Self>) {
        self.there.reached(There::ResolveConflict);
    }

    async fn stopping(&mut self, _: Stopping, _: &mut Context<Self>) {
        self.there.reached(There::Stopping);
    }
}

impl Handle<Add> for Fragile {
    async fn handle(&mut self, Add(number): Add, _: &mut Context<Self>) -> u64 {
        self.there.reached(There::Handle);
        self.total += number;
        self.total
    }
}

impl Drop for Fragile {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.there.reached(There::Drop);
        }
    }
}

/// The same kind in another version, to which no state comes without being migrated.
struct Later(Fragile);

impl Worker for Later {
    const KIND: &'static str = "fragile";
    const VERSION: u16 = 1;
    type Args = There;
    type Messages = (Add,);

    async fn start(there: There, _: &mut Context<Self>) -> Result<Self, Failure> {
        Ok(Self(Fragile { there, total: 0 }))
    }

    async fn end_handoff(&mut self, state: State, _: &mut Context<Self>) -> Result<(), Failure> {
        self.0.total = state.read()?;
        Ok(())
    }

    fn migrate_args(args: skep::OldArgs) -> Result<There, Failure> {
        Ok(args.read()?)
    }

    fn migrate_state(_: State) -> Result<State, Failure> {
        panic!("{WORDS}");
    }
}

impl Handle<Add> for Later {
    async fn handle(&mut self, Add(number): Add, _: &mut Context<Self>) -> u64 {
        self.0.total += number;
        self.0.total
    }
}

fn fragile() -> Cluster {
    Cluster::new(1, |node| node.worker::<Fragile>())
}

fn names() -> impl Iterator<Item = String> {
    (0..10).map(|number| format!("n-{number}"))
}

async fn register_all(node: &Node, there: There) {
    for name in names() {
        node.register::<Fragile>(&name, there, SECOND).await.expect("it starts");
        node.call(&name, Add(1), SECOND).await.expect("it runs");
    }
}

/// All answer, here and in the state that they had.
async fn all_answer(node: &Node, total: impl Fn(u64) -> bool) {
    for name in names() {
        let answer = node.call(&name, Add(0), SECOND * 10).await;
        assert!(matches!(answer, Ok(answer) if total(answer)), "{name}: {answer:?}");
    }
}

#[test]
fn in_start_it_is_told_to_who_registers() {
    let cluster = fragile();
    cluster.run(async {
        let a = cluster.start("a").await;
        let reason = Reason::new(format!("panicked: {WORDS}"));
        let failed = a.register::<Fragile>("n", There::Start, SECOND).await;
        assert_eq!(failed, Err(RegisterError::StartFailed { reason }));
        a.register::<Fragile>("n", There::Nowhere, SECOND).await.expect("the name is free");
    });
}

#[test]
fn in_handle_it_is_told_to_the_caller_and_the_worker_starts_again() {
    let cluster = fragile();
    cluster.run(async {
        let a = cluster.start("a").await;
        let first = a.register::<Fragile>("n", There::Handle, SECOND).await.expect("it starts");
        let failed = a.call("n", Add(1), SECOND).await;
        assert_eq!(failed, Err(CallError::WorkerFailed { handled: Handled::Maybe }));
        cluster
            .until("it is started again", async || a.whereis("n").is_some_and(|now| now.epoch > first.epoch))
            .await;
    });
}

#[test]
fn in_begin_handoff_the_worker_starts_anew_where_it_is_wanted() {
    let cluster = fragile();
    cluster.run(async {
        let a = cluster.start("a").await;
        register_all(&a, There::BeginHandoff).await;
        let b = cluster.start("b").await;
        cluster.settled().await;
        cluster
            .until("some of ten move to b", async || !b.workers().await.expect("it runs").is_empty())
            .await;
        all_answer(&b, |_| true).await;
        cluster.stop("a").await;
        cluster.settled().await;
        all_answer(&b, |_| true).await;
    });
}

#[test]
fn in_end_handoff_the_move_is_given_up_and_the_worker_goes_on_with_what_it_had() {
    let cluster = fragile();
    cluster.run(async {
        let a = cluster.start("a").await;
        register_all(&a, There::EndHandoff).await;
        let b = cluster.start("b").await;
        cluster.sleep(SECOND * 20).await; // while it is tried again and again
        all_answer(&b, |total| total == 1).await;
        for name in names() {
            assert_eq!(cluster.holders(&name).await, [a.name().clone()], "{name}");
        }
        cluster.kill("a");
        cluster.settled().await;
        all_answer(&b, |total| total == 0).await;
    });
}

#[test]
fn in_migrate_state_the_move_is_given_up_too() {
    let cluster = Cluster::new(1, |node| match format!("{node:?}").contains("\"a\"") {
        true => node.worker::<Fragile>(),
        false => node.worker::<Later>(),
    });
    cluster.run(async {
        let a = cluster.start("a").await;
        register_all(&a, There::MigrateState).await;
        let b = cluster.start("b").await;
        cluster.sleep(SECOND * 20).await;
        all_answer(&b, |total| total == 1).await;
        cluster.kill("a");
        cluster.settled().await;
        all_answer(&b, |total| total == 0).await;
    });
}

#[test]
fn in_resolve_conflict_the_winner_starts_again() {
    let cluster = fragile();
    cluster.run(async {
        let [a, b] = cluster.start_all(["a", "b"]).await;
        register_all(&a, There::ResolveConflict).await;
        cluster.settled().await;
        let mut panicked = (a.events(), b.events());
        cluster.cut(&["a"], &["b"]);
        for name in names() {
            cluster.until("each side runs it", async || cluster.holders(&name).await.len() == 2).await;
        }
        cluster.heal();
        cluster.settled().await;
        all_answer(&a, |_| true).await;
        cluster.stop("a").await;
        cluster.stop("b").await;
        let mut failed = 0;
        for events in [&mut panicked.0, &mut panicked.1] {
            while let Some(news) = events.next().await {
                failed += usize::from(format!("{news:?}").contains(WORDS));
            }
        }
        assert!(failed >= 10, "each of ten winners was asked to resolve: {failed}");
    });
}

#[test]
fn in_stopping_and_in_drop_the_name_is_freed_all_the_same() {
    let cluster = fragile();
    cluster.run(async {
        let a = cluster.start("a").await;
        for there in [There::Stopping, There::Drop] {
            a.register::<Fragile>("n", there, SECOND).await.expect("it starts");
            assert_eq!(a.unregister("n", SECOND * 10).await, Ok(()), "{there:?}");
            assert_eq!(cluster.holders("n").await, [], "{there:?}");
        }
        a.register::<Fragile>("n", There::Stopping, SECOND).await.expect("the name is free");
        let b = cluster.start("b").await;
        cluster.stop("a").await;
        cluster.settled().await;
        assert_eq!(b.call("n", Add(1), SECOND * 10).await, Ok(1), "moved or started anew");
    });
}
