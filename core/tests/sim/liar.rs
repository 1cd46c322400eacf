//! A member that keeps no rule: an honest machine joins for it, and beside that it sends whatever is a message.
//!
//! What it says is drawn, or is what somebody sent before, to whomever, as it was or with parts changed. Whatever it
//! does to names that were there while it lied, nothing is promised of them but that all agree; of what begins after
//! its end everything is.

use std::time::Duration;

use skep_core::wire::{Arbitrary, Frame};

use crate::network::Told;
use crate::random::Random;
use crate::world::{Happening, ProcessId, SiteId, World};

/// So many of the last messages of others are at hand.
const HEARD: usize = 256;

/// What a machine may hold at most of each thing in a run with a liar, whose members, addresses and claims are bounded.
const MEMBERS: usize = 32;
const CLAIMS: usize = 64;

/// The peer, and what it knows.
pub struct Liar {
    pub site: SiteId,
    pub words: Arbitrary,
    pub random: Random,
    heard: Vec<Frame>,
    /// From one lie to the next.
    every: Duration,
    /// How many of a hundred are drawn, and how many sent as they were heard; the rest is changed.
    drawn: usize,
    repeated: usize,
    /// Only messages of this kind, if there is one.
    only: Option<u16>,
}

impl Liar {
    pub fn new(seed: u64, site: SiteId) -> Self {
        let mut random = Random::new(seed ^ 0x11a7);
        let every = Duration::from_micros([300, 2000, 10_000, 40_000][random.below(4)]);
        let (drawn, repeated) = [(20, 10), (0, 0), (60, 10), (5, 60)][random.below(4)];
        let kinds = Arbitrary::kinds();
        let only = random.percent(50).then(|| kinds[random.below(kinds.len())]);
        Self { site, words: Arbitrary::new(seed), random, heard: Vec::new(), every, drawn, repeated, only }
    }

    /// Somebody sent this.
    fn hear(&mut self, frame: &Frame) {
        self.words.learn(frame);
        if self.only.is_some_and(|only| only != frame.kind) {
            return;
        }
        if self.heard.len() < HEARD {
            self.heard.push(frame.clone());
        } else {
            let at = self.random.below(HEARD * 4);
            if let Some(former) = self.heard.get_mut(at) {
                former.clone_from(frame);
            }
        }
    }

    fn lie(&mut self) -> Frame {
        let dice = self.random.below(100);
        let heard = self.random.below(self.heard.len());
        match self.heard.get(heard) {
            Some(frame) if dice >= self.drawn + self.repeated => self.words.changed(&frame.clone()),
            Some(frame) if dice >= self.drawn => frame.clone(),
            Some(_) | None => match self.only {
                Some(kind) => self.words.of_kind(kind),
                None => self.words.any(),
            },
        }
    }
}

impl World {
    /// Somebody sends this: whoever lies has ears everywhere.
    pub fn overhear(&mut self, frame: &Frame) {
        if let Some(liar) = &mut self.liar
            && frame.is_control()
        {
            liar.hear(frame);
        }
    }

    /// The next lie, on any of its links.
    pub fn tell_a_lie(&mut self) {
        let Some(liar) = &mut self.liar else { return };
        let (site, every) = (liar.site, liar.every);
        let pause = liar.random.skewed(every * 2) + Duration::from_micros(1);
        self.after(pause, Happening::Lie);
        let Some(process) = self.running(site) else {
            return self.boot(site); // its own machine may have given up
        };
        let links: Vec<_> = {
            let others: Vec<ProcessId> =
                self.all_running().into_iter().filter(|&other| other != process).collect();
            others.into_iter().filter_map(|other| self.open_link(process, other)).collect()
        };
        let Some(liar) = &mut self.liar else { return };
        let Some(link) = liar.random.pick(&links) else { return };
        let frame = liar.lie();
        self.note_of(process, format_args!("lies on {}: {}", link.0, crate::decode::mark(&frame)));
        self.trace.detail(|| crate::decode::words(&frame));
        self.send(process, link, &frame);
        self.check_bounds();
    }

    /// Whether nobody is to live there any more.
    pub fn is_barred(&self, site: SiteId) -> bool {
        self.oracle.lies && self.liar.is_none() && site.0 >= self.plan.sites
    }

    /// It is cut off for good. What callers believed before does not count.
    pub fn end_lies(&mut self) {
        let Some(liar) = self.liar.take() else { return };
        self.note(&"plan", format_args!("the liar is cut off"));
        if let Some(process) = self.running(liar.site) {
            let told = [Told::ByEnd, Told::ByReset, Told::Never][self.random.below(3)];
            self.crash(process, told);
        }
        self.oracle.forgive();
    }

    /// What a machine holds stays inside its bounds, whatever it hears.
    fn check_bounds(&mut self) {
        for process in self.all_running() {
            let excess = self[process].machine.holdings().into_iter().find_map(|(what, held)| {
                let most = match what {
                    "members" | "members watched" | "members seen" => MEMBERS * 3,
                    "departed lives" => MEMBERS * 2,
                    "addresses" => 64,
                    "names on the desk" | "calls" => CLAIMS * 3,
                    "gates" => 64 + CLAIMS,
                    "links" => 64,
                    "positions of a peer" => 4096,
                    "questions about the ring" | "readers" | "doubts" => MEMBERS * 3,
                    "questions of others" => MEMBERS * MEMBERS,
                    "answers owed" => CLAIMS * 2,
                    _ => usize::MAX, // as many as there are names
                };
                (held > most)
                    .then(|| format!("{} holds {held} {what}, at most {most} are allowed", self[process]))
            });
            if let Some(excess) = excess {
                return self.violate(excess);
            }
        }
    }

    /// What a process is told in a run with a liar.
    pub fn bound(config: &mut skep_core::Config) {
        config.max_members = MEMBERS;
        config.max_addresses = 64;
        config.max_claims = CLAIMS;
    }
}
