//! Where to listen, how patient to be, and what a stranger may cost.

use std::sync::Arc;
use std::time::Duration;

use crate::session::Sessions;
use crate::session::plaintext::Plaintext;

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
    pub sessions: Arc<dyn Sessions>,
}

impl TcpConfig {
    /// The defaults, listening there.
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
            sessions: Arc::new(Plaintext),
        }
    }
}
