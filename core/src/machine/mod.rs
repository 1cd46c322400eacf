//! The one machine: its fields, and the way from an input to its outputs.

mod dispatch;
#[cfg(feature = "mutants")]
mod holdings;
#[cfg(test)]
mod letters;
mod send;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use crate::config::Config;
use crate::discovery::{Book, Readiness};
use crate::error::{ConfigError, Refusal, RetireReason};
use crate::event::{Bound, Counters, Event, Input, Output, Status};
use crate::id::{Address, Life, Name, Revision};
use crate::membership::{
    Announced, Caution, Conduct, Departed, Detector, Health, Links, Record, Side, Table,
};
use crate::mutant::Mutant;
use crate::placement::Strategy;
use crate::random::Random;
use crate::ring::Ring;
use crate::time::Instant;
use crate::timer::{Timer, Timers};
use crate::tracker::{
    Callers, Departure, Desk, Gates, Groups, Host, Moves, Registry, Replication, Stability, Standing,
    Surrenders, Told,
};
use crate::wire::List;

/// A node's whole mind: feed it [`Input`]s, carry out its [`Output`]s, in order.
pub struct Machine {
    pub(crate) config: Config,
    pub(crate) me: Life,
    pub(crate) born: Instant,
    pub(crate) now: Instant,
    pub(crate) random: Random,
    pub(crate) outputs: VecDeque<Output>,
    /// Answers to callers: told at the end, so that who was answered finds what he was told in the look-up map.
    pub(crate) returns: Vec<Output>,
    pub(crate) timers: Timers,
    pub(crate) counters: Counters,
    pub(crate) retired: bool,
    /// Whether this life has been a member.
    pub(crate) was_up: bool,
    /// Whether something was handled that others have not been told of.
    unfinished: bool,

    // membership
    pub(crate) table: Table,
    pub(crate) seen: BTreeMap<Life, Status>,
    pub(crate) departed: Departed,
    pub(crate) side: Side,
    pub(crate) links: Links,
    pub(crate) conduct: Conduct,
    pub(crate) detector: Detector,
    pub(crate) book: Book,
    pub(crate) readiness: Readiness,
    /// With whom there is no link, by their address, and the reason that was told.
    pub(crate) refusals: BTreeMap<Address, Refusal>,
    pub(crate) dial_timer: Option<Instant>,
    pub(crate) dial_again: bool,
    pub(crate) digests: u64,
    /// The last gap in time that was seen: the timer that was overdue, and whether the gap was a long one.
    pub(crate) gap: Option<(Instant, bool)>,
    pub(crate) progress_at: Instant,

    // placement
    pub(crate) ring: Ring,
    pub(crate) strategy: Box<dyn Strategy>,
    pub(crate) gates: Gates,
    pub(crate) standing: Standing,
    pub(crate) unsettled: bool,

    // tracker
    pub(crate) registry: Registry,
    pub(crate) replication: Replication,
    pub(crate) stability: Stability,
    pub(crate) pull_again: bool,
    pub(crate) desk: Desk,
    pub(crate) vacant: BTreeSet<Name>,
    pub(crate) scan_again: bool,
    pub(crate) host: Host,
    pub(crate) moves: Moves,
    pub(crate) surrenders: Surrenders,
    pub(crate) callers: Callers,
    pub(crate) groups: Groups,
    pub(crate) departure: Departure,
    pub(crate) look: BTreeSet<Name>,
    pub(crate) conflicts: BTreeMap<Name, (Instant, Told)>,
    pub(crate) retry_set: Option<Instant>,
    /// When something has to be said again earlier than by the usual rhythm.
    pub(crate) retry_at: Option<Instant>,
}

impl Machine {
    /// A node that knows nobody yet. Feed it what its discovery observes, and the time.
    ///
    /// # Errors
    /// The first mistake in `config`.
    pub fn new(config: Config, now: Instant) -> Result<Self, ConfigError> {
        config.check()?;
        let me = config.life;
        let mine = Record {
            life: me,
            node: config.node.clone(),
            address: config.address.clone(),
            weight: config.weight,
            roles: List(config.roles.clone()),
            kinds: List(config.kinds.iter().map(|kind| kind.kind.clone()).collect()),
            wire: config.wire_version,
            revision: Revision(0),
            announced: Announced::Joining,
            health: Health::Alive,
        };
        let strategy = config.strategy.strategy();
        let caution = match strategy.pause_after_silence(&config) {
            Some(_) => Caution::Wary,
            None => Caution::Usual,
        };
        let mut timers = Timers::default();
        timers.set(now + config.form_after, Timer::Form);
        if !config.meet_within.is_zero() {
            timers.set(now + config.meet_within, Timer::Form);
        }
        timers.set(now + config.detection.probe_interval, Timer::Probe);
        timers.set(now + config.digest_interval, Timer::Digest);
        Ok(Self {
            me,
            born: now,
            now,
            random: Random::new(config.seed),
            outputs: VecDeque::new(),
            returns: Vec::new(),
            timers,
            counters: Counters::default(),
            retired: false,
            was_up: false,
            unfinished: false,
            table: Table::new(mine, config.max_members),
            seen: BTreeMap::new(),
            departed: Departed::default(),
            side: Side::default(),
            links: Links::new(me),
            conduct: Conduct::default(),
            detector: Detector::new(caution),
            book: Book::new(&config),
            readiness: Readiness::new(now),
            refusals: BTreeMap::new(),
            dial_timer: None,
            dial_again: false,
            digests: 0,
            gap: None,
            progress_at: now,
            ring: Ring::new(config.slot_bits),
            strategy,
            gates: Gates::default(),
            standing: Standing::default(),
            unsettled: false,
            registry: Registry::default(),
            replication: Replication::default(),
            stability: Stability::default(),
            pull_again: false,
            desk: Desk::default(),
            vacant: BTreeSet::new(),
            scan_again: false,
            host: Host::default(),
            moves: Moves::default(),
            surrenders: Surrenders::default(),
            callers: Callers::default(),
            groups: Groups::default(),
            departure: Departure::default(),
            look: BTreeSet::new(),
            conflicts: BTreeMap::new(),
            retry_set: None,
            retry_at: None,
            config,
        })
    }

