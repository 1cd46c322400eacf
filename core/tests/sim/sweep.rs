//! A random run: from one seed a cluster, its trouble, its users; then peace, in which all must become well.

use std::num::NonZeroU16;
use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

use skep_core::error::{LookupError, RegisterError};
use skep_core::event::{Reply, Request};
use skep_core::id::{Address, Name};
use skep_core::mutant::Mutant;
use skep_core::placement::StrategyId;

use crate::calls::{managed, name};
use crate::faults::{Fault, kind, role};
use crate::groups::group;
use crate::oracle::FRESH;
use crate::random::Random;
use crate::ties::Ties;
use crate::trace::Telling;
use crate::world::{FORGET_LATE, Happening, ProcessId, Settings, SiteId, Violation, World};

/// The trouble and the users of a run.
#[derive(Clone, Default, Debug)]
pub struct Plan {
    /// What may happen.
    pub faults: Vec<Fault>,
    /// How long from one fault to the next.
    pub strike_every: (Duration, Duration),
    /// How long from one call to the next, on average.
    pub call_every: Option<Duration>,
    /// How long from one message to the next, on average; in most runs nobody sends any.
    pub send_every: Option<Duration>,
    /// How many names are in use.
    pub names: usize,
    /// How many groups names are put into; in most runs none.
    pub groups: usize,
    /// How many nodes in a hundred have the kind that not all have.
    pub rare_percent: usize,
    /// What kinds of workers they have.
    pub kinds: Vec<&'static str>,
    /// What each site offers; sites beyond them offer nothing, and weigh 1.
    pub offers: Vec<Offer>,
    /// Sites that are not a twin's.
    pub sites: usize,
    /// How long the trouble lasts.
    pub lasts: Duration,
    /// All nodes boot within this time.
    pub boots_within: Duration,
    /// Cuts last until peace.
    pub cuts_last: bool,
    /// Cuts stay for a while after all other trouble has ended.
    pub lingers: bool,
}

/// What a site offers besides its kinds.
#[derive(Clone, Debug)]
pub struct Offer {
    pub roles: Vec<&'static str>,
    pub weight: u16,
}

/// A name of a run.
pub struct Planned {
    pub name: Name,
    pub kind: &'static str,
    pub roles: &'static [&'static str],
    pub may_attach: bool,
    pub may_remove: bool,
}

/// One seed in so many has groups: the others stay the runs that they were before there were any.
const GROUPS_EVERY: u64 = 4;

/// What a run came to.
pub struct Outcome {
    pub verdict: Result<(), Violation>,
    pub hash: u64,
    pub steps: u64,
    pub world: World,
}

impl Plan {
    /// The how-manieth name.
    pub fn name(&self, number: usize) -> Planned {
        let kind = self.kinds[number % self.kinds.len()];
        let roles: &[&str] = match number % 8 {
            1 | 5 if !self.offers.is_empty() => &[role::GPU],
            2 if !self.offers.is_empty() => &[role::SSD, role::GPU],
            _ => &[],
        };
        let (may_attach, may_remove) = (number % 5 == 4, !number.is_multiple_of(3));
        Planned { name: name(&format!("{kind}-{number}")), kind, roles, may_attach, may_remove }
    }
}

/// What sort of trouble a run has, and so which promises hold in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mood {
    /// Honest faults, one at a time.
    Spaced,
    /// Honest faults, thick and fast.
    Honest,
    /// Some are wrong about one other, and the rest sets them right.
    Corrected,
    /// Nodes stand still, one at a time.
    Standstills,
    /// Anything.
    Harsh,
}

