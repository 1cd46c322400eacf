//! How many log lines a peer can cause: some at once, then one now and then that tells how many were left out.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use skep::core::Instant;

/// From one address at most so many lines within [`WINDOW`].
const LINES: u32 = 5;
const WINDOW: Duration = Duration::from_secs(60);

/// At most so many addresses are counted by themselves; all others count as one.
const MAX_ADDRESSES: usize = 1024;

/// The lines of one kind.
#[derive(Debug, Default)]
pub(crate) struct LogPace {
    addresses: Mutex<BTreeMap<Option<IpAddr>, Lines>>,
}

#[derive(Debug)]
struct Lines {
    since: Instant,
    written: u32,
    untold: u64,
}

impl LogPace {
    /// Whether a line about this address may be written now, and how many were left out before it.
    pub(crate) fn line(&self, now: Instant, address: IpAddr) -> Option<u64> {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner); // each use is one step
        let mut key = Some(address.to_canonical());
        if !addresses.contains_key(&key) && addresses.len() >= MAX_ADDRESSES {
            addresses.retain(|_, lines| now < lines.since + WINDOW);
            if addresses.len() >= MAX_ADDRESSES {
                key = None;
            }
        }
        let lines = addresses.entry(key).or_insert(Lines { since: now, written: 0, untold: 0 });
        if now >= lines.since + WINDOW {
            (lines.since, lines.written) = (now, 0);
        }
        if lines.written == LINES {
            lines.untold += 1;
            return None;
        }
        lines.written += 1;
        Some(std::mem::take(&mut lines.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[test]
    fn the_first_lines_are_written_and_a_later_one_tells_of_those_that_were_not() {
        let (pace, now) = (LogPace::default(), Instant::from_nanos(1));
        let lines: Vec<_> = (0..8).map(|_| pace.line(now, address(1))).collect();
        assert_eq!(lines, [Some(0), Some(0), Some(0), Some(0), Some(0), None, None, None]);
        assert_eq!(pace.line(now, address(2)), Some(0), "another address has lines of its own");
        assert_eq!(pace.line(now + WINDOW, address(1)), Some(3));
        assert_eq!(pace.line(now + WINDOW, address(1)), Some(0));
    }

    #[test]
    fn a_crowd_of_addresses_is_counted_in_bounded_space_and_shares_its_lines() {
        let (pace, now) = (LogPace::default(), Instant::from_nanos(1));
        let written = (0..3 * MAX_ADDRESSES as u32).filter(|n| pace.line(now, address(*n)).is_some()).count();
        assert_eq!(written, MAX_ADDRESSES + LINES as usize);
        assert_eq!(pace.addresses.lock().expect("no panic").len(), MAX_ADDRESSES + 1);
        assert_eq!(pace.line(now + WINDOW, address(9_999)), Some(0), "old ones give way");
    }
}
