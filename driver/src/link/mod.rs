//! The two ends of a link inside a node: what goes out waits in three lanes, what comes in goes to whom it is for.
//!
//! A transport reports to a [`Hub`] and gets [`LinkEnds`] for every link that is up: [`Outgoing`] for the one task
//! that writes, [`Incoming`] for the one task that reads. The node keeps a [`Link`] to put frames on it.
//!
//! A transport's own tests need no node: [`hub`] gives a hub together with [`Reports`] of what came in through it.
//!
//! ```
//! use futures::executor::block_on;
//! use skep::core::event::Way;
//! use skep::core::id::{Address, ClusterName, Life, NodeName};
//! use skep::core::placement::StrategyId;
//! use skep::core::wire::{Frame, Hello};
//! use skep::link::{self, Report};
//!
//! # fn peer() -> Result<Hello, skep::core::error::BadText> {
//! #     Ok(Hello {
//! #         wire_min: 1,
//! #         wire_max: 1,
//! #         cluster: ClusterName::new("orders")?,
//! #         slot_bits: 19,
//! #         strategy: StrategyId::Ring,
//! #         node: NodeName::new("b")?,
//! #         life: Life(2),
//! #         address: Address::new("b")?,
//! #     })
//! # }
//! # block_on(async {
//! let (hub, mut reports) = link::hub();
//! let mut ends = hub.link_up(Way::Accepted, Life(1), peer()?); // what a transport does after a handshake
//! let Report::LinkUp { link, .. } = reports.next().await else { panic!("the link is up") };
//!
//! link.push(Frame { kind: 1, body: vec![7] }).expect("there is room");
//! let mut bytes = Vec::new();
//! ends.outgoing.take(&mut bytes, 65536).await.expect("the link is open");
//! assert_eq!(bytes, [3, 0, 0, 0, 1, 0, 7]);
//!
//! ends.incoming.frame(Frame { kind: 2, body: vec![] }).await.expect("the link is open");
//! let Report::Frame { frame, .. } = reports.next().await else { panic!("a frame came") };
//! assert_eq!(frame.kind, 2);
//! # Ok::<(), skep::core::error::BadText>(())
//! # }).unwrap();
//! ```

mod ends;
mod hub;
mod lanes;
mod parked;
mod shared;

#[cfg(test)]
mod tests;

pub use ends::{Ended, Incoming, Link, LinkEnds, Outgoing, PushError};
pub use hub::{Hub, Report, Reports, hub, hub_with};
pub use lanes::LinkBounds;

pub(crate) use ends::Credit;
pub(crate) use hub::Sink;
pub(crate) use parked::{Backlog, Parked};
