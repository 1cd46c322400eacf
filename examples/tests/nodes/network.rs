//! Hosts on one switch, each a network namespace of this machine, and links between them that can be cut.

use std::io;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// A switch and the hosts at it. Dropping it removes them all.
pub(crate) struct Network {
    prefix: String,
    hosts: usize,
}

/// How a host is cut off.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// It hears nobody and nobody hears it.
    BothWays,
    /// It hears all, and nobody hears it.
    Mute,
}

/// What addresses hosts have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Network {
    /// So many hosts; the reason if this process may not make them.
    pub(crate) fn new(hosts: usize) -> Result<Self, String> {
        Self::of(Family::V4, hosts)
    }

    /// The same, with addresses of this family alone.
    pub(crate) fn of(family: Family, hosts: usize) -> Result<Self, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("skep-{}-{number}", std::process::id());
        let network = Self { prefix, hosts };
        let switch = network.switch();
        ip(&["netns", "add", &switch])?;
        ip(&["-n", &switch, "link", "add", "name", "switch", "type", "bridge"])?;
        ip(&["-n", &switch, "link", "set", "switch", "up"])?;
        for host in 0..hosts {
            let (space, port) = (network.space(host), port(host));
            ip(&["netns", "add", &space])?;
            let ends = ["type", "veth", "peer", "name", "eth0", "netns", &space];
            ip(&[&["-n", &switch, "link", "add", "name", &port][..], &ends].concat())?;
            ip(&["-n", &switch, "link", "set", &port, "master", "switch", "up"])?;
            let address = match family {
                Family::V4 => format!("{}/24", address(host)),
                Family::V6 => format!("fd77::{}/64", host + 1),
            };
            // `nodad` only says something to IPv6: the address is of use at once.
            let once: &[&str] = if family == Family::V6 { &["nodad"] } else { &[] };
            ip(&[&["-n", &space, "address", "add", &address, "dev", "eth0"][..], once].concat())?;
            ip(&["-n", &space, "link", "set", "eth0", "up"])?;
        }
        Ok(network)
    }

    /// Lets no multicast through: interfaces say that they have none, and the switch passes on none.
    pub(crate) fn without_multicast(&self) -> io::Result<()> {
        let off = || -> Result<(), String> {
            let switch = self.switch();
            ip(&["-n", &switch, "link", "set", "switch", "type", "bridge", "mcast_snooping", "0"])?;
            for host in 0..self.hosts {
                ip(&["-n", &self.space(host), "link", "set", "eth0", "multicast", "off"])?;
                let nothing = ["type", "bridge_slave", "mcast_flood", "off"];
                ip(&[&["-n", &switch, "link", "set", "dev", &port(host)][..], &nothing].concat())?;
            }
            Ok(())
        };
        off().map_err(io::Error::other)
    }

    /// `command`, but on this host.
    pub(crate) fn on(&self, host: usize, command: &Command) -> Command {
        let mut there = Command::new("ip");
        there.args(["netns", "exec", &self.space(host)]).arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => there.env(key, value),
                None => there.env_remove(key),
            };
        }
        there
    }

    /// Cuts a host off from all others.
    pub(crate) fn cut(&self, host: usize, cut: Cut) -> io::Result<()> {
        let done = match cut {
            Cut::BothWays => ip(&["-n", &self.switch(), "link", "set", &port(host), "down"]),
            Cut::Mute => return self.others(host).try_for_each(|other| self.cut_one_way(host, other)),
        };
        done.map_err(io::Error::other)
    }

    /// Undoes [`Network::cut`].
    pub(crate) fn heal(&self, host: usize, cut: Cut) -> io::Result<()> {
        let done = match cut {
            Cut::BothWays => ip(&["-n", &self.switch(), "link", "set", &port(host), "up"]),
            Cut::Mute => return self.others(host).try_for_each(|other| self.heal_one_way(host, other)),
        };
        done.map_err(io::Error::other)
    }

    /// What the first host sends no longer reaches the second: it goes to a hardware address that nobody has.
    pub(crate) fn cut_one_way(&self, from: usize, to: usize) -> io::Result<()> {
        let (space, to) = (self.space(from), address(to));
        let nobody = ["lladdr", "02:00:00:00:00:ff", "dev", "eth0", "nud", "permanent"];
        ip(&[&["-n", &space, "neighbour", "replace", &to][..], &nobody].concat()).map_err(io::Error::other)
    }

    /// Undoes [`Network::cut_one_way`]; as well if it is not so.
    pub(crate) fn heal_one_way(&self, from: usize, to: usize) -> io::Result<()> {
        let (space, to) = (self.space(from), address(to));
        ip(&["-n", &space, "neighbour", "flush", "to", &to, "dev", "eth0", "nud", "permanent"])
            .map_err(io::Error::other)
    }

    /// Lets a host's line carry only so many thousand bits in a second each way; what piles up waits its turn for
    /// up to a second, and what is more is lost.
    pub(crate) fn slow(&self, host: usize, kilobits: usize) -> io::Result<()> {
        let rate = format!("{kilobits}kbit");
        self.line(host, &["tbf", "rate", &rate, "burst", "4kb", "latency", "1s"])
    }

    /// Undoes [`Network::slow`].
    pub(crate) fn quick(&self, host: usize) -> io::Result<()> {
        self.line(host, &["pfifo"])
    }

    /// Changes the queues of both ends of a host's line.
    fn line(&self, host: usize, queue: &[&str]) -> io::Result<()> {
        for (space, end) in [(self.space(host), "eth0".into()), (self.switch(), port(host))] {
            let words = [&["-n", &space, "qdisc", "replace", "dev", &end, "root"], queue].concat();
            run("tc", &words).map_err(io::Error::other)?;
        }
        Ok(())
    }

    /// Undoes all of these, whatever of it is so.
    pub(crate) fn mend(&self) -> io::Result<()> {
        for host in 0..self.hosts {
            self.quick(host)?;
            self.heal(host, Cut::BothWays)?;
            ip(&["-n", &self.space(host), "neighbour", "flush", "dev", "eth0", "nud", "permanent"])
                .map_err(io::Error::other)?;
        }
        Ok(())
    }

    fn others(&self, host: usize) -> impl Iterator<Item = usize> {
        (0..self.hosts).filter(move |&other| other != host)
    }

    fn switch(&self) -> String {
        format!("{}-switch", self.prefix)
    }

    fn space(&self, host: usize) -> String {
        format!("{}-{host}", self.prefix)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for space in (0..self.hosts).map(|host| self.space(host)).chain([self.switch()]) {
            // One that could not be made cannot be removed either.
            let _ = ip(&["netns", "delete", &space]);
        }
    }
}

/// Where a host is. The numbers are its network's own: no other namespace sees them.
pub(crate) fn address(host: usize) -> String {
    format!("10.77.0.{}", host + 1)
}

fn port(host: usize) -> String {
    format!("port{host}")
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    run("ip", arguments)
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let told = |what: &str| format!("{program} {}: {what}", arguments.join(" "));
    let Output { status, stderr, .. } =
        Command::new(program).args(arguments).output().map_err(|error| told(&error.to_string()))?;
    if status.success() { Ok(()) } else { Err(told(String::from_utf8_lossy(&stderr).trim())) }
}
