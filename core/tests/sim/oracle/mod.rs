//! What callers may believe: for each name, whether it is registered, from the answers that they were given.
//!
//! The oracle sees what users see: calls, answers, and when nodes crash. Of each name it believes one of three
//! things. `Registered`: an answer said so, and nobody can have removed it since. `Absent`: an answer said that
//! it was removed (or nobody ever asked for it), and nobody can have registered it since. `Unknown`: answers
//! leave both open. An answer that contradicts a belief is a broken promise, and so is a cluster at rest that
//! does.
//!
//! Three things weaken beliefs. A call that ended without a clear answer (its deadline, its node's crash) may
//! still have its effect for a while. Members that are wrong about each other (after a cut, a pause, a lie of
//! the network) may each serve callers: then only what no cut can excuse is checked. And a crash may take the
//! last copy of an answer with it, unless the promise covers that crash: no single crash between two quiet
//! times may.

mod copies;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use skep_core::Instant;
use skep_core::error::{LookupError, RegisterError, UnregisterError};
use skep_core::event::{Registration, Reply, Request, WorkerSpec};
use skep_core::id::{CallId, Epoch, Name};

use crate::world::ProcessId;

pub use copies::Copies;

/// After this time without trouble every member knows what the others know.
pub const QUIET: Duration = Duration::from_secs(4);

/// The memory of a run.
pub struct Oracle {
    /// Whether members are never wrong about each other in this run.
    strict: bool,
    pub copies: Copies,
    pub names: BTreeMap<Name, History>,
    calls: BTreeMap<CallId, Asked>,
    /// Answers that a scenario wants to read.
    pub replies: BTreeMap<CallId, Reply>,
    /// The last crash, boot, leave or break.
    disturbed: Instant,
    /// The last time at which members could be wrong about each other; `FAR` while they can.
    split: Option<Instant>,
    /// Everything that may make names move: for the bound on starts.
    pub disturbances: u64,
}

/// What the oracle knows of a name.
pub struct History {
    pub belief: Belief,
    /// Calls that may change it and are not answered.
    registering: BTreeSet<CallId>,
    removing: BTreeSet<CallId>,
    /// When such calls last ended, and whether one may still have its effect.
    registered: Option<Instant>,
    removed: Option<Instant>,
    perhaps_registered: Option<Instant>,
    perhaps_removed: Option<Instant>,
    /// When its worker last ended for good by itself.
    gave_up: Option<Instant>,
}

/// What callers may believe of a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Belief {
    Registered {
        /// When that was said.
        since: Instant,
        epoch: Epoch,
        /// Where it was attached, if it was.
        attached: Option<ProcessId>,
    },
    Absent {
        since: Instant,
    },
    Unknown,
}

/// What becomes of an answer once it is judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    Dropped,
    Kept,
}

/// A call that is not answered.
struct Asked {
    process: ProcessId,
    since: Instant,
    request: Request,
    answer: Answer,
}

impl Default for History {
    fn default() -> Self {
        Self {
            belief: Belief::Absent { since: Instant::ZERO },
            registering: BTreeSet::new(),
            removing: BTreeSet::new(),
            registered: None,
            removed: None,
            perhaps_registered: None,
            perhaps_removed: None,
            gave_up: None,
        }
    }
}

/// The name that a request may register or remove.
fn subject(request: &Request) -> Option<&Name> {
    match request {
        Request::Register { name, .. }
        | Request::Unregister { name }
        | Request::Locate { name }
        | Request::Owner { name } => Some(name),
        Request::Members | Request::Counters | Request::Drain | Request::Leave => None,
    }
}

impl Oracle {
    pub fn new(strict: bool) -> Self {
        Self {
            strict,
            copies: Copies::default(),
            names: BTreeMap::new(),
            calls: BTreeMap::new(),
            replies: BTreeMap::new(),
            disturbed: Instant::ZERO,
            split: None,
            disturbances: 0,
        }
    }

    /// Something happened that copies need time to recover from.
    pub fn disturb(&mut self, now: Instant) {
        self.disturbed = now;
        self.disturbances += 1;
    }

