//! The bodies of the fuzz targets: each takes any bytes, and panics only if something is wrong with us.
//!
//! The targets in `targets/` are three lines each, for cargo-fuzz and a nightly compiler. The test of this crate plays
//! each body over its corpus, `corpus/NAME/`, with the compiler that everybody has.

mod bytes;
mod frames;
mod handshakes;
mod machines;

pub use frames::{frame, hello, lanes, message};
pub use handshakes::{acceptor, dialler, handshake};
pub use machines::machines;
pub use skep_discovery::fuzzing::{card, forged_beacon, list, sealed_beacon};
#[cfg(feature = "servers")]
pub use skep_discovery::fuzzing::{consul, dns, etcd, kubeconfig, kubernetes, resolv};

/// The options of the node binary.
pub fn options(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes) {
        skep_examples::options::fuzzing::options(text);
    }
}

/// What bytes are given to.
pub type Body = fn(&[u8]);

/// All bodies, by the names of their targets.
pub const BODIES: &[(&str, Body)] = &[
    ("frame", frame),
    ("hello", hello),
    ("message", message),
    ("lanes", lanes),
    ("acceptor", acceptor),
    ("dialler", dialler),
    ("handshake", handshake),
    ("machines", machines),
    ("forged_beacon", forged_beacon),
    ("sealed_beacon", sealed_beacon),
    ("list", list),
    ("card", card),
    ("options", options),
    #[cfg(feature = "servers")]
    ("dns", dns),
    #[cfg(feature = "servers")]
    ("resolv", resolv),
    #[cfg(feature = "servers")]
    ("kubernetes", kubernetes),
    #[cfg(feature = "servers")]
    ("kubeconfig", kubeconfig),
    #[cfg(feature = "servers")]
    ("etcd", etcd),
    #[cfg(feature = "servers")]
    ("consul", consul),
];
