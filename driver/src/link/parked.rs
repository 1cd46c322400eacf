//! Bytes of messages that came over a link and still wait: each message has its share, and gives it back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a message that waits costs besides its bytes.
const OVERHEAD: usize = 256;

/// So many bytes wait: of one peer, or in one mailbox.
#[derive(Clone, Default, Debug)]
pub(crate) struct Backlog(Arc<AtomicUsize>);

/// A message's share in them. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Parked {
    weight: usize,
    of_peer: Backlog,
    in_mailbox: Option<Backlog>,
}

impl Backlog {
    pub(crate) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether anybody else counts in it.
    pub(super) fn is_used(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    fn add(&self, weight: usize) {
        self.0.fetch_add(weight, Ordering::Relaxed);
    }

    fn remove(&self, weight: usize) {
        self.0.fetch_sub(weight, Ordering::Relaxed);
    }
}

impl Parked {
    /// A share for a message of this length, if less than `bound` waits.
    pub(super) fn new(of_peer: &Backlog, length: usize, bound: usize) -> Option<Self> {
        if of_peer.bytes() >= bound {
            return None; // two readers at once may be one message over it each
        }
        let weight = length + OVERHEAD;
        of_peer.add(weight);
        Some(Self { weight, of_peer: of_peer.clone(), in_mailbox: None })
    }

    /// It waits in that mailbox from now on.
    pub(crate) fn enter(&mut self, mailbox: &Backlog) {
        self.leave();
        mailbox.add(self.weight);
        self.in_mailbox = Some(mailbox.clone());
    }

    /// It goes on to another node.
    pub(crate) fn leave(&mut self) {
        if let Some(mailbox) = self.in_mailbox.take() {
            mailbox.remove(self.weight);
        }
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        self.leave();
        self.of_peer.remove(self.weight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_given_back_once_wherever_the_message_went() {
        let (peer, first, second) = (Backlog::default(), Backlog::default(), Backlog::default());
        let mut parked = Parked::new(&peer, 100, 300).expect("nothing waits");
        let other = Parked::new(&peer, 100, 300 + OVERHEAD).expect("less than the bound waits");
        assert!(Parked::new(&peer, 0, 300).is_none(), "more than the bound waits");
        let bytes = || [&peer, &first, &second].map(Backlog::bytes);
        assert_eq!(bytes(), [712, 0, 0]);
        parked.enter(&first);
        assert_eq!(bytes(), [712, 356, 0]);
        parked.enter(&second);
        assert_eq!(bytes(), [712, 0, 356]);
        parked.leave();
        assert_eq!(bytes(), [712, 0, 0]);
        parked.enter(&first);
        drop((parked, other));
        assert_eq!(bytes(), [0, 0, 0]);
    }
}
