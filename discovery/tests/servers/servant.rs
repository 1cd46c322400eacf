//! A server's process, ended with its test.

use std::io::{self, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

/// A running server. Dropping it kills it.
pub(crate) struct Servant(Child);

impl Servant {
    /// `None`, after a line that says why, where it is not installed.
    pub(crate) fn start(command: &mut Command) -> Option<Self> {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match quiet.spawn() {
            Ok(child) => Some(Self(child)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let program = command.get_program().to_string_lossy().into_owned();
                // Not by a macro that tests capture: ci.sh shows it.
                let _ = writeln!(io::stderr(), "skipped: {program} is not installed");
                None
            }
            Err(error) => panic!("{command:?}: {error}"),
        }
    }
}

#[cfg(feature = "postgres")]
impl Servant {
    /// Ends it by this signal.
    pub(crate) fn end(mut self, signal: &str) {
        let told = Command::new("kill").args(["-s", signal, &self.0.id().to_string()]).status();
        assert!(told.expect("it is everywhere").success(), "it runs, and is ours");
        let _ = self.0.wait(); // its status is not asked for
    }
}

impl Drop for Servant {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended by itself
        let _ = self.0.wait();
    }
}

/// A port of loopback that nobody has now.
pub(crate) fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("bound").port()
}
