//! The world of a run: one clock, one queue of what will happen, sites, processes, links.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::Duration;

use skep_core::config::Peers;
use skep_core::event::{Input, MoveReason, Request};
use skep_core::id::{Address, CallId, ClusterName, Epoch, Kind, Life, Name, NodeName, Role, Source};
use skep_core::mutant::Mutant;
use skep_core::placement::{Place, StrategyId};
use skep_core::wire::WIRE_MAX;
use skep_core::{Config, Instant};

use crate::messages::Letter;
use crate::network::{DialId, LinkNumber, Network, Side};
use crate::oracle::Oracle;
use crate::process::Process;
use crate::random::Random;
use crate::trace::{Telling, Trace};

/// A place where a node can live: a name, an address, what it offers. Restarts happen at the same site.
pub struct Site {
    pub name: NodeName,
    pub address: Address,
    pub kinds: Vec<Kind>,
    pub roles: Vec<Role>,
    pub weight: u16,
    pub peers: Peers,
    /// The newest wire version that is spoken here, unless the run has mixed ones.
    pub wire: u16,
    /// The process that lives here now, or lived here last.
    pub process: Option<ProcessId>,
    /// Without power, nothing answers, not even a kernel.
    pub has_power: bool,
    /// How many lives were lived here.
    pub lives: u64,
}

/// Index of a site.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SiteId(pub usize);

/// Index of a process; never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ProcessId(pub usize);

/// What will happen.
#[derive(Clone, Debug)]
pub enum Happening {
    /// The time that `poll_timeout` named may have come.
    Wake(ProcessId),
    /// A connection attempt reaches its address.
    DialArrives(DialId),
    /// A connection attempt fails.
    DialFails(DialId, skep_core::error::DialFailure),
    /// An end of a link learns that the link is there.
    EndUp(LinkNumber, Side),
    /// An end of a link learns that the link is gone.
    EndDown(LinkNumber, Side),
    /// Something reaches this end of a link.
    Arrive(LinkNumber, Side),
    /// A kernel gives up on a connection whose path is cut.
    Patience(LinkNumber),
    /// A worker's start is done.
    WorkerReady(ProcessId, Name, Epoch),
    /// A worker has stopped, or will not.
    WorkerEnded(ProcessId, Name, Epoch),
    /// A worker ends by itself.
    WorkerExits(ProcessId, Name, Epoch),
    /// A worker says how it moves.
    HandoffAsked(ProcessId, Name, Epoch, u64, MoveReason),
    /// A worker has looked at what a copy knew that it beat, or that did not come.
    ConflictHeard(ProcessId, Name, Epoch, Epoch, Life, u64),
    ConflictMissed(ProcessId, Name, Epoch, Epoch, Life),
    /// A user removes a name.
    Remove(ProcessId, Name),
    /// A copy is ready, or will not be.
    CopyReady(ProcessId, Name, Epoch),
    /// By now a call must have been answered.
    CallDue(ProcessId, CallId),
    /// A process starts at a site.
    Boot(SiteId),
    /// Discovery speaks to a process.
    Discover(ProcessId),
    /// A fault ends.
    Mend(Mend),
    /// A process that lost its quorum then must have stopped its workers by now.
    MustBeStopped(ProcessId, Instant),
    /// By now all must know that this process is dead.
    DeathKnown(ProcessId),
    /// Names that nobody touched for a while are looked at.
    Compare,
    /// The next lie of a run with a liar.
    Lie,
    /// The next fault of a random run.
    Strike,
    /// The next call of a random run.
    UserCall,
    /// The next call about a group.
    GroupCall,
    /// The next messages of a random run.
    UserSends,
    /// A process has held messages for too long.
    Attend(ProcessId),
}

/// How a fault ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mend {
    Path(SiteId, SiteId),
    Refusing(SiteId, SiteId),
    Resetting(SiteId, SiteId),
    Thaw(ProcessId),
    Leave(ProcessId),
    /// It is time for someone to die.
    Kill(ProcessId),
    Break(SiteId, SiteId),
}

