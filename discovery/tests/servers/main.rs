//! Sources that ask a server, against the real server or one that speaks as it does; it dies, returns, and says
//! nonsense. Each test skips itself, with the reason, where its server is not installed.
//!
//! Which test stands for which of the situations that must not go wrong (rows D1 to D10) is told beside those of the
//! simulator, in `core/tests/sim/scenarios/README.md`.

#![cfg(feature = "server")]

#[cfg(all(feature = "ec2", feature = "ecs"))]
mod aws;
#[cfg(feature = "consul")]
mod consul;
#[cfg(feature = "dns")]
mod dns;
#[cfg(feature = "etcd")]
mod etcd;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod looking;
#[cfg(any(feature = "kubernetes", feature = "consul"))]
mod mock;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "dns", feature = "postgres", feature = "etcd"))]
mod restarts;
#[cfg(any(feature = "kubernetes", feature = "postgres", feature = "etcd"))]
mod scratch;
#[cfg(any(feature = "dns", feature = "postgres", feature = "etcd"))]
mod servant;
