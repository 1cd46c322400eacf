//! An actor of `ractor` under a name: a small task hands on what arrives. Start it in two terminals: the first one has
//! the actor, and both use it.
//!
//!     cargo run --example attach_ractor
#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use serde::{Deserialize, Serialize};
use skep_tokio::{Attached, Call, Failure, Message, OneOf1};

const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Serialize, Deserialize)]
struct Add(u64);

impl Message for Add {
    const NAME: &'static str = "example.ractor.add";
    type Reply = u64;
}

struct Counter;

impl Actor for Counter {
    /// With the way for its answer, wherever the caller is.
    type Msg = Call<Add>;
    type State = u64;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Call<Add>>, (): ()) -> Result<u64, ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(
        &self,
        _: ActorRef<Call<Add>>,
        call: Call<Add>,
        total: &mut u64,
    ) -> Result<(), ActorProcessingErr> {
        call.answer(|Add(n)| {
            *total += n;
            *total
        });
        Ok(())
    }
}

/// Hands all on, and ends the actor when the name is not ours any more.
async fn serve(mut name: Attached<(Add,)>, actor: ActorRef<Call<Add>>) {
    while let Some(OneOf1::First(call)) = name.next().await {
        if actor.send_message(call).is_err() {
            return; // it ended: dropping the name frees it
        }
    }
    actor.stop(None);
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let node =
        skep_tokio::node(format!("node-{}", std::process::id())).cluster("ractor-example").start().await?;
    match node.attach("total", TIMEOUT).await {
        Ok(name) => {
            let (actor, _) = Actor::spawn(None, Counter, ()).await?;
            drop(tokio::spawn(serve(name, actor)));
        }
        Err(taken) => println!("{taken}"),
    }
    for _ in 0..3 {
        println!("{}", node.call("total", Add(1), TIMEOUT).await?);
    }
    tokio::signal::ctrl_c().await?;
    node.leave(TIMEOUT).await;
    Ok(())
}
