//! Where answers and events are written: one line each, whole, and at once.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crate::answers::Answer;
use crate::events::News;
use crate::options::Format;

/// Standard output, alone or beside a prompt.
pub struct Page {
    format: Format,
    place: Place,
}

enum Place {
    Stdout,
    BesidePrompt(Edited),
}

/// What stands at the prompt at the moment, shared by who edits it and who writes beside it.
#[derive(Clone, Debug, Default)]
pub struct Edited(Arc<Mutex<Option<String>>>);

impl Edited {
    /// The text behind the prompt is this now; `None` when no line is edited.
    pub fn set(&self, line: Option<&str>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = line.map(str::to_owned);
    }

    /// Writes above the edited line: clears it, and draws it again below.
    fn write_above(&self, text: &str) -> io::Result<()> {
        let edited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*edited {
            Some(line) => write_stdout(&format!("\r\x1b[K{text}{PROMPT}{line}")),
            None => write_stdout(text),
        }
    }
}

/// What stands before every line at a terminal.
pub const PROMPT: &str = "skep> ";

impl Page {
    /// Standard output.
    pub fn stdout(format: Format) -> Self {
        Self { format, place: Place::Stdout }
    }

    /// A terminal at which a line may be edited meanwhile.
    pub fn beside_prompt(edited: Edited) -> Self {
        Self { format: Format::Text, place: Place::BesidePrompt(edited) }
    }

    /// Writes an answer.
    ///
    /// # Errors
    /// If nobody reads any more.
    pub fn answer(&mut self, answer: &Answer) -> io::Result<()> {
        let mut line = answer.line(self.format);
        line.push('\n');
        // No line is edited while an answer is due.
        write_stdout(&line)
    }

    /// Writes an event.
    ///
    /// # Errors
    /// If nobody reads any more.
    pub fn news(&mut self, news: &News) -> io::Result<()> {
        let mut line = news.line(self.format);
        line.push('\n');
        match &self.place {
            Place::Stdout => write_stdout(&line),
            Place::BesidePrompt(edited) => edited.write_above(&line),
        }
    }
}

fn write_stdout(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    stdout.flush()
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").field("format", &self.format).finish_non_exhaustive()
    }
}
