//! All that a machine is told once: who it is, what it offers, how patient it is, where its bounds lie.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use crate::error::ConfigError;
use crate::id::{Address, ClusterName, Kind, Life, NodeName, Role, Source};
pub use crate::membership::Peers;
use crate::membership::Record;
use crate::placement::StrategyId;
use crate::supervisor::RestartPolicy;
use crate::wire::message::MAX_RECORDS;
use crate::wire::{WIRE_MAX, WIRE_MIN};

/// The settings of one machine. Start from [`Config::new`].
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    /// The cluster; must be the same on all members.
    pub cluster: ClusterName,
    /// This node's name, unique among live members.
    pub node: NodeName,
    /// This start of it.
    pub life: Life,
    /// Where peers reach it.
    pub address: Address,
    /// Its share of the ring, relative to the others'. At least 1.
    pub weight: u16,
    /// What it offers.
    pub roles: Vec<Role>,
    /// The workers that it has code for.
    pub kinds: Vec<KindConfig>,
    /// From which all random choices follow.
    pub seed: u64,
    /// Epochs are above this many milliseconds: the driver gives Unix time, so that a restart of the whole
    /// cluster does not make fencing tokens fall.
    pub epoch_floor_ms: u64,
    /// Which nodes it has links with.
    pub peers: Peers,
    /// The ring has two to the power of this many slots, 4 to 24; must be the same on all members.
    pub slot_bits: u8,
    /// Where names run; must be the same on all members.
    pub strategy: StrategyId,
    /// The newest wire version that this node speaks: [`WIRE_MIN`] to [`WIRE_MAX`], which is the default. Lower, a new
    /// release says the words of the one before it.
    pub wire_version: u16,
    /// How the silence of a member is noticed.
    pub detection: Detection,
    /// A node that met nobody forms a cluster of its own after this time.
    pub form_after: Duration,
    /// A node that met only others that are starting, and still dials addresses at which nobody has answered yet, waits
    /// so long for these before it comes up: the newcomers would take themselves for the cluster. Zero is no wait.
    pub meet_within: Duration,
    /// A joining node that made no progress with its sync for this time comes up without it.
    pub sync_stall: Duration,
    /// Requests to peers are sent again after this time without an answer.
    pub retry_after: Duration,
    /// Every pair of linked members compares its positions at least this often, in turn.
    pub digest_interval: Duration,
    /// A life that has been down for so long is forgotten: its record goes, and what it wrote goes on in the logs of
    /// others. Until then the record of each removal is kept, in case it was only unreachable and comes back. One
    /// that comes back later is a stranger: the smaller of the two sides takes new lives and stops its workers.
    /// So it must be longer than any cut that workers should survive on both sides, and short enough that
    /// `max_members` is more than the starts of nodes within it.
    pub forget_after: Duration,
    /// Pauses between dials of one address.
    pub redial: Backoff,
    /// A discovery source that named somebody and now names nobody is believed after this time.
    pub believe_empty_after: Duration,
    /// A discovery source that begins afresh has this long to name again what it named before.
    pub resync_within: Duration,
    /// Discovery sources that know of every member: an address that such an authority named once, that no source has
    /// named for this long, and at which a member that is down listened, is dialled no more, instead of until that
    /// member is forgotten. Time counts only while no source is degraded; if more than a third of the members, and more
    /// than one, would be let go of within the longest of these times, nobody is, and their time begins anew. No link
    /// is closed because of it, and no member that lives is let go of: a node that its peers cut off would run all
    /// names by itself. None by default.
    pub authorities: BTreeMap<Source, Duration>,
    /// Pauses between attempts to start a taken-over worker whose start fails.
    pub restart_elsewhere: Backoff,
    /// How long a worker has to stop by itself before it is stopped by force.
    pub stop_grace: Duration,
    /// How long a handed-out start may take before its grant is cancelled (registrations end with their
    /// caller's deadline instead).
    pub start_timeout: Duration,
    /// At most this many members, down ones that are not forgotten included.
    pub max_members: usize,
    /// At most this many addresses from discovery and members together.
    pub max_addresses: usize,
    /// At most this many claims wait here, for their barrier, their start or their answer.
    pub max_claims: usize,
    /// At most this many names: an arbiter that knows of so many refuses to register one more
    /// (`RegisterError::TooManyNames`). What is registered goes on all the same: it restarts, moves, is taken over and is
    /// taken from others' logs, also where two sides of a cut have more together. Arbiters that are asked at the same
    /// moment do not hear of each other's in time; together they may pass it by what is asked of them within the time
    /// that news take.
    pub max_names: usize,
    /// At most this many records in the log of one other life: registrations that it wrote and that stand, places in
    /// groups, and ends of both that not all members know of yet. Who writes more has its link closed
    /// (`Misbehaviour::LogTooLong`), and of what others have of its log no more is taken. An honest log has at most about
    /// as many registrations as the cluster has, twice [`Config::max_names`] after a cut, and as many ends as are written
    /// in [`Config::forget_after`] while a member is down: stay well above both, or honest members part.
    pub max_log: usize,
    /// At most this many groups for one name. Nodes that are asked at the same moment may each let it into the last.
    /// A group may have any number of names.
    pub max_groups: usize,
    /// At most this many starts for taken-over names are in progress at this arbiter.
    pub max_takeovers: usize,
    /// How long a move may take, from the question to the worker until its copy is ready, before it is called off.
    pub handoff_timeout: Duration,
    /// At most this many workers of this node are moving to others at once.
    pub max_moves: usize,
    /// The least time between the beginnings of two moves away from this node: bounds their rate. Zero is no bound.
    pub move_pause: Duration,
    /// The rule that this machine does not follow.
    #[cfg(feature = "mutants")]
    pub mutant: Option<crate::mutant::Mutant>,
}

