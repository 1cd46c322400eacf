//! What the machine does about the book: what sources say goes in, dials and news come out.

use super::Book;
use crate::error::{DialFailure, Refusal};
use crate::event::{Bound, Event, Observation, Output, Way};
use crate::id::{Address, Life, Source};
use crate::machine::Machine;
use crate::membership::Announced;
use crate::mutant::Mutant;
use crate::timer::Timer;

impl Machine {
    pub(crate) fn on_observed(&mut self, source: &Source, observation: Observation) {
        self.book.observe(source, observation, self.now);
        self.dial_again = true;
    }

    /// An address is dialled again later.
    pub(crate) fn pause_after(&mut self, address: &Address, failure: &DialFailure) {
        let jitter = self.random.next();
        if let Some((failures, again_in)) = self.book.failed(address, self.now, jitter) {
            let (address, failure) = (address.clone(), failure.clone());
            self.event(Event::DialFailed { address, failure, failures, again_in });
        }
    }

    /// Dials what is due, and sets the timer for what is not.
    pub(crate) fn dial_due(&mut self) {
        if !core::mem::take(&mut self.dial_again) || self.is_between_lives() {
            return;
        }
        self.book.expire(self.now);
        let (me, members) = (self.me, &self.table);
        let is_down = |life: Life| life != me && !members.is_live(life);
        self.book.prune(self.now, is_down);
        let next_prune = self.book.next_prune(is_down);
        self.tell_news();
        let mine = self.config.address.clone();
        let (links, table, peers) = (&self.links, &self.table, &self.config.peers);
        let is_leaving = table.mine().announced == Announced::Leaving && !self.broken(Mutant::LeaverDials);
        let skip = |address: &Address, member: Option<Life>| {
            *address == mine
                || (is_leaving && member.is_none()) // who leaves looks for nobody new
                || member.is_some_and(|life| links.to(life).is_some())
                || member.and_then(|life| table.of(life)).is_some_and(|it| !peers.admits(&it.node))
                || links.reaches(address)
        };
        let due = self.book.take_due(self.now, skip);
        let waits = self.book.next_due(skip).filter(|&next| next > self.now);
        if let Some(next) = [waits, self.book.next_expiry(), next_prune].into_iter().flatten().min() {
            if let Some(set) = self.dial_timer.replace(next) {
                self.timers.cancel(set, Timer::Dial);
            }
            self.timers.set(next, Timer::Dial);
        }
        debug_assert!(table.of(self.me).is_some(), "we are in our own table");
        self.counters.dials += due.len() as u64;
        due.into_iter().for_each(|address| self.outputs.push_back(Output::Dial { address }));
    }

    fn tell_news(&mut self) {
        if self.book.take_full() {
            self.reached(Bound::Addresses);
        }
        for event in Book::take_news(&mut self.book) {
            match &event {
                Event::Discovered { .. } => self.counters.discovered += 1,
                Event::Withdrawn { address, .. } => {
                    self.counters.withdrawn += 1;
                    self.close_withdrawn(&address.clone());
                }
                _ => {}
            }
            self.event(event);
        }
    }

    /// What must never be done, for the simulator to notice.
    fn close_withdrawn(&mut self, address: &Address) {
        if !self.broken(Mutant::WithdrawalCloses) {
            return;
        }
        let leads_there = |way: &Way| matches!(way, Way::Dialled(to) if to == address);
        let links = self.links.serving().filter_map(|(_, id)| self.links.get(id).map(|link| (id, link)));
        let there = links.filter(|(_, link)| link.peer.address == *address || leads_there(&link.way));
        let doomed: alloc::vec::Vec<_> = there.map(|(id, _)| id).collect();
        doomed.into_iter().for_each(|id| self.close(id, Refusal::Stalled));
    }
}
