//! What was measured, in a plain table: the median, its neighbours, and what it is meant to be.

use std::io::{self, Write};
use std::time::Duration;

/// One line of the table.
pub(super) struct Row {
    what: String,
    samples: Vec<f64>,
    unit: Unit,
    goal: String,
}

/// What a figure is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unit {
    Seconds,
    PerSecond,
    BytesPerSecond,
}

impl Row {
    /// Of durations.
    pub(super) fn new(what: impl Into<String>, samples: Vec<Duration>, goal: impl Into<String>) -> Self {
        let samples = samples.iter().map(Duration::as_secs_f64).collect();
        Self::of(Unit::Seconds, what, samples, goal)
    }

    /// Of other figures.
    pub(super) fn of(
        unit: Unit,
        what: impl Into<String>,
        samples: Vec<f64>,
        goal: impl Into<String>,
    ) -> Self {
        Self { what: what.into(), samples, unit, goal: goal.into() }
    }

    pub(super) fn print(&self) -> io::Result<()> {
        let mut sorted = self.samples.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let figures = [0.0, 0.5, 0.99, 1.0].map(|part| self.unit.show(quantile(&sorted, part)));
        line(&self.what, &sorted.len().to_string(), &figures, &self.goal)
    }
}

pub(super) fn header() -> io::Result<()> {
    line("what", "samples", &["min", "median", "p99", "max"].map(String::from), "goal")
}

fn line(what: &str, count: &str, [min, median, p99, max]: &[String; 4], goal: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{what:<68}{count:>8}{min:>11}{median:>11}{p99:>11}{max:>11}  {goal}")?;
    out.flush()
}

/// The sample below which `part` of all lie (nearest rank).
pub(super) fn quantile<T: Copy + Default>(sorted: &[T], part: f64) -> T {
    let rank = (part * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// The median of figures in any order.
pub(super) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    quantile(&sorted, 0.5)
}

/// The median of what `ours` is of `floors`, measurement by measurement.
pub(super) fn ratio(ours: &[f64], floors: &[f64]) -> f64 {
    median(&ours.iter().zip(floors).map(|(ours, floor)| ours / floor).collect::<Vec<_>>())
}

impl Unit {
    fn show(self, figure: f64) -> String {
        match self {
            Self::Seconds if figure < 1e-6 => format!("{:.1} ns", figure * 1e9),
            Self::Seconds if figure < 1e-3 => format!("{:.1} us", figure * 1e6),
            Self::Seconds if figure < 1.0 => format!("{:.2} ms", figure * 1e3),
            Self::Seconds => format!("{figure:.3} s"),
            Self::PerSecond if figure < 1e4 => format!("{figure:.1}/s"),
            Self::PerSecond => format!("{:.0}k/s", figure / 1e3),
            Self::BytesPerSecond => format!("{figure:.0} B/s"),
        }
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
        assert_eq!(quantile::<Duration>(&[], 0.5), Duration::ZERO);
    }

    #[test]
    fn ratios_are_of_measurements_that_were_made_together() {
        assert_eq!(ratio(&[2.0, 30.0, 8.0], &[1.0, 10.0, 2.0]), 3.0);
    }

    #[test]
    fn figures_are_short() {
        for (unit, figure, expected) in [
            (Unit::Seconds, 23.4e-9, "23.4 ns"),
            (Unit::Seconds, 13.4e-6, "13.4 us"),
            (Unit::Seconds, 2.34e-3, "2.34 ms"),
            (Unit::Seconds, 1.5, "1.500 s"),
            (Unit::PerSecond, 12.5, "12.5/s"),
            (Unit::PerSecond, 145_400.0, "145k/s"),
            (Unit::BytesPerSecond, 812.4, "812 B/s"),
        ] {
            assert_eq!(unit.show(figure), expected);
        }
    }
}