/// A kind of worker that a node has code for.
#[derive(Clone, PartialEq, Debug)]
pub struct KindConfig {
    /// What it is called, the same on all members.
    pub kind: Kind,
    /// What happens when it ends.
    pub restart: RestartPolicy,
}

/// How the silence of a member is noticed. See `membership/detector.rs` for what each does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Detection {
    /// Each observer asks its subject for a sign of life this often.
    pub probe_interval: Duration,
    /// How long an answer may take before others are asked to ask; and how long these may take.
    pub probe_timeout: Duration,
    /// How long a suspected member has to refute it.
    pub suspicion: Duration,
    /// How many members observe each member.
    pub observers: usize,
}

impl Detection {
    /// Notices a silent death within `bound`: a probe interval (0.2), a direct (0.15) and an indirect (0.15)
    /// probe, the suspicion (0.4), and 0.1 for the messages in between. Healthy observers assumed.
    pub fn within(bound: Duration) -> Self {
        Self {
            probe_interval: bound.mul_f32(0.2),
            probe_timeout: bound.mul_f32(0.15),
            suspicion: bound.mul_f32(0.4),
            observers: 3,
        }
    }

    /// The longest from the last sign of life to `down`, messages not counted.
    pub fn bound(&self) -> Duration {
        self.probe_interval + self.probe_timeout * 2 + self.suspicion
    }
}

/// Growing pauses: `min`, doubled each time up to `max`, each cut by up to a quarter at random.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backoff {
    /// The first pause.
    pub min: Duration,
    /// The longest.
    pub max: Duration,
}

impl Backoff {
    /// The pause after `failures` failures in a row (0 and 1 give `min`), `jitter` being any random number.
    pub fn pause(&self, failures: u32, jitter: u64) -> Duration {
        let doubled = self.min.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(self.max);
        doubled - doubled / 4 / 1024 * (jitter % 1024) as u32
    }
}