/// What a run is made of, apart from its faults.
#[derive(Clone, Debug)]
pub struct Settings {
    pub seed: u64,
    pub telling: Telling,
    pub mutant: Option<Mutant>,
    pub latency: (Duration, Duration),
    /// Within which a silent death is noticed.
    pub detection: Duration,
    /// After which a life that is down is forgotten.
    pub forget_after: Duration,
    /// Checks that hold only while members are right about each other are on.
    pub strict: bool,
    /// Nobody may be counted down who lives, never stood still, and does not leave.
    pub innocents: bool,
    pub strategy: StrategyId,
    /// Whatever is cut: no name ever has two active copies.
    pub exclusive: bool,
    /// Trouble comes one at a time, with time to recover: then news travel in seconds, and calls that wait for so
    /// long are answered.
    pub spaced: bool,
    /// All sites draw the same life at their first boot.
    pub one_moment: bool,
    /// Each life speaks the newest wire version or only an older one, by chance.
    pub mixed: bool,
    /// Those who boot together wait for who may yet answer.
    pub newcomers_wait: bool,
    /// At most so many names.
    pub max_names: usize,
    /// The source `static` is an authority, for addresses that it has not named for so long.
    pub authority_after: Option<Duration>,
}

impl Settings {
    /// A fast network, defaults, all checks on, words kept.
    pub fn calm(seed: u64) -> Self {
        Self {
            seed,
            telling: Telling::Words,
            mutant: crate::mutants::of_this_thread(),
            latency: (Duration::from_micros(50), Duration::from_micros(300)),
            detection: Duration::from_millis(1000),
            forget_after: FORGET_LATE,
            strict: true,
            innocents: true,
            strategy: StrategyId::Ring,
            exclusive: false,
            spaced: false,
            one_moment: false,
            mixed: false,
            newcomers_wait: true,
            max_names: 1_048_576,
            authority_after: None,
        }
    }
}

/// All of a run.
pub struct World {
    pub now: Instant,
    pub settings: Settings,
    pub random: Random,
    pub sites: Vec<Site>,
    pub processes: Vec<Process>,
    pub network: Network,
    pub oracle: Oracle,
    pub trace: Trace,
    /// Of phase two: workers and discovery do what they should.
    pub healed: bool,
    /// Trouble of a random run; empty while none is wanted.
    pub plan: crate::sweep::Plan,
    /// Which of its names belong together.
    pub ties: crate::ties::Ties,
    /// Who keeps no rule, while there is somebody.
    pub liar: Option<crate::liar::Liar>,
    /// Addresses at which there is nobody, for discovery to name.
    pub dead_addresses: Vec<Address>,
    /// Names that the process which ends right now claims again in its next life.
    pub promised: BTreeSet<Name>,
    /// Discovery says nothing by itself.
    pub is_told_by_scenario: bool,
    /// Of calls and workers.
    pub next_id: u64,
    /// The next good answer is followed by a crash.
    pub crash_at_answer: bool,
    /// The next move meets trouble at its how-manieth step.
    pub trouble_at_move: Option<usize>,
    queue: BTreeMap<(Instant, u64), Happening>,
    queued: u64,
    steps: u64,
    violation: Option<String>,
}

/// A promise was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation(pub String);

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Longer than any run: nobody is forgotten.
pub const FORGET_LATE: Duration = Duration::from_secs(3600);

/// The start of all worlds, in microseconds of Unix time.
pub const DAWN_MICROS: u64 = 1_795_000_000_000_000;

/// What workers have before they are stopped by force.
pub const STOP_GRACE: Duration = Duration::from_millis(500);

impl World {
    pub fn new(settings: Settings) -> Self {
        Self {
            now: Instant::from_nanos(1),
            random: Random::new(settings.seed),
            trace: Trace::new(settings.telling),
            oracle: Oracle::new(settings.strict),
            settings,
            sites: Vec::new(),
            processes: Vec::new(),
            network: Network::default(),
            healed: false,
            plan: crate::sweep::Plan::default(),
            ties: crate::ties::Ties::default(),
            liar: None,
            dead_addresses: Vec::new(),
            promised: BTreeSet::new(),
            is_told_by_scenario: false,
            next_id: 0,
            crash_at_answer: false,
            trouble_at_move: None,
            queue: BTreeMap::new(),
            queued: 0,
            steps: 0,
            violation: None,
        }
    }

    /// Adds a site; nothing runs there yet.
    pub fn site(&mut self, name: &str, kinds: &[&str]) -> SiteId {
        let address = format!("10.0.0.{}:4000", self.sites.len() + 1);
        self.sites.push(Site {
            name: NodeName::new(name).expect("a good name"),
            address: Address::new(address).expect("a good address"),
            kinds: kinds.iter().map(|kind| Kind::new(kind).expect("a good kind")).collect(),
            roles: Vec::new(),
            weight: 1,
            peers: Peers::default(),
            wire: WIRE_MAX,
            process: None,
            has_power: true,
            lives: 0,
        });
        SiteId(self.sites.len() - 1)
    }

