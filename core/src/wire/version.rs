//! The versions of what nodes say to each other, and the rules by which they change.
//!
//! A node speaks the current version and the one before it; on each link the newest that both ends know. So a cluster is
//! upgraded node by node, without a stop, one version at a time.
//!
//! - What is released never changes: neither a kind, nor its body, nor the variants inside. `pinned.rs` holds the bytes of
//!   each version.
//! - A change is a new kind, in a new version. The old one stays in the table of `message.rs`, with what it was, and its
//!   body in a file of its version (`v1.rs`): it is still understood, and said to whom knows no better.
//! - What a newer version says besides is of a kind that the older one skips.
//! - What it has no word for in the older one, its receiver fills in by what was true before.
//! - With the version after the next, the old kinds go, and their numbers are never given again.
//!
//! The hello is outside of all this: its bytes are the same for ever.

/// The oldest wire version that this code speaks.
pub const WIRE_MIN: u16 = 1;

/// The newest wire version that this code speaks.
pub const WIRE_MAX: u16 = 2;
