//! The messages of a handshake on the wire: a preamble, then each message behind its length.

use super::SessionError;

/// The first bytes of each side: `skep`, then kind and version of the session.
pub type Preamble = [u8; 6];

/// Where the kind stands in a [`Preamble`].
const MAGIC: usize = 4;

/// One side's view of the exchange: what it has said, and what it has heard in part.
#[derive(Debug)]
pub(super) struct Messages {
    preamble: Preamble,
    /// Our preamble is sent.
    has_begun: bool,
    /// The peer's preamble is read.
    has_met: bool,
    /// Less than one whole message of the peer; what follows the last one stays here.
    buffer: Vec<u8>,
}

impl Messages {
    pub(super) fn new(preamble: Preamble) -> Self {
        Self { preamble, has_begun: false, has_met: false, buffer: Vec::new() }
    }

    /// Takes bytes from the peer, cut anywhere.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, of at most `longest` bytes. A node with another kind of session hears our preamble,
    /// so that both know.
    pub(super) fn next(
        &mut self,
        longest: usize,
        out: &mut Vec<u8>,
    ) -> Result<Option<Vec<u8>>, SessionError> {
        if !self.has_met {
            let known = self.buffer.len().min(MAGIC);
            if self.buffer[..known] != self.preamble[..known] {
                return Err(SessionError::NotSkep);
            }
            let Some((preamble, _)) = self.buffer.split_first_chunk::<{ size_of::<Preamble>() }>() else {
                return Ok(None);
            };
            if *preamble != self.preamble {
                let [.., kind, version] = *preamble;
                self.begin(out);
                return Err(SessionError::OtherSession { kind, version });
            }
            self.buffer.drain(..size_of::<Preamble>());
            self.has_met = true;
        }
        let Some((length, rest)) = self.buffer.split_first_chunk::<2>() else { return Ok(None) };
        let length = usize::from(u16::from_le_bytes(*length));
        if length > longest {
            return Err(SessionError::TooLong { length });
        }
        let Some(message) = rest.get(..length).map(<[u8]>::to_vec) else { return Ok(None) };
        self.buffer.drain(..2 + length);
        Ok(Some(message))
    }

    pub(super) fn send(&mut self, message: &[u8], out: &mut Vec<u8>) {
        self.begin(out);
        let length = u16::try_from(message.len()).expect("no message of a handshake is that long");
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(message);
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.has_begun, true) {
            out.extend_from_slice(&self.preamble);
        }
    }

    /// What came after the last message.
    pub(super) fn take_rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }
}
