//! The data path: calls and their answers, which never enter the engine's task.
//!
//! caller -> look-up map -> mailbox, or the calls lane of a link -> the peer's reader -> mailbox.

mod bounds;
mod call;
mod chain;
mod error;
mod fences;
mod forwarding;
mod holding;
mod links;
mod pending;
mod publish;
mod reply;
mod router;
#[cfg(all(test, feature = "sim"))]
mod tests;
mod wheel;
mod wire;

pub use bounds::CallBounds;
pub(crate) use chain::Waiting;
pub use error::{CallError, Handled, SendError};
pub(crate) use forwarding::Forwarding;
pub use reply::ReplyPath;
pub(crate) use router::{Resident, Router, Stands, is_for_engine};
pub use wire::Undelivered;
