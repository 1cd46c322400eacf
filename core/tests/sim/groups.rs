//! Groups in a run: users who put names in and take them out, and what each process says of who is where.

use std::collections::BTreeSet;
use std::time::Duration;

use skep_core::event::Request;
use skep_core::id::{Group, Name};

use crate::world::{Happening, ProcessId, World};

pub fn group(text: &str) -> Group {
    Group::new(text).expect("a good name")
}

impl World {
    /// The next call about a group of a random run.
    pub fn group_call(&mut self) {
        let Some(pause) = self.plan.call_every else { return };
        let pause = self.random.between(Duration::ZERO, pause * 4);
        self.after(pause, Happening::GroupCall);
        let running = self.all_running();
        let Some(process) = self.random.pick(&running) else { return };
        let crate::sweep::Planned { name, .. } = self.plan.name(self.random.below(self.plan.names));
        let group = group(&format!("group-{}", self.random.below(self.plan.groups)));
        let timeout = self.random.skewed(Duration::from_secs(6)).max(Duration::from_millis(1));
        let request = if self.random.percent(65) {
            Request::JoinGroup { group, name }
        } else {
            Request::LeaveGroup { group, name }
        };
        self.ask(process, timeout, request);
    }

    pub fn on_join(&mut self, process: ProcessId, group: Group, name: Name) {
        self.oracle.copies.changes += 1;
        if !self[process].places.contains_key(&name) {
            self.violate(format!("{} has {name} in {group} and knows no such name", self[process]));
        }
        if !self[process].groups.entry(group.clone()).or_default().insert(name.clone()) {
            self.violate(format!("{} puts {name} into {group} twice", self[process]));
        }
    }

    pub fn on_leave(&mut self, process: ProcessId, group: &Group, name: &Name) {
        self.oracle.copies.changes += 1;
        let names = self[process].groups.entry(group.clone()).or_default();
        let was_there = names.remove(name);
        if names.is_empty() {
            self[process].groups.remove(group);
        }
        if !was_there {
            self.violate(format!("{} takes {name} out of {group}, where it is not", self[process]));
        }
    }

    /// All members must agree on every group, and a group has only names that are registered.
    pub fn different_groups(&self, running: &[ProcessId]) -> Option<String> {
        if let Some((group, name)) = self.oracle.open_seat() {
            return Some(format!("a call about {name} in {group} is not answered"));
        }
        let &first = running.first()?;
        let ours = &self[first].groups;
        let unequal = running[1..].iter().find(|&&process| self[process].groups != *ours);
        if let Some(&process) = unequal {
            let theirs = &self[process].groups;
            let groups: BTreeSet<&Group> = ours.keys().chain(theirs.keys()).collect();
            let group = groups.into_iter().find(|&group| ours.get(group) != theirs.get(group))?;
            return Some(format!(
                "{} has {:?} in {group}, {} has {:?}",
                self[first],
                ours.get(group),
                self[process],
                theirs.get(group)
            ));
        }
        let dead = ours.iter().find_map(|(group, names)| {
            let name = names.iter().find(|&name| !self[first].places.contains_key(name))?;
            Some(format!("{name} is in {group} and is not registered"))
        });
        dead.or_else(|| self.oracle.misseated(ours))
    }
}
