//! A pool of workers that are called in parallel: the members of a group count the primes of a range together. Start it
//! in several terminals: the workers spread over the nodes, and the last one asks.
//!
//!     cargo run --release --example pool
#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde::{Deserialize, Serialize};
use skep_tokio::{Context, Failure, Handle, Message, Worker};

const TIMEOUT: Duration = Duration::from_secs(30);
const WORKERS: u64 = 8;
const UP_TO: u64 = 4_000_000;

struct Counting;

/// How many primes are in this range?
#[derive(Serialize, Deserialize)]
struct Primes(u64, u64);

impl Message for Primes {
    const NAME: &'static str = "example.pool.primes";
    /// Their number, and who counted.
    type Reply = (usize, String);
}

impl Worker for Counting {
    const KIND: &'static str = "counting";
    type Args = ();
    type Messages = (Primes,);

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }
}

impl Handle<Primes> for Counting {
    async fn handle(&mut self, Primes(from, to): Primes, context: &mut Context<Self>) -> (usize, String) {
        // Beside the runtime's own threads, so that the node goes on answering.
        let counting =
            tokio::task::spawn_blocking(move || (from..to).filter(|&number| is_prime(number)).count());
        (counting.await.unwrap_or_default(), context.node_name().to_string())
    }
}

fn is_prime(number: u64) -> bool {
    number >= 2
        && (2..)
            .take_while(|divisor| divisor * divisor <= number)
            .all(|divisor| !number.is_multiple_of(divisor))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let name = format!("node-{}", std::process::id());
    let node = skep_tokio::node(name).cluster("pool-example").worker::<Counting>().start().await?;
    // Whoever comes first registers them; the others hear that they are there.
    node.register_many::<Counting>((0..WORKERS).map(|number| (format!("pool-{number}"), ())), TIMEOUT).await;
    let began = Instant::now();
    let parts = (0..WORKERS).map(|number| {
        let part = Primes(UP_TO / WORKERS * number, UP_TO / WORKERS * (number + 1));
        node.call(format!("pool-{number}"), part, TIMEOUT)
    });
    let mut primes = 0;
    for (number, part) in join_all(parts).await.into_iter().enumerate() {
        let (count, place) = part?;
        println!("pool-{number} on {place} found {count}");
        primes += count;
    }
    println!("{primes} primes below {UP_TO} in {:?}; ^C drains", began.elapsed());
    tokio::signal::ctrl_c().await?;
    node.leave(TIMEOUT).await;
    Ok(())
}
