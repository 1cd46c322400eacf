//! What the machine itself costs: register, take over and keep names, without sockets, tasks or workers.
//!
//! `cargo bench -p skep-core --bench registry`. Two machines pass frames to each other in memory; a start is
//! answered at once. The best of several runs, because what else runs on the machine only ever adds.

#![allow(clippy::print_stdout, reason = "a bench tells its figures")]

use std::alloc::System;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant as Clock};

use skep_core::config::KindConfig;
use skep_core::error::DialFailure;
use skep_core::event::{Exit, Input, Output, Reply, Request, Stopped, Way, WorkerSpec};
use skep_core::id::{Address, CallId, ClusterName, Epoch, Kind, Life, LinkId, Name, NodeName, Payload};
use skep_core::placement::{Bond, Place, Together};
use skep_core::supervisor::RestartPolicy;
use skep_core::wire::Hello;
use skep_core::{Config, Instant, Machine};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const RUNS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(60);

/// As many inputs as a driver handles before it carries out what they led to.
const AT_ONCE: usize = 128;

fn main() {
    for names in [1_000, 10_000, 100_000] {
        let runs: Vec<Managed> = (0..RUNS).map(|_| managed(names)).collect();
        let best = |of: fn(&Managed) -> Duration| {
            let best = runs.iter().map(of).min().expect("there were runs");
            best.as_nanos() as f64 / names as f64 / 1000.0
        };
        println!(
            "{names:>7} managed names: register {:.2} µs a name on both together, take over {:.2} µs a name",
            best(|run| run.register),
            best(|run| run.take_over),
        );
    }
    for names in [1_000, 10_000, 100_000] {
        let best = (0..RUNS).map(|_| restart_together(names)).min().expect("there were runs");
        println!(
            "{names:>7} managed names: {:.1} µs to restart {BOUND} that are bound to each other",
            best.as_nanos() as f64 / 1000.0
        );
    }
    for names in [100_000, 1_000_000] {
        let (holder, replica, name) = attached(names);
        println!(
            "{names:>7} attached names: {holder} B a name on the holder, {replica} B on a replica ({name} B of each are the name)"
        );
    }
}

struct Managed {
    register: Duration,
    take_over: Duration,
}

/// Half of the names run on each; then the first dies.
fn managed(names: usize) -> Managed {
    let mut pair = Pair::form();
    let kind = Kind::new("kind").expect("a good kind");
    let began = Clock::now();
    for batch in (0..names).collect::<Vec<_>>().chunks(64) {
        for number in batch {
            let (kind, args, place) = (kind.clone(), Payload::empty(), Place::anywhere());
            pair.register(0, *number, WorkerSpec::Managed { kind, args, place });
        }
        pair.drain(0);
        pair.run();
    }
    let register = began.elapsed();
    assert_eq!(pair.registered, names, "all were registered");
    let theirs = names - pair.starts[1];
    pair.starts[1] = 0;
    let began = Clock::now();
    pair.kill_first();
    let take_over = began.elapsed();
    assert_eq!(pair.starts[1], theirs, "all were taken over");
    Managed { register, take_over: take_over * names as u32 / theirs as u32 }
}

/// How many workers share a key.
const BOUND: u16 = 5;

/// What it costs that the first of a few workers ends which are restarted together, in their order, among others.
fn restart_together(names: usize) -> Duration {
    let mut pair = Pair::form();
    let kind = Kind::new("kind").expect("a good kind");
    let spec = |place| WorkerSpec::Managed { kind: kind.clone(), args: Payload::empty(), place };
    for batch in (0..names).collect::<Vec<_>>().chunks(64) {
        for number in batch {
            pair.register(0, *number, spec(Place::anywhere()));
        }
        pair.drain(0);
        pair.run();
    }
    for rank in 0..BOUND {
        let together = Together { key: name_of(names), bond: Bond::OneForAll, rank };
        pair.register(0, names + usize::from(rank), spec(Place::anywhere().together(together)));
        pair.drain(0);
        pair.run();
    }
    let first = name_of(names);
    let (holder, epoch) = pair.last_start(&first);
    pair.starts = [0; 2];
    let began = Clock::now();
    pair.feed(holder, Input::WorkerExited { name: first, epoch, exit: Exit::Finished });
    pair.run();
    while pair.starts[holder] < usize::from(BOUND) {
        pair.now = pair.machines[holder].poll_timeout().expect("a restart is due");
        pair.feed(holder, Input::Timeout);
        pair.run();
    }
    began.elapsed()
}

