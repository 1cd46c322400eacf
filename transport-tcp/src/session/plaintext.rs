//! A session that protects nothing: for one machine, for tests, and for networks that are trusted already.
//!
//! ```text
//! dialler   preamble, length, hello
//! acceptor  preamble, length, 0 hello | 1 refusal
//! dialler             length, 0       | 1 refusal
//! ```
//!
//! The preamble is `skep`, the kind of session (0) and the version of its handshake (1); lengths are `u16`,
//! little-endian. Frames follow as they are.

use skep::core::wire::Hello;

use super::{
    Admission, Established, MAX_PAYLOAD, Opener, Progress, Sealer, Session, SessionError, Sessions, Side,
    Verdict,
};

/// `skep`, then kind and version of the session.
pub const PREAMBLE: [u8; 6] = *b"skep\x00\x01";

const MAGIC: usize = 4;

/// Sessions without any protection: whoever reaches the port can read, forge and join.
#[derive(Clone, Copy, Debug)]
pub struct Plaintext;

impl Sessions for Plaintext {
    fn begin(&self, side: Side, hello: &Hello, out: &mut Vec<u8>) -> Box<dyn Session> {
        let admission = Admission::new(side, hello.clone());
        let mut handshake = Handshake { admission, buffer: Vec::new(), has_begun: false, has_met: false };
        if side == Side::Dialler {
            handshake.send(&handshake.admission.opening(), out);
        }
        Box::new(handshake)
    }
}

struct Handshake {
    admission: Admission,
    /// Less than one whole message of the peer.
    buffer: Vec<u8>,
    /// Our preamble is sent.
    has_begun: bool,
    /// The peer's preamble is read.
    has_met: bool,
}

impl Session for Handshake {
    fn receive(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Progress, SessionError> {
        self.buffer.extend_from_slice(bytes);
        loop {
            if !self.has_met {
                let Some(rest) = check_preamble(&self.buffer)? else { return Ok(Progress::Unfinished) };
                self.buffer.drain(..self.buffer.len() - rest);
                self.has_met = true;
            }
            let Some((length, rest)) = self.buffer.split_first_chunk::<2>() else {
                return Ok(Progress::Unfinished);
            };
            let length = usize::from(u16::from_le_bytes(*length));
            if length > MAX_PAYLOAD {
                return Err(SessionError::TooLong { length });
            }
            let Some(payload) = rest.get(..length) else { return Ok(Progress::Unfinished) };
            match self.admission.receive(payload) {
                Verdict::Answer(answer) => {
                    self.buffer.drain(..2 + length);
                    self.send(&answer, out);
                }
                Verdict::Admitted { last, peer } => {
                    self.buffer.drain(..2 + length);
                    last.iter().for_each(|last| self.send(last, out));
                    let unread = std::mem::take(&mut self.buffer);
                    let (sealer, opener) = (Box::new(AsItIs), Box::new(AsItIs));
                    return Ok(Progress::Established(Established { peer, sealer, opener, unread }));
                }
                Verdict::Failed { last, error } => {
                    last.iter().for_each(|last| self.send(last, out));
                    return Err(error);
                }
            }
        }
    }
}

impl Handshake {
    fn send(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.has_begun, true) {
            out.extend_from_slice(&PREAMBLE);
        }
        let length = u16::try_from(payload.len()).expect("a payload is at most MAX_PAYLOAD long");
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(payload);
    }
}

/// How many bytes follow the preamble; `None` while it is incomplete. Wrong bytes are known at the first one.
fn check_preamble(bytes: &[u8]) -> Result<Option<usize>, SessionError> {
    let magic = &bytes[..bytes.len().min(MAGIC)];
    if !PREAMBLE.starts_with(magic) {
        return Err(SessionError::NotSkep);
    }
    let Some((preamble, rest)) = bytes.split_first_chunk::<{ PREAMBLE.len() }>() else { return Ok(None) };
    if *preamble != PREAMBLE {
        return Err(SessionError::OtherSession { kind: preamble[4], version: preamble[5] });
    }
    Ok(Some(rest.len()))
}

/// Both halves of a session that changes nothing.
struct AsItIs;

impl Sealer for AsItIs {
    fn seal<'a>(&'a mut self, frames: &'a [u8]) -> Result<&'a [u8], SessionError> {
        Ok(frames)
    }
}

impl Opener for AsItIs {
    fn open<'a>(&'a mut self, bytes: &'a [u8]) -> Result<&'a [u8], SessionError> {
        Ok(bytes)
    }
}
