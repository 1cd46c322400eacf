//! What holds at rest: all members agree, every name runs once where it should, and callers believe the truth.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use skep_core::event::{Placement, Reply, Request, Status};
use skep_core::id::{Epoch, Life, Name};
use skep_core::wire::{WIRE_MAX, WIRE_MIN};

use crate::faults::kind;
use crate::hosts::Phase;
use crate::oracle::Belief;
use crate::process::Running;
use crate::world::{DAWN_MICROS, ProcessId, Violation, World};

/// Within this time after the last trouble a cluster is at rest.
pub const CONVERGES_WITHIN: Duration = Duration::from_secs(25);

/// A node at rest sends each other node at most this many bytes in a fifth of the detection time: about a probe
/// and a digest, whatever the number of names.
pub const BYTES_AT_REST: u64 = 300;

impl World {
    /// Safety at every step: never two active copies, while members are right about each other.
    pub fn check_copies(&mut self) {
        if let Some((name, active)) = self.oracle.copies.doubled()
            && (self.oracle.is_strict() || self.settings.exclusive)
        {
            let list: Vec<String> =
                active.iter().map(|(process, epoch)| format!("{} (epoch {epoch})", self[*process])).collect();
            self.violate(format!("{name} has more than one active copy: {}", list.join(", ")));
        }
    }

    /// Safety at every start: the epoch is new, and above those that are known.
    pub fn check_start(&mut self, process: ProcessId, name: &Name, epoch: Epoch) {
        self.check_order(process, name, epoch, self.oracle.is_strict());
    }

    /// The same of a copy, which does not act yet: the offer of it may have been on its way while its source went on
    /// after all, as a later start.
    pub fn check_copy(&mut self, process: ProcessId, name: &Name, epoch: Epoch) {
        self.check_order(process, name, epoch, false);
    }

    /// Then it must not act.
    pub fn check_copy_acts(&mut self, name: &Name, epoch: Epoch) {
        let later = self.oracle.copies.later(name, epoch).filter(|_| self.oracle.is_strict());
        if let Some(later) = later {
            self.contradict(name, format!("a copy of {name} acts with epoch {epoch} after {later}"));
        }
    }

    fn check_order(&mut self, process: ProcessId, name: &Name, epoch: Epoch, is_whole: bool) {
        let life = self[process].life;
        let known = self[process].places.get(name).map(|placement| placement.epoch);
        let clock = (DAWN_MICROS + self.now.as_nanos() / 1000) / 1000;
        let present = Epoch((clock - 1) << 20); // a node rounds its time of day twice
        if let Err(why) = self.oracle.copies.ordered(name, epoch, life, (known, present), is_whole) {
            self.contradict(name, why);
        }
    }

    /// Runs until the cluster is at rest.
    ///
    /// # Errors
    /// A promise broken meanwhile, or what is still not as it should be.
    pub fn come_to_rest(&mut self) -> Result<(), Violation> {
        let until = self.now + CONVERGES_WITHIN;
        loop {
            self.run_for(Duration::from_millis(250))?;
            let unrest = match self.unrest()? {
                Some(problem) => Some(problem),
                None => self.stay_at_rest()?,
            };
            let Some(problem) = unrest else { return Ok(()) };
            if self.now >= until {
                self.violate(format!("not at rest {CONVERGES_WITHIN:?} after the last trouble: {problem}"));
                self.verdict()?;
            }
        }
    }

    /// A cluster at rest stays so, and is quiet. Or what keeps it from that: a claim whose caller gave up may still
    /// be on its way, two registrations that met by a healed cut wait for two digests, a log is repaired.
    fn stay_at_rest(&mut self) -> Result<Option<String>, Violation> {
        let span = Duration::from_secs(2);
        let sent = |world: &Self| -> BTreeMap<ProcessId, u64> {
            world.all_running().into_iter().map(|process| (process, world[process].bytes_sent)).collect()
        };
        let (changes, before) = (self.oracle.copies.changes, sent(self));
        self.run_for(span)?;
        if self.oracle.copies.changes != changes {
            return Ok(Some("its workers start, stop or move".to_owned()));
        }
        let rounds = span.as_nanos() / (self.settings.detection / 5).as_nanos();
        let allowed = BYTES_AT_REST * rounds as u64 * (before.len() as u64).max(2);
        for (process, bytes) in sent(self) {
            let bytes = bytes - before.get(&process).copied().unwrap_or_default();
            if bytes > allowed {
                return Ok(Some(format!(
                    "{} sends {bytes} bytes in {span:?}, at most {allowed} are allowed at rest",
                    self[process]
                )));
            }
        }
        if let Some(why) =
            self.oracle.copies.overstarted(self.oracle.disturbances).filter(|_| !self.oracle.lies)
        {
            self.violate(why);
        }
        let problem = self.unrest()?;
        if let Some(problem) = problem {
            self.violate(format!("was at rest, and is not any more: {problem}"));
        }
        self.verdict()?;
        self.learn_truth();
        Ok(None)
    }

