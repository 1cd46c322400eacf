//! The suite that every runtime and transport passes, on both flavours of tokio.

use skep_tcp::Tcp;
use skep_tokio::{TokioRuntime, conformance};
use tokio::runtime::Builder;

fn on(mut flavour: Builder) {
    let runtime = flavour.enable_all().build().expect("tokio starts");
    let ours = TokioRuntime::new(runtime.handle().clone());
    runtime.block_on(async {
        conformance::runtime(&ours).await;
        conformance::cluster(&ours, Tcp::on_loopback).await;
    });
}

#[test]
fn multi_thread_conforms() {
    on(Builder::new_multi_thread());
}

#[test]
fn current_thread_conforms() {
    on(Builder::new_current_thread());
}

#[test]
fn the_clock_stands_still_where_a_test_has_paused_it() {
    let runtime =
        Builder::new_current_thread().enable_all().start_paused(true).build().expect("tokio starts");
    let ours = TokioRuntime::new(runtime.handle().clone());
    runtime.block_on(conformance::runtime(&ours)); // with its sleeps skipped
}
