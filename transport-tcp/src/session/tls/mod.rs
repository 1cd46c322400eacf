//! Sessions that certificates protect: mutual TLS 1.3, and each node's name in its certificate.
//!
//! Both sides show a certificate that one of the authorities has signed, and a node is let in only under a name that is
//! a DNS name in its own: who has the key of `b` cannot be `a`. Names and addresses of hosts play no part. A secret
//! shared by all is not needed.
//!
//! ```text
//! dialler   preamble, length, flight of TLS
//! acceptor  preamble, length, flight of TLS
//! dialler             length, flight of TLS,  length, [hello]
//! acceptor            length, [0 hello | 1 refusal]
//! dialler             length, [0       | 1 refusal]
//! ```
//!
//! TLS shakes hands and proves who is who. What stands in brackets, and all that follows, are
//! [records](super::records), under keys that TLS exports (RFC 8446, 7.5) with the label `EXPORTER-skep-links`: one for
//! each direction, the dialler's first. So each direction has a task of its own and nothing is locked.

mod files;
mod handshake;
#[cfg(all(test, unix))]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use rustls::{ClientConfig, ServerConfig};
use skep::core::wire::Hello;
use skep::secret::Stamp;
use skep::transport::CertificateError;
use tracing::{info, warn};

use self::handshake::Handshake;
use super::messages::Preamble;
use super::{Session, Sessions, Side};

pub use files::TlsFiles;

/// `skep`, then kind and version of the session.
pub const PREAMBLE: Preamble = *b"skep\x02\x01";

/// Sessions that certificates protect. They are read again when one of the files has changed: links that are up go
/// on. A change that cannot be used is told in the log and changes nothing.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    loaded: Mutex<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    configs: Configs,
    /// The state of the files that was looked at last, be it good or not.
    seen: [Option<Stamp>; 3],
}

/// What both sides of TLS need.
#[derive(Clone, Debug)]
struct Configs {
    dialler: Arc<ClientConfig>,
    acceptor: Arc<ServerConfig>,
}

impl Tls {
    /// With what is in these files.
    ///
    /// # Errors
    /// [`CertificateError`] says which file is of no use.
    pub fn new(files: TlsFiles) -> Result<Self, CertificateError> {
        let seen = files.stamps(); // before they are read: a change meanwhile is read again
        let configs = files.load()?;
        Ok(Self { files, loaded: Mutex::new(Loaded { configs, seen }) })
    }

    fn configs(&self) -> Configs {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner); // each step is whole
        let now = self.files.stamps();
        if now != loaded.seen {
            match self.files.load() {
                Ok(configs) => {
                    info!(target: "skep", files = ?self.files, "read changed certificates");
                    loaded.configs = configs;
                }
                Err(error) => {
                    warn!(target: "skep", %error, "the changed certificates are of no use, the former ones stay");
                }
            }
            loaded.seen = now;
        }
        loaded.configs.clone()
    }
}

impl Sessions for Tls {
    fn begin(&self, side: Side, hello: &Hello, out: &mut Vec<u8>) -> Box<dyn Session> {
        Box::new(Handshake::begin(side, hello, self.configs(), out))
    }
}
