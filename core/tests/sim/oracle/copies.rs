//! Which copies of a name run, and which starts there were: epochs are unique, rise, and name what ran.

use std::collections::{BTreeMap, BTreeSet};

use skep_core::event::Registration;
use skep_core::id::{Epoch, Life, Name};

use crate::world::ProcessId;

/// All starts of a run.
#[derive(Default)]
pub struct Copies {
    names: BTreeMap<Name, Starts>,
    /// Names whose copies changed since they were last looked at.
    changed: BTreeSet<Name>,
    /// Bumped by all that a cluster at rest does not do.
    pub changes: u64,
}

#[derive(Default)]
struct Starts {
    /// Who started which epoch, and whether it came to run.
    epochs: BTreeMap<Epoch, (Life, bool)>,
    active: BTreeSet<(ProcessId, Epoch)>,
    /// The last that a caller was told of.
    told: Option<Epoch>,
    /// Epochs of records that say that nobody runs it for now.
    vacancies: BTreeSet<Epoch>,
    /// A copy that cannot be stopped was given up.
    has_stuck: bool,
    /// What was handed over and does not act yet.
    handed: Option<Handed>,
    /// Ends that ask for another start.
    ends: u64,
    /// Wishes that ask for one: a start whose caller gave up is cancelled.
    wishes: u64,
}

/// A worker on its way.
#[derive(Clone, Copy)]
pub struct Handed {
    pub under: Epoch,
    pub source: ProcessId,
    pub target: ProcessId,
    /// What it knew; `None` if it starts anew.
    pub state: Option<u64>,
}

impl Starts {
    fn last_that_ran(&self) -> Option<Epoch> {
        self.epochs.iter().rev().find(|(_, (_, ran))| *ran).map(|(&last, _)| last)
    }
}

