//! The hosts of the play: each with its node, the log of all its lives, and what befalls it.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use super::super::cluster::{Cluster, NodeProcess, Trouble};
use super::super::network::{Cut, Network, address};
use super::super::security::write_secrets;
use super::plan::Fault;

pub(super) const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

const RUNTIMES: [&str; 3] = ["tokio", "smol", "async-std"];

pub(super) struct Stage {
    network: Network,
    hosts: Vec<Host>,
}

struct Host {
    cluster: Cluster, // hosts share no run directory
    node: State,
    frozen: Option<Instant>,
    /// For how long it was frozen in all, in milliseconds; its client reads it.
    stood: Arc<AtomicU64>,
}

/// How a host's node is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Only such a one is signalled: its id is its own.
    Lives(Pid),
    /// It was sent this signal, and may not have ended yet.
    Ends(Signal),
    /// There is none.
    Vacant,
}

impl Stage {
    /// So many hosts without nodes; the reason if this process may not make them.
    pub(super) fn new(hosts: usize) -> Result<Self, String> {
        let network = Network::new(hosts)?;
        let host = |_| {
            let cluster = Cluster::new();
            write_secrets(&cluster, "secret", &[1]);
            Host { cluster, node: State::Vacant, frozen: None, stood: Arc::default() }
        };
        Ok(Self { network, hosts: (0..hosts).map(host).collect() })
    }

    pub(super) fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// Begins a node on this host.
    pub(super) fn start(&mut self, host: usize) -> Result<NodeProcess, Trouble> {
        let cluster = &self.hosts[host].cluster;
        let secret = cluster.path("secret");
        let listen = at(host);
        let mut options = vec!["--name", NAMES[host], "--output", "json", "--listen", &listen];
        options.extend(["--runtime", RUNTIMES[host % RUNTIMES.len()]]);
        options.extend(["--secret-file", secret.to_str().expect("a path of ours is text")]);
        let others: Vec<_> = (0..self.hosts.len()).filter(|&other| other != host).map(at).collect();
        for other in &others {
            options.extend(["--join", other]);
        }
        let mut command = cluster.command(&options);
        if std::env::var_os("RUST_LOG").is_none() {
            command.env("RUST_LOG", "info");
        }
        let mut command = self.network.on(host, &command);
        command.stderr(OpenOptions::new().append(true).create(true).open(cluster.path("log"))?);
        let node = NodeProcess::spawn(NAMES[host], &mut command)?;
        let id = node.id().try_into().ok().and_then(Pid::from_raw).expect("ids are positive");
        self.hosts[host].node = State::Lives(id);
        Ok(node)
    }

    /// Whether the host's node was not told to end.
    pub(super) fn lives(&self, host: usize) -> bool {
        matches!(self.hosts[host].node, State::Lives(_))
    }

    /// Whether the host's node has ended.
    pub(super) fn is_vacant(&self, host: usize) -> bool {
        self.hosts[host].node == State::Vacant
    }

    /// The host's node has ended so. Whether that is what it was told.
    pub(super) fn bury(&mut self, host: usize, status: ExitStatus) -> bool {
        match std::mem::replace(&mut self.hosts[host].node, State::Vacant) {
            State::Ends(Signal::TERM) => status.success(),
            State::Ends(signal) => status.signal() == Some(signal.as_raw()),
            State::Lives(_) | State::Vacant => false,
        }
    }

    /// Does to the hosts what the fault says, but for a start.
    pub(super) fn befall(&mut self, fault: Fault) -> io::Result<()> {
        match fault {
            Fault::Kill(host) => self.signal_last(host, Signal::KILL),
            Fault::End(host) => self.signal_last(host, Signal::TERM),
            Fault::Start(_) => Ok(()),
            Fault::Freeze(host) => {
                let State::Lives(process) = self.hosts[host].node else { return Ok(()) };
                self.hosts[host].frozen.get_or_insert_with(Instant::now);
                Ok(kill_process(process, Signal::STOP)?)
            }
            Fault::Thaw(host) => {
                let Some(frozen) = self.hosts[host].frozen.take() else { return Ok(()) };
                let stood = frozen.elapsed().as_millis().try_into().expect("a short time");
                self.hosts[host].stood.fetch_add(stood, Ordering::SeqCst);
                let State::Lives(process) = self.hosts[host].node else { return Ok(()) };
                Ok(kill_process(process, Signal::CONT)?)
            }
            Fault::Isolate(host) => self.network.cut(host, Cut::BothWays),
            Fault::Reconnect(host) => self.network.heal(host, Cut::BothWays),
            Fault::Deafen(from, to) => self.network.cut_one_way(from, to),
            Fault::Hear(from, to) => self.network.heal_one_way(from, to),
            Fault::Slow(host, kilobits) => self.network.slow(host, kilobits),
            Fault::Quick(host) => self.network.quick(host),
        }
    }

    /// What ends a process; it gets no signal of ours after that.
    fn signal_last(&mut self, host: usize, signal: Signal) -> io::Result<()> {
        self.befall(Fault::Thaw(host))?; // a frozen process would not end in order
        let State::Lives(process) = self.hosts[host].node else { return Ok(()) };
        self.hosts[host].node = State::Ends(signal);
        Ok(kill_process(process, signal)?)
    }

    /// For how long the host was frozen so far.
    pub(super) fn stood(&self, host: usize) -> Arc<AtomicU64> {
        Arc::clone(&self.hosts[host].stood)
    }

    /// Lets all hosts hear each other at once.
    pub(super) fn mend(&self) -> io::Result<()> {
        self.network.mend()
    }

    /// The last lines that the host's nodes logged.
    pub(super) fn log(&self, host: usize, lines: usize) -> String {
        let log = fs::read(self.hosts[host].cluster.path("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let all: Vec<_> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

fn at(host: usize) -> String {
    format!("{}:7000", address(host))
}
