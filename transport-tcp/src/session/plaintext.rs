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

use super::messages::{Messages, Preamble};
use super::{
    Admission, Established, MAX_PAYLOAD, Opener, Progress, Sealer, Session, SessionError, Sessions, Side,
    Verdict,
};

/// `skep`, then kind and version of the session.
pub const PREAMBLE: Preamble = *b"skep\x00\x01";

/// Sessions without any protection: whoever reaches the port can read, forge and join.
#[derive(Clone, Copy, Debug)]
pub struct Plaintext;

impl Sessions for Plaintext {
    fn begin(&self, side: Side, hello: &Hello, out: &mut Vec<u8>) -> Box<dyn Session> {
        let admission = Admission::new(side, hello.clone());
        let mut messages = Messages::new(PREAMBLE);
        if side == Side::Dialler {
            messages.send(&admission.opening(), out);
        }
        Box::new(Handshake { admission, messages })
    }
}

struct Handshake {
    admission: Admission,
    messages: Messages,
}

impl Session for Handshake {
    fn receive(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Progress, SessionError> {
        self.messages.push(bytes);
        while let Some(payload) = self.messages.next(MAX_PAYLOAD, out)? {
            match self.admission.receive(&payload) {
                Verdict::Answer(answer) => self.messages.send(&answer, out),
                Verdict::Admitted { last, peer } => {
                    last.iter().for_each(|last| self.messages.send(last, out));
                    let unread = self.messages.take_rest();
                    let (sealer, opener) = (Box::new(AsItIs), Box::new(AsItIs));
                    return Ok(Progress::Established(Established { peer, sealer, opener, unread }));
                }
                Verdict::Failed { last, error } => {
                    last.iter().for_each(|last| self.messages.send(last, out));
                    return Err(error);
                }
            }
        }
        Ok(Progress::Unfinished)
    }
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
