//! Which forwarded messages have come: each is taken once.

use alloc::collections::BTreeMap;

use crate::id::Life;

/// At most so many forwarding lives are remembered; the oldest ones are forgotten first.
const MAX_LIVES: usize = 4096;

/// The last number taken from each life. Links keep their order, and a new link begins with the first number that
/// was not acknowledged, so that whatever is not above the last one has come before.
#[derive(Debug, Default)]
pub struct Received {
    last: BTreeMap<Life, u64>,
    forgotten: u64,
}

impl Received {
    /// Whether this number has not come before. From now on it has.
    pub fn is_new(&mut self, from: Life, number: u64) -> bool {
        let last = self.last.entry(from).or_default();
        if number <= *last {
            return false;
        }
        *last = number;
        if self.last.len() > MAX_LIVES {
            self.last.pop_first();
            self.forgotten += 1;
        }
        true
    }

    /// How many lives gave way to later ones since the last call.
    pub fn take_forgotten(&mut self) -> u64 {
        core::mem::take(&mut self.forgotten)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_new_once_whatever_comes_again() {
        let mut received = Received::default();
        for (from, number, new) in [
            (1, 1, true),
            (1, 2, true),
            (1, 2, false),
            (2, 2, true),
            (1, 1, false),
            (1, 7, true), // its numbers are shared by all to whom it forwards
            (1, 3, false),
            (2, 1, false),
            (2, 3, true),
        ] {
            assert_eq!(received.is_new(Life(from), number), new, "{number} from {from}");
        }
    }

    #[test]
    fn no_number_of_lives_fills_the_memory() {
        let mut received = Received::default();
        for life in 1..=MAX_LIVES as u64 + 10 {
            assert!(received.is_new(Life(life), 1));
        }
        assert_eq!(received.last.len(), MAX_LIVES);
        assert_eq!((received.take_forgotten(), received.take_forgotten()), (10, 0), "each is counted once");
        assert!(!received.is_new(Life(MAX_LIVES as u64 + 10), 1), "the latest are remembered");
    }
}
