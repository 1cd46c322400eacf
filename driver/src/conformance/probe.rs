//! The workers of the conformance suite.

use serde::{Deserialize, Serialize};

use crate::{Context, Failure, Handle, Message, Worker};

/// Counts, says where it runs, and fails when it is told to.
#[derive(Debug)]
pub(super) struct Probe {
    total: u64,
}

/// Adds, answers with the sum.
#[derive(Serialize, Deserialize, Debug)]
pub(super) struct Add(pub(super) u64);

impl Message for Add {
    const NAME: &'static str = "skep.conformance.add";
    type Reply = u64;
}

/// Answers with the node's name and the epoch.
#[derive(Serialize, Deserialize, Debug)]
pub(super) struct WhoAmI;

impl Message for WhoAmI {
    const NAME: &'static str = "skep.conformance.who-am-i";
    type Reply = (String, u64);
}

/// Panics.
#[derive(Serialize, Deserialize, Debug)]
pub(super) struct Crash;

impl Message for Crash {
    const NAME: &'static str = "skep.conformance.crash";
    type Reply = ();
}

/// No worker lists it.
#[derive(Serialize, Deserialize, Debug)]
pub(super) struct Unheard;

impl Message for Unheard {
    const NAME: &'static str = "skep.conformance.unheard";
    type Reply = ();
}

impl Worker for Probe {
    const KIND: &'static str = "skep.conformance.probe";
    type Args = Option<u64>;
    type Messages = (Add, WhoAmI, Crash);

    async fn start(first: Option<u64>, _: &mut Context<Self>) -> Result<Self, Failure> {
        let total = first.ok_or_else(|| Failure::new("no first number"))?;
        Ok(Self { total })
    }
}

impl Handle<Add> for Probe {
    async fn handle(&mut self, Add(number): Add, _: &mut Context<Self>) -> u64 {
        self.total += number;
        self.total
    }
}

impl Handle<WhoAmI> for Probe {
    async fn handle(&mut self, _: WhoAmI, context: &mut Context<Self>) -> (String, u64) {
        (context.node_name().to_string(), context.epoch().0)
    }
}

impl Handle<Crash> for Probe {
    async fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("this panic is part of the conformance suite");
    }
}
