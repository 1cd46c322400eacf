//! The handshake: two messages of Noise and a first record, which carry the payloads of an admission.

use skep::core::wire::Hello;
use skep::secret::Key;
use snow::params::NoiseParams;
use snow::{Builder, HandshakeState};
use zeroize::Zeroizing;

use super::PREAMBLE;
use crate::session::messages::Messages;
use crate::session::records::{Cipher, Opening, Sealing, TAG};
use crate::session::{Admission, Established, MAX_PAYLOAD, Progress, Session, SessionError, Side, Verdict};

/// Noise's own part of a message: a public key.
const PUBLIC_KEY: usize = 32;

/// The longest message of a handshake.
const MAX_MESSAGE: usize = PUBLIC_KEY + MAX_PAYLOAD + TAG;

/// What is said to a peer whose message does not open.
const NO_SECRET_FITS: &[u8] = b"";

pub(super) struct Handshake {
    admission: Admission,
    messages: Messages,
    stage: Stage,
}

enum Stage {
    /// The acceptor waits for the first message, which one of these opens.
    Listening(Vec<Key>),
    /// The dialler waits for the second.
    Calling(Box<HandshakeState>),
    /// The acceptor waits for the first record.
    Awaiting(Ciphers),
    /// An end was reached.
    Over,
}

struct Ciphers {
    sealing: Cipher,
    opening: Cipher,
}

impl Handshake {
    pub(super) fn dialler(hello: &Hello, key: &Key, out: &mut Vec<u8>) -> Self {
        let admission = Admission::new(Side::Dialler, hello.clone());
        let mut state = noise(Side::Dialler, key);
        let mut messages = Messages::new(PREAMBLE);
        messages.send(&write(&mut state, &admission.opening()), out);
        Self { admission, messages, stage: Stage::Calling(Box::new(state)) }
    }

    pub(super) fn acceptor(hello: &Hello, keys: Vec<Key>) -> Self {
        let admission = Admission::new(Side::Acceptor, hello.clone());
        Self { admission, messages: Messages::new(PREAMBLE), stage: Stage::Listening(keys) }
    }

    fn on_message(&mut self, message: &[u8], out: &mut Vec<u8>) -> Result<Progress, SessionError> {
        if message == NO_SECRET_FITS {
            return Err(SessionError::NotTrustedByPeer);
        }
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Listening(keys) => {
                let opened = keys.iter().find_map(|key| {
                    let mut state = noise(Side::Acceptor, key);
                    read(&mut state, message).map(|payload| (state, payload))
                });
                let Some((mut state, payload)) = opened else { return self.distrust(out) };
                match self.admission.receive(&payload) {
                    Verdict::Answer(answer) => {
                        self.messages.send(&write(&mut state, &answer), out);
                        self.stage = Stage::Awaiting(split(&mut state, Side::Acceptor));
                        Ok(Progress::Unfinished)
                    }
                    Verdict::Admitted { .. } => unreachable!("a first payload needs an answer"),
                    Verdict::Failed { last, error } => {
                        last.iter().for_each(|last| self.messages.send(&write(&mut state, last), out));
                        Err(error)
                    }
                }
            }
            Stage::Calling(mut state) => {
                let Some(payload) = read(&mut state, message) else { return self.distrust(out) };
                self.conclude(&payload, split(&mut state, Side::Dialler), out)
            }
            Stage::Awaiting(mut ciphers) => {
                let mut payload = Vec::new();
                if ciphers.opening.open(message, &mut payload).is_err() {
                    return self.distrust(out);
                }
                self.conclude(&payload, ciphers, out)
            }
            Stage::Over => Err(SessionError::Broken),
        }
    }

    /// The last payload that this side hears. What it says to that goes into its first record.
    fn conclude(
        &mut self,
        payload: &[u8],
        ciphers: Ciphers,
        out: &mut Vec<u8>,
    ) -> Result<Progress, SessionError> {
        let mut sealing = Sealing::new(ciphers.sealing);
        let (last, end) = match self.admission.receive(payload) {
            Verdict::Answer(_) => unreachable!("nothing is asked after the last payload"),
            Verdict::Admitted { last, peer } => (last, Ok(peer)),
            Verdict::Failed { last, error } => (last, Err(error)),
        };
        if let Some(last) = last {
            sealing.append(&last, out)?;
        }
        Ok(Progress::Established(Established {
            peer: end?,
            sealer: Box::new(sealing),
            opener: Box::new(Opening::new(ciphers.opening)),
            unread: self.messages.take_rest(),
        }))
    }

    fn distrust(&mut self, out: &mut Vec<u8>) -> Result<Progress, SessionError> {
        self.messages.send(NO_SECRET_FITS, out);
        Err(SessionError::NotTrusted)
    }
}

impl Session for Handshake {
    fn receive(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Progress, SessionError> {
        self.messages.push(bytes);
        while let Some(message) = self.messages.next(MAX_MESSAGE, out)? {
            match self.on_message(&message, out)? {
                Progress::Unfinished => {}
                established @ Progress::Established(_) => return Ok(established),
            }
        }
        Ok(Progress::Unfinished)
    }
}

fn noise(side: Side, key: &Key) -> HandshakeState {
    let params: NoiseParams = "Noise_NNpsk0_25519_AESGCM_SHA256".parse().expect("a protocol of Noise");
    let builder = Builder::new(params)
        .prologue(&PREAMBLE)
        .and_then(|builder| builder.psk(0, key.as_bytes()))
        .expect("each is set once");
    let state = match side {
        Side::Dialler => builder.build_initiator(),
        Side::Acceptor => builder.build_responder(),
    };
    state.expect("all that the protocol asks for is set")
}

/// A message of ours with this payload.
fn write(state: &mut HandshakeState, payload: &[u8]) -> Vec<u8> {
    let mut message = vec![0; PUBLIC_KEY + payload.len() + TAG];
    let length =
        state.write_message(payload, &mut message).expect("it is our turn, and the system has randomness");
    message.truncate(length);
    message
}

/// The payload of a message of the peer's; `None` if it does not open.
fn read(state: &mut HandshakeState, message: &[u8]) -> Option<Vec<u8>> {
    let mut payload = vec![0; message.len()];
    let length = state.read_message(message, &mut payload).ok()?;
    payload.truncate(length);
    Some(payload)
}

/// The keys of both directions, once both messages are said.
fn split(state: &mut HandshakeState, side: Side) -> Ciphers {
    let (from_dialler, from_acceptor) = state.dangerously_get_raw_split();
    let [from_dialler, from_acceptor] = [Zeroizing::new(from_dialler), Zeroizing::new(from_acceptor)];
    let (ours, theirs) = match side {
        Side::Dialler => (from_dialler, from_acceptor),
        Side::Acceptor => (from_acceptor, from_dialler),
    };
    Ciphers { sealing: Cipher::new(&ours), opening: Cipher::new(&theirs) }
}
