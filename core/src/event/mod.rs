//! The vocabularies of the machine: what happened to it, what it orders, what it tells.

mod bound;
mod call;
mod input;
mod misbehaviour;
mod news;
mod observation;
mod output;

pub use bound::Bound;
pub use call::{Counters, MemberView, Ownership, Registration, Reply, Request, Status, WorkerSpec};
pub use input::{Exit, Handoff, Input, Stopped, Way};
pub use misbehaviour::Misbehaviour;
pub use news::{EndReason, Event, Evidence, StartReason, TopologyChange};
pub use observation::{Observation, SourceFailure, SourceFault};
pub use output::{MoveReason, Output, Placement, StopReason};
