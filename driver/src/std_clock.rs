//! The clock and the randomness of a real process, for runtimes that do not run in virtual time.

use std::sync::OnceLock;
use std::time::{Duration, Instant as StdInstant, SystemTime};

use skep_core::Instant;

/// Where `Instant::ZERO` lies: one origin per process, so that all its runtimes read the same time.
fn origin() -> StdInstant {
    static ORIGIN: OnceLock<StdInstant> = OnceLock::new();
    *ORIGIN.get_or_init(StdInstant::now)
}

/// The monotonic clock. It stands still while the machine is suspended where the OS's does (Linux).
pub fn now() -> Instant {
    from_std(StdInstant::now())
}

/// A reading of the standard clock as the core's; what lies before the origin is [`Instant::ZERO`].
pub fn from_std(reading: StdInstant) -> Instant {
    Instant::ZERO + reading.saturating_duration_since(origin())
}

/// The core's time as the standard clock's. What no clock can hold is a year from the origin: timers that
/// far ahead are never waited for.
pub fn to_std(instant: Instant) -> StdInstant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    origin() + instant.since(Instant::ZERO).min(YEAR)
}

/// Unix time in microseconds; 0 on a machine whose clock is set before 1970.
pub fn unix_micros() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Fills `buffer` from the OS.
///
/// # Panics
/// On a platform without a source of randomness, where no life could be told from another.
pub fn entropy(buffer: &mut [u8]) {
    getrandom::fill(buffer).expect("the OS has a source of randomness");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_is_the_same_time() {
        let now = now();
        assert_eq!(from_std(to_std(now)), now);
        assert_eq!(to_std(Instant::ZERO), origin());
    }

    #[test]
    fn the_end_of_time_is_a_time_that_can_be_waited_for() {
        assert!(to_std(Instant::FAR) > StdInstant::now());
    }
}
