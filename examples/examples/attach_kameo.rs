//! An actor of `kameo` under a name: a small task hands on what arrives, and waits for each answer beside the others.
//! Start it in two terminals: the first one has the actor, and both use it.
//!
//!     cargo run --example attach_kameo
#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use std::time::Duration;

use kameo::actor::{ActorRef, Spawn};
use kameo::message::{Context, Message as Told};
use serde::{Deserialize, Serialize};
use skep_tokio::{Attached, Failure, Message, OneOf1};

const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Serialize, Deserialize)]
struct Add(u64);

impl Message for Add {
    const NAME: &'static str = "example.kameo.add";
    type Reply = u64;
}

#[derive(kameo::Actor)]
struct Counter(u64);

impl Told<Add> for Counter {
    type Reply = u64;

    async fn handle(&mut self, Add(n): Add, _: &mut Context<Self, u64>) -> u64 {
        self.0 += n;
        self.0
    }
}

/// Hands all on, and ends the actor when the name is not ours any more.
async fn serve(mut name: Attached<(Add,)>, actor: ActorRef<Counter>) {
    while let Some(OneOf1::First(call)) = name.next().await {
        let (add, reply) = call.split();
        let actor = actor.clone();
        drop(tokio::spawn(async move {
            if let Ok(total) = actor.ask(add).await {
                reply.send(total);
            } // else dropping the way for the answer tells the caller
        }));
    }
    let _ = actor.stop_gracefully().await; // it may have ended before
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let node =
        skep_tokio::node(format!("node-{}", std::process::id())).cluster("kameo-example").start().await?;
    match node.attach("total", TIMEOUT).await {
        Ok(name) => drop(tokio::spawn(serve(name, Counter::spawn(Counter(0))))),
        Err(taken) => println!("{taken}"),
    }
    for _ in 0..3 {
        println!("{}", node.call("total", Add(1), TIMEOUT).await?);
    }
    tokio::signal::ctrl_c().await?;
    node.leave(TIMEOUT).await;
    Ok(())
}
