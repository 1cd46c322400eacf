//! Named situations, each a few lines: what users of Swarm met, and must not meet again.

mod detection;
mod formation;
mod leaving;
mod registration;

use std::time::Duration;

use skep_core::error::{LookupError, RegisterError, UnregisterError};
use skep_core::event::{MemberView, Registration, Reply, Request, Status, WorkerSpec};

use crate::calls::{managed, name};
use crate::faults::kind;
use crate::world::{ProcessId, Settings, SiteId, World};

/// Letters for the nodes of a scenario.
const NAMES: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];

/// Kinds that all nodes of a scenario have.
const KINDS: &[&str] = &[kind::PLAIN, kind::SLOW, kind::MORTAL, kind::STUBBORN];

pub fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// So many nodes, booted at once, all up, at rest.
pub fn cluster(seed: u64, count: usize) -> (World, Vec<ProcessId>) {
    let mut world = World::new(Settings::calm(seed));
    let sites: Vec<SiteId> = NAMES[..count].iter().map(|name| world.site(name, KINDS)).collect();
    sites.into_iter().for_each(|site| world.boot(site));
    world.rest();
    let nodes = world.all_running();
    (world, nodes)
}

impl World {
    /// Lets time pass; a broken promise ends the scenario.
    pub fn wait(&mut self, span: Duration) {
        if let Err(violation) = self.run_for(span) {
            self.give_up(&violation.0);
        }
    }

    /// Waits until it is so, and says how long that took.
    pub fn wait_until(&mut self, within: Duration, what: &str, is_so: impl Fn(&Self) -> bool) -> Duration {
        let begin = self.now;
        match self.run_until(within, is_so) {
            Ok(true) => self.now.since(begin),
            Ok(false) => self.give_up(&format!("not within {within:?}: {what}")),
            Err(violation) => self.give_up(&violation.0),
        }
    }

    /// Waits until all is as it should be, and is quiet.
    pub fn rest(&mut self) {
        if let Err(violation) = self.come_to_rest() {
            self.give_up(&violation.0);
        }
    }

    pub fn register(&mut self, node: ProcessId, text: &str) -> Result<Registration, RegisterError> {
        self.claim(node, text, managed(kind::PLAIN))
    }

    pub fn attach(&mut self, node: ProcessId, text: &str) -> Result<Registration, RegisterError> {
        self.claim(node, text, WorkerSpec::Attached)
    }

    pub fn claim(
        &mut self,
        node: ProcessId,
        text: &str,
        worker: WorkerSpec,
    ) -> Result<Registration, RegisterError> {
        match self.call(node, Request::Register { name: name(text), worker }) {
            Reply::Registered(result) => result,
            reply => self.give_up(&format!("{reply:?}")),
        }
    }

    pub fn unregister(&mut self, node: ProcessId, text: &str) -> Result<(), UnregisterError> {
        match self.call(node, Request::Unregister { name: name(text) }) {
            Reply::Unregistered(result) => result,
            reply => self.give_up(&format!("{reply:?}")),
        }
    }

    pub fn locate(&mut self, node: ProcessId, text: &str) -> Result<Registration, LookupError> {
        match self.call(node, Request::Locate { name: name(text) }) {
            Reply::Located(result) => result,
            reply => self.give_up(&format!("{reply:?}")),
        }
    }

    pub fn members(&mut self, node: ProcessId) -> Vec<MemberView> {
        match self.call(node, Request::Members) {
            Reply::Members(members) => members,
            reply => self.give_up(&format!("{reply:?}")),
        }
    }

    /// What `node` thinks of `other`.
    pub fn status(&mut self, node: ProcessId, other: ProcessId) -> Option<Status> {
        let life = self[other].life;
        self.members(node).into_iter().find(|member| member.life == life).map(|member| member.status)
    }

    /// Where it runs, if it runs once.
    pub fn runs_on(&self, text: &str) -> Option<ProcessId> {
        match self.active_copies(&name(text))[..] {
            [(process, _)] => Some(process),
            _ => None,
        }
    }

    /// Whether `node` has counted `other` down.
    pub fn counts_down(&self, node: ProcessId, other: ProcessId) -> bool {
        self[node].counted_down.iter().any(|(_, life)| *life == self[other].life)
    }

    /// Whether anybody counted `other` down, ever.
    pub fn was_counted_down(&self, other: ProcessId) -> bool {
        self.processes
            .iter()
            .any(|process| process.counted_down.iter().any(|(_, life)| *life == self[other].life))
    }

    /// Starts the site of a dead process again.
    pub fn restart(&mut self, dead: ProcessId) -> ProcessId {
        let site = self[dead].site;
        self.boot(site);
        self.running(site).expect("it was just booted")
    }
}
