//! What calls and messages may make wait on one node, however many there are and whoever sends them.

use skep_core::error::ConfigError;

/// What may wait on a node: for its answer, in the mailboxes of its workers, and for names that move.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallBounds {
    /// Calls from this node that wait for their answer. Over it a call ends at once: `CallError::Overloaded`.
    pub pending: usize,
    /// Messages in one mailbox. Over it callers on this node wait until their deadline.
    pub mailbox: usize,
    /// Messages from other nodes that one mailbox takes beyond that, as their reader must not wait. Over it a message is
    /// refused, and a call tried again until its deadline.
    pub parked: usize,
    /// Bytes of the messages from other nodes in one mailbox, each counted with 256 more than its length. A mailbox
    /// takes one as long as it holds less; over it a message is refused likewise.
    pub parked_bytes: usize,
    /// Bytes of the messages that this node holds for names that move or are between two starts, each counted with
    /// 128 more than its length. Over it a message is refused: `SendError::MailboxFull`.
    pub held: usize,
}

impl CallBounds {
    /// # Errors
    /// A bound is zero: nothing could be called.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        ConfigError::check_bounds([
            ("call_bounds.pending", self.pending),
            ("call_bounds.mailbox", self.mailbox),
            ("call_bounds.parked", self.parked),
            ("call_bounds.parked_bytes", self.parked_bytes),
            ("call_bounds.held", self.held),
        ])
    }
}

impl Default for CallBounds {
    fn default() -> Self {
        Self { pending: 1 << 20, mailbox: 1024, parked: 1024, parked_bytes: 8 << 20, held: 8 << 20 }
    }
}
