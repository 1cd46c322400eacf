//! What was measured, in a plain table: the median, its neighbours, and what it is meant to be.

use std::io::{self, Write};
use std::time::Duration;

/// One line of the table.
pub(super) struct Row {
    what: String,
    samples: Vec<Duration>,
    goal: String,
}

impl Row {
    pub(super) fn new(what: impl Into<String>, samples: Vec<Duration>, goal: impl Into<String>) -> Self {
        Self { what: what.into(), samples, goal: goal.into() }
    }

    pub(super) fn print(&self) -> io::Result<()> {
        let mut sorted = self.samples.clone();
        sorted.sort_unstable();
        let figures = [0.0, 0.5, 0.99, 1.0].map(|part| short(quantile(&sorted, part)));
        line(&self.what, &sorted.len().to_string(), &figures, &self.goal)
    }
}

pub(super) fn header() -> io::Result<()> {
    line("what", "samples", &["min", "median", "p99", "max"].map(String::from), "goal")
}

fn line(what: &str, count: &str, [min, median, p99, max]: &[String; 4], goal: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{what:<60}{count:>8}{min:>11}{median:>11}{p99:>11}{max:>11}  {goal}")?;
    out.flush()
}

/// The sample below which `part` of all lie (nearest rank).
pub(super) fn quantile(sorted: &[Duration], part: f64) -> Duration {
    let rank = (part * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

fn short(duration: Duration) -> String {
    let nanos = duration.as_nanos() as f64;
    match nanos {
        ..1e6 => format!("{:.1} us", nanos / 1e3),
        ..1e9 => format!("{:.2} ms", nanos / 1e6),
        _ => format!("{:.3} s", nanos / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_samples() {
        let sorted = [1, 2, 3, 4, 5].map(Duration::from_millis);
        for (part, expected) in [(0.0, 1), (0.5, 3), (0.99, 5), (1.0, 5)] {
            assert_eq!(quantile(&sorted, part), Duration::from_millis(expected), "{part}");
        }
        assert_eq!(quantile(&[], 0.5), Duration::ZERO);
    }

    #[test]
    fn durations_are_short() {
        for (nanos, expected) in [(13_400, "13.4 us"), (2_340_000, "2.34 ms"), (1_500_000_000, "1.500 s")] {
            assert_eq!(short(Duration::from_nanos(nanos)), expected);
        }
    }
}
