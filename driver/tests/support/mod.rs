//! What the driver's tests share: a small cluster in memory on virtual time, and its workers.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

use std::time::Duration;

use futures::future::join;
use serde::{Deserialize, Serialize};
use skep::core::event::Status;
use skep::core::id::Address;
use skep::{
    Context, Event, Failure, Handle, MemoryNetwork, MemoryTransport, Message, News, Node, NodeBuilder,
    Runtime, SimRuntime, Stopping, Worker,
};

pub const PATIENCE: Duration = Duration::from_secs(30);
pub const MILLI: Duration = Duration::from_millis(1);

/// One simulated process beside others.
pub struct World {
    pub runtime: SimRuntime,
    pub network: MemoryNetwork,
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self { runtime: SimRuntime::new(seed), network: MemoryNetwork::new() }
    }

    pub fn builder(&self, name: &str) -> NodeBuilder<SimRuntime, MemoryTransport> {
        let builder = NodeBuilder::new(name, self.runtime.clone(), self.network.at(address(name)));
        ["a", "b", "c"].into_iter().filter(|peer| *peer != name).fold(builder, NodeBuilder::join)
    }

    pub async fn start(&self, name: &str) -> Node {
        self.builder(name).worker::<Echo>().start().await.expect("the node starts")
    }

    /// Nodes a and b, each of which sees both up.
    pub async fn pair(&self) -> (Node, Node) {
        let (a, b) = join(self.start("a"), self.start("b")).await;
        for node in [&a, &b] {
            self.until("both are up", async || {
                let members = node.members().await.expect("the node runs");
                members.iter().filter(|member| member.status == Status::Up).count() == 2
            })
            .await;
        }
        (a, b)
    }

    pub async fn sleep(&self, time: Duration) {
        self.runtime.sleep_until(self.runtime.now() + time).await;
    }

    pub async fn until(&self, what: &str, so: impl AsyncFn() -> bool) {
        let deadline = self.runtime.now() + PATIENCE;
        while !so().await {
            assert!(self.runtime.now() < deadline, "{what} within {PATIENCE:?}");
            self.sleep(MILLI).await;
        }
    }
}

pub fn address(name: &str) -> Address {
    Address::new(name).expect("a good address")
}

/// The name of a worker that this node is asked to run: found by asking for owners.
pub async fn name_owned_by(node: &Node) -> String {
    for n in 0..1000 {
        let name = format!("name-{n}");
        let owner = node.owner(skep::core::id::Name::new(&name).expect("a good name")).await;
        if owner.expect("a node is up").node == *node.name() {
            return name;
        }
    }
    panic!("one of a thousand names is owned by {}", node.name());
}

/// The next event that `pick` makes something of.
pub async fn event<T>(events: &mut skep::Events, pick: impl Fn(&Event) -> Option<T>) -> T {
    loop {
        match events.next().await.expect("the node runs") {
            News::Event(event) => {
                if let Some(picked) = pick(&event) {
                    return picked;
                }
            }
            other => panic!("no event may be missed: {other:?}"),
        }
    }
}

/// Answers, waits, crashes, ends, and is hard to stop, as it is told.
pub struct Echo {
    stubborn: bool,
}

/// How it starts.
#[derive(Clone, Serialize, Deserialize)]
pub enum Begin {
    Well,
    Stubborn,
    Never,
    Panicking,
}

#[derive(Serialize, Deserialize)]
pub struct Say(pub String);

impl Message for Say {
    const NAME: &'static str = "test.say";
    type Reply = String;
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Wait(pub u64);

impl Message for Wait {
    const NAME: &'static str = "test.wait";
    type Reply = ();
}

#[derive(Clone, Serialize, Deserialize)]
pub enum End {
    Exit,
    Fail,
    Panic,
}

impl Message for End {
    const NAME: &'static str = "test.end";
    type Reply = ();
}

#[derive(Serialize, Deserialize)]
pub struct Large(pub usize);

impl Message for Large {
    const NAME: &'static str = "test.large";
    type Reply = Vec<u8>;
}

impl Worker for Echo {
    const KIND: &'static str = "echo";
    type Args = Begin;
    type Messages = (Say, Wait, End, Large);

    async fn start(begin: Begin, context: &mut Context<Self>) -> Result<Self, Failure> {
        match begin {
            Begin::Well => Ok(Self { stubborn: false }),
            Begin::Stubborn => Ok(Self { stubborn: true }),
            Begin::Never => {
                context.sleep(Duration::from_secs(1_000_000)).await;
                Err(Failure::new("it was never to come so far"))
            }
            Begin::Panicking => panic!("this panic is part of a test"),
        }
    }

    async fn stopping(&mut self, _why: Stopping, context: &mut Context<Self>) {
        if self.stubborn {
            context.sleep(Duration::from_secs(1_000_000)).await;
        }
    }
}

impl Handle<Say> for Echo {
    async fn handle(&mut self, Say(text): Say, context: &mut Context<Self>) -> String {
        format!("{} says {text}", context.node_name())
    }
}

impl Handle<Wait> for Echo {
    async fn handle(&mut self, Wait(millis): Wait, context: &mut Context<Self>) {
        context.sleep(Duration::from_millis(millis)).await;
    }
}

impl Handle<End> for Echo {
    async fn handle(&mut self, end: End, context: &mut Context<Self>) {
        match end {
            End::Exit => context.exit(),
            End::Fail => context.fail(Failure::new("it was told to fail")),
            End::Panic => panic!("this panic is part of a test"),
        }
    }
}

impl Handle<Large> for Echo {
    async fn handle(&mut self, Large(bytes): Large, _: &mut Context<Self>) -> Vec<u8> {
        vec![7; bytes]
    }
}