    /// From now on callers may believe what all members agree on.
    fn learn_truth(&mut self) {
        let Some(&first) = self.all_running().first() else { return };
        let places = self[first].places.clone();
        let known: BTreeSet<Name> = self.oracle.names.keys().chain(places.keys()).cloned().collect();
        for name in known {
            let truth = places.get(&name).map(|placement| {
                let attached = placement.attached.then(|| self.process_of(placement.holder)).flatten();
                (placement.epoch, attached)
            });
            self.oracle.learn(self.now, &name, truth);
        }
        let groups = self[first].groups.clone();
        self.oracle.learn_seats(self.now, &groups);
    }

    fn process_of(&self, life: Option<Life>) -> Option<ProcessId> {
        self.all_running().into_iter().find(|&process| Some(self[process].life) == life)
    }

    /// What keeps the cluster from being at rest.
    pub fn unrest(&mut self) -> Result<Option<String>, Violation> {
        let running = self.all_running();
        for &process in &running {
            if self[process].running != Running::Yes {
                return Ok(Some(format!("{} stands still", self[process])));
            }
            if self[process].formed.is_none() {
                return Ok(Some(format!("{} is not up", self[process])));
            }
        }
        if let Some(name) =
            self.oracle.names.iter().find_map(|(name, history)| history.is_open().then_some(name))
        {
            return Ok(Some(format!("a call to register or remove {name} is not answered")));
        }
        if let Some(problem) = self.different_views(&running)? {
            return Ok(Some(problem));
        }
        if let Some(problem) = self.different_registries(&running) {
            return Ok(Some(problem));
        }
        if let Some(problem) = self.different_groups(&running) {
            return Ok(Some(problem));
        }
        if let Some(problem) = self.undelivered() {
            return Ok(Some(problem));
        }
        let Some(&first) = running.first() else { return Ok(None) };
        let places = self[first].places.clone();
        let problem = places
            .iter()
            .find_map(|(name, placement)| self.misplaced(name, placement))
            .or_else(|| running.iter().find_map(|&process| self.ghost(process, &places)))
            .or_else(|| self.disbelieved(&places))
            .or_else(|| self.apart(&places));
        match problem {
            Some(problem) => Ok(Some(problem)),
            None => self.unwanted(first, &places),
        }
    }

    /// A name that may move must be where the strategy wants it.
    fn unwanted(
        &mut self,
        process: ProcessId,
        places: &BTreeMap<Name, Placement>,
    ) -> Result<Option<String>, Violation> {
        for (name, placement) in places {
            let stays = placement.attached
                || [kind::STAYING, kind::LOYAL].contains(&placement.kind.as_str())
                || self.oracle.copies.has_stuck(name);
            if stays {
                continue;
            }
            let call =
                self.ask_and_keep(process, Duration::from_secs(1), Request::Owner { name: name.clone() });
            self.verdict()?;
            let Some(Reply::Owner(Ok(owner))) = self.oracle.replies.remove(&call) else { continue };
            if placement.holder != Some(owner.life) {
                let holder = placement.holder;
                return Ok(Some(format!(
                    "{name} runs on {holder:?} and is wanted on {}: {}",
                    owner.life, owner.why
                )));
            }
        }
        Ok(None)
    }

