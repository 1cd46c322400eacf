//! A job that runs on exactly one node of the cluster, every minute or so. Start it in several terminals, and kill
//! the one that bills: another does.
//!
//!     cargo run --example cron
#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use std::time::Duration;

const EVERY: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<(), skep_tokio::Failure> {
    let name = format!("node-{}", std::process::id());
    println!("{name} is one of the nodes; ^C drains it");
    let run = skep_tokio::node(name).cluster("cron-example").singleton("cron", async |context| {
        loop {
            // The epoch rises with each start of the job: what it writes to can refuse an older one.
            println!("billing on {}, fenced by {}", context.node_name(), context.epoch());
            context.sleep(EVERY).await;
        }
    });
    run.until(interrupted()).run().await
}

async fn interrupted() {
    let _ = tokio::signal::ctrl_c().await; // without a handler, ^C ends the process as it is
}
