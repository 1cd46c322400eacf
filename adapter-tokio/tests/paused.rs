//! Workers that use tokio's own timers, tested on its paused clock with a network in memory.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use skep_tokio::core::id::Address;
use skep_tokio::{
    Context, Failure, Handle, MemoryNetwork, Message, Node, NodeBuilder, StartError, TokioRuntime, Worker,
};

const MINUTE: Duration = Duration::from_secs(60);

/// Sleeps as tokio does.
struct Sleeper;

#[derive(Clone, Serialize, Deserialize)]
struct Nap(Duration);

impl Message for Nap {
    const NAME: &'static str = "test.nap";
    type Reply = String;
}

impl Worker for Sleeper {
    const KIND: &'static str = "sleeper";
    type Args = ();
    type Messages = (Nap,);

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }
}

impl Handle<Nap> for Sleeper {
    async fn handle(&mut self, Nap(time): Nap, context: &mut Context<Self>) -> String {
        tokio::time::sleep(time).await;
        context.node_name().to_string()
    }
}

async fn start(network: &MemoryNetwork, name: &str, peer: &str) -> Result<Node, StartError> {
    let runtime = TokioRuntime::current().expect("a test of tokio's");
    let place = network.at(Address::new(name).expect("a good address"));
    NodeBuilder::new(name, runtime, place).join(peer).worker::<Sleeper>().start().await
}

#[tokio::test(start_paused = true)]
async fn a_cluster_in_memory_runs_on_a_paused_clock() {
    let network = MemoryNetwork::new();
    let (a, b) = tokio::join!(start(&network, "a", "b"), start(&network, "b", "a"));
    let (a, b) = (a.expect("the node starts"), b.expect("the node starts"));
    let here = a.register::<Sleeper>("n", (), MINUTE).await.expect("it starts").node;
    let (holder, other) = if here == *a.name() { (&a, &b) } else { (&b, &a) };
    let began = tokio::time::Instant::now();
    assert_eq!(other.call("n", Nap(MINUTE), 2 * MINUTE).await, Ok(here.to_string()));
    assert!(began.elapsed() >= MINUTE);
    network.kill(holder.address());
    let again = other.call_idempotent("n", Nap(MINUTE), 2 * MINUTE).await; // the link is perhaps not yet lost
    assert_eq!(again, Ok(other.name().to_string()));
}
