//! An endless answer, read line by line.

use std::io::{self, BufRead, BufReader, Read};

use ureq::Body;

use super::MAX_BODY;

/// The lines of an endless answer.
pub(crate) struct Lines {
    reader: Box<dyn BufRead + Send>,
}

impl Lines {
    pub(super) fn of(body: Body) -> Self {
        Self { reader: Box::new(BufReader::new(body.into_reader())) }
    }

    /// The next line; `None` at the end of the answer.
    pub(crate) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let read = (&mut self.reader).take(MAX_BODY + 1).read_until(b'\n', &mut line)?;
        if read as u64 > MAX_BODY {
            return Err(io::Error::other(format!("a line longer than {MAX_BODY} bytes")));
        }
        Ok((read > 0).then_some(line))
    }
}
