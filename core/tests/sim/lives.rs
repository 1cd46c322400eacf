//! How processes begin, end, stand still and go on, and what discovery tells them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use skep_core::Machine;
use skep_core::event::{Input, Observation, Request, WorkerSpec};
use skep_core::id::{Address, Name, Source};
use skep_core::wire::Hello;

use crate::messages::Postroom;
use crate::network::Told;
use crate::process::{Process, Running};
use crate::world::{Happening, ProcessId, SiteId, Standstill, Waiting, World};

impl World {
    /// Starts a process at a site, unless one runs there.
    pub fn boot(&mut self, site: SiteId) {
        if self.running(site).is_some() || self.is_barred(site) {
            return;
        }
        self.sites[site.0].has_power = true;
        self.sites[site.0].lives += 1;
        let config = self.config(site);
        let ahead = Duration::from_nanos(self.random.next() % 1_000_000_000_000);
        let machine = Machine::new(config.clone(), self.now + ahead).expect("a good config");
        let process = ProcessId(self.processes.len());
        self.processes.push(Process {
            site,
            name: config.node.clone(),
            life: config.life,
            hello: Hello::of(&config),
            running: Running::Yes,
            formed: None,
            died: None,
            is_leaving: false,
            disturbed: None,
            standstill: Standstill::default(),
            post: Postroom::default(),
            places: BTreeMap::new(),
            groups: BTreeMap::new(),
            workers: BTreeMap::new(),
            dials: BTreeSet::new(),
            closed: BTreeSet::new(),
            calls: BTreeMap::new(),
            quorum_lost: None,
            settled: None,
            retired: None,
            counted_down: Vec::new(),
            refusals: Vec::new(),
            suspected: Vec::new(),
            gave_up: Vec::new(),
            bytes_sent: 0,
            crash_after: None,
            machine,
            ahead,
            wake: None,
            timeouts: (0, 0),
            reached: Vec::new(),
            generation: self.sites[site.0].lives,
            observations: 0,
            known_up: BTreeSet::new(),
            degraded: 0,
            let_go: Vec::new(),
            held_on: 0,
        });
        self.sites[site.0].process = Some(process);
        let text = format!("boots at {} with life {}", config.address, config.life);
        self.note_of(process, format_args!("{text}"));
        self.oracle.disturb(self.now);
        self.reset_old_links(site);
        self.drain_outputs(process);
        self.after(Duration::from_micros(100), Happening::Discover(process));
    }

    /// Discovery tells a process of all sites, and of some places where nobody is; later on not always the truth.
    pub fn discover(&mut self, process: ProcessId) {
        if !self[process].lives() || self.is_told_by_scenario {
            return;
        }
        self[process].observations += 1;
        let nonsense = if self.healed { 0 } else { self[process].observations - 1 };
        let observation = crate::sources::say(self.addresses(), self.settings.seed, process, nonsense);
        self.observe(process, "static", observation);
        self.after(Duration::from_secs(5), Happening::Discover(process));
    }

    /// Where somebody might be.
    pub fn addresses(&self) -> Vec<Address> {
        let sites = self.sites.iter().map(|site| &site.address);
        sites.chain(&self.dead_addresses).cloned().collect()
    }

    pub fn observe(&mut self, process: ProcessId, source: &str, observation: Observation) {
        let source = Source::new(source).expect("a good name");
        self.tell(process, Input::Observed { source, observation });
    }

    /// Kills a process.
    pub fn crash(&mut self, process: ProcessId, told: Told) {
        if self[process].lives() {
            self.note_of(process, format_args!("crashes, peers are told: {told:?}"));
            self.expect_death_known(process, told);
            self.end_process(process, told);
        }
    }

    pub fn end_process(&mut self, process: ProcessId, told: Told) {
        self[process].running = Running::Dead;
        let now = self.now;
        self[process].died = Some(now);
        let site = self[process].site;
        if told == Told::Never {
            self.sites[site.0].has_power = false;
        }
        self.lose_letters(process);
        self.drop_links(process, told);
        self[process].standstill = Standstill::default();
        self.forget_calls(process);
        let workers = std::mem::take(&mut self[process].workers);
        for (name, epoch) in workers.into_keys() {
            self.oracle.ended(process, &name, epoch);
        }
        self.lose_node(process);
    }

    /// A process goes on under a new life, and claims again what its old one registered unknown to the others.
    pub fn take_new_life(&mut self, process: ProcessId, again: Vec<(Name, WorkerSpec)>) {
        let site = self[process].site;
        self.promised = again.iter().map(|(name, _)| name.clone()).collect();
        self.end_process(process, Told::ByEnd);
        self.promised.clear();
        self.boot(site);
        let next = self.running(site).expect("it was just booted");
        for (name, worker) in again {
            self.ask(next, Duration::from_secs(60), Request::Restore { name, worker });
        }
    }

    /// A process stands still, workers included or not.
    pub fn freeze(&mut self, process: ProcessId, how: Running) {
        if self[process].running == Running::Yes {
            self.note_of(process, format_args!("stands still: {how:?}"));
            self[process].running = how;
            let now = self.now;
            self[process].disturbed = Some(now);
        }
    }

    /// It goes on, with all that waited: timers first or mail first, as chance will have it.
    pub fn thaw(&mut self, process: ProcessId) {
        if !matches!(self[process].running, Running::Frozen | Running::CoreFrozen) {
            return;
        }
        self.note_of(process, format_args!("goes on"));
        self[process].running = Running::Yes;
        let now = self.now;
        self[process].disturbed = Some(now);
        let Standstill { inputs, happenings, dials } = std::mem::take(&mut self[process].standstill);
        for dial in dials {
            self.after(Duration::from_micros(50), Happening::DialArrives(dial));
        }
        for happening in happenings {
            self.after(Duration::from_micros(1), happening);
        }
        if self.random.percent(50) {
            self.feed(process, Input::Timeout);
        }
        for waiting in inputs {
            match waiting {
                Waiting::Input(input) => self.tell(process, input),
                Waiting::Letter(from, letter) => self.on_letter(process, from, letter),
            }
        }
        self[process].wake = None;
        if self[process].lives() {
            self.set_alarm(process);
        }
    }

    /// Its clock leaps forward.
    pub fn leap(&mut self, process: ProcessId, by: Duration) {
        self.note_of(process, format_args!("finds its clock {by:?} later"));
        let now = self.now;
        self[process].ahead += by;
        self[process].disturbed = Some(now);
        if self[process].running == Running::Yes {
            self.set_alarm(process);
        }
    }
}