impl Config {
    /// The defaults, for this node.
    pub fn new(cluster: ClusterName, node: NodeName, life: Life, address: Address) -> Self {
        Self {
            cluster,
            node,
            life,
            address,
            weight: 1,
            roles: Vec::new(),
            kinds: Vec::new(),
            seed: life.0,
            epoch_floor_ms: life.0 / 1000,
            peers: Peers::default(),
            slot_bits: 19,
            wire_version: WIRE_MAX,
            strategy: StrategyId::Ring,
            detection: Detection::within(Duration::from_millis(1000)),
            form_after: Duration::from_millis(200),
            meet_within: Duration::from_millis(200),
            sync_stall: Duration::from_secs(1),
            retry_after: Duration::from_millis(250),
            digest_interval: Duration::from_secs(1),
            forget_after: Duration::from_secs(3600),
            redial: Backoff { min: Duration::from_millis(2), max: Duration::from_secs(5) },
            believe_empty_after: Duration::from_secs(30),
            resync_within: Duration::from_secs(30),
            authorities: BTreeMap::new(),
            restart_elsewhere: Backoff { min: Duration::from_millis(100), max: Duration::from_secs(30) },
            stop_grace: Duration::from_secs(3), // who unregisters a deaf worker with the default timeout hears of it
            start_timeout: Duration::from_secs(60),
            max_members: 1024,
            max_addresses: 4096,
            max_claims: 65_536,
            max_names: 1_048_576,
            max_log: 16_777_216,
            max_groups: 256,
            max_takeovers: 1024,
            handoff_timeout: Duration::from_secs(30),
            max_moves: 256,
            move_pause: Duration::ZERO,
            #[cfg(feature = "mutants")]
            mutant: None,
        }
    }

    /// # Errors
    /// The first [`ConfigError`] found.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !(4..=24).contains(&self.slot_bits) {
            return Err(ConfigError::SlotBits(self.slot_bits));
        }
        if !(WIRE_MIN..=WIRE_MAX).contains(&self.wire_version) {
            return Err(ConfigError::WireVersion(self.wire_version));
        }
        if self.weight == 0 {
            return Err(ConfigError::ZeroWeight);
        }
        for (field, duration) in [
            ("probe_interval", self.detection.probe_interval),
            ("probe_timeout", self.detection.probe_timeout),
            ("suspicion", self.detection.suspicion),
            ("form_after", self.form_after),
            ("sync_stall", self.sync_stall),
            ("retry_after", self.retry_after),
            ("digest_interval", self.digest_interval),
            ("forget_after", self.forget_after),
            ("redial.min", self.redial.min),
            ("believe_empty_after", self.believe_empty_after),
            ("resync_within", self.resync_within),
            ("restart_elsewhere.min", self.restart_elsewhere.min),
            ("start_timeout", self.start_timeout),
            ("handoff_timeout", self.handoff_timeout),
        ] {
            if duration.is_zero() {
                return Err(ConfigError::ZeroDuration(field));
            }
        }
        if self.authorities.values().any(Duration::is_zero) {
            return Err(ConfigError::ZeroDuration("authorities"));
        }
        ConfigError::check_bounds([
            ("observers", self.detection.observers),
            ("max_members", self.max_members),
            ("max_addresses", self.max_addresses),
            ("max_claims", self.max_claims),
            ("max_names", self.max_names),
            ("max_log", self.max_log),
            ("max_groups", self.max_groups),
            ("max_takeovers", self.max_takeovers),
            ("max_moves", self.max_moves),
        ])?;
        for (field, length, max) in [
            ("kinds", self.kinds.len(), Record::MAX_KINDS),
            ("roles", self.roles.len(), Record::MAX_ROLES),
            ("max_members", self.max_members, MAX_RECORDS),
        ] {
            if length > max {
                return Err(ConfigError::TooMany { field, max });
            }
        }
        for (index, kind) in self.kinds.iter().enumerate() {
            if self.kinds[..index].iter().any(|earlier| earlier.kind == kind.kind) {
                return Err(ConfigError::DuplicateKind(kind.kind.clone()));
            }
        }
        Ok(())
    }
}
