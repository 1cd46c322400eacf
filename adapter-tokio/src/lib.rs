//! skep on tokio: the one crate that a tokio program depends on. It re-exports all of skep, with the transport
//! in [`tcp`] and the sources of peers in [`discovery`](skep_discovery) as [`sources`].
//!
//! ```no_run
//! use std::time::Duration;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), skep_tokio::Failure> {
//!     skep_tokio::node("a")
//!         .cluster("orders")
//!         .singleton("cron", async |ctx| loop {
//!             println!("billing");
//!             ctx.sleep(Duration::from_secs(60)).await;
//!         })
//!         .run()
//!         .await
//! }
//! ```
//!
//! Both flavours of the runtime work, multi-thread and current-thread.

mod runtime;
mod sockets;
mod terminated;
mod udp;

/// So that the program in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

pub use runtime::TokioRuntime;
pub use skep::*;
pub use skep_discovery as sources;
pub use skep_tcp as tcp;

use skep::signals::first_ends_second_exits;
use skep_tcp::Tcp;

/// A node that listens on a free loopback port, finds the other nodes of its cluster on this host by the run
/// directory, and drains on SIGTERM and SIGINT, where a second signal exits at once.
///
/// [`NodeBuilder::transport`] makes it listen elsewhere; [`NodeBuilder::new`] makes a node without any of this.
///
/// # Panics
/// Outside a tokio runtime, or in one without its time and I/O drivers.
pub fn node(name: impl Into<String>) -> NodeBuilder<TokioRuntime, Tcp> {
    let runtime = TokioRuntime::current().expect("a node is made inside a tokio runtime");
    let node = NodeBuilder::new(name, runtime.clone(), Tcp::on_loopback())
        .until(first_ends_second_exits(runtime, terminated::terminated));
    #[cfg(unix)]
    let node = node.discover(skep_discovery::RunDirectory::of_this_host());
    node
}
