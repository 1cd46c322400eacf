//! Where a node looks for its peers.
//!
//! | source | says | announces this node |
//! |---|---|---|
//! | [`Static`], [`Environment`] | a list, once | no |
//! | [`PeerFile`] | a list, again when it changes | no |
//! | [`RunDirectory`] | the nodes of this user on this host | a file, locked while the process lives |
//! | [`Lan`] | the nodes on this network, by sealed beacons | a beacon a second |
//! | `Dns` (feature `dns`) | addresses and services in DNS | no |
//! | `Kubernetes` (feature `kubernetes`) | the endpoints of a service, or pods | no |
//! | `Etcd` (feature `etcd`) | keys below a prefix | a key under a lease |
//! | `Consul` (feature `consul`) | the healthy instances of a service | an instance with a check |
//! | [`from_fn`] | what your closure says | as your closure does |
//!
//! Each source implements `skep::discovery::Discovery`. What a source says are hints: identity comes from the
//! handshake, and the core dials, backs off and never closes a link because a source changed its mind. Several may
//! be used at once, each as a topology with a name.

mod address;
#[cfg(feature = "consul")]
mod consul;
#[cfg(feature = "dns")]
mod dns;
mod environment;
#[cfg(feature = "etcd")]
mod etcd;
mod file;
mod from_fn;
#[cfg(any(feature = "dns", feature = "http"))]
mod helper;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod lan;
mod list;
mod pause;
#[cfg(unix)]
mod run_directory;
#[cfg(all(test, unix))]
mod scratch;
mod static_list;
#[cfg(test)]
mod testing;

pub use address::{BadAddress, peer_address};
#[cfg(feature = "consul")]
pub use consul::Consul;
#[cfg(feature = "dns")]
pub use dns::Dns;
pub use environment::Environment;
#[cfg(feature = "etcd")]
pub use etcd::Etcd;
pub use file::PeerFile;
pub use from_fn::{FromFn, from_fn};
#[cfg(feature = "kubernetes")]
pub use kubernetes::Kubernetes;
pub use lan::{BeaconFigures, BeaconTally, Lan, UdpSockets, address_on_lan};
#[cfg(unix)]
pub use run_directory::{MAX_FILES, RunDirectory, RunDirectoryError};
pub use static_list::Static;
