//! SIGTERM and SIGINT, alike on every runtime: the first one asks, the second one ends the process.

use std::io;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use futures::channel::oneshot;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// `signalled` is true once one came, here or as a key at the prompt.
pub(super) fn watch(tell: oneshot::Sender<()>, signalled: Arc<AtomicBool>) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    thread::spawn(move || {
        let mut tell = Some(tell);
        for signal in signals.forever() {
            let heard = tell.take().is_some_and(|tell| tell.send(()).is_ok());
            if signalled.swap(true, Ordering::SeqCst) || !heard {
                process::exit(128 + signal); // as a shell reports a process that a signal ended
            }
        }
    });
    Ok(())
}
