//! Sources that ask a server, against the real server or one that speaks as it does; it dies, returns, and says
//! nonsense. Each test skips itself, with the reason, where its server is not installed.

#![cfg(any(feature = "dns", feature = "kubernetes", feature = "etcd", feature = "consul"))]

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
#[cfg(any(feature = "dns", feature = "etcd"))]
mod servant;
