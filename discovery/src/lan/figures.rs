//! What became of the beacons, counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What became of the beacons of one source.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BeaconFigures {
    /// Sent, on all interfaces at once.
    pub sent: u64,
    /// Heard from peers, and good.
    pub heard: u64,
    /// Datagrams that look like no beacon.
    pub garbage: u64,
    /// Sealed with another secret, or changed on the way.
    pub forged: u64,
    /// Too old, or too far ahead: clocks differ by more than the freshness, or somebody replays.
    pub stale: u64,
    /// Heard before.
    pub replayed: u64,
    /// Senders that were forgotten because there were too many: what they sent before would be heard again.
    pub forgotten: u64,
}

/// Where a source counts its beacons. A clone is the same tally.
#[derive(Clone, Debug, Default)]
pub struct BeaconTally(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    heard: AtomicU64,
    garbage: AtomicU64,
    forged: AtomicU64,
    stale: AtomicU64,
    replayed: AtomicU64,
    forgotten: AtomicU64,
}

impl BeaconTally {
    /// The figures now.
    pub fn read(&self) -> BeaconFigures {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        BeaconFigures {
            sent: read(&self.0.sent),
            heard: read(&self.0.heard),
            garbage: read(&self.0.garbage),
            forged: read(&self.0.forged),
            stale: read(&self.0.stale),
            replayed: read(&self.0.replayed),
            forgotten: read(&self.0.forgotten),
        }
    }

    pub(super) fn count(&self, what: Counted) {
        let count = match what {
            Counted::Sent => &self.0.sent,
            Counted::Heard => &self.0.heard,
            Counted::Garbage => &self.0.garbage,
            Counted::Forged => &self.0.forged,
            Counted::Stale => &self.0.stale,
            Counted::Replayed => &self.0.replayed,
            Counted::Forgotten => &self.0.forgotten,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Counted {
    Sent,
    Heard,
    Garbage,
    Forged,
    Stale,
    Replayed,
    Forgotten,
}
