//! The calls of this node's own users, from their start to their one answer.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use super::desk::Client;
use super::reconcile;
use crate::config::Backoff;
use crate::error::{LookupError, RegisterError, UnregisterError};
use crate::event::{Bound, Event, Output, Registration, Reply, WorkerSpec};
use crate::id::{CallId, ClaimId, Life, Name};
use crate::machine::Machine;
use crate::mutant::Mutant;
use crate::time::Instant;
use crate::timer::Timer;
use crate::wire::message::{Claim, ClaimReply, Verdict, Wish};

/// After an arbiter said that it is none, views settle within a few messages.
const SOON: Duration = Duration::from_millis(10);

/// All calls that wait.
#[derive(Debug, Default)]
pub(crate) struct Callers {
    seq: u64,
    waiting: BTreeMap<u64, Caller>,
}

impl Callers {
    /// Whether the caller of this claim of ours still waits.
    pub(super) fn awaits(&self, claim: ClaimId) -> bool {
        self.waiting.contains_key(&claim.seq)
    }
}

/// One call that waits.
#[derive(Clone, Debug)]
struct Caller {
    call: CallId,
    deadline: Instant,
    name: Name,
    wish: Wish,
    /// To whom it went last, and when to try again.
    sent: Option<Life>,
    again: Instant,
    tries: u32,
    /// Whether the name stood here at some try.
    stood: bool,
    /// The name was found taken by something that may be about to end: asked again then, not before.
    put_off: Option<Instant>,
    /// To whom it went and who has said nothing of it: each may still act on it.
    silent: BTreeSet<Life>,
    /// Tries that are under way, as far as is known: answers to them have not come.
    under_way: u32,
}

impl Callers {
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether this life made so many claims.
    pub(crate) fn has_made(&self, seq: u64) -> bool {
        (1..=self.seq).contains(&seq)
    }
}

impl Machine {
    /// A user wants something of a name's arbiter.
    pub(crate) fn claim(&mut self, call: CallId, deadline: Instant, name: Name, wish: Wish) {
        if let Wish::Register(_) = &wish {
            self.event(Event::Registering { name: name.clone() });
        }
        if self.callers.waiting.len() >= self.config.max_claims {
            self.reached(Bound::Claims);
            self.return_verdict(call, &name, &wish, Verdict::Busy);
            return;
        }
        self.callers.seq += 1;
        let seq = self.callers.seq;
        let caller = Caller {
            call,
            deadline,
            name,
            wish,
            sent: None,
            again: self.now,
            tries: 0,
            stood: false,
            put_off: None,
            silent: BTreeSet::new(),
            under_way: 0,
        };
        self.callers.waiting.insert(seq, caller);
        self.timers.set(deadline, Timer::CallDeadline(seq));
        self.try_claim(seq);
    }

    fn try_claim(&mut self, seq: u64) {
        let retry_after = self.config.retry_after;
        let now = self.now;
        let Some(caller) = self.callers.waiting.get_mut(&seq) else {
            return;
        };
        caller.again = now + retry_after;
        if caller.tries > 0 && self.config.broken(Mutant::NoRetryOfClaims) {
            return;
        }
        let Some(arbiter) = self.ring.owner(self.ring.slot_of(&caller.name)) else {
            return; // nobody is up yet; the ring will move
        };
        caller.sent = Some(arbiter);
        caller.tries += 1;
        caller.stood |= self.registry.winner(&caller.name).is_some();
        if arbiter != self.me {
            caller.silent.insert(arbiter);
            caller.under_way += 1;
        }
        let Caller { deadline, name, wish, .. } = caller.clone();
        let id = ClaimId { life: self.me, seq };
        if arbiter == self.me {
            self.take_claim(Client { id, from: self.me, until: deadline }, name, wish, deadline);
            return;
        }
        let remaining_ms = u64::try_from(deadline.since(self.now).as_millis()).unwrap_or(u64::MAX);
        if !self.send_to(arbiter, Claim { id, name, wish, remaining_ms }) {
            self.lose_claim(seq);
        }
    }

    /// The claim is to be sent again soon, and less soon with each try that came to nothing.
    fn lose_claim(&mut self, seq: u64) {
        let jitter = self.random.next();
        let max = self.config.retry_after.max(SOON);
        if let Some(caller) = self.callers.waiting.get_mut(&seq) {
            caller.sent = None;
            caller.again = self.now + Backoff { min: SOON, max }.pause(caller.tries, jitter);
            self.retry_at = Some(self.retry_at.map_or(caller.again, |at| at.min(caller.again)));
        }
    }

