//! What was said last, by whom and when: for whoever looks for the cause of a failure.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::stage::NAMES;

const KEPT: usize = 20_000; // lines

pub(super) struct Transcript {
    began: Instant,
    asked: AtomicU64,
    lines: Mutex<VecDeque<String>>,
}

impl Transcript {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), asked: AtomicU64::new(0), lines: Mutex::default() }
    }

    /// Since the begin of the play.
    pub(super) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// A line that was said to a host's node.
    pub(super) fn ask(&self, host: usize, line: &str) {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.tell(host, line);
    }

    /// How many lines that were.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Something that a host's node said.
    pub(super) fn tell(&self, host: usize, words: &str) {
        self.line(format!("{}  {words}", NAMES[host]));
    }

    /// Something that was done to the hosts.
    pub(super) fn note(&self, words: &str) {
        self.line(format!("-  {words}"));
    }

    fn line(&self, line: String) {
        let mut lines = self.lines.lock().expect("nobody panics with it");
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back(format!("{:>9.3} s  {line}", self.seconds()));
    }

    /// The last lines with all of these words.
    pub(super) fn last(&self, count: usize, words: &str) -> String {
        let lines = self.lines.lock().expect("nobody panics with it");
        let found: Vec<_> = lines.iter().filter(|line| line.contains(words)).cloned().collect();
        found[found.len().saturating_sub(count)..].join("\n")
    }
}
