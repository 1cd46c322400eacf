//! The manual: what the reference of the items does not say. Read [`start_here`] first; the others stand alone.

#[doc = include_str!("start_here.md")]
pub mod start_here {}

#[doc = include_str!("workers.md")]
pub mod workers {}

#[doc = include_str!("supervision.md")]
pub mod supervision {}

#[doc = include_str!("handoff_and_conflicts.md")]
pub mod handoff_and_conflicts {}

#[doc = include_str!("guarantees.md")]
pub mod guarantees {}

#[doc = include_str!("operating.md")]
pub mod operating {}

#[doc = include_str!("limits.md")]
pub mod limits {}

#[doc = include_str!("from_swarm.md")]
pub mod from_swarm {}

#[doc = include_str!("from_locks.md")]
pub mod from_locks {}

#[doc = include_str!("comparison.md")]
pub mod comparison {}
