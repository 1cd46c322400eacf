//! A session for each device, started on the device's first message, and ended when it falls silent. Start it in
//! several terminals: the sessions spread over the nodes, and any node reaches any of them.
//!
//!     cargo run --example sessions
#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use std::time::Duration;

use serde::{Deserialize, Serialize};
use skep_tokio::{Context, Failure, Handle, Message, Ref, Restart, RestartPolicy, Timer, Worker};

const TIMEOUT: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_secs(10);

/// What one device has said.
struct Session {
    device: u32,
    readings: u32,
    silence: Timer,
}

#[derive(Serialize, Deserialize)]
struct Reading(f32);

impl Message for Reading {
    const NAME: &'static str = "example.session.reading";
    /// What to show.
    type Reply = String;
}

/// Sent by the session to itself.
#[derive(Serialize, Deserialize)]
struct Silence;

impl Message for Silence {
    const NAME: &'static str = "example.session.silence";
    type Reply = ();
}

impl Worker for Session {
    const KIND: &'static str = "session";
    type Args = u32;
    type Messages = (Reading, Silence);

    async fn start(device: u32, context: &mut Context<Self>) -> Result<Self, Failure> {
        let silence = context.send_after(SILENCE, Silence);
        Ok(Self { device, readings: 0, silence })
    }

    /// One that ends by itself has nothing more to do.
    fn restart() -> RestartPolicy {
        RestartPolicy { restart: Restart::Transient, ..RestartPolicy::default() }
    }
}

impl Handle<Reading> for Session {
    async fn handle(&mut self, Reading(celsius): Reading, context: &mut Context<Self>) -> String {
        context.cancel(self.silence);
        self.silence = context.send_after(SILENCE, Silence);
        self.readings += 1;
        let (device, readings) = (self.device, self.readings);
        format!("device {device}: {celsius:.1} °C, reading {readings}, on {}", context.node_name())
    }
}

impl Handle<Silence> for Session {
    async fn handle(&mut self, _: Silence, context: &mut Context<Self>) {
        context.exit();
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let name = format!("node-{}", std::process::id());
    let node = skep_tokio::node(name).cluster("sessions-example").worker::<Session>().start().await?;
    for tick in 0_u32.. {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
            _ = tokio::signal::ctrl_c() => break,
        }
        let device = tick.wrapping_mul(2_654_435_761) % 7;
        let session = Ref::<Session>::new(format!("device-{device}"))?;
        match session.call_or_start(&node, device, Reading(20.0 + device as f32 / 2.0), TIMEOUT).await {
            Ok(said) => println!("{said}"),
            Err(error) => println!("device {device} was not heard: {error}"),
        }
    }
    node.leave(TIMEOUT).await;
    Ok(())
}
