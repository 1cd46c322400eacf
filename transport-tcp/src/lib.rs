//! Links between skep nodes over TCP: framing, handshakes, sessions. The same on every runtime.
//!
//! [`Tcp`] is a `skep::transport::Transport` on any runtime that implements [`TcpSockets`]; `skep-tokio` and
//! `skep-smol` do. Programs get it from these and need this crate only to change its [`TcpConfig`].
//!
//! A connection becomes a link in three steps: TCP connects; a [`session`] shakes hands, in which both sides
//! learn who the other is and both learn of a refusal; then one task reads and one task writes. A connection
//! that is not through its handshake costs a bounded number of bytes for a bounded time, see [`TcpConfig`].
//!
//! Links are encrypted and authenticated unless plaintext is asked for by name; [`threat_model`] says against whom.

mod accept;
mod config;
mod deadline;
mod dial;
mod half_open;
mod handshake;
mod link;
mod log_pace;
pub mod session;
mod sockets;
mod tcp;
pub mod threat_model;

pub use config::{Protection, TcpConfig};
pub use sockets::{Connection, TcpSockets};
pub use tcp::{Tcp, TcpDialer, TcpListener};