/// What this seed stands for.
fn draw(seed: u64) -> (Settings, Plan, Ties) {
    let mut random = Random::new(seed ^ 0x5eed);
    let mood = match random.below(100) {
        0..25 => Mood::Spaced,
        25..50 => Mood::Honest,
        50..60 => Mood::Corrected,
        60..68 => Mood::Standstills,
        _ => Mood::Harsh,
    };
    let strict = matches!(mood, Mood::Spaced | Mood::Honest | Mood::Corrected);
    let millis = Duration::from_millis;
    let latency = match random.below(4) {
        0 | 1 => (Duration::from_micros(30), Duration::from_micros(500)),
        2 => (millis(1), millis(8)),
        _ => (Duration::from_micros(100), millis(if mood == Mood::Harsh { 50 } else { 15 })),
    };
    // an answer takes up to four latencies when it is asked for by way of another member
    let detection = millis([500, 1000, 1000, 2000][random.below(4)]).max(latency.1 * 30);
    let all = match mood {
        Mood::Spaced | Mood::Honest => Fault::HONEST.to_vec(),
        Mood::Corrected => Fault::CORRECTED.to_vec(),
        Mood::Standstills => Fault::STANDSTILLS.to_vec(),
        Mood::Harsh => [Fault::HONEST, Fault::HARSH].concat(),
    };
    let mut faults = all.clone();
    faults.retain(|_| random.percent(40));
    if faults.is_empty() {
        faults.push(all[random.below(all.len())]);
    }
    let (strike_every, lasts) = match mood {
        Mood::Spaced => ((millis(4500), millis(6500)), millis(16_000)),
        Mood::Corrected => ((millis(2600), millis(4000)), millis(10_000)),
        Mood::Standstills => ((millis(8000), millis(9000)), millis(20_000)),
        Mood::Honest | Mood::Harsh => {
            ((millis(30), millis(1500)), random.between(millis(2000), millis(7000)))
        }
    };
    let kinds = match random.below(5) {
        0 => vec![kind::PLAIN],
        1 => vec![kind::PLAIN, kind::SLOW, kind::FAILING, kind::RARE],
        2 => vec![kind::RARE],
        _ => kind::USUAL.to_vec(),
    };
    let offers = offers(seed);
    // few names and many callers meet in the middle of things
    let is_hot = random.percent(30);
    let mut plan = Plan {
        faults,
        strike_every,
        call_every: Some(random.between(millis(3), millis(if is_hot { 6 } else { 120 }))),
        send_every: None,
        names: if is_hot { 1 + random.below(4) } else { 3 + random.below(28) },
        groups: if seed.is_multiple_of(GROUPS_EVERY) { 1 + (seed / GROUPS_EVERY % 3) as usize } else { 0 },
        rare_percent: [10, 30, 70][random.below(3)],
        kinds,
        offers,
        sites: if mood == Mood::Corrected { 4 + random.below(4) } else { 2 + random.below(6) },
        lasts,
        boots_within: if random.percent(50) { millis(2) } else { millis(1500) },
        cuts_last: false,
        lingers: mood == Mood::Harsh && random.percent(25),
    };
    let innocents = mood != Mood::Harsh;
    let spaced = mood == Mood::Spaced;
    // drawn from a stream of its own, so that older seeds stay what they were
    let mut random = Random::new(seed ^ 0xf0f0);
    let forget_after = match random.percent(50) {
        true => detection * 3 + random.between(millis(500), millis(8000)),
        false => FORGET_LATE,
    };
    if mood == Mood::Harsh && forget_after != FORGET_LATE && random.percent(35) {
        // a cut that lasts longer than forgetting, and what may happen on either side of it
        plan.faults = [Fault::Crash, Fault::PowerLoss, Fault::Leave, Fault::Pause].to_vec();
        plan.faults.retain(|_| random.percent(30));
        plan.faults.push(Fault::CutWhole);
        plan.strike_every = (millis(3000), millis(8000));
        plan.lasts = forget_after + random.between(millis(5000), millis(20_000));
        plan.call_every = plan.call_every.max(Some(millis(30)));
        (plan.cuts_last, plan.lingers) = (true, random.percent(50));
    }
    let (strategy, exclusive) = (StrategyId::Ring, false);
    let mut settings = Settings {
        seed,
        telling: Telling::Count,
        mutant: None,
        latency,
        detection,
        forget_after,
        strict,
        innocents,
        strategy,
        exclusive,
        spaced,
        one_moment: false,
        mixed: is_mixed(seed),
        newcomers_wait: do_newcomers_wait(seed),
        max_names: 1_048_576,
        authority_after: authority(seed),
    };
    ask_for_quorum(mood, &mut settings, &mut plan);
    plan.send_every = sends(mood, seed);
    let ties = Ties::draw(seed, &mut plan);
    (settings, plan, ties)
}

