//! Tests of workers of one's own: a whole cluster in one process, on virtual time, all its chance from a seed.
//!
//! ```
//! use std::time::Duration;
//! # use serde::{Deserialize, Serialize};
//! use skep::testing::Cluster;
//! use skep::{Context, Failure, Handle, Message, Worker};
//! # struct Counter(u64);
//! # #[derive(Serialize, Deserialize)]
//! # struct Add(u64);
//! # impl Message for Add {
//! #     const NAME: &'static str = "counter.add";
//! #     type Reply = u64;
//! # }
//! # impl Worker for Counter {
//! #     const KIND: &'static str = "counter";
//! #     type Args = u64;
//! #     type Messages = (Add,);
//! #     async fn start(first: u64, _: &mut Context<Self>) -> Result<Self, Failure> {
//! #         Ok(Self(first))
//! #     }
//! # }
//! # impl Handle<Add> for Counter {
//! #     async fn handle(&mut self, Add(number): Add, _: &mut Context<Self>) -> u64 {
//! #         self.0 += number;
//! #         self.0
//! #     }
//! # }
//!
//! const SECOND: Duration = Duration::from_secs(1);
//!
//! # fn main() -> Result<(), Failure> {
//! let cluster = Cluster::new(7, |node| node.worker::<Counter>());
//! cluster.run(async {
//!     let [a, b, _] = cluster.start_all(["a", "b", "c"]).await;
//!     let first = a.register::<Counter>("visits", 0, SECOND).await?;
//!     assert_eq!(b.call("visits", Add(1), SECOND).await?, 1);
//!
//!     cluster.kill(&first.node);
//!     cluster.settled().await;
//!     let left = cluster.nodes().remove(0);
//!     assert_eq!(left.call("visits", Add(1), SECOND).await?, 1, "it had no way to hand its count over");
//!
//!     cluster.cut(&["a"], &["b", "c"]);
//!     cluster.sleep(10 * SECOND).await; // which takes no time
//!     cluster.heal();
//!     cluster.settled().await; // it runs once
//!     Ok(())
//! })
//! # }
//! ```
//!
//! A test runs in milliseconds, and again in the same way from the same seed; another seed lets the tasks run in
//! another order. Time passes only when nothing else is left to do, so that a test must not wait for anything outside
//! of it: no sockets, no threads, no other runtime. Workers tell the time by [`Context::now`](crate::Context::now) and
//! wait by [`Context::sleep`](crate::Context::sleep).
//!
//! Workers that use the timers or the I/O of a runtime of their own are tested on that: on tokio with nodes that have
//! a `TokioRuntime` whose clock is paused, and a [`MemoryNetwork`](crate::MemoryNetwork) between them.

mod cluster;

pub use cluster::{Cluster, SimulatedNode};
