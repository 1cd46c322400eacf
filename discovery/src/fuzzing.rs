//! Doors for the fuzz targets: what servers, files and the network say, as bytes. None of these panics.

pub use crate::lan::fuzzing::{forged_beacon, sealed_beacon};

#[cfg(feature = "consul")]
pub use crate::consul::fuzzing::consul;
#[cfg(feature = "dns")]
pub use crate::dns::fuzzing::{dns, resolv};
#[cfg(feature = "etcd")]
pub use crate::etcd::fuzzing::etcd;
#[cfg(feature = "kubernetes")]
pub use crate::kubernetes::fuzzing::{kubeconfig, kubernetes};

/// A list of addresses, as in a file or a variable.
pub fn list(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes) {
        let _ = crate::list::parse(text); // or what is wrong with it
    }
}

/// The file of a node of this host.
#[cfg(unix)]
pub fn card(bytes: &[u8]) {
    crate::run_directory::fuzzing::card(bytes);
}