impl Copies {
    /// An order to start. `known` is the last epoch of that name that the host knows.
    ///
    /// # Errors
    /// What is wrong with its epoch. While members are right about each other it must also be above all that callers
    /// were told of, and above all that ran, but for a start of which nobody may have heard and whose epoch is ahead of
    /// the clock, `present`: only the clock can be above what nobody knows of.
    pub fn ordered(
        &mut self,
        name: &Name,
        epoch: Epoch,
        life: Life,
        (known, present): (Option<Epoch>, Epoch),
        is_whole: bool,
    ) -> Result<(), String> {
        self.changes += 1;
        let starts = self.names.entry(name.clone()).or_default();
        // a start that never came to run was seen by nobody, and may be in nobody's causal past
        let ran = starts.last_that_ran().filter(|&ran| ran <= present);
        if let Some((by, _)) = starts.epochs.insert(epoch, (life, false)) {
            return Err(format!("{name} starts with epoch {epoch} on life {life}, which life {by} had"));
        }
        let floor = known.max(starts.told.max(ran).filter(|_| is_whole));
        match floor {
            Some(floor) if floor >= epoch => {
                Err(format!("{name} starts with epoch {epoch} on life {life} after {floor}"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The last start that ran or that a caller was told of, if it is a later one than this.
    pub fn later(&self, name: &Name, epoch: Epoch) -> Option<Epoch> {
        let starts = self.names.get(name)?;
        starts.told.max(starts.last_that_ran()).filter(|&last| last > epoch)
    }

    pub fn started(&mut self, process: ProcessId, name: &Name, epoch: Epoch) {
        self.changes += 1;
        let starts = self.names.entry(name.clone()).or_default();
        if let Some((_, ran)) = starts.epochs.get_mut(&epoch) {
            *ran = true;
        }
        starts.active.insert((process, epoch));
        self.changed.insert(name.clone());
    }

    pub fn ended(&mut self, process: ProcessId, name: &Name, epoch: Epoch) {
        self.changes += 1;
        let starts = self.names.entry(name.clone()).or_default();
        starts.active.remove(&(process, epoch));
        starts.ends += 1;
    }

    /// It does not act here any more, though it did not end.
    pub fn frozen(&mut self, process: ProcessId, name: &Name, epoch: Epoch) {
        self.changes += 1;
        let starts = self.names.entry(name.clone()).or_default();
        starts.active.remove(&(process, epoch));
        starts.ends += 1;
    }

    /// What it knew must go on there.
    pub fn expect_state(
        &mut self,
        name: &Name,
        under: Epoch,
        source: ProcessId,
        target: ProcessId,
        state: Option<u64>,
    ) {
        let starts = self.names.entry(name.clone()).or_default();
        starts.handed = Some(Handed { under, source, target, state });
    }

    /// A record says that it goes on as this start: it will, or nobody does, and callers may be told.
    pub fn committed(&mut self, name: &Name, under: Epoch) {
        if let Some((_, ran)) = self.names.get_mut(name).and_then(|starts| starts.epochs.get_mut(&under)) {
            *ran = true;
        }
    }

    /// A copy acts.
    ///
    /// # Errors
    /// It does not know what was handed over for it.
    pub fn acts(&mut self, process: ProcessId, name: &Name, under: Epoch, state: u64) -> Result<(), String> {
        let starts = self.names.entry(name.clone()).or_default();
        match starts.handed.take() {
            Some(Handed { source, target, state: Some(knew), .. })
                if [source, target].contains(&process) && knew != state =>
            {
                Err(format!(
                    "{name} goes on under epoch {under} with {state}, it was handed over with {knew}"
                ))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A node says that the name is free: what was handed over for it does not matter any more.
    pub fn removed(&mut self, name: &Name) {
        if let Some(starts) = self.names.get_mut(name) {
            starts.handed = None;
        }
    }

    /// What was handed over for a name with its state, and never went on.
    pub fn lost_state(&mut self, name: &Name) -> Option<Handed> {
        self.names.get_mut(name)?.handed.take().filter(|handed| handed.state.is_some())
    }

    pub fn wished(&mut self, name: &Name) {
        self.names.entry(name.clone()).or_default().wishes += 1;
    }

    pub fn start_failed(&mut self, name: &Name) {
        self.names.entry(name.clone()).or_default().ends += 1;
    }

    /// A node says that the name is registered and runs nowhere.
    pub fn vacant(&mut self, name: &Name, epoch: Epoch) {
        self.names.entry(name.clone()).or_default().vacancies.insert(epoch);
    }

    pub fn stuck(&mut self, name: &Name) {
        self.names.entry(name.clone()).or_default().has_stuck = true;
    }

    pub fn has_stuck(&self, name: &Name) -> bool {
        self.names.get(name).is_some_and(|starts| starts.has_stuck)
    }

    /// A name that has more than one active copy, if its copies changed.
    pub fn doubled(&mut self) -> Option<(Name, Vec<(ProcessId, Epoch)>)> {
        std::mem::take(&mut self.changed).into_iter().find_map(|name| {
            let starts = &self.names[&name];
            let active: Vec<_> = starts.active.iter().copied().collect();
            (active.len() > 1 && !starts.has_stuck).then_some((name, active))
        })
    }

    /// What a caller was told must have been so once: that start ran, on that life.
    pub fn check_registration(&self, name: &Name, told: &Registration) -> Result<(), String> {
        let is_vacant = self.names.get(name).is_some_and(|starts| starts.vacancies.contains(&told.epoch));
        if told.attached || is_vacant {
            return Ok(());
        }
        match self.names.get(name).and_then(|starts| starts.epochs.get(&told.epoch)) {
            None => Err(format!("{name}: a caller hears of epoch {}, which nobody started", told.epoch)),
            Some((life, _)) if *life != told.life => {
                Err(format!("{name}: a caller hears that life {} runs it, but life {life} does", told.life))
            }
            Some((_, false)) => {
                Err(format!("{name}: a caller hears that it runs before it does, epoch {}", told.epoch))
            }
            Some((_, true)) => Ok(()),
        }
    }

    /// A name that was started more often than trouble and callers explain.
    pub fn overstarted(&self, disturbances: u64) -> Option<String> {
        self.names.iter().find_map(|(name, starts)| {
            let allowed = 8 + starts.wishes + 2 * starts.ends + 4 * disturbances;
            let count = starts.epochs.len() as u64;
            (count > allowed)
                .then(|| format!("{name} was started {count} times, at most {allowed} are explained"))
        })
    }
}
