//! On real threads: the conformance suite, a worker that blocks its thread, and bugs that end a node.
#![cfg(feature = "conformance")]

#[path = "support/threads.rs"]
mod support;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use futures::executor::block_on;
use skep::core::event::{EndReason, Event, Stopped};
use skep::core::id::Address;
use skep::core::wire::Hello;
use skep::link::Hub;
use skep::transport::{BindError, Dialer, Listener, Transport};
use skep::{
    Context, Ending, Failure, MemoryNetwork, News, Node, NodeBuilder, StartError, Worker, conformance,
};
use support::Threads;

const PATIENCE: Duration = Duration::from_secs(30);

fn address(text: &str) -> Address {
    Address::new(text).expect("a good address")
}

#[test]
fn threads_conform() {
    block_on(conformance::runtime(&Threads));
}

#[test]
fn a_cluster_on_threads_conforms() {
    let network = MemoryNetwork::new();
    let next = AtomicU32::new(0);
    let transport = || network.at(address(&format!("memory-{}", next.fetch_add(1, Ordering::SeqCst))));
    block_on(conformance::cluster(&Threads, transport));
}

/// Blocks its thread when it has to stop, until the test lets it go.
struct Blocker;

static RELEASE: Mutex<Option<mpsc::Receiver<()>>> = Mutex::new(None);

impl Worker for Blocker {
    const KIND: &'static str = "blocker";
    type Args = ();
    type Messages = ();

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn stopping(&mut self, _: skep::Stopping, _: &mut Context<Self>) {
        let release = RELEASE.lock().expect("no test panicked with it").take().expect("it is told once");
        let _ = release.recv(); // or the test has ended
    }
}

async fn end_of(events: &mut skep::Events) -> EndReason {
    loop {
        if let Some(News::Event(Event::Stopped { why, .. })) = events.next().await {
            return why;
        }
    }
}

#[test]
fn a_worker_that_blocks_its_thread_is_stuck_until_it_does_not() {
    block_on(async {
        let (release, receiver) = mpsc::channel();
        *RELEASE.lock().expect("no test panicked with it") = Some(receiver);
        let network = MemoryNetwork::new();
        let node: Node = NodeBuilder::new("a", Threads, network.at(address("a")))
            .worker::<Blocker>()
            .configure(|config| config.stop_grace = Duration::from_millis(20))
            .start()
            .await
            .expect("the node starts");
        let mut events = node.events();
        let epoch = node.register::<Blocker>("n", (), PATIENCE).await.expect("it starts").epoch;
        let unregistering = node.unregister("n", Duration::from_secs(2));
        assert!(unregistering.await.is_err(), "it keeps its name while it is stuck");
        assert!(matches!(end_of(&mut events).await, EndReason::Ordered(_, Stopped::Stuck)));
        let workers = node.workers().await.expect("the node runs");
        assert_eq!(
            workers.iter().map(|worker| (worker.epoch, worker.is_stuck)).collect::<Vec<_>>(),
            [(epoch, true)]
        );
        release.send(()).expect("it waits");
        assert!(matches!(end_of(&mut events).await, EndReason::Ordered(_, Stopped::ByForce)));
        assert_eq!(node.workers().await, Ok(vec![]));
    });
}

/// A transport with a bug.
struct Broken;

impl Transport<Threads> for Broken {
    type Listener = Self;

    async fn bind(self, _: Threads) -> Result<Self, BindError> {
        Ok(self)
    }
}

impl Listener for Broken {
    type Dialer = Self;

    fn address(&self) -> Address {
        address("broken")
    }

    fn serve(self, _: Hello, _: Hub) -> Self {
        self
    }
}

impl Dialer for Broken {
    fn dial(&mut self, _: Address) {
        panic!("this panic is part of a test");
    }

    fn introduce_as(&mut self, _: Hello) {}
}

#[test]
fn a_bug_ends_the_node_and_says_so() {
    let started = block_on(NodeBuilder::new("a", Threads, Broken).join("b").start());
    assert_eq!(started.map(|_| ()), Err(StartError::Ended(Ending::Broken)));
}
