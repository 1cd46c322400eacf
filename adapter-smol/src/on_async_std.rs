//! skep in an application that runs on async-std.
//!
//! async-std is discontinued, and smol is what its authors name as its successor: this is for existing
//! applications. A node's tasks run on async-std's threads; its sockets and timers are smol's, which bring one
//! thread of their own.

use skep_tcp::Tcp;

use crate::{NodeBuilder, SmolRuntime};

/// As [`crate::node`], with its tasks on async-std.
pub fn node(name: impl Into<String>) -> NodeBuilder<SmolRuntime, Tcp> {
    crate::node_on(name, SmolRuntime::async_std())
}