/// In every fourth run the source of addresses is an authority, which it does not deserve. Drawn apart, so that the other
/// runs stay what they are.
fn authority(seed: u64) -> Option<Duration> {
    let mut random = Random::new(seed ^ 0xa7704);
    let after = random.between(Duration::from_millis(100), Duration::from_secs(5));
    random.percent(25).then_some(after)
}

/// In every fifth run nodes speak different wire versions. Drawn apart, so that the other runs stay what they are; by a
/// number that leaves out those which catch a mutant.
fn is_mixed(seed: u64) -> bool {
    Random::new(seed ^ 0xf88a).percent(20)
}

/// In every fourth run newcomers wait for who may yet answer. Drawn apart, and by such a number, as well.
fn do_newcomers_wait(seed: u64) -> bool {
    Random::new(seed ^ 0x25f).percent(25)
}

/// In every third run in which it is promised that messages arrive, users send some. Drawn apart, so that the other
/// runs stay what they are.
fn sends(mood: Mood, seed: u64) -> Option<Duration> {
    let mut random = Random::new(seed ^ 0x3e55);
    let pause = random.between(Duration::from_millis(1), Duration::from_millis(20));
    let is_promised = matches!(mood, Mood::Spaced | Mood::Honest | Mood::Corrected);
    (is_promised && random.percent(33)).then_some(pause)
}

/// In every sixth run names need a quorum. Drawn apart, so that the other runs stay what they are.
fn ask_for_quorum(mood: Mood, settings: &mut Settings, plan: &mut Plan) {
    let mut random = Random::new(settings.seed ^ 0x9012);
    if !random.percent(16) {
        return;
    }
    let majority = plan.sites / 2 + 1;
    settings.exclusive = mood == Mood::Harsh && random.percent(70);
    let members =
        if settings.exclusive { majority } else { [majority, 1 + random.below(plan.sites)][random.below(2)] };
    let members = u16::try_from(members).ok().and_then(NonZeroU16::new).expect("a few sites");
    settings.strategy = StrategyId::StaticQuorum(members);
    if settings.exclusive {
        plan.faults = Fault::EXCLUSIVE.to_vec();
        plan.faults.retain(|&fault| fault == Fault::CutWhole || random.percent(40));
        plan.strike_every = (Duration::from_millis(300), Duration::from_millis(4000));
        plan.lasts = Duration::from_millis(15_000);
        plan.cuts_last = false;
        settings.forget_after = FORGET_LATE;
    }
}

/// In a third of all runs nodes differ in roles and weights. Drawn apart, so that the other runs stay what they are.
fn offers(seed: u64) -> Vec<Offer> {
    let mut random = Random::new(seed ^ 0x0ffe5);
    if !random.percent(33) {
        return Vec::new();
    }
    let mut offer = || {
        let roles = [role::GPU, role::SSD].into_iter().filter(|_| random.percent(60)).collect();
        Offer { roles, weight: [1, 1, 2, 3, 10, 200][random.below(6)] }
    };
    (0..8).map(|_| offer()).collect()
}

/// Runs a seed.
pub fn run(seed: u64, telling: Telling, mutant: Option<Mutant>) -> Outcome {
    let (settings, plan, ties) = draw(seed);
    let mut world = World::new(Settings { telling, mutant, ..settings });
    world.note(&"plan", format_args!("{plan:?} {:?}", world_settings(seed)));
    world.plan = plan;
    world.ties = ties;
    let result = panic::catch_unwind(AssertUnwindSafe(|| world.live_through_it()));
    let verdict = result.unwrap_or_else(|_| {
        let text = format!("at {:.6} s: {}", World::seconds(world.now), crate::panics::last());
        Err(Violation(text))
    });
    Outcome { verdict, hash: world.trace.hash(), steps: world.steps(), world }
}

