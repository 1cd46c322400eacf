//! Which beacons count: fresh ones, each once, from a bounded number of senders.

use std::collections::BTreeMap;
use std::time::Duration;

use skep_core::id::Life;

/// At most this many senders are remembered; the one that was silent for longest gives way.
pub(super) const MAX_SENDERS: usize = 1024;

/// The senders and their last beacons.
#[derive(Debug)]
pub(super) struct Window {
    width: u64,
    /// When each sent its last beacon, by its own clock.
    last: BTreeMap<Life, u64>,
    forgotten: u64,
}

/// Whether a beacon counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// The first of its sender.
    New,
    /// A later one.
    Known,
    /// It was sent too long ago, or too far ahead of our clock.
    Stale,
    /// It is no later than one that was heard.
    Replayed,
}

impl Window {
    /// Beacons count whose time is no further from ours.
    pub(super) fn new(width: Duration) -> Self {
        Self {
            width: u64::try_from(width.as_micros()).unwrap_or(u64::MAX),
            last: BTreeMap::new(),
            forgotten: 0,
        }
    }

    /// A beacon of this sender and this time is heard, now; all in Unix microseconds.
    pub(super) fn judge(&mut self, life: Life, sent: u64, now: u64) -> Verdict {
        if now.abs_diff(sent) > self.width {
            return Verdict::Stale;
        }
        match self.last.get_mut(&life) {
            Some(last) if sent <= *last => Verdict::Replayed,
            Some(last) => {
                *last = sent;
                Verdict::Known
            }
            None => {
                self.make_room(now);
                self.last.insert(life, sent);
                Verdict::New
            }
        }
    }

    /// Who is out of the window needs no memory: what he sent is stale.
    fn make_room(&mut self, now: u64) {
        if self.last.len() < MAX_SENDERS {
            return;
        }
        let width = self.width;
        self.last.retain(|_, last| now.abs_diff(*last) <= width);
        if self.last.len() >= MAX_SENDERS
            && let Some(oldest) = self.last.iter().min_by_key(|(_, last)| **last).map(|(&life, _)| life)
        {
            self.last.remove(&oldest);
            self.forgotten += 1;
        }
    }

    /// How many senders gave way to others since the last call, although what they sent may be fresh.
    pub(super) fn take_forgotten(&mut self) -> u64 {
        std::mem::take(&mut self.forgotten)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;
    const NOW: u64 = 1_795_400_000 * SECOND;

    #[test]
    fn a_beacon_counts_once_and_while_it_is_fresh() {
        let mut window = Window::new(Duration::from_secs(30));
        let mut judge = |life, sent, now| window.judge(Life(life), sent, now);
        assert_eq!(judge(1, NOW, NOW), Verdict::New);
        assert_eq!(judge(1, NOW, NOW + SECOND), Verdict::Replayed);
        assert_eq!(judge(1, NOW - 1, NOW + SECOND), Verdict::Replayed);
        assert_eq!(judge(1, NOW + 1, NOW + SECOND), Verdict::Known);
        assert_eq!(judge(2, NOW - 31 * SECOND, NOW), Verdict::Stale);
        assert_eq!(judge(2, NOW + 31 * SECOND, NOW), Verdict::Stale);
        assert_eq!(judge(2, 0, NOW), Verdict::Stale);
        assert_eq!(judge(2, u64::MAX, NOW), Verdict::Stale);
        assert_eq!(judge(2, NOW + 29 * SECOND, NOW), Verdict::New, "clocks may differ");
    }

    #[test]
    fn the_memory_of_senders_is_bounded() {
        let mut window = Window::new(Duration::from_secs(30));
        for life in 0..10_000 {
            assert_eq!(window.judge(Life(life), NOW + life, NOW), Verdict::New);
        }
        assert_eq!(window.last.len(), MAX_SENDERS);
        assert_eq!(window.take_forgotten(), 10_000 - MAX_SENDERS as u64);
        assert_eq!(window.take_forgotten(), 0, "each is counted once");
        assert_eq!(window.judge(Life(9_999), NOW + 9_999, NOW), Verdict::Replayed);
    }
}