/// The bytes that a name costs where it is held, and elsewhere; and those of its text.
fn attached(names: usize) -> (usize, usize, usize) {
    let mut pair = Pair::form();
    let region = Region::new(ALLOCATOR);
    for batch in (0..names).collect::<Vec<_>>().chunks(64) {
        for number in batch {
            pair.register(0, *number, WorkerSpec::Attached);
        }
        pair.drain(0);
        pair.run();
    }
    assert_eq!(pair.registered, names, "all were registered");
    let in_use = |region: &Region<'_, System>| {
        let change = region.change();
        change.bytes_allocated as isize - change.bytes_deallocated as isize // what is moved counts as both
    };
    let both = in_use(&region);
    drop(pair.machines.pop());
    let holder = in_use(&region);
    let each = |bytes: isize| usize::try_from(bytes).unwrap_or(0) / names;
    (each(holder), each(both - holder), name_of(0).as_str().len())
}

fn name_of(number: usize) -> Name {
    Name::new(format!("device-{number:08}")).expect("a good name")
}

/// Two machines with one link, and all that is under way between them.
struct Pair {
    machines: Vec<Machine>,
    under_way: [VecDeque<Input>; 2],
    now: Instant,
    calls: u64,
    registered: usize,
    starts: [usize; 2],
    /// What was started last under each name, and where.
    last: HashMap<Name, (usize, Epoch)>,
}

impl Pair {
    fn form() -> Self {
        let configs = [config("a", 1), config("b", 2)];
        let now = Instant::ZERO;
        let machine = |config: &Config| Machine::new(config.clone(), now).expect("a good config");
        let mut pair = Self {
            machines: configs.iter().map(machine).collect(),
            under_way: Default::default(),
            now,
            calls: 0,
            registered: 0,
            starts: [0; 2],
            last: HashMap::new(),
        };
        let [a, b] = [Hello::of(&configs[0]), Hello::of(&configs[1])];
        let dialled = Way::Dialled(configs[1].address.clone());
        pair.feed(0, Input::LinkUp { link: LinkId(1), way: dialled, peer: b });
        pair.feed(1, Input::LinkUp { link: LinkId(1), way: Way::Accepted, peer: a });
        pair.run();
        for _ in 0..40 {
            pair.now += Duration::from_millis(10);
            for machine in 0..2 {
                pair.feed(machine, Input::Timeout);
            }
            pair.run();
        }
        pair
    }

    fn register(&mut self, at: usize, number: usize, worker: WorkerSpec) {
        self.calls += 1;
        let (call, deadline) = (CallId(self.calls), self.now + PATIENCE);
        let request = Request::Register { name: name_of(number), worker };
        self.machines[at].handle(self.now, Input::Call { call, deadline, request });
    }

    fn last_start(&self, name: &Name) -> (usize, Epoch) {
        *self.last.get(name).expect("it was started")
    }

    fn feed(&mut self, to: usize, input: Input) {
        self.machines[to].handle(self.now, input);
        self.drain(to);
    }

    fn drain(&mut self, machine: usize) {
        while let Some(output) = self.machines[machine].poll_output() {
            match output {
                Output::Send { link, frame } => {
                    self.under_way[1 - machine].push_back(Input::Message { link, frame });
                }
                Output::Start { name, epoch, .. } => {
                    self.starts[machine] += 1;
                    self.last.insert(name.clone(), (machine, epoch));
                    let started = Input::WorkerStarted { name, epoch, result: Ok(()) };
                    self.under_way[machine].push_back(started);
                }
                Output::Stop { name, epoch, .. } => {
                    let outcome = Stopped::Kindly;
                    self.under_way[machine].push_back(Input::WorkerStopped { name, epoch, outcome });
                }
                Output::Return { reply: Reply::Registered(Ok(_)), .. } => self.registered += 1,
                Output::Return { reply, .. } => panic!("not registered: {reply:?}"),
                _ => {} // news, look-ups, dials: nobody is there to care
            }
        }
    }

    /// Until nothing is under way. What waits for a machine comes to it together, as a driver's mail does.
    fn run(&mut self) {
        while self.under_way.iter().any(|waiting| !waiting.is_empty()) {
            for machine in 0..2 {
                self.take(machine);
            }
        }
    }

    fn take(&mut self, machine: usize) {
        let together = self.under_way[machine].len().min(AT_ONCE);
        for input in self.under_way[machine].drain(..together) {
            self.machines[machine].handle(self.now, input);
        }
        self.drain(machine);
    }

    /// What follows on the second from the end of the first one's process.
    fn kill_first(&mut self) {
        self.feed(1, Input::LinkDown { link: LinkId(1) });
        let (address, failure) = (config("a", 1).address, DialFailure::Refused);
        self.feed(1, Input::DialFailed { address, failure });
        while !self.under_way[1].is_empty() {
            self.take(1);
        }
    }
}

fn config(name: &str, life: u64) -> Config {
    let node = NodeName::new(name).expect("a good name");
    let cluster = ClusterName::new("bench").expect("a good name");
    let address = Address::new(format!("10.0.0.{life}:1")).expect("a good address");
    let mut config = Config::new(cluster, node, Life(1_795_400_000_000_000 + life), address);
    let kind = Kind::new("kind").expect("a good kind");
    config.kinds = vec![KindConfig { kind, restart: RestartPolicy::default() }];
    config
}
