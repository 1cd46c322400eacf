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
//! | `Postgres` (feature `postgres`) | rows of a table | a row under a lease |
//! | `Etcd` (feature `etcd`) | keys below a prefix | a key under a lease |
//! | `Consul` (feature `consul`) | the healthy instances of a service | an instance with a check |
//! | `Ec2` (feature `ec2`) | the instances with a tag | no |
//! | `Ecs` (feature `ecs`) | the tasks of a service, or of a family | no |
//! | [`from_fn`] | what your closure says | as your closure does |
//!
//! Each source implements `skep::discovery::Discovery`. What a source says are hints: identity comes from the
//! handshake, and the core dials, backs off and never closes a link because a source changed its mind. Several may
//! be used at once, each as a topology with a name.

// Each source that asks a server needs a part of what they share; what none needs is found where all are built.
#![cfg_attr(
    not(all(
        feature = "dns",
        feature = "kubernetes",
        feature = "postgres",
        feature = "etcd",
        feature = "consul",
        feature = "ec2",
        feature = "ecs"
    )),
    allow(dead_code)
)]

mod address;
#[cfg(any(feature = "ec2", feature = "ecs"))]
mod aws;
#[cfg(feature = "consul")]
mod consul;
#[cfg(feature = "dns")]
mod dns;
mod environment;
#[cfg(feature = "etcd")]
mod etcd;
#[cfg(feature = "server")]
mod failure;
mod file;
mod from_fn;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "server")]
mod helper;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod lan;
mod list;
mod pause;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(unix)]
mod run_directory;
#[cfg(all(test, unix))]
mod scratch;
mod static_list;
#[cfg(test)]
mod testing;

pub use address::{BadAddress, peer_address};
#[cfg(any(feature = "ec2", feature = "ecs"))]
pub use aws::AwsAccount;
#[cfg(feature = "ec2")]
pub use aws::Ec2;
#[cfg(feature = "ecs")]
pub use aws::Ecs;
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
#[cfg(feature = "postgres")]
pub use postgres::Postgres;
#[cfg(unix)]
pub use run_directory::{MAX_FILES, RunDirectory, RunDirectoryError};
pub use static_list::Static;
