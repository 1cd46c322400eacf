//! Where to listen, how patient to be, and what a stranger may cost.

use std::sync::Arc;
use std::time::Duration;

use skep::secret::KeyRing;
use skep::transport::BindError;
use tracing::warn;

use crate::session::Sessions;
use crate::session::noise::Noise;
use crate::session::plaintext::Plaintext;
#[cfg(feature = "tls")]
use crate::session::tls::{Tls, TlsFiles};

/// The settings of the TCP transport. Start from [`TcpConfig::new`].
#[derive(Clone, Debug)]
pub struct TcpConfig {
    /// Where to listen: `ip:port`, and port 0 takes a free one.
    pub listen: String,
    /// What peers dial, `host:port`, where that is not what we listen on. Must be given to listen on all
    /// interfaces. Port 0 stands for the port that was bound.
    pub advertise: Option<String>,
    /// From the order to dial to the end of the handshake.
    pub dial_timeout: Duration,
    /// How long an accepted connection may take for its handshake. A dialler that trickles bytes gains nothing.
    pub handshake_timeout: Duration,
    /// How long a written batch may wait without the peer taking a byte. Then the connection counts as broken:
    /// a peer that stops reading costs its own link, not memory.
    pub write_stall: Duration,
    /// How long a closed link has to write what was pushed before, and then to hear the peer close, so that the
    /// last frame is not overtaken by a reset.
    pub linger: Duration,
    /// At most this many accepted connections are in their handshake. At the bound the oldest gives way: an
    /// honest handshake takes milliseconds, so it is rarely the oldest. Keep it well below the process's limit of
    /// open files.
    pub max_half_open: usize,
    /// The same for one remote IP address.
    pub max_half_open_per_address: usize,
    /// How links are protected.
    pub protection: Protection,
}

/// How the links of a node are protected. All nodes of a cluster have to be protected in the same way.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Protection {
    /// By the secret that [`KeyRing::from_environment`] gives when the transport is bound: without any setting, the
    /// one that the nodes of this user on this host share.
    Environment,
    /// By these secrets.
    Secret(KeyRing),
    /// By the certificates in these files, read when the transport is bound, and again when they change.
    #[cfg(feature = "tls")]
    Certificates(TlsFiles),
    /// Not at all: whoever reaches the port can read, forge and join.
    InsecurePlaintext,
    /// By sessions of your own.
    Sessions(Arc<dyn Sessions>),
}

impl Protection {
    /// # Errors
    /// There is no secret, or no certificate, to use.
    pub(crate) fn sessions(&self) -> Result<Arc<dyn Sessions>, BindError> {
        Ok(match self {
            Self::Environment => {
                Arc::new(Noise::new(KeyRing::from_environment().map_err(BindError::Secret)?))
            }
            Self::Secret(secrets) => Arc::new(Noise::new(secrets.clone())),
            #[cfg(feature = "tls")]
            Self::Certificates(files) => Arc::new(Tls::new(files.clone()).map_err(BindError::Certificates)?),
            Self::InsecurePlaintext => {
                warn!(target: "skep", "links are plaintext: whoever reaches the port can read, forge and join");
                Arc::new(Plaintext)
            }
            Self::Sessions(sessions) => sessions.clone(),
        })
    }
}

impl TcpConfig {
    /// The defaults, listening there, protected by [`Protection::Environment`].
    pub fn new(listen: impl Into<String>) -> Self {
        Self {
            listen: listen.into(),
            advertise: None,
            dial_timeout: Duration::from_secs(1),
            handshake_timeout: Duration::from_secs(1),
            write_stall: Duration::from_secs(10),
            linger: Duration::from_secs(1),
            max_half_open: 256,
            max_half_open_per_address: 128,
            protection: Protection::Environment,
        }
    }

    /// Links are protected by these secrets, which all nodes of the cluster share.
    #[must_use]
    pub fn secret(mut self, secrets: KeyRing) -> Self {
        self.protection = Protection::Secret(secrets);
        self
    }

    /// Links are protected by mutual TLS, with the certificates in these files.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn certificates(mut self, files: TlsFiles) -> Self {
        self.protection = Protection::Certificates(files);
        self
    }

    /// Links are neither encrypted nor authenticated: whoever reaches the port can read, forge and join.
    #[must_use]
    pub fn insecure_plaintext(mut self) -> Self {
        self.protection = Protection::InsecurePlaintext;
        self
    }
}
