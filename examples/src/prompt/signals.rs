//! SIGTERM and SIGINT, alike on every runtime: the first one asks, the second one ends the process.

use std::io;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use futures::channel::mpsc;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::Heard;

/// `signalled` is true once one came, here or as a key at the prompt.
pub(super) fn watch(mut sender: mpsc::Sender<Heard>, signalled: Arc<AtomicBool>) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    thread::spawn(move || {
        for signal in signals.forever() {
            if signalled.swap(true, Ordering::SeqCst) || sender.try_send(Heard::Signal).is_err() {
                process::exit(128 + signal); // as a shell reports a process that a signal ended
            }
        }
    });
    Ok(())
}