    /// From now on members may be wrong about each other.
    pub fn split(&mut self, now: Instant) {
        self.disturb(now);
        self.split = Some(Instant::FAR);
        // whoever counts their node down by mistake removes them
        for history in self.names.values_mut() {
            if matches!(history.belief, Belief::Registered { attached: Some(_), .. }) {
                history.belief = Belief::Unknown;
            }
        }
    }

    /// From now on they need not be.
    pub fn heal(&mut self, now: Instant) {
        self.disturb(now);
        if self.split.is_some() {
            self.split = Some(now);
        }
    }

    /// Whether two clusters may exist, which met nobody of the other.
    pub fn may_be_split(&self) -> bool {
        self.split.is_some()
    }

    /// How long nothing has happened to the cluster as a whole.
    pub fn quiet_for(&self, now: Instant) -> Duration {
        now.since(self.disturbed)
    }

    /// All members were seen to agree: from now on every check is on.
    pub fn trust(&mut self) {
        self.strict = true;
        self.split = None;
    }

    /// Whether members were right about each other all the time since then.
    fn was_whole_since(&self, since: Instant) -> bool {
        self.strict && self.split.is_none_or(|end| end != Instant::FAR && end + QUIET <= since)
    }

    /// Whether nobody can have been wrong in the whole run.
    pub fn is_strict(&self) -> bool {
        self.strict && self.split.is_none()
    }

    pub fn asked(
        &mut self,
        now: Instant,
        process: ProcessId,
        call: CallId,
        request: &Request,
        answer: Answer,
    ) {
        if let Some(name) = subject(request) {
            let history = self.names.entry(name.clone()).or_default();
            match request {
                Request::Register { .. } => drop(history.registering.insert(call)),
                Request::Unregister { .. } => drop(history.removing.insert(call)),
                _ => {}
            }
        }
        self.calls.insert(call, Asked { process, since: now, request: request.clone(), answer });
    }

    /// The node of the caller crashed: the call may have its effect, or not.
    pub fn lost_caller(&mut self, now: Instant, call: CallId) {
        let Some(asked) = self.calls.remove(&call) else { return };
        let Some(name) = subject(&asked.request) else { return };
        let history = self.names.entry(name.clone()).or_default();
        match &asked.request {
            Request::Register { .. } => history.register_unclear(now, call),
            Request::Unregister { .. } => history.removal_unclear(now, call),
            _ => {}
        }
    }

    /// An answer came.
    ///
    /// # Errors
    /// What it contradicts.
    pub fn answered(&mut self, now: Instant, call: CallId, reply: &Reply) -> Result<(), String> {
        let asked = self.calls.remove(&call).ok_or_else(|| format!("answers call {} twice", call.0))?;
        if asked.answer == Answer::Kept {
            self.replies.insert(call, reply.clone());
        }
        let whole = self.was_whole_since(asked.since);
        let history = subject(&asked.request).map(|name| (name, self.names.entry(name.clone()).or_default()));
        match (&asked.request, reply, history) {
            (Request::Register { worker, .. }, Reply::Registered(result), Some((name, history))) => {
                if let Ok(registration) = result {
                    self.copies.check_registration(name, registration)?;
                }
                history
                    .on_registered(now, whole, call, &asked, worker, result)
                    .map_err(|why| format!("{name}: {why}"))
            }
            (Request::Unregister { .. }, Reply::Unregistered(result), Some((name, history))) => history
                .on_unregistered(now, whole, call, &asked, result)
                .map_err(|why| format!("{name}: {why}")),
            (Request::Locate { .. }, Reply::Located(result), Some((name, history))) => {
                if let Ok(registration) = result {
                    self.copies.check_registration(name, registration)?;
                }
                history.on_located(whole, asked.since, result).map_err(|why| format!("{name}: {why}"))
            }
            (Request::Owner { .. }, Reply::Owner(_), _)
            | (Request::Members, Reply::Members(_), _)
            | (Request::Counters, Reply::Counters(_), _)
            | (Request::Drain, Reply::Drained(_), _)
            | (Request::Leave, Reply::Left, _) => Ok(()),
            (request, reply, _) => Err(format!("answers {request:?} with {reply:?}")),
        }
    }