fn world_settings(seed: u64) -> Settings {
    draw(seed).0
}

impl World {
    /// Both phases.
    fn live_through_it(&mut self) -> Result<(), Violation> {
        let has_rare = self.random.below(self.plan.sites);
        for number in 0..self.plan.sites {
            let mut kinds = vec![kind::PLAIN, kind::SLOW, kind::FAILING, kind::STUBBORN];
            kinds.extend([kind::MORTAL, kind::TEMPORARY, kind::HANGING, kind::BLOCKING, kind::STAYING]);
            if number == has_rare || self.random.percent(self.plan.rare_percent) {
                kinds.push(kind::RARE);
            }
            if !self.ties.is_empty() {
                kinds.extend([kind::LIMITED, kind::WANDERING]);
            }
            let site = self.site(&format!("{}", char::from(b'a' + number as u8)), &kinds);
            if let Some(Offer { roles, weight }) = self.plan.offers.get(number).cloned() {
                self.offer(site, &roles, weight);
            }
            let pause = self.random.between(Duration::ZERO, self.plan.boots_within);
            self.after(pause, Happening::Boot(site));
        }
        for number in 0..self.random.below(3) {
            let address = Address::new(format!("10.9.9.{number}:4000")).expect("a good address");
            self.dead_addresses.push(address);
        }
        self.after(Duration::from_millis(1), Happening::UserCall);
        if self.plan.groups > 0 {
            self.after(Duration::from_millis(1), Happening::GroupCall);
        }
        if self.plan.send_every.is_some() {
            self.after(Duration::from_millis(1), Happening::UserSends);
        }
        let first = self.random.between(Duration::ZERO, self.plan.strike_every.1);
        self.after(first, Happening::Strike);
        if self.settings.spaced {
            self.after(Duration::from_secs(1), Happening::Compare);
        }
        self.run_for(self.plan.lasts)?;
        if self.plan.lingers {
            self.linger()?;
        }
        self.heal()?;
        self.come_to_rest()?;
        self.serve()?;
        self.come_to_rest()?;
        self.return_to_baseline()
    }

    /// Left cut into parts, the parts go quiet too.
    fn linger(&mut self) -> Result<(), Violation> {
        self.end_trouble_of_processes()?;
        self.run_for(Duration::from_secs(20))?;
        let changes = self.oracle.copies.changes;
        self.run_for(Duration::from_secs(2))?;
        if self.oracle.copies.changes != changes {
            self.violate(
                "a cluster that is left in parts starts, stops or moves workers for ever".to_owned(),
            );
        }
        self.verdict()
    }

    /// Everything that went wrong is mended.
    pub fn heal(&mut self) -> Result<(), Violation> {
        self.note(&"plan", format_args!("peace"));
        self.mend_network();
        self.end_trouble_of_processes()?;
        self.oracle.heal(self.now);
        Ok(())
    }

    /// No more faults; all processes run, the leaving ones have left and are back.
    fn end_trouble_of_processes(&mut self) -> Result<(), Violation> {
        self.plan.faults.clear();
        self.crash_at_answer = false;
        self.trouble_at_move = None;
        self.plan.call_every = None;
        self.plan.send_every = None;
        self.healed = true;
        for process in self.all_running() {
            self[process].crash_after = None;
            self.thaw(process);
            if self[process].lives() && self[process].site.0 >= self.plan.sites {
                self.crash(process, crate::network::Told::ByReset);
            }
            if self[process].lives() && self[process].is_leaving {
                self.ask(process, Duration::from_secs(10), Request::Leave);
            }
        }
        self.verdict()?;
        let sites: Vec<SiteId> = (0..self.plan.sites).map(SiteId).collect();
        let gone = self.run_until(Duration::from_secs(15), |world| {
            world.all_running().into_iter().all(|process| !world[process].is_leaving)
        })?;
        if !gone {
            self.violate("a node that leaves is still there after 15 s".to_owned());
        }
        for site in sites {
            let pause = self.random.skewed(Duration::from_millis(500));
            self.after(pause, Happening::Boot(site));
        }
        self.run_for(Duration::from_millis(501))
    }

