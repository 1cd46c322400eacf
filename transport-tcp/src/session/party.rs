//! One side of a handshake on a desk, and a conversation of two.

use skep::core::id::{Address, ClusterName, Life, NodeName};
use skep::core::placement::StrategyId;
use skep::core::wire::Hello;

use super::{Opener, Progress, Sealer, Session, SessionError, Sessions, Side};

pub(super) fn hello(node: &str, life: u64) -> Hello {
    Hello {
        wire_min: 1,
        wire_max: 1,
        cluster: ClusterName::new("orders").expect("a good name"),
        slot_bits: 19,
        strategy: StrategyId::Ring,
        node: NodeName::new(node).expect("a good name"),
        life: Life(life),
        address: Address::new("127.0.0.1:1").expect("a good address"),
    }
}

/// How one side's handshake stands.
pub(super) type Outcome = Option<Result<Hello, SessionError>>;

pub(super) struct Party {
    session: Box<dyn Session>,
    pub(super) outcome: Outcome,
    /// Said, and not yet heard by the other.
    pub(super) said: Vec<u8>,
    pub(super) unread: Vec<u8>,
    /// Once it is through.
    pub(super) halves: Option<(Box<dyn Sealer>, Box<dyn Opener>)>,
}

impl Party {
    pub(super) fn new(sessions: &dyn Sessions, side: Side, hello: &Hello) -> Self {
        let mut said = Vec::new();
        let session = sessions.begin(side, hello, &mut said);
        Self { session, outcome: None, said, unread: Vec::new(), halves: None }
    }

    pub(super) fn hear(&mut self, bytes: &[u8]) {
        assert_eq!(self.outcome, None, "nothing is sent to a side that is through");
        match self.session.receive(bytes, &mut self.said) {
            Ok(Progress::Unfinished) => {}
            Ok(Progress::Established(established)) => {
                self.outcome = Some(Ok(established.peer));
                self.unread = established.unread;
                self.halves = Some((established.sealer, established.opener));
            }
            Err(error) => self.outcome = Some(Err(error)),
        }
    }
}

/// Lets both talk, in pieces of at most `piece` bytes, until neither says anything more; and what each said.
pub(super) fn converse(parties: &mut [Party; 2], piece: usize) -> [Vec<u8>; 2] {
    let mut transcript = [Vec::new(), Vec::new()];
    while parties.iter().any(|party| !party.said.is_empty()) {
        for from in [0, 1] {
            let said = std::mem::take(&mut parties[from].said);
            transcript[from].extend_from_slice(&said);
            said.chunks(piece).for_each(|piece| parties[1 - from].hear(piece));
        }
    }
    transcript
}