    /// A node ended. `survivors` says of a name whether a node that lives knows that start of it or a later one;
    /// `others` whether a member was there to keep a copy.
    pub fn node_ended(
        &mut self,
        now: Instant,
        process: ProcessId,
        others: bool,
        survives: impl Fn(&Name, Epoch) -> bool,
    ) -> Vec<Name> {
        let quiet_before = self.was_whole_since(now) && now.since(self.disturbed) >= QUIET;
        let disturbed = self.disturbed;
        let is_promised = |since: Instant| {
            let settled = since < disturbed || since.since(disturbed) >= QUIET || now.since(since) >= QUIET;
            others && quiet_before && settled
        };
        let mut forgiven = Vec::new();
        for (name, history) in &mut self.names {
            let keep = match &history.belief {
                Belief::Registered { attached: Some(place), .. } => {
                    *place != process && survives(name, Epoch(0))
                }
                Belief::Registered { since, epoch, attached: None } => {
                    is_promised(*since) || survives(name, *epoch)
                }
                Belief::Absent { since } => *since == Instant::ZERO || is_promised(*since),
                Belief::Unknown => true,
            };
            if !keep {
                history.belief = Belief::Unknown;
                forgiven.push(name.clone());
            }
        }
        self.disturb(now);
        forgiven
    }

    /// Its worker ended by itself, and its kind is not wanted back: the name becomes free.
    pub fn worker_gave_up(&mut self, now: Instant, name: &Name) {
        let history = self.names.entry(name.clone()).or_default();
        history.gave_up = Some(now);
        if matches!(history.belief, Belief::Registered { .. }) {
            history.belief = Belief::Unknown;
        }
    }

    /// All members agree and are right: what they say of this name is so.
    pub fn learn(&mut self, now: Instant, name: &Name, truth: Option<(Epoch, Option<ProcessId>)>) {
        let history = self.names.entry(name.clone()).or_default();
        if history.registering.is_empty() && history.removing.is_empty() {
            *history = History::default();
        }
        history.belief = match truth {
            Some((epoch, attached)) => Belief::Registered { since: now, epoch, attached },
            None => Belief::Absent { since: now },
        };
    }

    /// How many calls of this process are open, for its end.
    pub fn open_calls(&self, process: ProcessId) -> Vec<CallId> {
        self.calls.iter().filter(|(_, asked)| asked.process == process).map(|(&call, _)| call).collect()
    }
}

impl History {
    /// Whether a removal may have had its effect since then. A frame that a cut held back may bring one at any
    /// later time.
    fn may_be_removed_since(&self, since: Instant, whole: bool) -> bool {
        if !whole && (self.removed.is_some() || self.perhaps_removed.is_some()) {
            return true;
        }
        !self.removing.is_empty()
            || self.removed.is_some_and(|end| end >= since)
            || self.gave_up.is_some_and(|end| end >= since)
            || self.perhaps_removed.is_some_and(|end| end + QUIET >= since)
    }

    /// Whether a registration may have had its effect since then.
    fn may_be_registered_since(&self, since: Instant) -> bool {
        !self.registering.is_empty()
            || self.registered.is_some_and(|end| end >= since)
            || self.perhaps_registered.is_some_and(|end| end + QUIET >= since)
    }

    fn register_unclear(&mut self, now: Instant, call: CallId) {
        self.registering.remove(&call);
        self.perhaps_registered = Some(now);
        if matches!(self.belief, Belief::Absent { .. }) {
            self.belief = Belief::Unknown;
        }
    }

    fn removal_unclear(&mut self, now: Instant, call: CallId) {
        self.removing.remove(&call);
        self.perhaps_removed = Some(now);
        if matches!(self.belief, Belief::Registered { .. }) {
            self.belief = Belief::Unknown;
        }
    }

