//! Names join and leave groups: whoever is asked writes it down, and answers once another member holds it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::enrolment::{Enrolment, Presence};
use super::registry::Before;
use crate::error::GroupError;
use crate::event::{Bound, Event, Output, Reply};
use crate::id::{CallId, Group, Name};
use crate::machine::Machine;
use crate::mutant::Mutant;
use crate::time::Instant;
use crate::timer::Timer;

/// The calls that wait: at most `Config::max_claims`.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    waiting: BTreeMap<CallId, Waiting>,
    /// By the position in our log that another member must have.
    owed: BTreeSet<(u64, CallId)>,
    /// Of workers that run here and are not registered yet: they join when they are.
    early: BTreeSet<(Name, CallId)>,
}

#[derive(Clone, Debug)]
struct Waiting {
    deadline: Instant,
    wish: GroupWish,
    /// The position in our log at which it is written.
    written: Option<u64>,
}

/// What a user wants of a group.
#[derive(Clone, Debug)]
pub(crate) struct GroupWish {
    pub(crate) group: Group,
    pub(crate) name: Name,
    pub(crate) presence: Presence,
}

/// How far a wish is.
enum Progress {
    /// It is so, once another member has our log up to here.
    Written(u64),
    /// The worker runs here and is not registered yet.
    Early,
}

impl Groups {
    /// How many calls wait.
    #[cfg(feature = "mutants")]
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn owes_any(&self) -> bool {
        !self.owed.is_empty()
    }
}

impl Machine {
    /// A user wants a name in a group, or out of it.
    pub(crate) fn wish_group(&mut self, call: CallId, deadline: Instant, wish: GroupWish) {
        if self.groups.waiting.len() >= self.config.max_claims {
            self.reached(Bound::Claims);
            self.answer_group(call, Err(GroupError::Busy));
            return;
        }
        self.groups.waiting.insert(call, Waiting { deadline, wish, written: None });
        self.timers.set(deadline, Timer::GroupDeadline(call));
        self.try_group(call);
    }

    fn try_group(&mut self, call: CallId) {
        let Some(Waiting { wish, .. }) = self.groups.waiting.get(&call).cloned() else {
            return;
        };
        match self.enrol(&wish) {
            Ok(Progress::Written(seq)) if !self.broken(Mutant::GroupsAnsweredBeforeCopy) => {
                let waiting = self.groups.waiting.get_mut(&call).expect("it was just found");
                waiting.written = Some(seq);
                self.groups.owed.insert((seq, call));
            }
            Ok(Progress::Written(_)) => self.answer_group(call, Ok(())),
            Ok(Progress::Early) => drop(self.groups.early.insert((wish.name, call))),
            Err(error) => self.answer_group(call, Err(error)),
        }
    }

    /// Written anew even if it seems to be so already: what would undo it may be on its way to us, from a caller who
    /// was answered before this one asked.
    fn enrol(&mut self, wish: &GroupWish) -> Result<Progress, GroupError> {
        let GroupWish { group, name, presence } = wish;
        let Some(dot) = self.registry.winner(name).map(|entry| entry.dot) else {
            let is_early = *presence == Presence::In && self.host.workers.contains_key(name);
            return if is_early { Ok(Progress::Early) } else { Err(GroupError::NotFound) };
        };
        if *presence == Presence::In {
            let (groups, max) = (self.registry.groups_of(name), self.config.max_groups);
            if groups.len() >= max && !groups.contains(group) {
                self.reached(Bound::Groups);
                return Err(GroupError::TooMany { max });
            }
        }
        let (group, stamp, presence) = (group.clone(), self.next_epoch(), *presence);
        Ok(Progress::Written(self.write(Enrolment { dot, group, stamp, presence, handed_on: 0 })))
    }

    /// A worker that asked for groups before it was registered is registered now, or runs no longer.
    pub(super) fn look_at_joins(&mut self, name: &Name) {
        let all = (name.clone(), CallId(0))..=(name.clone(), CallId(u64::MAX));
        for early in self.groups.early.range(all).cloned().collect::<Vec<_>>() {
            self.groups.early.remove(&early);
            self.try_group(early.1);
        }
    }

    /// Tells the look-up map what changed for a name since `before`.
    pub(super) fn show_groups(&mut self, name: &Name, before: Before) {
        let now = self.registry.groups_of(name);
        let before = match before {
            Before::Free => Vec::new(),
            Before::Registered { groups } => groups,
        };
        let outlives = self.broken(Mutant::GroupsOutliveTheirNames) && self.registry.winner(name).is_none();
        for group in before.iter().filter(|group| !now.contains(group) && !outlives) {
            let (group, name) = (group.clone(), name.clone());
            self.outputs.push_back(Output::LeaveGroup { group: group.clone(), name: name.clone() });
            self.event(Event::LeftGroup { group, name });
        }
        for group in now.into_iter().filter(|group| !before.contains(group)) {
            let name = name.clone();
            self.outputs.push_back(Output::JoinGroup { group: group.clone(), name: name.clone() });
            self.event(Event::JoinedGroup { group, name });
        }
    }

    /// Answers those whose wish another member holds, which has our log up to `held`.
    pub(super) fn pay_groups(&mut self, held: u64) {
        while let Some(&(seq, call)) = self.groups.owed.first()
            && seq <= held
        {
            self.answer_group(call, Ok(()));
        }
    }

    pub(crate) fn on_group_deadline(&mut self, call: CallId) {
        self.answer_group(call, Err(GroupError::Timeout));
    }

    fn answer_group(&mut self, call: CallId, result: Result<(), GroupError>) {
        if let Some(Waiting { deadline, wish, written }) = self.groups.waiting.remove(&call) {
            self.timers.cancel(deadline, Timer::GroupDeadline(call));
            match written {
                Some(seq) => self.groups.owed.remove(&(seq, call)),
                None => self.groups.early.remove(&(wish.name, call)),
            };
        }
        self.returns.push(Output::Return { call, reply: Reply::Grouped(result) });
    }

    /// This life is over. What was written may reach another member or not.
    pub(crate) fn fail_group_calls(&mut self) {
        let Groups { waiting, .. } = core::mem::take(&mut self.groups);
        for (call, Waiting { written, .. }) in waiting {
            let error = if written.is_some() { GroupError::Timeout } else { GroupError::Leaving };
            self.outputs.push_back(Output::Return { call, reply: Reply::Grouped(Err(error)) });
        }
    }
}
