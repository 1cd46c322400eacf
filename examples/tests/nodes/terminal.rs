//! The prompt at a terminal: what is typed or pasted ahead of it is not lost.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use skep_examples::process::PATIENCE;

use super::cluster::{Cluster, Outcome};

#[test]
fn lines_that_arrive_together_are_answered_in_order() -> Outcome {
    let cluster = Cluster::new();
    let mut terminal = Terminal::with_node(&cluster)?;
    terminal.wait_for("skep> ");
    terminal.type_in("whereis n\rregister n\rcall n one\rcall n two\rquit\r")?;
    for answer in ["not registered", "singleton runs on a", "echo one", "echo two"] {
        terminal.wait_for(answer);
    }
    terminal.wait_for_end();
    Ok(())
}

#[test]
fn what_is_typed_while_a_command_is_answered_is_the_next_commands() -> Outcome {
    let cluster = Cluster::new();
    let mut terminal = Terminal::with_node(&cluster)?;
    terminal.wait_for("skep> ");
    terminal.type_in("register n slow 300\r")?;
    terminal.wait_for("starting n on a");
    // The kernel edits these lines: nobody else reads them yet. The last one is finished at the prompt.
    terminal.type_in("call n one\rcall n twx\x7fo\rcall n thr")?;
    for answer in ["slow runs on a", "echo one", "echo two", "skep> call n thr"] {
        terminal.wait_for(answer);
    }
    terminal.type_in("ee\rquit\r")?;
    terminal.wait_for("echo three");
    terminal.wait_for_end();
    Ok(())
}

/// A terminal at which a node runs. Dropping it kills the node.
struct Terminal {
    node: Child,
    keys: File,
    shown: Receiver<Vec<u8>>,
    /// All that was shown, and how much of its text was waited for.
    screen: Vec<u8>,
    passed: usize,
}

impl Terminal {
    fn with_node(cluster: &Cluster) -> io::Result<Self> {
        let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&near)?;
        unlockpt(&near)?;
        let path = ptsname(&near, Vec::new())?;
        let far = File::options().read(true).write(true).open(OsStr::from_bytes(path.to_bytes()))?;
        let mut command = cluster.command(&["--name", "a"]);
        command.env("TERM", "xterm").env("RUST_LOG", "info");
        command.stdin(far.try_clone()?).stdout(far.try_clone()?).stderr(far);
        let node = command.spawn()?;
        drop(command); // with its copies of the far end: the node's alone are left
        let keys = File::from(near);
        let mut screen = keys.try_clone()?;
        let (sender, shown) = channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Fails once nobody holds the far end.
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Ok(Self { node, keys, shown, screen: Vec::new(), passed: 0 })
    }

    fn type_in(&mut self, keys: &str) -> io::Result<()> {
        self.keys.write_all(keys.as_bytes())
    }

    /// Waits until this is shown; what stands before it is passed over.
    fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text_shown = text_of(&self.screen);
            let unread = &text_shown[self.passed..];
            if let Some(at) = unread.find(text) {
                self.passed += at + text.len();
                return;
            }
            match self.shown.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.screen.extend(bytes),
                Err(error) => panic!("'{text}' was not shown ({error}), but: {unread}"),
            }
        }
    }

    /// Waits until the node has ended, as it was told to.
    fn wait_for_end(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.shown.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(error) => panic!("the node did not end: {error}"),
            }
        }
        assert_eq!(self.node.wait().expect("it is a child").code(), Some(0));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already, which is as well.
        let _ = self.node.kill();
        let _ = self.node.wait();
    }
}

/// What these bytes show, without the sequences (`ESC [ … letter`) that place and colour it. More bytes only
/// lengthen it.
fn text_of(bytes: &[u8]) -> String {
    let mut text = String::new();
    let mut bytes = bytes.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'\x1b' => {
                bytes.next();
                bytes.find(|byte| byte.is_ascii_alphabetic());
            }
            b'\r' => {}
            _ => text.push(char::from(byte)),
        }
    }
    text
}
