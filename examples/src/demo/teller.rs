//! Tells the scene: one line at a time, from the demo and from the nodes' logs, each with its time.

use std::io::{BufRead, BufReader, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use serde_json::Value;

/// Writes whole lines, from several threads.
#[derive(Clone)]
pub(super) struct Teller {
    out: Arc<Mutex<dyn Write + Send>>,
    began: Instant,
}

impl Teller {
    pub(super) fn new(out: impl Write + Send + 'static) -> Self {
        Self { out: Arc::new(Mutex::new(out)), began: Instant::now() }
    }

    /// A line of the demo.
    pub(super) fn say(&self, words: impl AsRef<str>) {
        self.line("", words.as_ref());
    }

    /// A line that a node logged.
    fn line(&self, who: &str, words: &str) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner); // each use is one line
        let at = self.began.elapsed().as_secs_f64() * 1000.0;
        // A demo that nobody reads goes on to its exit code.
        let _ = writeln!(out, "{at:>8.1} ms  {who:>2}{} {words}", if who.is_empty() { ' ' } else { '|' });
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