    /// Claims whose arbiter is another now are sent there.
    pub(super) fn resend_claims(&mut self) {
        let ring = &self.ring;
        let now = self.now;
        let due = self.callers.waiting.iter().filter(|(_, caller)| caller.put_off <= Some(now));
        let moved = due.filter(|(_, caller)| {
            caller.sent.is_none() || ring.owner(ring.slot_of(&caller.name)) != caller.sent
        });
        for seq in moved.map(|(&seq, _)| seq).collect::<Vec<_>>() {
            self.try_claim(seq);
        }
    }

    pub(super) fn retry_claims(&mut self) {
        let now = self.now;
        let due = self.callers.waiting.iter().filter(|(_, caller)| caller.again <= now);
        for seq in due.map(|(&seq, _)| seq).collect::<Vec<_>>() {
            self.try_claim(seq);
        }
        self.retry_at = self.callers.waiting.values().map(|caller| caller.again).min();
    }

    /// The link to this life is gone: what was sent there may be lost.
    pub(crate) fn callers_lost(&mut self, life: Life) {
        let lost = self.callers.waiting.iter().filter(|(_, caller)| caller.sent == Some(life));
        for seq in lost.map(|(&seq, _)| seq).collect::<Vec<_>>() {
            self.lose_claim(seq);
        }
    }

    pub(crate) fn on_claim_reply(&mut self, from: Life, reply: ClaimReply) {
        if reply.id.life != self.me {
            return;
        }
        let Some(caller) = self.callers.waiting.get_mut(&reply.id.seq) else {
            return self.conclude_claim(from, reply.id.seq, reply.verdict); // too late for its caller, but a copy may be in it
        };
        if !is_answer(&reply.verdict, &caller.name) {
            self.counters.malformed_frames += 1;
            return;
        }
        caller.silent.remove(&from);
        caller.under_way = caller.under_way.saturating_sub(1);
        let asked = caller.sent == Some(from);
        match reply.verdict {
            Verdict::Stale if asked => self.lose_claim(reply.id.seq),
            Verdict::Registered { .. } | Verdict::Unregistered { .. } => {
                self.conclude_claim(from, reply.id.seq, reply.verdict);
            }
            verdict if asked => self.conclude_claim(from, reply.id.seq, verdict),
            _ => {} // a former arbiter's no; the present one may say yes
        }
    }

    /// We were the arbiter when we asked ourselves, and are no longer.
    pub(super) fn callers_stale(&mut self, seq: u64) {
        self.lose_claim(seq);
    }

    /// What a former life registered and this one has not claimed again yet.
    pub(super) fn unclaimed(&self) -> Vec<(Name, WorkerSpec)> {
        let spec = |caller: &Caller| match &caller.wish {
            Wish::Restore(spec) => Some((caller.name.clone(), spec.clone())),
            Wish::Register(_) | Wish::Unregister | Wish::Locate => None,
        };
        self.callers.waiting.values().filter_map(spec).collect()
    }

    /// What a former life registered is taken, perhaps by what its own side removed, and others have yet to hear that:
    /// it is claimed once more when they have.
    fn put_off_claim(&mut self, caller: Caller) {
        let due = self.now + self.config.digest_interval * reconcile::DIGESTS;
        self.callers.seq += 1;
        let seq = self.callers.seq; // as another claim: this one's answer is remembered
        self.timers.set(caller.deadline, Timer::CallDeadline(seq));
        let caller = Caller { sent: None, again: due, put_off: Some(due), ..caller };
        self.callers.waiting.insert(seq, caller);
        self.retry_at = self.retry_at.map_or(Some(due), |at| Some(at.min(due)));
    }

    /// The arbiter has spoken.
    pub(super) fn conclude_claim(&mut self, arbiter: Life, seq: u64, verdict: Verdict) {
        if let Verdict::Registered { origin, seq, entry } | Verdict::Unregistered { origin, seq, entry } =
            &verdict
        {
            let registers = matches!(verdict, Verdict::Registered { .. });
            // Of a log that its writer tells us itself, nobody else has to.
            let is_hearsay = *origin != arbiter && self.comes_by_itself(*origin);
            if entry.is_live() == registers && (!is_hearsay || self.broken(Mutant::HearsayOfCopies)) {
                self.keep_copy(*origin, *seq, entry.clone());
            }
        }
        let Some(caller) = self.callers.waiting.remove(&seq) else {
            return; // it was answered already, or gave up
        };
        self.timers.cancel(caller.deadline, Timer::CallDeadline(seq));
        if matches!((&verdict, &caller.wish, caller.put_off), (Verdict::Taken(_), Wish::Restore(_), None))
            && !self.broken(Mutant::RestoredOnlyAtOnce)
        {
            return self.put_off_claim(caller);
        }
        let verdict = match verdict {
            // It stood, or an arbiter that was asked before has not said anything: that try did it.
            Verdict::NotFound
                if caller.wish == Wish::Unregister
                    && caller.tries > 1
                    && (caller.stood || !caller.silent.is_empty()) =>
            {
                Verdict::Gone
            }
            // Nothing runs, says this arbiter; one that was asked before may yet start it.
            Verdict::UnknownKind
            | Verdict::NoNodeAvailable
            | Verdict::StartFailed(_)
            | Verdict::TooManyNames { .. }
            | Verdict::Busy
                if !caller.silent.is_empty() && matches!(caller.wish, Wish::Register(_)) =>
            {
                Verdict::TooLate
            }
            // This try was not taken on; the next one is under way, and may be.
            Verdict::Busy if caller.under_way > 0 && caller.wish != Wish::Locate => Verdict::TooLate,
            // The same, and one that was asked before may yet remove it, too.
            Verdict::NoQuorum(_) if !caller.silent.is_empty() => Verdict::TooLate,
            verdict => verdict,
        };
        self.return_verdict(caller.call, &caller.name, &caller.wish, verdict);
    }

