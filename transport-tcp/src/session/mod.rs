//! How a connection becomes a link: handshakes and sealing as byte-in, byte-out machines, apart from sockets.
//!
//! One [`Session`] runs a handshake, over as many round trips as it needs, and ends in two halves that know
//! nothing of each other: a [`Sealer`] for the task that writes and an [`Opener`] for the task that reads.
//! Each session carries the same three payloads, which [`Admission`] makes and judges: the dialler's hello, the
//! acceptor's verdict and hello, the dialler's verdict. So they are bound into whatever protects the handshake:
//!
//! - [`plaintext`]: each behind a length;
//! - [`noise`]: each the payload of a handshake message or of the first record, the preamble being the prologue;
//! - `tls`: each a record, under keys that a mutual TLS 1.3 handshake gave both sides.
//!
//! No link comes up on the accepting side before the third payload: a replayed first one leads nowhere.

mod admission;
mod messages;
pub mod noise;
#[cfg(test)]
mod party;
pub mod plaintext;
pub mod records;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
pub mod tls;

use std::fmt;

use skep::core::error::Refusal;
use skep::core::wire::Hello;

pub use admission::{Admission, MAX_PAYLOAD, Verdict};
pub use messages::Preamble;

/// How the links of a node are protected: begins one session for each connection. Its `Debug` shows no secret.
pub trait Sessions: fmt::Debug + Send + Sync + 'static {
    /// A session for a connection that has just come about. Appends to `out` what the peer gets first.
    fn begin(&self, side: Side, hello: &Hello, out: &mut Vec<u8>) -> Box<dyn Session>;
}

/// A handshake in progress.
pub trait Session: Send {
    /// Takes the next bytes from the peer, cut anywhere, and appends to `out` what the peer gets next. Buffers
    /// no more than one message of the handshake, whose length is bounded before its bytes are awaited.
    ///
    /// # Errors
    /// There will be no link. What is in `out` goes to the peer all the same: it is told why.
    fn receive(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Progress, SessionError>;
}

/// Protects what is written.
pub trait Sealer: Send {
    /// The bytes to write for these whole frames: all of one wake-up, so that one record can hold them.
    /// An opener that owes the peer an answer (a TLS key update) leaves it for the next call of this.
    ///
    /// # Errors
    /// The session cannot go on (used-up nonces); close the connection.
    fn seal<'a>(&'a mut self, frames: &'a [u8]) -> Result<&'a [u8], SessionError>;
}

/// Checks and unwraps what is read.
pub trait Opener: Send {
    /// The part of the stream of frames that can be had now: empty while a record is incomplete. Buffers at most
    /// one record.
    ///
    /// # Errors
    /// Bytes that the peer did not seal. Nothing after them can be had; close the connection.
    fn open<'a>(&'a mut self, bytes: &'a [u8]) -> Result<&'a [u8], SessionError>;
}

/// Who began the connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Side {
    /// We did: we speak first.
    Dialler,
    /// The peer did: we say nothing before it has proved to be a skep node.
    Acceptor,
}

/// How far a handshake is.
#[non_exhaustive]
pub enum Progress {
    /// It waits for the peer.
    Unfinished,
    /// Both sides admit each other.
    Established(Established),
}

/// What a handshake ends in.
pub struct Established {
    /// Who the peer is; admitted.
    pub peer: Hello,
    /// For the writer.
    pub sealer: Box<dyn Sealer>,
    /// For the reader.
    pub opener: Box<dyn Opener>,
    /// Bytes that came after the handshake: the first for `opener`.
    pub unread: Vec<u8>,
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfinished => f.write_str("Unfinished"),
            Self::Established(established) => write!(f, "Established with {:?}", established.peer),
        }
    }
}

/// Why a session ended.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SessionError {
    /// The peer does not speak our protocol: a scanner, a browser. It is told nothing.
    NotSkep,
    /// A skep node with another kind of session, or another version of its handshake. It hears our preamble, which
    /// says what we speak.
    OtherSession {
        /// The kind that it speaks.
        kind: u8,
        /// The version of it.
        version: u8,
    },
    /// A message of the handshake longer than any is.
    TooLong {
        /// Bytes announced.
        length: usize,
    },
    /// The peer has no secret of ours. It is told so.
    NotTrusted,
    /// The same, by the peer's word.
    NotTrustedByPeer,
    /// We refused the peer, and told it.
    Refused(Refusal),
    /// The peer refused us.
    RefusedByPeer(Refusal),
    /// Sealed bytes that do not open, or nothing left to seal with.
    Broken,
}

impl SessionError {
    /// The same in the words that the core knows.
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Refused(refusal) | Self::RefusedByPeer(refusal) => refusal.clone(),
            Self::OtherSession { .. } => Refusal::OtherProtection,
            Self::NotTrusted | Self::NotTrustedByPeer => Refusal::NotTrusted,
            Self::NotSkep | Self::TooLong { .. } | Self::Broken => Refusal::Malformed,
        }
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSkep => f.write_str("the peer is no skep node"),
            Self::OtherSession { kind, version } => {
                write!(f, "the peer speaks session kind {kind} in version {version}")
            }
            Self::TooLong { length } => write!(f, "a handshake message of {length} bytes"),
            Self::NotTrusted => f.write_str("the peer has none of our secrets"),
            Self::NotTrustedByPeer => f.write_str("the peer has none of our secrets, it says"),
            Self::Refused(refusal) => write!(f, "refused the peer: {refusal}"),
            Self::RefusedByPeer(refusal) => write!(f, "refused by the peer: {refusal}"),
            Self::Broken => f.write_str("bytes that do not open"),
        }
    }
}

impl std::error::Error for SessionError {}
