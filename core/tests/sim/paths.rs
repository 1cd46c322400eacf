//! Paths that are cut and mended, and connections that die: loudly, silently, with their process.

use std::time::Duration;

use skep_core::Instant;

use crate::network::{EndState, LinkNumber, Packet, Side, Told};
use crate::world::{Happening, ProcessId, SiteId, World};

impl World {
    /// Whether packets get from here to there.
    pub fn passes(&self, from: SiteId, to: SiteId) -> bool {
        self.network.cuts.get(&(from, to)).is_none_or(|&count| count == 0)
    }

    /// A connection dies; its ends hear of it after these pauses.
    fn kill_link(&mut self, link: LinkNumber, pauses: [Duration; 2]) {
        self.link(link).is_dead = true;
        for (side, pause) in Side::BOTH.into_iter().zip(pauses) {
            let packets = std::mem::take(&mut self.end(link, side).inward.packets);
            packets.iter().for_each(|(_, packet)| self.lose_packet(packet));
            self.after(pause, Happening::EndDown(link, side));
        }
    }

    /// All links between the two that are not dead.
    fn links_between(&mut self, here: SiteId, there: SiteId) -> Vec<LinkNumber> {
        let mut found = self.network.open.clone();
        found.retain(|&link| {
            let (dialler, acceptor) = self.sites_of(link, Side::Dialler);
            !self.link(link).is_dead && [(dialler, acceptor), (acceptor, dialler)].contains(&(here, there))
        });
        found
    }

    /// Breaks what connects the two; each end hears of it within this time.
    pub fn break_links(&mut self, here: SiteId, there: SiteId, within: Duration) {
        for link in self.links_between(here, there) {
            let pauses = [self.random.skewed(within), self.random.skewed(within)];
            self.kill_link(link, pauses);
        }
    }

    /// Nothing gets from here to there until it is mended as often as it was cut.
    pub fn cut(&mut self, here: SiteId, there: SiteId) {
        *self.network.cuts.entry((here, there)).or_default() += 1;
        for link in self.links_between(here, there) {
            let patience = self.random.between(Duration::from_millis(300), Duration::from_secs(8));
            self.after(patience, Happening::Patience(link));
            for side in Side::BOTH {
                if self.sites_of(link, side).1 == there {
                    let inward = &mut self.end(link, side.other()).inward;
                    inward.last = Instant::FAR;
                    inward.packets.iter_mut().for_each(|(due, _)| *due = Instant::FAR);
                }
            }
        }
    }

    /// A kernel has sent the same bytes in vain for long enough.
    pub fn lose_patience(&mut self, link: LinkNumber) {
        let (dialler, acceptor) = self.sites_of(link, Side::Dialler);
        let is_cut = !self.passes(dialler, acceptor) || !self.passes(acceptor, dialler);
        if is_cut && !self.link(link).is_dead {
            let pauses = [(); 2].map(|()| self.random.skewed(Duration::from_secs(2)));
            self.kill_link(link, pauses);
        }
    }

    /// What waited for the way from here to there goes on.
    pub fn mend_path(&mut self, here: SiteId, there: SiteId) {
        let count = self.network.cuts.entry((here, there)).or_default();
        *count = count.saturating_sub(1);
        if *count > 0 {
            return;
        }
        for link in self.links_between(here, there) {
            for side in Side::BOTH {
                if self.sites_of(link, side).1 == there {
                    self.resend(link, side.other());
                }
            }
        }
    }

    fn resend(&mut self, link: LinkNumber, side: Side) {
        let mut due = self.now + self.latency();
        let inward = &mut self.end(link, side).inward;
        for (when, _) in &mut inward.packets {
            due += Duration::from_nanos(1);
            *when = due;
        }
        inward.last = due;
        self.at(due, Happening::Arrive(link, side));
    }

    /// Ends all faults of the network at once.
    pub fn mend_network(&mut self) {
        for (here, there) in self.network.cuts.keys().copied().collect::<Vec<_>>() {
            self.network.cuts.insert((here, there), 1);
            self.mend_path(here, there);
        }
        self.network.refusing.clear();
        self.network.resetting.clear();
    }

    /// A process is gone: its kernel says so, or nobody does.
    pub fn drop_links(&mut self, process: ProcessId, told: Told) {
        let mut links = self.network.open.clone();
        links.retain(|&link| Side::BOTH.iter().any(|&side| self.link(link).process(side) == process));
        for link in links {
            let side =
                if self.link(link).dialler.process == process { Side::Dialler } else { Side::Acceptor };
            match told {
                // its machine had closed it: what it sent before still arrives
                Told::ByEnd | Told::ByReset if self.end(link, side).state == EndState::Over => {}
                Told::ByEnd if self.end(link, side).state == EndState::Open => {
                    self.push(link, side, Packet::End);
                }
                Told::ByEnd | Told::ByReset => {
                    let (here, there) = self.sites_of(link, side);
                    let latency = self.latency();
                    let slow = self.random.between(Duration::from_millis(500), Duration::from_secs(6));
                    let pause = if self.passes(here, there) { latency } else { slow };
                    self.kill_link(link, [pause; 2]);
                }
                Told::Never => {
                    let pause = self.random.between(Duration::from_secs(3), Duration::from_secs(15));
                    self.kill_link(link, [pause; 2]);
                }
            }
            self.end(link, side).state = EndState::Over;
            self.tidy(link);
        }
    }

    /// A machine that has power again answers old connections with a reset.
    pub fn reset_old_links(&mut self, site: SiteId) {
        for link in self.network.open.clone() {
            for side in Side::BOTH {
                let process = self.link(link).process(side);
                if self[process].site == site && !self[process].lives() {
                    let pause = self.random.between(Duration::from_millis(1), Duration::from_millis(400));
                    self.after(pause, Happening::EndDown(link, side.other()));
                }
            }
        }
    }
}
