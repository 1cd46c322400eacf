//! Sessions that a shared secret protects: whoever does not have it cannot join, read, change or replay.
//!
//! The protocol is `Noise_NNpsk0_25519_AESGCM_SHA256` of the [Noise framework](https://noiseprotocol.org/noise.html),
//! revision 34. Each link has keys of its own, from a fresh exchange of Diffie and Hellman that the secret
//! authenticates: a secret that leaks later opens no recording, and a recording that is played again leads nowhere.
//!
//! ```text
//! dialler   preamble, length, e, [hello]
//! acceptor  preamble, length, e, [0 hello | 1 refusal]      length 0: no secret of mine fits
//! dialler             length,    [0       | 1 refusal]
//! ```
//!
//! What stands in brackets is encrypted and authenticated, with all that was said before; the preamble is the prologue.
//! An `e` is a public key of 32 bytes. The dialler uses the first secret of its [`KeyRing`], the acceptor tries each of
//! its own. A wrong secret is answered with an empty message: forged, it costs the dialler no more than a connection
//! that is cut does. Afterwards both directions are a stream of [records](super::records).

mod handshake;
#[cfg(test)]
mod tests;

use skep::core::wire::Hello;
use skep::secret::KeyRing;

use self::handshake::Handshake;
use super::messages::Preamble;
use super::{Session, Sessions, Side};

/// `skep`, then kind and version of the session.
pub const PREAMBLE: Preamble = *b"skep\x01\x01";

/// What the secrets' keys for these sessions are derived for.
const PURPOSE: &str = "links";

/// Sessions that a shared secret protects.
#[derive(Clone, Debug)]
pub struct Noise {
    secrets: KeyRing,
}

impl Noise {
    /// With the secrets of this ring as they are when a handshake begins.
    pub fn new(secrets: KeyRing) -> Self {
        Self { secrets }
    }
}

impl Sessions for Noise {
    fn begin(&self, side: Side, hello: &Hello, out: &mut Vec<u8>) -> Box<dyn Session> {
        let keys = self.secrets.keys(PURPOSE);
        Box::new(match side {
            Side::Dialler => Handshake::dialler(hello, &keys[0], out),
            Side::Acceptor => Handshake::acceptor(hello, keys),
        })
    }
}