    fn on_registered(
        &mut self,
        now: Instant,
        whole: bool,
        call: CallId,
        asked: &Asked,
        worker: &WorkerSpec,
        result: &Result<Registration, RegisterError>,
    ) -> Result<(), String> {
        self.registering.remove(&call);
        match result {
            Ok(registration) => {
                if let (Belief::Registered { since, .. }, true, true) =
                    (&self.belief, whole, self.removing.is_empty())
                {
                    return Err(format!(
                        "two callers hear that they registered it, the first at {:.6} s",
                        since.as_nanos() as f64 / 1e9
                    ));
                }
                let attached = (*worker == WorkerSpec::Attached).then_some(asked.process);
                if attached.is_some() != registration.attached {
                    return Err(format!("{worker:?} was registered as {registration:?}"));
                }
                self.belief =
                    if self.may_be_removed_since(asked.since, whole) || (attached.is_some() && !whole) {
                        Belief::Unknown
                    } else {
                        Belief::Registered { since: now, epoch: registration.epoch, attached }
                    };
                self.registered = Some(now);
            }
            Err(RegisterError::Timeout) => self.register_unclear(now, call),
            Err(RegisterError::AlreadyRegistered { holder }) => {
                if whole && self.is_absent_throughout(asked.since) {
                    return Err(format!("nobody has it, but a caller hears that {} does", holder.node));
                }
            }
            Err(RegisterError::UnknownKind) => {
                if matches!(worker, WorkerSpec::Managed { kind, .. } if kind.as_str() == crate::faults::kind::PLAIN)
                {
                    return Err("a kind that all have is unknown".to_owned());
                }
            }
            Err(_) => {} // nothing runs on its behalf
        }
        Ok(())
    }

    fn on_unregistered(
        &mut self,
        now: Instant,
        whole: bool,
        call: CallId,
        asked: &Asked,
        result: &Result<(), UnregisterError>,
    ) -> Result<(), String> {
        self.removing.remove(&call);
        match result {
            Ok(()) => {
                // a retry that finds nothing may say so too: an earlier try may have removed it
                self.belief = if whole && !self.may_be_registered_since(asked.since) {
                    Belief::Absent { since: now }
                } else {
                    Belief::Unknown
                };
                self.removed = Some(now);
            }
            Err(UnregisterError::NotFound) => {
                if !whole {
                    self.perhaps_removed = Some(now); // an earlier try may wait in a node that stands still
                }
                if whole && self.is_registered_throughout(asked.since) {
                    return Err(
                        "it is registered, but a caller who removes it hears that it is not".to_owned()
                    );
                }
            }
            Err(UnregisterError::Timeout) => self.removal_unclear(now, call),
            Err(_) => {}
        }
        Ok(())
    }

    fn on_located(
        &mut self,
        whole: bool,
        since: Instant,
        result: &Result<Registration, LookupError>,
    ) -> Result<(), String> {
        match result {
            Ok(found) if whole && self.is_absent_throughout(since) => {
                Err(format!("nobody has it, but a caller finds it on {}", found.node))
            }
            Err(LookupError::NotFound) if whole && self.is_registered_throughout(since) => {
                Err("it is registered, but its arbiter says that it is not".to_owned())
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// How long ago a call that may change it ended; zero while one is open.
    pub fn untouched_for(&self, now: Instant) -> Duration {
        let ends = [self.registered, self.removed, self.perhaps_registered, self.perhaps_removed];
        let last = ends.into_iter().flatten().max().unwrap_or(Instant::ZERO);
        if self.is_open() { Duration::ZERO } else { now.since(last) }
    }

    /// Whether a call that may change it is not answered.
    pub fn is_open(&self) -> bool {
        !self.registering.is_empty() || !self.removing.is_empty()
    }

    fn is_absent_throughout(&self, from: Instant) -> bool {
        matches!(self.belief, Belief::Absent { since } if since <= from)
            && !self.may_be_registered_since(from)
    }

    fn is_registered_throughout(&self, from: Instant) -> bool {
        matches!(self.belief, Belief::Registered { since, .. } if since <= from)
            && !self.may_be_removed_since(from, true)
    }
}
