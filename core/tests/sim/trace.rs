//! What happened in a run: a hash, or the last lines in words, or nothing, which costs nothing.

use std::collections::VecDeque;
use std::fmt::{self, Write};

use skep_core::Instant;

/// How many lines are kept.
const KEPT: usize = 40_000;

/// How much of a run is written down.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Telling {
    /// Only how many lines there were: of a sweep nobody reads more.
    #[default]
    Count,
    /// What tells it apart from any other run.
    Hash,
    /// The same, and all in words.
    Words,
}

/// The record of a run.
#[derive(Default)]
pub struct Trace {
    telling: Telling,
    hash: Fnv,
    lines: VecDeque<String>,
    count: u64,
}

impl Trace {
    pub fn new(telling: Telling) -> Self {
        Self { telling, ..Self::default() }
    }

    pub fn line(&mut self, now: Instant, who: &dyn fmt::Display, what: fmt::Arguments<'_>) {
        self.count += 1;
        if self.telling == Telling::Count {
            return;
        }
        write!(self.hash, "{}{what}", now.as_nanos()).expect("a hash takes all text");
        if self.telling == Telling::Words {
            if self.lines.len() == KEPT {
                self.lines.pop_front();
            }
            let micros = now.as_nanos() / 1000;
            self.lines.push_back(format!(
                "{:>4}.{:06} {who:<6} {what}",
                micros / 1_000_000,
                micros % 1_000_000
            ));
        }
    }

    /// Adds words to the last line, which the hash does not need.
    pub fn detail(&mut self, words: impl FnOnce() -> String) {
        if self.telling == Telling::Words
            && let Some(line) = self.lines.back_mut()
        {
            line.push_str(" = ");
            line.push_str(&words());
        }
    }

    /// Two runs with one hash did the same, if both were told as more than a count.
    pub fn hash(&self) -> u64 {
        self.hash.0 ^ self.count
    }

    /// The last lines, oldest first.
    pub fn last(&self, count: usize) -> String {
        let skipped = self.lines.len().saturating_sub(count);
        let mut text = format!("... {} lines before\n", self.count.saturating_sub(count as u64));
        for line in self.lines.iter().skip(skipped) {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

/// FNV-1a, 64 bits.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Ok(())
    }
}
