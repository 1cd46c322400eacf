//! The limits of a node at run time, and how often each was reached: one place, counted without a lock.
//!
//! The manual's page on [limits](crate::manual::limits) says of each where it is set and what happens at it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use skep_core::event::Bound;

/// A limit that peers, callers or workers may reach.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Limit {
    /// Links that were ended because too many control frames waited to be written.
    ControlQueue,
    /// Frames with calls or answers that were refused because too many bytes of them waited to be written.
    CallQueue,
    /// Pieces of state that had to wait for room.
    BulkQueue,
    /// Times that a reader had to wait for the engine.
    Unhandled,
    /// Links that were closed because their peer sent more than can be handled, for too long.
    Flood,
    /// Links that were closed at once because their peer had flooded this node shortly before.
    KeptAway,
    /// Connections that gave their place to a newer one: too many were in their handshake.
    HalfOpen,
    /// The same, where it was too many of one address.
    HalfOpenOfAddress,
    /// Connections whose handshake took too long.
    HandshakeTime,
    /// Connections whose bytes were no handshake, or one that was too long.
    HandshakeBytes,
    /// Connections that were refused: another secret, another cluster, not allowed.
    HandshakeRefused,
    /// Links that ended because of bytes that are no frame, or of one that is too long.
    FrameBytes,
    /// Published messages that did not reach all because their frame named too many.
    Receivers,
    /// Links that ended because their peer stopped reading.
    WriteStall,
    /// Calls that were refused because too many wait for their answer on this node.
    PendingCalls,
    /// Messages from other nodes that were refused because a mailbox of this node had as many as it may.
    Mailbox,
    /// The same, where it had as many bytes of them as it may.
    MailboxBytes,
    /// Messages that were refused because too many bytes wait here of what came over their link.
    Parked,
    /// Messages that were refused because too many bytes are held for names that move.
    Held,
    /// States that were longer than may be sent.
    StateLength,
    /// States that were dropped because too much came before it was expected.
    EarlyStates,
    /// States that were not taken because too much was on its way here.
    ArrivingStates,
    /// Questions of peers about what they forwarded that were not answered because too many wait.
    Questions,
    /// Nodes that forwarded messages here and were forgotten because there were too many.
    Forwarders,
    /// Names that moved away and were forgotten because so many have since.
    Departed,
    /// Lives whose nodes' names were forgotten because there were too many.
    Lives,
    /// Links that were closed because the table of members is full.
    Members,
    /// Registrations that this node, as their names' arbiter, refused because there are as many names as there may be.
    Names,
    /// Events that a reader was too slow for.
    Events,
    /// Requests that were refused because too many wait: of this node's users, and of other nodes' for names of which this
    /// node is the arbiter.
    Requests,
    /// Answers to claims of other nodes that were forgotten before their callers gave up, because there were too many.
    Answers,
    /// Times that sources named more addresses than are kept.
    Addresses,
    /// Names that were not let into one more group.
    Groups,
    /// Copies of workers that were not taken, for now, because too many are being prepared here.
    Copies,
    /// States of beaten copies that were refused because the worker has heard of too many.
    Beaten,
    /// Log lines that were left out because a peer caused too many.
    LogLines,
    /// Senders of beacons that were forgotten because there were too many.
    BeaconSenders,
}

impl Limit {
    /// All of them, in the order of the manual's page.
    pub const ALL: [Self; 37] = [
        Self::ControlQueue,
        Self::CallQueue,
        Self::BulkQueue,
        Self::Unhandled,
        Self::Flood,
        Self::KeptAway,
        Self::HalfOpen,
        Self::HalfOpenOfAddress,
        Self::HandshakeTime,
        Self::HandshakeBytes,
        Self::HandshakeRefused,
        Self::FrameBytes,
        Self::Receivers,
        Self::WriteStall,
        Self::PendingCalls,
        Self::Mailbox,
        Self::MailboxBytes,
        Self::Parked,
        Self::Held,
        Self::StateLength,
        Self::EarlyStates,
        Self::ArrivingStates,
        Self::Questions,
        Self::Forwarders,
        Self::Departed,
        Self::Lives,
        Self::Members,
        Self::Names,
        Self::Events,
        Self::Requests,
        Self::Answers,
        Self::Addresses,
        Self::Groups,
        Self::Copies,
        Self::Beaten,
        Self::LogLines,
        Self::BeaconSenders,
    ];

    /// A name for systems of metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::ControlQueue => "control_queue",
            Self::CallQueue => "call_queue",
            Self::BulkQueue => "bulk_queue",
            Self::Unhandled => "unhandled",
            Self::Flood => "flood",
            Self::KeptAway => "kept_away",
            Self::HalfOpen => "half_open",
            Self::HalfOpenOfAddress => "half_open_of_address",
            Self::HandshakeTime => "handshake_time",
            Self::HandshakeBytes => "handshake_bytes",
            Self::HandshakeRefused => "handshake_refused",
            Self::FrameBytes => "frame_bytes",
            Self::Receivers => "receivers",
            Self::WriteStall => "write_stall",
            Self::PendingCalls => "pending_calls",
            Self::Mailbox => "mailbox",
            Self::MailboxBytes => "mailbox_bytes",
            Self::Parked => "parked",
            Self::Held => "held",
            Self::StateLength => "state_length",
            Self::EarlyStates => "early_states",
            Self::ArrivingStates => "arriving_states",
            Self::Questions => "questions",
            Self::Forwarders => "forwarders",
            Self::Departed => "departed",
            Self::Lives => "lives",
            Self::Members => "members",
            Self::Names => "names",
            Self::Events => "events",
            Self::Requests => "requests",
            Self::Answers => "answers",
            Self::Addresses => "addresses",
            Self::Groups => "groups",
            Self::Copies => "copies",
            Self::Beaten => "beaten",
            Self::LogLines => "log_lines",
            Self::BeaconSenders => "beacon_senders",
        }
    }
}

impl From<Bound> for Limit {
    fn from(bound: Bound) -> Self {
        match bound {
            Bound::Names => Self::Names,
            Bound::Claims => Self::Requests,
            Bound::Answers => Self::Answers,
            Bound::Addresses => Self::Addresses,
            Bound::Groups => Self::Groups,
            Bound::Copies => Self::Copies,
            Bound::Beaten => Self::Beaten,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How often each limit was reached since the node's start.
pub(crate) struct Reached {
    counts: [AtomicU64; Limit::ALL.len()],
}

impl Default for Reached {
    fn default() -> Self {
        Self { counts: [const { AtomicU64::new(0) }; Limit::ALL.len()] }
    }
}

impl Reached {
    pub(crate) fn count(&self, limit: Limit) {
        self.add(limit, 1);
    }

    pub(crate) fn add(&self, limit: Limit, times: u64) {
        self.counts[limit as usize].fetch_add(times, Ordering::Relaxed);
    }

    pub(crate) fn times(&self, limit: Limit) -> u64 {
        self.counts[limit as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_has_its_own_count_and_name() {
        let reached = Reached::default();
        for (times, limit) in (1..).zip(Limit::ALL) {
            reached.add(limit, times);
        }
        for (times, limit) in (1..).zip(Limit::ALL) {
            assert_eq!(reached.times(limit), times, "{limit}");
        }
        let names: std::collections::BTreeSet<_> = Limit::ALL.map(Limit::name).into();
        assert_eq!(names.len(), Limit::ALL.len());
    }
}
