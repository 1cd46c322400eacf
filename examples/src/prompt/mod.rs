//! Where commands come from: a person at a terminal, or the lines of standard input; and signals.

mod piped;
mod signals;
mod terminal;

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use futures::FutureExt;
use futures::channel::{mpsc, oneshot};
use futures::future::Fuse;

use crate::options::Format;
use crate::page::Page;

/// What came in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    /// A line, without its end. The next one is read after [`Prompt::next`].
    Line(String),
    /// There will be no more lines.
    End,
}

/// The reading side of a session.
#[derive(Debug)]
pub struct Prompt {
    /// What came in, in order.
    pub heard: mpsc::Receiver<Heard>,
    /// The first signal that asks the process to end. The second one ends it, without asking here.
    pub told_to_end: Fuse<oneshot::Receiver<()>>,
    turn: SyncSender<()>,
}

impl Prompt {
    /// Begins to read, in threads of its own, and says where to write.
    ///
    /// # Errors
    /// If the signals cannot be had.
    pub fn open(format: Format) -> io::Result<(Self, Page)> {
        let (sender, heard) = mpsc::channel(8);
        let (turn, turns) = sync_channel(1);
        let signalled = Arc::new(AtomicBool::new(false));
        let (tell, told) = oneshot::channel();
        signals::watch(tell, Arc::clone(&signalled))?;
        let ears = Ears { sender, turns };
        let at_a_terminal = format == Format::Text && io::stdin().is_terminal() && io::stdout().is_terminal();
        let page = match at_a_terminal.then(terminal::open) {
            Some(Ok((editor, page))) => {
                thread::spawn(move || terminal::read(editor, ears, &signalled));
                page
            }
            // A terminal that cannot be edited at still has lines.
            None | Some(Err(_)) => {
                thread::spawn(move || piped::read(io::stdin().lock(), ears));
                Page::stdout(format)
            }
        };
        Ok((Self { heard, told_to_end: told.fuse(), turn }, page))
    }

    /// The last line was answered: read another.
    pub fn next(&self) {
        // The reader has ended, or was told already.
        let _ = self.turn.try_send(());
    }
}

/// The end of a reader: what it hears, and when it may go on.
struct Ears {
    sender: mpsc::Sender<Heard>,
    turns: Receiver<()>,
}

impl Ears {
    /// Hands over a line and waits until it is answered. `false`: nobody listens any more.
    fn line(&mut self, line: String) -> bool {
        self.sender.try_send(Heard::Line(line)).is_ok() && self.turns.recv().is_ok()
    }

    fn end(&mut self) {
        // Nobody is left to be told.
        let _ = self.sender.try_send(Heard::End);
    }
}
