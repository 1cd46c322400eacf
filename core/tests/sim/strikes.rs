//! How each fault strikes a random run, and how it ends.

use std::time::Duration;

use skep_core::event::{Reply, Request};
use skep_core::id::Name;

use crate::faults::Fault;
use crate::network::Told;
use crate::process::Running;
use crate::world::{Happening, Mend, ProcessId, SiteId, World};

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl World {
    /// The next fault of a random run.
    pub fn strike(&mut self) {
        let Some(fault) = self.random.pick(&self.plan.faults.clone()) else { return };
        let (least, most) = self.plan.strike_every;
        let pause = self.random.between(least, most);
        self.after(pause, Happening::Strike);
        let running = self.all_running();
        let Some(victim) = self.random.pick(&running) else { return };
        let here = self[victim].site;
        let others: Vec<SiteId> = self.all_sites().into_iter().filter(|&site| site != here).collect();
        let there = self.random.pick(&others).expect("there are at least two sites");
        let text = format!("{fault:?}: {} {}", self[victim], self.sites[there.0].name);
        self.note(&"fault", format_args!("{text}"));
        match fault {
            // With nobody to ask, a refusal is proof, and silence is silence.
            Fault::CutPair | Fault::FalseRefusal
                if self.settings.innocents && !self.has_witness(here, there) => {}
            Fault::Crash => self.strike_down(victim, &[Told::ByEnd, Told::ByReset]),
            Fault::PowerLoss => self.strike_down(victim, &[Told::Never]),
            Fault::CrashAll => {
                for process in running {
                    self.strike_down(process, &[Told::ByEnd, Told::ByReset, Told::Never]);
                }
            }
            Fault::CrashAtAnswer => self.crash_at_answer = true,
            Fault::TroubleAtMove => self.trouble_at_move = Some(self.random.below(8)),
            Fault::Leave => self.begin_to_leave(victim),
            Fault::Drain => self.begin_to_drain(victim),
            Fault::LinkBreak => {
                self.oracle.disturb(self.now);
                self.break_links(here, there, millis(20));
            }
            Fault::HalfOpen => {
                self.oracle.disturb(self.now);
                self.break_links(here, there, millis(4000));
            }
            Fault::Flapping => {
                for number in 0..3 + self.random.below(20) as u32 {
                    let pause = self.random.between(millis(10), millis(100)) * number;
                    self.after(pause, Happening::Mend(Mend::Break(here, there)));
                }
            }
            Fault::CutWhole => {
                let side: Vec<bool> = self.sites.iter().map(|_| self.random.percent(50)).collect();
                self.cut_where(|from, to| side[from.0] != side[to.0]);
            }
            Fault::CutPartial => {
                let count = self.sites.len();
                let pairs: Vec<bool> = (0..count * count).map(|_| self.random.percent(30)).collect();
                self.cut_where(|from, to| pairs[from.min(to).0 * count + from.max(to).0]);
            }
            Fault::CutOneWay => self.cut_where(|from, to| (from, to) == (here, there)),
            Fault::CutPair => {
                if self.settings.innocents {
                    self.plan.faults.retain(|&fault| fault != Fault::CutPair); // a second could cut someone off
                }
                self.oracle.disturb(self.now);
                self.cut(here, there);
                self.cut(there, here);
            }
            Fault::FalseRefusal => {
                self.oracle.disturb(self.now);
                *self.network.refusing.entry((here, there)).or_default() += 1;
                self.break_links(here, there, millis(50));
                self.mend_later(Mend::Refusing(here, there), millis(50), millis(2500));
            }
            Fault::AcceptThenReset => {
                self.oracle.disturb(self.now);
                *self.network.resetting.entry((here, there)).or_default() += 1;
                self.break_links(here, there, millis(50));
                self.mend_later(Mend::Resetting(here, there), millis(50), millis(2500));
            }
            Fault::Twin => self.start_twin(victim),
            Fault::Pause => self.stand_still(victim, Running::Frozen),
            Fault::CorePause => self.stand_still(victim, Running::CoreFrozen),
            Fault::ClockJump => {
                let by = self.random.skewed(millis(6000));
                self.leap(victim, by);
            }
        }
    }

    /// Whether a third node has been up for long enough to hear both.
    fn has_witness(&self, here: SiteId, there: SiteId) -> bool {
        let up = |&process: &ProcessId| {
            let process = &self[process];
            let formed = process.formed.is_some_and(|formed| self.now.since(formed) > millis(1000));
            formed && !process.is_leaving && process.site != here && process.site != there
        };
        self.all_running().iter().any(up)
    }

    fn mend_later(&mut self, mend: Mend, least: Duration, most: Duration) {
        let pause = self.random.between(least, most);
        self.after(pause, Happening::Mend(mend));
    }

    /// A crash, now or in the middle of what it does next; its site starts again, or waits for peace.
    fn strike_down(&mut self, victim: ProcessId, ways: &[Told]) {
        let told = self.random.pick(ways).expect("a way to end");
        if self.random.percent(25) {
            self[victim].crash_after = Some((self.random.below(12), told));
        } else {
            self.crash(victim, told);
        }
        if self.random.percent(75) {
            let site = self[victim].site;
            let pause = self.random.skewed(millis(4000)) + millis(1);
            self.after(pause, Happening::Boot(site));
        }
    }

    /// Someone hears a good answer; someone dies of it.
    pub fn assassinate(&mut self, process: ProcessId, reply: &Reply) {
        let holder = match reply {
            Reply::Registered(Ok(registration)) => {
                self.all_running().into_iter().find(|&other| self[other].life == registration.life)
            }
            Reply::Unregistered(Ok(())) | Reply::Grouped(Ok(())) => None,
            _ => return,
        };
        if !std::mem::take(&mut self.crash_at_answer) {
            return;
        }
        let running = self.all_running();
        let anyone = self.random.pick(&running).expect("who answers runs");
        let victim = [process, holder.unwrap_or(anyone), anyone][self.random.below(3)];
        self.strike_down(victim, &[Told::ByReset]);
    }

    /// A move takes a step; someone dies of it, or its name is removed.
    pub fn disturb_move(&mut self, source: ProcessId, target: ProcessId, name: &Name) {
        match &mut self.trouble_at_move {
            None => return,
            Some(0) => self.trouble_at_move = None,
            Some(steps) => {
                *steps -= 1;
                return;
            }
        }
        let running = self.all_running();
        let anyone = self.random.pick(&running).expect("who moves something runs");
        let pause = self.random.skewed(self.settings.latency.1 * 2);
        if self.random.percent(40) {
            return self.after(pause, Happening::Remove(anyone, name.clone()));
        }
        let victim = [source, target, anyone][self.random.below(3)];
        self.after(pause, Happening::Mend(Mend::Kill(victim)));
    }

    pub fn begin_to_leave(&mut self, victim: ProcessId) {
        if !self[victim].lives() {
            return;
        }
        self[victim].is_leaving = true;
        self.oracle.disturb(self.now);
        self.ask(victim, millis(10_000), Request::Leave);
        let site = self[victim].site;
        let pause = self.random.between(millis(500), millis(5000));
        self.after(pause, Happening::Boot(site));
    }

    fn begin_to_drain(&mut self, victim: ProcessId) {
        self[victim].is_leaving = true;
        self.oracle.disturb(self.now);
        let timeout = self.random.between(millis(5), millis(5000));
        self.ask(victim, timeout, Request::Drain);
        self.mend_later(Mend::Leave(victim), millis(100), millis(4000));
    }

    /// Cuts all ways that it says, for a while or until peace.
    fn cut_where(&mut self, is_cut: impl Fn(SiteId, SiteId) -> bool) {
        let lasts = self.random.between(millis(50), millis(6000));
        let is_mended = self.random.percent(80) && !self.plan.cuts_last;
        for from in self.all_sites() {
            for to in self.all_sites() {
                if from != to && is_cut(from, to) {
                    self.cut(from, to);
                    if is_mended {
                        self.after(lasts, Happening::Mend(Mend::Path(from, to)));
                    }
                }
            }
        }
    }

    fn start_twin(&mut self, victim: ProcessId) {
        if self.sites.len() > self.plan.sites {
            return;
        }
        let original = &self.sites[self[victim].site.0];
        let (name, kinds) = (original.name.clone(), original.kinds.clone());
        let (roles, weight) = (original.roles.clone(), original.weight);
        let twin = self.site(name.as_str(), &[]);
        let site = &mut self.sites[twin.0];
        (site.kinds, site.roles, site.weight) = (kinds, roles, weight);
        self.after(Duration::ZERO, Happening::Boot(twin));
    }

    fn stand_still(&mut self, victim: ProcessId, how: Running) {
        self.freeze(victim, how);
        self.mend_later(Mend::Thaw(victim), millis(20), millis(5000));
    }

    /// A fault ends.
    pub fn mend(&mut self, mend: Mend) {
        match mend {
            Mend::Path(from, to) => self.mend_path(from, to),
            Mend::Refusing(from, to) => less(self.network.refusing.get_mut(&(from, to))),
            Mend::Resetting(from, to) => less(self.network.resetting.get_mut(&(from, to))),
            Mend::Thaw(process) => self.thaw(process),
            Mend::Leave(process) => self.begin_to_leave(process),
            Mend::Kill(process) if !self.healed && self[process].lives() => {
                self.strike_down(process, &[Told::ByReset, Told::ByEnd]);
            }
            Mend::Kill(_) => {}
            Mend::Break(here, there) if !self.healed => self.break_links(here, there, millis(10)),
            Mend::Break(..) => {}
        }
    }
}

fn less(count: Option<&mut u32>) {
    if let Some(count) = count {
        *count = count.saturating_sub(1);
    }
}
