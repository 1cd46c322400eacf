//! What befalls the hosts and when, drawn from a seed: the same for the same seed, however fast the machine is.

use std::fmt;
use std::time::Duration;

use super::random::Random;

/// One period of faults. What is not undone in it is undone at its end.
pub(super) struct Period {
    pub(super) sort: Sort,
    /// In the order of their times.
    pub(super) steps: Vec<Step>,
}

/// What a period does, which decides what it may break.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sort {
    /// One node is killed, and starts again.
    Crash,
    /// Hosts do not hear each other, or late, or stand still; all live.
    Parting,
    /// All nodes end in order, one after the other, and start again.
    Rolling,
    /// All of it at once. One node lives through it.
    Mixed,
}

pub(super) struct Step {
    /// After the period's begin.
    pub(super) at: Duration,
    pub(super) fault: Fault,
}

/// What is done to hosts, by their numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    Kill(usize),
    /// SIGTERM.
    End(usize),
    /// After its former life has ended.
    Start(usize),
    Freeze(usize),
    Thaw(usize),
    /// It hears nobody and nobody hears it.
    Isolate(usize),
    Reconnect(usize),
    /// What the first sends does not reach the second.
    Deafen(usize, usize),
    Hear(usize, usize),
    /// Its line carries so many thousand bits in a second.
    Slow(usize, usize),
    Quick(usize),
}

impl Period {
    /// The period of this number.
    pub(super) fn draw(seed: u64, number: u64, hosts: usize) -> Self {
        let mut draw = Draw { random: Random::new(seed, number), hosts, steps: Vec::new() };
        let sorts = [Sort::Crash, Sort::Parting, Sort::Parting, Sort::Mixed, Sort::Mixed, Sort::Rolling];
        let sort = *draw.random.one_of(&sorts);
        match sort {
            Sort::Crash => {
                let host = draw.random.below(hosts);
                draw.crash(host);
            }
            Sort::Parting => {
                for _ in 0..draw.random.between(1, 4) {
                    draw.parting();
                }
            }
            Sort::Rolling => draw.rolling(),
            Sort::Mixed => {
                let spared = draw.random.below(hosts);
                let mortal = (spared + draw.random.between(1, hosts)) % hosts;
                draw.crash(mortal);
                for _ in 0..draw.random.between(1, 3) {
                    draw.parting();
                }
            }
        }
        draw.steps.sort_by_key(|step| step.at);
        Self { sort, steps: draw.steps }
    }

    /// Whether what was acknowledged in it has to outlast it: one crash may take one copy, and a side of a cut
    /// that does not end may be the only one that holds it.
    pub(super) fn keeps_what_it_acknowledged(&self) -> bool {
        self.sort != Sort::Mixed
    }
}

struct Draw {
    random: Random,
    hosts: usize,
    steps: Vec<Step>,
}

impl Draw {
    fn step(&mut self, at: usize, fault: Fault) {
        let at = Duration::from_millis(at.try_into().expect("a short time"));
        self.steps.push(Step { at, fault });
    }

    fn crash(&mut self, host: usize) {
        let at = self.random.between(100, 2_000);
        self.step(at, Fault::Kill(host));
        let again = at + self.random.between(1, 3_000);
        self.step(again, Fault::Start(host));
    }

    fn rolling(&mut self) {
        let first = self.random.below(self.hosts);
        for turn in 0..self.hosts {
            let host = (first + turn) % self.hosts;
            self.step(200 + 1_000 * turn, Fault::End(host));
            self.step(700 + 1_000 * turn, Fault::Start(host)); // waits for its end
        }
    }

    fn parting(&mut self) {
        let host = self.random.below(self.hosts);
        let other = (host + self.random.between(1, self.hosts)) % self.hosts;
        let from = self.random.between(100, 2_000);
        let to = from + self.random.between(100, 4_000);
        match self.random.below(8) {
            0 => self.both(from, to, Fault::Freeze(host), Fault::Thaw(host)),
            1 => self.both(from, to, Fault::Isolate(host), Fault::Reconnect(host)),
            2 => self.both(from, to, Fault::Deafen(host, other), Fault::Hear(host, other)),
            3 => self.cut(from, to, host, other),
            4 => {
                for other in (0..self.hosts).filter(|&other| other != host) {
                    self.both(from, to, Fault::Deafen(host, other), Fault::Hear(host, other));
                }
            }
            5 => {
                let side = self.random.between(1, self.hosts);
                for here in 0..side {
                    for there in side..self.hosts {
                        self.cut(from, to, (host + here) % self.hosts, (host + there) % self.hosts);
                    }
                }
            }
            6 => {
                let kilobits = *self.random.one_of(&[64, 256, 1024]);
                self.both(from, to, Fault::Slow(host, kilobits), Fault::Quick(host));
            }
            _ => {
                let mut at = from;
                for _ in 0..self.random.between(2, 8) {
                    let on = at + self.random.between(20, 600);
                    self.both(at, on, Fault::Isolate(host), Fault::Reconnect(host));
                    at = on + self.random.between(20, 600);
                }
            }
        }
    }

    fn cut(&mut self, from: usize, to: usize, one: usize, other: usize) {
        self.both(from, to, Fault::Deafen(one, other), Fault::Hear(one, other));
        self.both(from, to, Fault::Deafen(other, one), Fault::Hear(other, one));
    }

    fn both(&mut self, from: usize, to: usize, begin: Fault, end: Fault) {
        self.step(from, begin);
        self.step(to, end);
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |host: &usize| super::stage::NAMES[*host];
        write!(f, "{:>6.3} s  ", self.at.as_secs_f64())?;
        match &self.fault {
            Fault::Kill(host) => write!(f, "kill {}", name(host)),
            Fault::End(host) => write!(f, "end {}", name(host)),
            Fault::Start(host) => write!(f, "start {}", name(host)),
            Fault::Freeze(host) => write!(f, "freeze {}", name(host)),
            Fault::Thaw(host) => write!(f, "thaw {}", name(host)),
            Fault::Isolate(host) => write!(f, "isolate {}", name(host)),
            Fault::Reconnect(host) => write!(f, "reconnect {}", name(host)),
            Fault::Deafen(from, to) => write!(f, "{} no longer hears {}", name(to), name(from)),
            Fault::Hear(from, to) => write!(f, "{} hears {} again", name(to), name(from)),
            Fault::Slow(host, kilobits) => write!(f, "the line of {}: {kilobits} kbit/s", name(host)),
            Fault::Quick(host) => write!(f, "the line of {} is quick again", name(host)),
        }
    }
}
