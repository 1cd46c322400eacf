//! A counter whose state moves with it. Start it in several terminals: each adds one a second. Stop the node that
//! counts with ^C, or start another: the number goes on where it was. Kill it with SIGKILL, and it begins anew.
//!
//!     cargo run --example counter
#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use std::time::Duration;

use serde::{Deserialize, Serialize};
use skep_tokio::{Context, Failure, Handle, Handoff, Message, Ref, State, Worker};

const TIMEOUT: Duration = Duration::from_secs(5);

struct Counter(u64);

#[derive(Serialize, Deserialize)]
struct Add(u64);

impl Message for Add {
    const NAME: &'static str = "example.counter.add";
    /// The sum, and the node that counts.
    type Reply = (u64, String);
}

impl Worker for Counter {
    const KIND: &'static str = "counter";
    type Args = ();
    type Messages = (Add,);

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, Failure> {
        Ok(Self(0))
    }

    async fn begin_handoff(&mut self, _: &mut Context<Self>) -> Handoff {
        Handoff::resume(&self.0)
    }

    async fn end_handoff(&mut self, state: State, _: &mut Context<Self>) -> Result<(), Failure> {
        self.0 = state.read()?;
        Ok(())
    }
}

impl Handle<Add> for Counter {
    async fn handle(&mut self, Add(n): Add, context: &mut Context<Self>) -> (u64, String) {
        self.0 += n;
        (self.0, context.node_name().to_string())
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let name = format!("node-{}", std::process::id());
    let node = skep_tokio::node(name).cluster("counter-example").worker::<Counter>().start().await?;
    let counter = Ref::<Counter>::new("visitors")?;
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = tokio::signal::ctrl_c() => break,
        }
        match counter.call_or_start(&node, (), Add(1), TIMEOUT).await {
            Ok((sum, place)) => println!("{sum} visitors, counted on {place}"),
            Err(error) => println!("not counted: {error}"),
        }
    }
    if let Err(alone) = node.drain(TIMEOUT).await {
        println!("the count ends here: {alone}");
    }
    node.leave(TIMEOUT).await;
    Ok(())
}
