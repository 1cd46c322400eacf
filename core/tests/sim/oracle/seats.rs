//! Who is in which group, as callers may believe it: the last word of those who were answered.
//!
//! A word counts as the last when nothing that was said before can still undo it. On one node words follow each
//! other. Of words on two nodes the later one is above the earlier only if its node had heard of that: after a quiet
//! time, while members were right about each other.

use std::collections::{BTreeMap, BTreeSet};

use skep_core::Instant;
use skep_core::id::{CallId, Group, Name};

use super::{Asked, Oracle, QUIET};
use crate::world::ProcessId;

/// Of one name in one group.
#[derive(Default)]
pub struct Seat {
    belief: Option<Believed>,
    /// Calls that are not answered, and whether another one was open beside each.
    open: BTreeMap<CallId, bool>,
    /// When the last call on each node ended.
    touched: BTreeMap<ProcessId, Instant>,
}

/// What callers may believe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Believed {
    is_in: bool,
    /// When it was asked for, and when that was answered.
    asked: Instant,
    answered: Instant,
}

impl Seat {
    pub(super) fn asked(&mut self, call: CallId) {
        let is_alone = self.open.is_empty();
        self.open.values_mut().for_each(|is_contested| *is_contested = true);
        self.open.insert(call, !is_alone);
        self.belief = None;
    }

    /// No clear answer came, or the name may not have stood: the call may have its effect, or not.
    pub(super) fn unclear(&mut self, now: Instant, process: ProcessId, call: CallId) {
        self.open.remove(&call);
        self.touched.insert(process, now);
    }
}

impl Oracle {
    /// A join or leave was answered with yes.
    pub(super) fn seated(
        &mut self,
        now: Instant,
        call: CallId,
        asked: &Asked,
        (group, name): (&Group, &Name),
        is_in: bool,
    ) {
        let stood = self.stands_since(name, asked.since);
        let whole_since = |when| self.was_whole_since(when);
        let key = (group.clone(), name.clone());
        let seat = self.seats.get(&key).expect("it was asked for");
        let is_last = seat.open.get(&call) == Some(&false)
            && seat.touched.iter().all(|(&process, &when)| {
                process == asked.process || (when + QUIET <= asked.since && whole_since(when))
            });
        let seat = self.seats.get_mut(&key).expect("it was just there");
        seat.unclear(now, asked.process, call);
        let believed = Believed { is_in, asked: asked.since, answered: now };
        seat.belief = (is_last && stood).then_some(believed);
    }

    /// Whether one registration of a name stood all the time since then.
    fn stands_since(&self, name: &Name, from: Instant) -> bool {
        self.names.get(name).is_some_and(|history| history.is_one_registration_since(from))
    }

    /// A node ended: what it said last may be lost, unless the promise covers it or a survivor knows it.
    pub(super) fn forget_seats(
        &mut self,
        is_promised: impl Fn(Instant) -> bool,
        knows: impl Fn(&Group, &Name) -> bool,
    ) {
        for ((group, name), seat) in &mut self.seats {
            if let Some(believed) = seat.belief
                && !is_promised(believed.answered)
                && !(believed.is_in && knows(group, name))
            {
                seat.belief = None;
            }
        }
    }

    /// A call about a group that is not answered.
    pub fn open_seat(&self) -> Option<&(Group, Name)> {
        self.seats.iter().find_map(|(key, seat)| (!seat.open.is_empty()).then_some(key))
    }

    /// What callers believe and the groups do not say.
    pub fn misseated(&self, groups: &BTreeMap<Group, BTreeSet<Name>>) -> Option<String> {
        self.seats.iter().find_map(|((group, name), seat)| {
            let believed = seat.belief.filter(|believed| self.stands_since(name, believed.asked))?;
            let is_in = groups.get(group).is_some_and(|names| names.contains(name));
            let heard = believed.answered.as_nanos() as f64 / 1e9;
            (is_in != believed.is_in).then(|| {
                let (heard_of, is) = if is_in { ("a leave", "in") } else { ("a join", "not in") };
                format!("{name} is {is} {group}: a caller heard at {heard:.6} s of {heard_of}")
            })
        })
    }

    /// All members agree on the groups: what they say is so.
    pub fn learn_seats(&mut self, now: Instant, groups: &BTreeMap<Group, BTreeSet<Name>>) {
        for ((group, name), seat) in &mut self.seats {
            let is_in = groups.get(group).is_some_and(|names| names.contains(name));
            *seat = Seat::default();
            seat.belief = Some(Believed { is_in, asked: now, answered: now });
        }
    }
}
