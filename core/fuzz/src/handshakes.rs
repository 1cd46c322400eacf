//! Handshakes: any bytes to either side, and one between two nodes with bytes changed on the way.

use skep::secret::{KeyRing, Secret};
use skep_core::wire::Hello;
use skep_tcp::session::noise::Noise;
use skep_tcp::session::plaintext::Plaintext;
use skep_tcp::session::{Progress, Session, SessionError, Sessions, Side};

use crate::bytes::Bytes;
use crate::frames::hello_of;

/// No side of a handshake has more to say than this, in bytes.
const LONGEST: usize = 8 << 10;

fn noise() -> Noise {
    let secret = Secret::new("0123456789abcdef0123456789abcdef").expect("long enough");
    Noise::new(KeyRing::new([secret]).expect("one"))
}

/// One side of a handshake.
struct Party {
    session: Box<dyn Session>,
    said: Vec<u8>,
    outcome: Option<Result<Hello, SessionError>>,
}

impl Party {
    fn new(sessions: &dyn Sessions, side: Side) -> Self {
        let mut said = Vec::new();
        let hello = match side {
            Side::Dialler => hello_of("a", 1),
            Side::Acceptor => hello_of("b", 2),
        };
        let session = sessions.begin(side, &hello, &mut said);
        Self { session, said, outcome: None }
    }

    fn hear(&mut self, bytes: &[u8]) {
        if self.outcome.is_some() {
            return;
        }
        self.outcome = match self.session.receive(bytes, &mut self.said) {
            Ok(Progress::Unfinished) => None,
            Ok(Progress::Established(established)) => Some(Ok(established.peer)),
            Ok(_) => unreachable!("there is nothing else"),
            Err(error) => Some(Err(error)),
        };
        assert!(self.said.len() <= LONGEST, "{} bytes", self.said.len());
    }
}

/// Whoever reaches the port says this, in pieces: the first byte chooses the protection, the second their length.
fn stranger(side: Side, bytes: &[u8]) {
    let mut choices = Bytes::new(bytes);
    let is_plain = choices.byte().is_multiple_of(2);
    let piece = usize::from(choices.byte()).max(1);
    let mut party = if is_plain { Party::new(&Plaintext, side) } else { Party::new(&noise(), side) };
    choices.rest().chunks(piece).for_each(|piece| party.hear(piece));
    if !is_plain {
        assert!(!matches!(party.outcome, Some(Ok(_))), "a peer without the secret was let in");
    }
}

/// A stranger dials.
pub fn acceptor(bytes: &[u8]) {
    stranger(Side::Acceptor, bytes);
}

/// A stranger is dialled.
pub fn dialler(bytes: &[u8]) {
    stranger(Side::Dialler, bytes);
}

/// Two nodes with one secret, and somebody between them who changes, drops, repeats and adds bytes. The first byte is
/// how much they hear at once; each change is a place and what is done there.
pub fn handshake(bytes: &[u8]) {
    let mut choices = Bytes::new(bytes);
    let piece = usize::from(choices.byte()).max(1);
    let mut parties = [Party::new(&noise(), Side::Dialler), Party::new(&noise(), Side::Acceptor)];
    let mut is_touched = false;
    while parties.iter().any(|party| !party.said.is_empty()) {
        for from in [0, 1] {
            let mut said = std::mem::take(&mut parties[from].said);
            if !choices.is_empty() && !said.is_empty() {
                let before = said.clone();
                let place = choices.below(said.len());
                match choices.byte() % 5 {
                    0 => {}
                    1 => said[place] ^= choices.byte(),
                    2 => said.truncate(place),
                    3 => said.extend_from_within(place..),
                    _ => said.insert(place, choices.byte()),
                }
                is_touched |= said != before;
            }
            said.chunks(piece).for_each(|piece| parties[1 - from].hear(piece));
        }
    }
    let through = |party: &Party| matches!(party.outcome, Some(Ok(_)));
    if !is_touched {
        assert!(parties.iter().all(through), "two friends did not meet");
    }
    // Bytes behind the last message are the first of the link, which does not open them: a node is through by then.
    let [dialler, acceptor] = parties;
    for party in [dialler, acceptor] {
        if let Some(Ok(peer)) = party.outcome {
            assert!(peer == hello_of("a", 1) || peer == hello_of("b", 2), "a peer of somebody's making");
        }
    }
}