    /// Every node serves callers.
    pub fn serve(&mut self) -> Result<(), Violation> {
        self.oracle.trust();
        let mut known: Vec<Name> = {
            let running = self.all_running();
            running.first().map(|&first| self[first].places.keys().cloned().collect()).unwrap_or_default()
        };
        for (number, process) in self.all_running().into_iter().enumerate() {
            let fresh = name(&format!("{FRESH}{number}"));
            let register = Request::Register { name: fresh.clone(), worker: managed(kind::PLAIN) };
            self.must(process, register.clone(), |reply| matches!(reply, Reply::Registered(Ok(_))))?;
            let others = self.all_running();
            let other = self.random.pick(&others).expect("this one runs");
            self.must(other, register, |reply| {
                matches!(reply, Reply::Registered(Err(RegisterError::AlreadyRegistered { .. })))
            })?;
            let locate = Request::Locate { name: fresh.clone() };
            self.must(other, locate.clone(), |reply| matches!(reply, Reply::Located(Ok(_))))?;
            if self.random.percent(50) {
                let unregister = Request::Unregister { name: fresh };
                self.must(process, unregister, |reply| matches!(reply, Reply::Unregistered(Ok(()))))?;
                self.must(other, locate, |reply| matches!(reply, Reply::Located(Err(_))))?;
            }
            if self.plan.groups > 0 {
                self.join_or_leave(process, &known)?;
            }
            self.remove_and_look(process, &mut known)?;
            let index = self.random.below(known.len());
            if let Some(old) = known.get(index)
                && self[process].places.get(old).is_some_and(|placement| placement.holder.is_some())
            {
                let locate = Request::Locate { name: old.clone() };
                self.must(process, locate, |reply| matches!(reply, Reply::Located(Ok(_))))?;
            }
        }
        Ok(())
    }

    /// A name that survived the trouble joins, or leaves, and that is so at once on the node that was asked.
    fn join_or_leave(&mut self, process: ProcessId, known: &[Name]) -> Result<(), Violation> {
        let index = self.random.below(known.len().max(1));
        let Some(name) = known.get(index).cloned() else { return Ok(()) };
        let (group, is_in) = (group("group-0"), self.random.percent(50));
        let request = if is_in {
            Request::JoinGroup { group: group.clone(), name: name.clone() }
        } else {
            Request::LeaveGroup { group: group.clone(), name: name.clone() }
        };
        self.must(process, request, |reply| *reply == Reply::Grouped(Ok(())))?;
        if self[process].groups.get(&group).is_some_and(|names| names.contains(&name)) != is_in {
            self.violate(format!("{} does not know at once what {name} did in {group}", self[process]));
        }
        self.verdict()
    }

    /// A name that survived the trouble is removed, for good.
    fn remove_and_look(&mut self, process: ProcessId, known: &mut Vec<Name>) -> Result<(), Violation> {
        if known.is_empty() {
            return Ok(());
        }
        let index = self.random.below(known.len());
        let old = known.swap_remove(index);
        let unregister = Request::Unregister { name: old.clone() };
        self.must(process, unregister, |reply| matches!(reply, Reply::Unregistered(Ok(()))))?;
        let running = self.all_running();
        let other = self.random.pick(&running).expect("this one runs");
        let locate = Request::Locate { name: old.clone() };
        self.must(other, locate, |reply| matches!(reply, Reply::Located(Err(LookupError::NotFound))))
    }

    /// At rest this is the answer.
    fn must(
        &mut self,
        process: ProcessId,
        request: Request,
        is_right: impl Fn(&Reply) -> bool,
    ) -> Result<(), Violation> {
        let timeout = Duration::from_secs(4);
        let call = self.ask_and_keep(process, timeout, request.clone());
        self.run_until(timeout * 2, |world| world.oracle.replies.contains_key(&call))?;
        match self.oracle.replies.remove(&call) {
            Some(reply) if is_right(&reply) => {}
            reply => self.violate(format!("at rest {} answers {request:?} with {reply:?}", self[process])),
        }
        self.verdict()
    }
}
