//! The suite that every runtime and transport passes, on each executor that smol's sockets can serve.

use std::sync::Arc;

use skep_smol::{SmolRuntime, conformance};
use skep_tcp::Tcp;
use smol::Executor;

async fn conforms(runtime: SmolRuntime) {
    conformance::runtime(&runtime).await;
    conformance::cluster(&runtime, Tcp::on_loopback).await;
}

#[test]
fn the_global_executor_conforms() {
    smol::block_on(conforms(SmolRuntime::global()));
}

#[test]
fn an_executor_of_ones_own_conforms() {
    let executor = Arc::new(Executor::new());
    smol::block_on(executor.run(conforms(SmolRuntime::on(executor.clone()))));
}

#[cfg(feature = "async-std")]
#[test]
fn async_std_conforms() {
    async_std::task::block_on(conforms(SmolRuntime::async_std()));
}