    /// Takes what happened. Infallible: what is wrong with an input is answered by an output.
    pub fn handle(&mut self, now: Instant, input: Input) {
        if self.retired {
            self.refuse(input);
            return;
        }
        self.now = self.now.max(now);
        if let Some(due) = self.timers.next().filter(|&due| due < self.now) {
            self.on_gap(due);
        }
        self.dispatch(input);
        self.settle();
        self.unfinished = true;
    }

    /// The next order or piece of news. Drain before the next `poll_timeout`, in order; several inputs that came
    /// together may be handled before, which spares peers a message for each.
    pub fn poll_output(&mut self) -> Option<Output> {
        if self.outputs.is_empty() && core::mem::take(&mut self.unfinished) {
            self.finish();
        }
        self.outputs.pop_front()
    }

    /// Whether `Output::Retire` was ordered, or will be at the next drain: nothing more is taken.
    pub fn is_over(&self) -> bool {
        self.retired
    }

    /// When to feed [`Input::Timeout`] unless something else happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.retired { None } else { self.timers.next() }
    }

    /// Works off all that the input set in motion, until nothing moves.
    fn settle(&mut self) {
        loop {
            self.come_up();
            self.settle_members();
            self.settle_gates();
            self.settle_quorum();
            self.settle_names();
            self.answer_barriers();
            self.settle_moves();
            if self.retired || !self.has_changed() {
                break;
            }
        }
    }

    fn has_changed(&self) -> bool {
        self.table.has_changed() || self.registry.has_changed()
    }

    /// Tells the others what all the inputs since the last time led to.
    fn finish(&mut self) {
        // Looks at all workers, which is too much for each input of a large drain.
        self.settle_departure();
        while !self.retired && self.has_changed() {
            self.settle();
            self.settle_departure();
        }
        if !self.retired {
            self.settle_stability();
            self.pull_missing();
            self.flush_log();
            self.pay_owed();
            self.dial_due();
            self.settle_readiness();
            self.settle_topology();
            self.arm_retry();
        }
        self.outputs.extend(self.returns.drain(..));
    }

    /// This life is over.
    pub(crate) fn retire(&mut self, reason: RetireReason) {
        if self.retired {
            return;
        }
        self.retired = true;
        self.fail_all_callers();
        self.fail_readiness();
        self.outputs.extend(self.returns.drain(..));
        self.outputs.push_back(Output::Retire(reason));
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(crate) fn reached(&mut self, bound: Bound) {
        self.outputs.push_back(Output::Reached(bound));
    }

    pub(crate) fn on_timeout(&mut self) {
        while let Some((at, timer)) = self.timers.due(self.now) {
            match timer {
                Timer::Form | Timer::SyncStall => {} // `come_up` looks at the time by itself
                Timer::Ready => {}                   // `settle_readiness` does
                Timer::Probe => self.on_probe_timer(),
                Timer::ProbeTimeout(life) => self.on_probe_timeout(life),
                Timer::Suspicion(life) => self.on_suspicion_timer(life),
                Timer::Inquiry(life) => self.on_inquiry_timer(life),
                Timer::Errand(life, ping) => self.on_errand_timer(life, ping),
                Timer::Forget(life) => self.on_forget_timer(life),
                Timer::Digest => self.on_digest_timer(),
                Timer::Dial => {
                    self.dial_timer = None;
                    self.dial_again = true;
                }
                Timer::Retry => {
                    if self.retry_set == Some(at) {
                        self.retry_set = None;
                    }
                    self.on_retry_timer();
                }
                Timer::CallDeadline(seq) => self.on_call_deadline(seq),
                Timer::GroupDeadline(call) => self.on_group_deadline(call),
                Timer::GrantDeadline(name) => self.on_grant_deadline(&name),
                Timer::Stopped(life) => self.on_stopped_timer(life),
                Timer::Takeover(name) => self.on_takeover_timer(&name),
                Timer::Restart(name) => self.on_restart_timer(&name),
                Timer::RestartTimeout(name, epoch) => self.on_restart_timeout(&name, epoch),
                Timer::Move(name) => drop(self.look.insert(name)),
                Timer::MoveDeadline(name) => self.on_move_deadline(&name),
                Timer::Surrender(name) => self.on_surrender_timer(&name),
                Timer::Moves => {} // `settle_moves` looks at the time by itself
                Timer::Conflict(name) => drop(self.look.insert(name)),
                Timer::Departure => {} // `settle_departure` looks at the time by itself
            }
        }
    }

    /// Whether this rule is turned off, to see that the simulator notices. Never without the feature `mutants`.
    pub(crate) fn broken(&self, mutant: Mutant) -> bool {
        self.config.broken(mutant)
    }
}