    /// Every member must know exactly the members that live, all up, and what each can speak. An old one hears that
    /// from who has a link with it only.
    fn different_views(&mut self, running: &[ProcessId]) -> Result<Option<String>, Violation> {
        for &process in running {
            let is_old = self[process].hello.wire_max < WIRE_MAX;
            let wire = |said: u16| if is_old { WIRE_MIN } else { said };
            let mut expected: Vec<_> = running
                .iter()
                .map(|&p| (self[p].name.clone(), self[p].life, Status::Up, wire(self[p].hello.wire_max)))
                .collect();
            expected.sort();
            let timeout = Duration::from_secs(1);
            let call = self.ask_and_keep(process, timeout, Request::Members);
            self.run_until(timeout, |world| world.oracle.replies.contains_key(&call))?;
            let Some(Reply::Members(members)) = self.oracle.replies.remove(&call) else {
                return Ok(Some(format!("{} does not say who its members are", self[process])));
            };
            let mut found: Vec<_> = members
                .into_iter()
                .filter(|member| member.status != Status::Down)
                .map(|member| (member.node, member.life, member.status, wire(member.wire_version)))
                .collect();
            found.sort();
            if found != expected {
                return Ok(Some(format!(
                    "{} has the members {found:?}, there are {expected:?}",
                    self[process]
                )));
            }
        }
        Ok(None)
    }

    fn different_registries(&self, running: &[ProcessId]) -> Option<String> {
        let &first = running.first()?;
        running[1..].iter().find_map(|&process| {
            let (ours, theirs) = (&self[first].places, &self[process].places);
            let names: BTreeSet<&Name> = ours.keys().chain(theirs.keys()).collect();
            names.into_iter().find(|&name| ours.get(name) != theirs.get(name)).map(|name| {
                format!(
                    "of {name} {} knows {:?}, {} knows {:?}",
                    self[first],
                    ours.get(name),
                    self[process],
                    theirs.get(name)
                )
            })
        })
    }

    /// A registered name must run once, where the registry says, if anyone can run it.
    fn misplaced(&self, name: &Name, placement: &Placement) -> Option<String> {
        let copies = self.active_copies(name);
        if self.oracle.copies.has_stuck(name) {
            return None; // a copy that cannot be stopped runs on
        }
        let Some(holder) = placement.holder else {
            let place = self.oracle.place_of(name);
            let can_run = self
                .all_running()
                .into_iter()
                .any(|process| self.may_run(self[process].site, &placement.kind, &place));
            let is_wanted = can_run && !self.oracle.is_tainted(name);
            return (is_wanted || !copies.is_empty())
                .then(|| format!("{name} has no holder, {} could run it, copies {copies:?}", can_run));
        };
        let Some(process) = self.process_of(Some(holder)) else {
            return Some(format!("{name} is held by life {holder}, which is no member"));
        };
        if placement.attached {
            return (!copies.is_empty()).then(|| format!("{name} is attached, but {copies:?} run"));
        }
        (copies != [(process, placement.epoch)]).then(|| {
            let list: Vec<String> =
                copies.iter().map(|(process, epoch)| format!("{} (epoch {epoch})", self[*process])).collect();
            format!(
                "{name} should run on {} with epoch {} alone, it runs on [{}]",
                self[process],
                placement.epoch,
                list.join(", ")
            )
        })
    }

    /// No worker may run, start or stop that the registry does not name.
    fn ghost(&self, process: ProcessId, places: &BTreeMap<Name, Placement>) -> Option<String> {
        self[process].workers.iter().find_map(|((name, epoch), worker)| {
            let is_known = places.get(name).is_some_and(|placement| {
                placement.epoch == *epoch && placement.holder == Some(self[process].life)
            });
            let is_fine = worker.phase == Phase::Running && is_known
                || self.oracle.copies.has_stuck(name)
                || worker.kind == kind::BLOCKING;
            (!is_fine).then(|| format!("{} has {name} {:?}, epoch {epoch}", self[process], worker.phase))
        })
    }

    /// What callers may believe must be so.
    fn disbelieved(&self, places: &BTreeMap<Name, Placement>) -> Option<String> {
        let mut told = self.oracle.names.iter().filter(|(name, _)| !self.oracle.is_tainted(name));
        told.find_map(|(name, history)| match &history.belief {
            Belief::Registered { since, epoch, .. } if !places.contains_key(name) => Some(format!(
                "{name} is lost: a caller heard at {:.6} s that it is registered (epoch {epoch})",
                Self::seconds(*since)
            )),
            Belief::Absent { since } if places.contains_key(name) && !history.is_open() => Some(format!(
                "{name} is back: a caller heard at {:.6} s that it is removed",
                Self::seconds(*since)
            )),
            _ => None,
        })
    }
}
