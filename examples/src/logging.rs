//! Logs on stderr, in words or in JSON, by a thread of their own: whoever reads slowly does not stop the node.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::options::Format;

const WAITING: usize = 4096; // lines; those that find no room are counted and dropped
const LAST_WORDS: Duration = Duration::from_millis(500); // to write what waits when the process ends

/// Where log lines go. Keep it until the process ends, and [`Log::flush`] it then.
#[derive(Clone, Debug)]
pub struct Log {
    lines: SyncSender<Entry>,
    dropped: Arc<AtomicU64>,
}

enum Entry {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

impl Log {
    /// Logs what `RUST_LOG` asks for, else `info` and above. The first call of a process counts.
    pub fn begin(format: Format) -> Self {
        let (lines, receiver) = sync_channel(WAITING);
        let log = Self { lines, dropped: Arc::default() };
        let dropped = Arc::clone(&log.dropped);
        thread::spawn(move || write(receiver, &dropped));
        let filter =
            EnvFilter::builder().with_default_directive(tracing::Level::INFO.into()).from_env_lossy();
        let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(log.clone());
        // A second node in one process logs where the first does.
        let _ = match format {
            Format::Json => builder.json().try_init(),
            Format::Text => builder.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).try_init(),
        };
        log
    }

    /// Waits until what was logged is written, half a second at most.
    pub fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.lines.try_send(Entry::Flush(done)).is_ok() {
            // Whoever reads stderr has stopped to: nothing more can be done about it.
            let _ = written.recv_timeout(LAST_WORDS);
        }
    }
}

fn write(lines: Receiver<Entry>, dropped: &AtomicU64) {
    let mut stderr = io::stderr();
    for entry in lines {
        // There is no other place to say that stderr is gone.
        let _ = match entry {
            Entry::Line(line) => stderr.write_all(&line),
            Entry::Flush(done) => done.try_send(()).map_err(io::Error::other),
        };
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(stderr, "{lost} log lines were dropped: they were not read in time");
        }
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = LogLine;

    fn make_writer(&'a self) -> LogLine {
        LogLine { line: Vec::new(), log: self.clone() }
    }
}

/// One line on its way; sent when it is dropped.
#[derive(Debug)]
pub struct LogLine {
    line: Vec<u8>,
    log: Log,
}

impl Write for LogLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LogLine {
    fn drop(&mut self) {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() && self.log.lines.try_send(Entry::Line(line)).is_err() {
            self.log.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}
