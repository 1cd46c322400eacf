//! The floor below a round trip, measured against another process of the bench on the same flavour.

use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use skep_tcp::TcpSockets;

use super::flavour::Flavour;
use crate::floor;
use crate::runtime::OnRuntime;

/// Round trips, sorted.
pub(super) fn measure(program: &Path, flavour: Flavour, rounds: u32) -> io::Result<Vec<Duration>> {
    let mut echo =
        Echo(Command::new(program).args(["echo", flavour.as_str()]).stdout(Stdio::piped()).spawn()?);
    let stdout = echo.0.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut address = String::new();
    BufReader::new(stdout).read_line(&mut address)?;
    let address = address.trim().parse().map_err(|_| io::ErrorKind::InvalidData)?;
    flavour.block_on(Ping { rounds, address })?
}

/// Is the other process, until it is killed.
pub(super) fn echo(flavour: Flavour) -> io::Result<()> {
    flavour.block_on(Pong)?
}

struct Echo(Child);

impl Drop for Echo {
    fn drop(&mut self) {
        // It may have ended already, which is as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Ping {
    rounds: u32,
    address: SocketAddr,
}

impl OnRuntime for Ping {
    type Output = io::Result<Vec<Duration>>;

    async fn run<R: TcpSockets>(self, runtime: R) -> Self::Output {
        floor::ping_pong(&runtime, self.address, self.rounds as usize).await
    }
}

struct Pong;

impl OnRuntime for Pong {
    type Output = io::Result<()>;

    async fn run<R: TcpSockets>(self, runtime: R) -> Self::Output {
        // Whoever asked has gone if this cannot be said, and kills us.
        let say = |address| drop(writeln!(io::stdout(), "{address}").and_then(|()| io::stdout().flush()));
        floor::echo(&runtime, say).await
    }
}
