//! skep on smol: the one crate that a smol program depends on. It re-exports all of skep, with the transport in
//! [`tcp`] and the sources of peers in [`sources`].
//!
//! ```no_run
//! use std::time::Duration;
//!
//! fn main() -> Result<(), skep_smol::Failure> {
//!     let node = skep_smol::node("a").cluster("orders").singleton("cron", async |ctx| loop {
//!         println!("billing");
//!         ctx.sleep(Duration::from_secs(60)).await;
//!     });
//!     smol::block_on(node.run())
//! }
//! ```
//!
//! smol's global executor has one thread; the environment variable `SMOL_THREADS` gives it more.

#[cfg(feature = "async-std")]
pub mod on_async_std;
mod runtime;
mod sockets;
mod terminated;
mod udp;

pub use runtime::SmolRuntime;
pub use skep::*;
pub use skep_discovery as sources;
pub use skep_tcp as tcp;

use skep::signals::first_ends_second_exits;
use skep_tcp::Tcp;

/// A node on smol's global executor that listens on a free loopback port, finds the other nodes of its cluster on
/// this host by the run directory, and drains on SIGTERM and SIGINT, where a second signal exits at once.
///
/// [`NodeBuilder::transport`] makes it listen elsewhere; [`NodeBuilder::new`] makes a node without any of this,
/// on any [`SmolRuntime`].
pub fn node(name: impl Into<String>) -> NodeBuilder<SmolRuntime, Tcp> {
    node_on(name, SmolRuntime::global())
}

fn node_on(name: impl Into<String>, runtime: SmolRuntime) -> NodeBuilder<SmolRuntime, Tcp> {
    let node = NodeBuilder::new(name, runtime.clone(), Tcp::on_loopback())
        .until(first_ends_second_exits(runtime, terminated::terminated));
    #[cfg(unix)]
    let node = node.discover(skep_discovery::RunDirectory::of_this_host());
    node
}
