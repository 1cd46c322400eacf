//! Where answers and events are written: one line each, whole, and at once.

use std::fmt;
use std::io::{self, Write};

use rustyline::ExternalPrinter;

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
    BesidePrompt(Box<dyn ExternalPrinter + Send>),
}

impl Page {
    /// Standard output.
    pub fn stdout(format: Format) -> Self {
        Self { format, place: Place::Stdout }
    }

    /// A terminal at which a line may be edited meanwhile.
    pub fn beside_prompt(printer: impl ExternalPrinter + Send + 'static) -> Self {
        Self { format: Format::Text, place: Place::BesidePrompt(Box::new(printer)) }
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
        match &mut self.place {
            Place::Stdout => write_stdout(&line),
            Place::BesidePrompt(printer) => printer.print(line).map_err(io::Error::other),
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