    /// What a node at this site offers besides its kinds.
    pub fn offer(&mut self, site: SiteId, roles: &[&str], weight: u16) {
        let site = &mut self.sites[site.0];
        site.roles = roles.iter().map(|role| Role::new(role).expect("a good role")).collect();
        site.weight = weight;
    }

    /// Whether a node at this site may run such a worker.
    pub fn may_run(&self, site: SiteId, kind: &Kind, place: &Place) -> bool {
        let site = &self.sites[site.0];
        site.kinds.contains(kind) && place.roles().iter().all(|role| site.roles.contains(role))
    }

    pub fn after(&mut self, pause: Duration, happening: Happening) {
        self.at(self.now + pause, happening);
    }

    pub fn at(&mut self, when: Instant, happening: Happening) {
        self.queued += 1;
        self.queue.insert((when.max(self.now), self.queued), happening);
    }

    /// The promise that was broken, if one was. The first counts.
    pub fn violate(&mut self, text: String) {
        if self.violation.is_none() {
            self.note(&"BROKEN", format_args!("{text}"));
            self.violation =
                Some(format!("at {:.6} s, step {}: {text}", self.now.as_nanos() as f64 / 1e9, self.steps));
        }
    }

    /// A promise about this name was broken, unless somebody lied about it.
    pub fn contradict(&mut self, name: &Name, text: String) {
        if !self.oracle.is_tainted(name) {
            self.violate(text);
        }
    }

    /// # Errors
    /// The first broken promise so far.
    pub fn verdict(&self) -> Result<(), Violation> {
        self.violation.clone().map_or(Ok(()), |text| Err(Violation(text)))
    }

    pub fn note(&mut self, who: &dyn fmt::Display, what: fmt::Arguments<'_>) {
        self.trace.line(self.now, who, what);
    }

