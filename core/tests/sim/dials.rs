//! Connection attempts: what becomes of them, and of whom they reach.

use std::time::Duration;

use skep_core::error::DialFailure;
use skep_core::event::Input;
use skep_core::id::Address;

use crate::network::{Dial, DialId, End, EndState, Link, LinkNumber, Pipe, Side};
use crate::process::Running;
use crate::world::{Happening, ProcessId, SiteId, World};

/// How long a handshake or a connection attempt may take.
const DIAL_PATIENCE: Duration = Duration::from_secs(2);

impl World {
    /// The machine orders a connection.
    pub fn dial(&mut self, from: ProcessId, address: Address) {
        if !self[from].dials.insert(address.clone()) {
            self.violate(format!("{} dials {address} while it dials it", self[from]));
        }
        let dial = DialId(self.network.dials.len());
        self.network.dials.push(Dial { from, address: address.clone(), done: false });
        let Some(to) = self.site_at(&address) else {
            let pause = self.random.skewed(DIAL_PATIENCE);
            return self.after(pause, Happening::DialFails(dial, DialFailure::Unreachable));
        };
        let here = self[from].site;
        if !self.passes(here, to) || !self.passes(to, here) || !self.sites[to.0].has_power {
            let failure =
                if self.random.percent(50) { DialFailure::TimedOut } else { DialFailure::Unreachable };
            let pause = self.random.between(DIAL_PATIENCE / 8, DIAL_PATIENCE);
            return self.after(pause, Happening::DialFails(dial, failure));
        }
        let latency = self.latency();
        self.after(latency, Happening::DialArrives(dial));
    }

    fn site_at(&self, address: &Address) -> Option<SiteId> {
        self.sites.iter().position(|site| site.address == *address).map(SiteId)
    }

    pub fn dial_arrives(&mut self, dial: DialId) {
        let Dial { from, address, done } = &self.network.dials[dial.0];
        let (from, address) = (*from, address.clone());
        if *done || !self[from].lives() {
            return;
        }
        let latency = self.latency();
        let there = self.site_at(&address).expect("its packets went to a site");
        let here = self[from].site;
        if self.network.refusing.get(&(here, there)).is_some_and(|&count| count > 0) {
            return self.after(latency, Happening::DialFails(dial, DialFailure::Refused));
        }
        if self.network.resetting.get(&(here, there)).is_some_and(|&count| count > 0) {
            return self.after(latency, Happening::DialFails(dial, DialFailure::Unreachable));
        }
        let Some(to) = self.running(there) else {
            let failure =
                if self.sites[there.0].has_power { DialFailure::Refused } else { DialFailure::Unreachable };
            return self.after(latency, Happening::DialFails(dial, failure));
        };
        if self[to].running == Running::Frozen {
            self[to].standstill.dials.push(dial);
            return self.after(DIAL_PATIENCE, Happening::DialFails(dial, DialFailure::TimedOut));
        }
        let (ours, theirs) = (self[from].hello.clone(), self[to].hello.clone());
        if let Err(refusal) = theirs.admit(&ours).and_then(|_| ours.admit(&theirs)) {
            return self.after(latency, Happening::DialFails(dial, DialFailure::Handshake(refusal)));
        }
        self.network.dials[dial.0].done = true;
        let link = LinkNumber(self.network.links.len());
        let end = |process| End { process, state: EndState::Coming, inward: Pipe::default() };
        self.network.links.push(Link { dialler: end(from), acceptor: end(to), address, is_dead: false });
        self.network.open.push(link);
        for side in Side::BOTH {
            let pause = self.latency();
            self.end(link, side).inward.last = self.now + pause;
            self.after(pause, Happening::EndUp(link, side));
        }
    }

    pub fn dial_fails(&mut self, dial: DialId, failure: DialFailure) {
        let Dial { from, address, done } = &mut self.network.dials[dial.0];
        if !std::mem::replace(done, true) {
            let (from, address) = (*from, address.clone());
            self.tell(from, Input::DialFailed { address, failure });
        }
    }
}
