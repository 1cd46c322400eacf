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
mod history;
mod messages;
mod seats;

use std::collections::BTreeMap;
use std::time::Duration;

use skep_core::Instant;
use skep_core::event::{Reply, Request, WorkerSpec};
use skep_core::id::{CallId, Epoch, Group, Name};
use skep_core::placement::Place;

use crate::world::ProcessId;

pub use copies::{Copies, Handed};
pub use history::{Belief, History};
pub use messages::{Messages, Note};
pub use seats::Seat;

/// After this time without trouble every member knows what the others know.
pub const QUIET: Duration = Duration::from_secs(4);

/// How names begin that are registered only at the end of a run.
pub const FRESH: &str = "after-";

/// The memory of a run.
pub struct Oracle {
    /// Whether members are never wrong about each other in this run.
    strict: bool,
    /// Whether one member may say anything, so that little can be promised of the names that it heard of.
    pub lies: bool,
    pub copies: Copies,
    pub messages: Messages,
    pub names: BTreeMap<Name, History>,
    /// Where each name may run, as its last caller said.
    places: BTreeMap<Name, Place>,
    seats: BTreeMap<(Group, Name), Seat>,
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

/// The seat in a group that a request is about, and whether it is to be taken.
fn seat(request: &Request) -> Option<(&Group, &Name, bool)> {
    match request {
        Request::JoinGroup { group, name } => Some((group, name, true)),
        Request::LeaveGroup { group, name } => Some((group, name, false)),
        _ => None,
    }
}

/// The name that a request may register or remove.
fn subject(request: &Request) -> Option<&Name> {
    match request {
        Request::Register { name, .. }
        | Request::Restore { name, .. }
        | Request::Unregister { name }
        | Request::Locate { name }
        | Request::Owner { name } => Some(name),
        Request::JoinGroup { .. }
        | Request::LeaveGroup { .. }
        | Request::Members
        | Request::Ready { .. }
        | Request::Counters
        | Request::Drain
        | Request::Leave => None,
    }
}

impl Oracle {
    pub fn new(strict: bool) -> Self {
        Self {
            strict,
            lies: false,
            copies: Copies::default(),
            messages: Messages::default(),
            names: BTreeMap::new(),
            places: BTreeMap::new(),
            seats: BTreeMap::new(),
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

    /// A copy ended, and did not go on elsewhere.
    pub fn ended(&mut self, process: ProcessId, name: &Name, epoch: Epoch) {
        self.copies.ended(process, name, epoch);
        self.messages.ended(name, epoch);
    }

    /// From now on members may be wrong about each other.
    pub fn split(&mut self, now: Instant) {
        self.disturb(now);
        self.messages.void();
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

    /// Whether somebody lies, or lied, and this name was there for him to lie about.
    pub fn is_tainted(&self, name: &Name) -> bool {
        self.lies && !name.as_str().starts_with(FRESH)
    }

    /// The liar is gone: what callers believed does not count, but that they are answered.
    pub fn forgive(&mut self) {
        for history in self.names.values_mut() {
            history.belief = Belief::Unknown;
        }
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
        if let Request::Register { name, worker } | Request::Restore { name, worker } = request {
            self.copies.wished(name);
            if let WorkerSpec::Managed { place, .. } = worker {
                self.places.insert(name.clone(), place.clone());
            }
        }
        if let Some(name) = subject(request) {
            let history = self.names.entry(name.clone()).or_default();
            match request {
                Request::Register { .. } | Request::Restore { .. } => drop(history.registering.insert(call)),
                Request::Unregister { .. } => drop(history.removing.insert(call)),
                _ => {}
            }
        }
        if let Some((group, name, _)) = seat(request) {
            self.seats.entry((group.clone(), name.clone())).or_default().asked(call);
        }
        self.calls.insert(call, Asked { process, since: now, request: request.clone(), answer });
    }

    /// Where a name may run.
    pub fn place_of(&self, name: &Name) -> Place {
        self.places.get(name).cloned().unwrap_or_default()
    }

    /// The node of the caller crashed: the call may have its effect, or not.
    pub fn lost_caller(&mut self, now: Instant, call: CallId) {
        let Some(asked) = self.calls.remove(&call) else { return };
        if let Some((group, name, _)) = seat(&asked.request) {
            let seat = self.seats.entry((group.clone(), name.clone())).or_default();
            seat.unclear(now, asked.process, call);
        }
        let Some(name) = subject(&asked.request) else { return };
        let whole = self.was_whole_since(asked.since);
        let history = self.names.entry(name.clone()).or_default();
        match &asked.request {
            Request::Register { worker, .. } => history.register_unclear(now, call, whole, worker),
            // the last that knew of it
            Request::Restore { worker, .. } => {
                history.register_unclear(now, call, whole, worker);
                history.belief = Belief::Unknown;
            }
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
        if let (Some((group, name, is_in)), Reply::Grouped(result)) = (seat(&asked.request), reply) {
            match result {
                Ok(()) => self.seated(now, call, &asked, (group, name), is_in),
                Err(_) => {
                    let seat = self.seats.entry((group.clone(), name.clone())).or_default();
                    seat.unclear(now, asked.process, call);
                }
            }
            return Ok(());
        }
        let is_tainted = subject(&asked.request).is_some_and(|name| self.is_tainted(name));
        match self.judge(now, call, &asked, reply) {
            Err(_) if is_tainted => {
                let history = subject(&asked.request).and_then(|name| self.names.get_mut(name));
                history.into_iter().for_each(|history| history.closed(call));
                Ok(())
            }
            result => result,
        }
    }

    fn judge(&mut self, now: Instant, call: CallId, asked: &Asked, reply: &Reply) -> Result<(), String> {
        let whole = self.was_whole_since(asked.since);
        let history = subject(&asked.request).map(|name| (name, self.names.entry(name.clone()).or_default()));
        match (&asked.request, reply, history) {
            (
                Request::Register { worker, .. } | Request::Restore { worker, .. },
                Reply::Registered(result),
                Some((name, history)),
            ) => {
                if let Ok(registration) = result {
                    self.copies.check_registration(name, registration)?;
                }
                history
                    .on_registered(now, whole, call, asked, worker, result)
                    .map_err(|why| format!("{name}: {why}"))
            }
            (Request::Unregister { .. }, Reply::Unregistered(result), Some((name, history))) => history
                .on_unregistered(now, whole, call, asked, result)
                .map_err(|why| format!("{name}: {why}")),
            (Request::Locate { .. }, Reply::Located(result), Some((name, history))) => {
                if let Ok(registration) = result {
                    self.copies.check_registration(name, registration)?;
                }
                history.on_located(whole, asked.since, result).map_err(|why| format!("{name}: {why}"))
            }
            (Request::Owner { .. }, Reply::Owner(_), _)
            | (Request::Members, Reply::Members(_), _)
            | (Request::Ready { .. }, Reply::Ready(_), _)
            | (Request::Counters, Reply::Counters(_), _)
            | (Request::Drain, Reply::Drained(_), _)
            | (Request::Leave, Reply::Left, _) => Ok(()),
            (request, reply, _) => Err(format!("answers {request:?} with {reply:?}")),
        }
    }

    /// A node ended. `survivors` says of a name whether a node that lives knows that start of it or a later one;
    /// `knows` whether one has the name in the group; `others` whether a member was there to keep a copy.
    pub fn node_ended(
        &mut self,
        now: Instant,
        process: ProcessId,
        others: bool,
        survives: impl Fn(&Name, Epoch) -> bool,
        knows: impl Fn(&Group, &Name) -> bool,
    ) -> Vec<Name> {
        let quiet_before = self.was_whole_since(now) && now.since(self.disturbed) >= QUIET;
        let disturbed = self.disturbed;
        let is_promised = |since: Instant| {
            let settled = since < disturbed || since.since(disturbed) >= QUIET || now.since(since) >= QUIET;
            others && quiet_before && settled
        };
        self.forget_seats(is_promised, knows);
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
