//! The floors below round trips, measured against another process of the bench on the same flavour.

use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use skep_tcp::TcpSockets;

use super::flavour::Flavour;
use crate::floor;
use crate::runtime::OnRuntime;

/// Round trips of one message, sorted.
pub(super) fn measure(program: &Path, flavour: Flavour, rounds: u32) -> io::Result<Vec<Duration>> {
    let echo = Echo::start(program, flavour)?;
    flavour.block_on(Ping { rounds, address: echo.address })?
}

/// Round trips in a second, when so many tasks share one connection.
pub(super) fn multiplexed(program: &Path, flavour: Flavour, tasks: usize, each: usize) -> io::Result<f64> {
    let echo = Echo::start(program, flavour)?;
    flavour.block_on(Multiplexed { tasks, each, address: echo.address })?
}

/// Is the other process, until it is killed.
pub(super) fn echo(flavour: Flavour) -> io::Result<()> {
    flavour.block_on(Pong)?
}

struct Echo {
    process: Child,
    address: SocketAddr,
}

impl Echo {
    fn start(program: &Path, flavour: Flavour) -> io::Result<Self> {
        let mut process =
            Command::new(program).args(["echo", flavour.as_str()]).stdout(Stdio::piped()).spawn()?;
        let stdout = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut echo = Self { process, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let mut address = String::new();
        BufReader::new(stdout).read_line(&mut address)?;
        echo.address = address.trim().parse().map_err(|_| io::ErrorKind::InvalidData)?;
        Ok(echo)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        // It may have ended already, which is as well.
        let _ = self.process.kill();
        let _ = self.process.wait();
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

struct Multiplexed {
    tasks: usize,
    each: usize,
    address: SocketAddr,
}

impl OnRuntime for Multiplexed {
    type Output = io::Result<f64>;

    async fn run<R: TcpSockets>(self, runtime: R) -> Self::Output {
        floor::multiplexed(&runtime, self.address, self.tasks, self.each).await
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
