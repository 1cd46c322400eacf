//! The reconciler: what all sources say together, which addresses to dial when, and when a cluster is ready.
//!
//! What a source says only adds and removes reasons to dial; a link that is up is none of its business, not even that
//! of a source whose word counts most (`pruning.rs`). Addresses are hints: identity comes from the handshake.

mod book;
mod observing;
mod pruning;
mod ready;
mod sources;
mod target;
#[cfg(test)]
mod tests;

pub(crate) use book::Book;
pub(crate) use ready::Readiness;
