//! Who admits whom: the three payloads that every session carries, whatever protects them.

use skep::core::error::Refusal;
use skep::core::wire::{Hello, MAX_HELLO};

use super::{SessionError, Side};

/// The longest payload, in bytes: a verdict and a hello. A session refuses longer ones before it buffers them.
pub const MAX_PAYLOAD: usize = 1 + MAX_HELLO;

const ADMITTED: u8 = 0;
const REFUSED: u8 = 1;

/// The exchange of hellos and verdicts on one connection. The dialler's [`Admission::opening`] is the first
/// payload; each one received asks for the next.
#[derive(Debug)]
pub struct Admission {
    ours: Hello,
    expects: Expects,
}

#[derive(Debug)]
enum Expects {
    /// The acceptor: who dials?
    Hello,
    /// The dialler: are we admitted, and by whom?
    VerdictAndHello,
    /// The acceptor, which admits this peer: does it admit us?
    Verdict(Hello),
    /// All is said.
    Nothing,
}

/// What follows from a payload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Send this, and wait for the peer's answer.
    Answer(Vec<u8>),
    /// Send this, if there is any; both sides admit each other.
    Admitted {
        /// The last payload, from the dialler.
        last: Option<Vec<u8>>,
        /// Who the peer is.
        peer: Hello,
    },
    /// Send this, if there is any; there will be no link.
    Failed {
        /// The refusal, unless the peer knows already.
        last: Option<Vec<u8>>,
        /// Why.
        error: SessionError,
    },
}

impl Admission {
    /// An exchange that nothing was said in yet.
    pub fn new(side: Side, ours: Hello) -> Self {
        let expects = match side {
            Side::Dialler => Expects::VerdictAndHello,
            Side::Acceptor => Expects::Hello,
        };
        Self { ours, expects }
    }

    /// The dialler's first payload: its hello.
    pub fn opening(&self) -> Vec<u8> {
        self.ours.encode()
    }

    /// Takes the peer's next payload.
    pub fn receive(&mut self, payload: &[u8]) -> Verdict {
        self.receive_from(payload, |_| true)
    }

    /// The same from a peer that has proved who it is: whose hello says something else is not trusted.
    pub fn receive_from(&mut self, payload: &[u8], is_proved: impl Fn(&Hello) -> bool) -> Verdict {
        match std::mem::replace(&mut self.expects, Expects::Nothing) {
            Expects::Hello => match self.judge(payload, is_proved) {
                Ok(peer) => {
                    self.expects = Expects::Verdict(peer);
                    let mut answer = vec![ADMITTED];
                    answer.extend(self.ours.encode());
                    Verdict::Answer(answer)
                }
                Err(refusal) => refuse(refusal),
            },
            Expects::VerdictAndHello => match split(payload) {
                Ok(hello) => match self.judge(hello, is_proved) {
                    Ok(peer) => Verdict::Admitted { last: Some(vec![ADMITTED]), peer },
                    Err(refusal) => refuse(refusal),
                },
                Err(failed) => failed,
            },
            Expects::Verdict(peer) => match split(payload) {
                Ok([]) => Verdict::Admitted { last: None, peer },
                Ok(_) => refuse(Refusal::Malformed),
                Err(failed) => failed,
            },
            Expects::Nothing => refuse(Refusal::Malformed),
        }
    }

    fn judge(&self, hello: &[u8], is_proved: impl Fn(&Hello) -> bool) -> Result<Hello, Refusal> {
        let peer = Hello::decode(hello)?;
        if !is_proved(&peer) {
            return Err(Refusal::NotTrusted);
        }
        self.ours.admit(&peer)?; // the version is the core's affair: it has both hellos
        Ok(peer)
    }
}

/// What stands behind a favourable verdict, or what follows from the other kinds.
fn split(payload: &[u8]) -> Result<&[u8], Verdict> {
    match payload {
        [ADMITTED, rest @ ..] => Ok(rest),
        [REFUSED, refusal @ ..] => {
            // A refusal that a later version added still is one.
            let refusal = postcard::from_bytes(refusal).unwrap_or(Refusal::Malformed);
            Err(Verdict::Failed { last: None, error: SessionError::RefusedByPeer(refusal) })
        }
        _ => Err(refuse(Refusal::Malformed)),
    }
}

fn refuse(refusal: Refusal) -> Verdict {
    let mut last = vec![REFUSED];
    last.extend(postcard::to_allocvec(&refusal).expect("a refusal is plain data"));
    Verdict::Failed { last: Some(last), error: SessionError::Refused(refusal) }
}