    pub(crate) fn on_call_deadline(&mut self, seq: u64) {
        self.conclude_claim(self.me, seq, Verdict::TooLate);
    }

    /// This life is over.
    pub(crate) fn fail_all_callers(&mut self) {
        for (_, caller) in core::mem::take(&mut self.callers.waiting) {
            let is_sent = caller.tries > 0; // then it may still be granted: `Leaving` would say that it is not
            let reply = match caller.wish {
                Wish::Register(_) | Wish::Restore(_) if is_sent => {
                    Reply::Registered(Err(RegisterError::Timeout))
                }
                Wish::Register(_) | Wish::Restore(_) => Reply::Registered(Err(RegisterError::Leaving)),
                Wish::Unregister if is_sent => Reply::Unregistered(Err(UnregisterError::Timeout)),
                Wish::Unregister => Reply::Unregistered(Err(UnregisterError::Leaving)),
                Wish::Locate => Reply::Located(Err(LookupError::Leaving)),
            };
            self.outputs.push_back(Output::Return { call: caller.call, reply });
        }
        self.fail_group_calls();
        self.fail_departure();
    }

    fn return_verdict(&mut self, call: CallId, name: &Name, wish: &Wish, verdict: Verdict) {
        let reply = match wish {
            Wish::Register(_) | Wish::Restore(_) => Reply::Registered(self.registered(name, verdict)),
            Wish::Unregister => Reply::Unregistered(match verdict {
                Verdict::Unregistered { .. } | Verdict::Gone => Ok(()),
                Verdict::NotFound => Err(UnregisterError::NotFound),
                Verdict::NoQuorum(lack) => Err(UnregisterError::NoQuorum(lack)),
                Verdict::Busy => Err(UnregisterError::Busy),
                _ => Err(UnregisterError::Timeout),
            }),
            Wish::Locate => Reply::Located(match verdict {
                Verdict::Located(registration) => Ok(registration),
                Verdict::NotFound => Err(LookupError::NotFound),
                Verdict::Busy => Err(LookupError::Busy),
                _ => Err(LookupError::Timeout),
            }),
        };
        self.returns.push(Output::Return { call, reply }); // behind the news that comes with it
    }

    fn registered(&mut self, name: &Name, verdict: Verdict) -> Result<Registration, RegisterError> {
        match verdict {
            Verdict::Registered { entry, .. } => self.registration(&entry).ok_or(RegisterError::Timeout),
            Verdict::Taken(holder) => {
                self.event(Event::AlreadyRegistered { name: name.clone(), node: holder.node.clone() });
                Err(RegisterError::AlreadyRegistered { holder })
            }
            Verdict::UnknownKind => Err(RegisterError::UnknownKind),
            Verdict::NoNodeAvailable => Err(RegisterError::NoNodeAvailable),
            Verdict::NoQuorum(lack) => Err(RegisterError::NoQuorum(lack)),
            Verdict::StartFailed(reason) => Err(RegisterError::StartFailed { reason }),
            Verdict::TooManyNames { max } => Err(RegisterError::TooManyNames { max }),
            Verdict::Busy => Err(RegisterError::Busy),
            Verdict::Unregistered { .. }
            | Verdict::Gone
            | Verdict::Located(_)
            | Verdict::NotFound
            | Verdict::Stale
            | Verdict::TooLate => Err(RegisterError::Timeout),
        }
    }
}

/// Whether the copy in a verdict is of what was asked for.
fn is_answer(verdict: &Verdict, name: &Name) -> bool {
    match verdict {
        Verdict::Registered { entry, .. } => entry.is_live() && entry.name == *name,
        Verdict::Unregistered { entry, .. } => !entry.is_live() && entry.name == *name,
        _ => true,
    }
}
