//! Tells the scene: one line at a time, from the demo and from the nodes' logs, each with its time.

use std::io::{BufRead, BufReader, Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use serde_json::Value;

use crate::process::{PATIENCE, Trouble};

/// Writes whole lines, from several threads.
#[derive(Clone)]
pub(super) struct Teller {
    page: Arc<Page>,
    began: Instant,
}

struct Page {
    lines: Mutex<Lines>,
    more: Condvar,
}

struct Lines {
    out: Box<dyn Write + Send>,
    overheard: Vec<(String, String)>,
}

impl Teller {
    pub(super) fn new(out: impl Write + Send + 'static) -> Self {
        let lines = Mutex::new(Lines { out: Box::new(out), overheard: Vec::new() });
        Self { page: Arc::new(Page { lines, more: Condvar::new() }), began: Instant::now() }
    }

    /// A line of the demo.
    pub(super) fn say(&self, words: impl AsRef<str>) {
        self.line("", words.as_ref());
    }

    /// A line that a node logged.
    fn line(&self, who: &str, words: &str) {
        let mut lines = self.lines();
        let at = self.began.elapsed().as_secs_f64() * 1000.0;
        let bar = if who.is_empty() { ' ' } else { '|' };
        // A demo that nobody reads goes on to its exit code.
        let _ = writeln!(lines.out, "{at:>8.1} ms  {who:>2}{bar} {words}");
        if !who.is_empty() {
            lines.overheard.push((who.into(), words.into()));
            self.page.more.notify_all();
        }
    }

    /// Waits until `node` has logged a line that begins with `words`: a node that is killed takes with it what it
    /// has not written yet.
    ///
    /// # Errors
    /// [`Trouble::Silent`] if it does not in time.
    pub(super) fn await_log(&self, node: &str, words: &str) -> Result<(), Trouble> {
        let is_missing = |lines: &mut Lines| {
            !lines.overheard.iter().any(|(who, line)| who == node && line.starts_with(words))
        };
        let waited = self.page.more.wait_timeout_while(self.lines(), PATIENCE, is_missing);
        if waited.unwrap_or_else(PoisonError::into_inner).1.timed_out() {
            return Err(Trouble::Silent { node: node.into(), wanted: words.into(), heard: Vec::new() });
        }
        Ok(())
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.page.lines.lock().unwrap_or_else(PoisonError::into_inner) // each use is one line
    }

    /// Tells the log of a node, in JSON, as it comes.
    pub(super) fn overhear(&self, node: &str, log: impl Read + Send + 'static) {
        let (teller, node) = (self.clone(), node.to_owned());
        thread::spawn(move || {
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                teller.line(&node, &message(&line));
            }
        });
    }
}

/// The words of a log line, with its other fields behind.
fn message(line: &str) -> String {
    let Ok(line @ Value::Object(_)) = serde_json::from_str::<Value>(line) else { return line.into() };
    let Some(fields) = line["fields"].as_object() else { return line.to_string() };
    let mut words = fields.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
    if line["level"] != "INFO" {
        words.insert_str(0, &format!("{}: ", line["level"].as_str().unwrap_or_default()));
    }
    for (name, value) in fields.iter().filter(|(name, _)| *name != "message") {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if !words.contains(&value) {
            words.push_str(&format!(" {name}={value}"));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::message;

    #[test]
    fn the_words_of_a_log_line_are_told() {
        for (line, expected) in [
            (
                r#"{"level":"INFO","fields":{"message":"restarting SingletonName on b","name":"SingletonName"}}"#,
                "restarting SingletonName on b",
            ),
            (r#"{"level":"WARN","fields":{"message":"slow","ms":7}}"#, "WARN: slow ms=7"),
            ("thread 'main' panicked", "thread 'main' panicked"),
            ("{}", "{}"),
        ] {
            assert_eq!(message(line), expected);
        }
    }
}