    /// Lets the next thing happen, if it happens until then.
    ///
    /// # Errors
    /// The promise that it broke.
    pub fn step(&mut self, until: Instant) -> Result<bool, Violation> {
        let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= until) else {
            self.now = self.now.max(until);
            return Ok(false);
        };
        self.now = entry.key().0;
        let happening = entry.remove();
        self.steps += 1;
        self.happen(happening);
        self.check_copies();
        self.verdict()?;
        Ok(true)
    }

    /// # Errors
    /// The first promise that was broken meanwhile.
    pub fn run_for(&mut self, span: Duration) -> Result<(), Violation> {
        let until = self.now + span;
        while self.step(until)? {}
        Ok(())
    }

    /// Runs until it is so; false if it is not so by then.
    ///
    /// # Errors
    /// The first promise that was broken meanwhile.
    pub fn run_until(&mut self, span: Duration, is_so: impl Fn(&Self) -> bool) -> Result<bool, Violation> {
        let until = self.now + span;
        while !is_so(self) {
            if !self.step(until)? {
                return Ok(is_so(self));
            }
        }
        Ok(true)
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Wake(process) => self.wake(process),
            Happening::DialArrives(dial) => self.dial_arrives(dial),
            Happening::DialFails(dial, failure) => self.dial_fails(dial, failure),
            Happening::EndUp(link, side) => self.end_up(link, side),
            Happening::EndDown(link, side) => self.end_down(link, side),
            Happening::Arrive(link, side) => self.arrive(link, side),
            Happening::Patience(link) => self.lose_patience(link),
            Happening::WorkerReady(process, ref name, epoch) => self.worker_ready(process, name, epoch),
            Happening::WorkerEnded(process, ref name, epoch) => self.worker_ended(process, name, epoch),
            Happening::WorkerExits(process, ref name, epoch) => self.worker_exits(process, name, epoch),
            Happening::HandoffAsked(process, ref name, epoch, asked, why) => {
                self.handoff_asked(process, name, epoch, asked, why);
            }
            Happening::ConflictHeard(process, ref name, epoch, beaten, from, state) => {
                self.conflict_heard(process, name, epoch, beaten, from, state);
            }
            Happening::ConflictMissed(process, ref name, epoch, beaten, from) => {
                self.conflict_missed(process, name, epoch, beaten, from);
            }
            Happening::Remove(process, name) => {
                if self[process].lives() && !self.healed {
                    self.ask(process, Duration::from_secs(2), Request::Unregister { name });
                }
            }
            Happening::CopyReady(process, ref name, epoch) => self.copy_ready(process, name, epoch),
            Happening::CallDue(process, call) => self.call_due(process, call),
            Happening::Boot(site) => self.boot(site),
            Happening::Discover(process) => self.discover(process),
            Happening::Mend(mend) => self.mend(mend),
            Happening::DeathKnown(process) => self.check_death_known(process),
            Happening::MustBeStopped(process, lost) => self.check_stopped(process, lost),
            Happening::Compare => self.compare_registries(),
            Happening::Lie => self.tell_a_lie(),
            Happening::Strike => self.strike(),
            Happening::UserCall => self.user_call(),
            Happening::GroupCall => self.group_call(),
            Happening::UserSends => self.user_sends(),
            Happening::Attend(process) => self.attend(process),
        }
    }

    /// What a new process at this site is told.
    pub fn config(&mut self, site: SiteId) -> Config {
        let micros = DAWN_MICROS + self.now.as_nanos() / 1000;
        // sites' wall clocks differ by some milliseconds; a life is later than the one before all the same
        let mut life = Life(micros + site.0 as u64 * 1_777);
        let used: BTreeSet<Life> = self.processes.iter().map(|process| process.life).collect();
        while used.contains(&life) {
            life.0 += 1;
        }
        if self.settings.one_moment && self.sites[site.0].lives == 1 {
            life = Life(DAWN_MICROS);
        }
        let Site { name, address, kinds, roles, weight, peers, wire, .. } = &self.sites[site.0];
        let cluster = ClusterName::new("sim").expect("a good name");
        let mut config = Config::new(cluster, name.clone(), life, address.clone());
        config.kinds = kinds.iter().map(crate::hosts::kind_config).collect();
        config.roles = roles.clone();
        config.weight = *weight;
        config.peers = peers.clone();
        config.wire_version = match self.settings.mixed {
            true => WIRE_MAX - Random::new(self.settings.seed ^ life.0).below(2) as u16,
            false => *wire,
        };
        config.seed = self.random.next();
        config.epoch_floor_ms = micros / 1000;
        config.slot_bits = 8;
        config.strategy = self.settings.strategy;
        config.detection = skep_core::config::Detection::within(self.settings.detection);
        if !self.settings.newcomers_wait {
            config.meet_within = Duration::ZERO;
        }
        config.redial.max = Duration::from_secs(1);
        config.restart_elsewhere.max = Duration::from_secs(1);
        config.stop_grace = STOP_GRACE;
        config.start_timeout = Duration::from_secs(10);
        config.forget_after = self.settings.forget_after;
        let authority = || Source::new("static").expect("a good name");
        config.authorities =
            self.settings.authority_after.into_iter().map(|after| (authority(), after)).collect();
        config.handoff_timeout = Duration::from_secs(3);
        config.max_moves = 4;
        config.max_names = self.settings.max_names;
        config.mutant = self.settings.mutant;
        if self.oracle.lies {
            Self::bound(&mut config);
        }
        config
    }

    pub fn latency(&mut self) -> Duration {
        let (least, most) = self.settings.latency;
        self.random.between(least, most)
    }

    /// The process that runs at this site, frozen or not.
    pub fn running(&self, site: SiteId) -> Option<ProcessId> {
        self.sites[site.0].process.filter(|&process| self[process].lives())
    }

    /// All that run, frozen or not, by site.
    pub fn all_running(&self) -> Vec<ProcessId> {
        (0..self.sites.len()).filter_map(|site| self.running(SiteId(site))).collect()
    }

    /// All sites but those that only a twin ever lived at.
    pub fn all_sites(&self) -> Vec<SiteId> {
        (0..self.sites.len()).map(SiteId).collect()
    }

    pub fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub fn steps(&self) -> u64 {
        self.steps
    }
}

impl std::ops::Index<ProcessId> for World {
    type Output = Process;

    fn index(&self, process: ProcessId) -> &Process {
        &self.processes[process.0]
    }
}

impl std::ops::IndexMut<ProcessId> for World {
    fn index_mut(&mut self, process: ProcessId) -> &mut Process {
        &mut self.processes[process.0]
    }
}

/// What comes in order.
#[derive(Debug)]
pub enum Waiting {
    Input(Input),
    Letter(Life, Letter),
}

/// What waits for a process that stands still.
#[derive(Default, Debug)]
pub struct Standstill {
    /// What its core has not seen, and its engine.
    pub inputs: VecDeque<Waiting>,
    /// What its own hosts and timers would have done.
    pub happenings: VecDeque<Happening>,
    /// Connections that its kernel accepted.
    pub dials: Vec<DialId>,
}
