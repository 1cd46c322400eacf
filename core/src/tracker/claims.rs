//! Claims as they reach an arbiter: one after another for each name, each answered once.

use alloc::collections::{BTreeSet, VecDeque};
use core::time::Duration;

use super::desk::{Client, Matter, Step, Stop, Stopping, Waiter};
use super::entry::{Entry, State};
use crate::event::{Bound, Registration, WorkerSpec};
use crate::id::{ClaimId, Dot, Epoch, Life, Name};
use crate::machine::Machine;
use crate::mutant::Mutant;
use crate::time::Instant;
use crate::timer::Timer;
use crate::wire::message::{Claim, ClaimReply, Verdict, Wish};

impl Machine {
    pub(crate) fn on_claim(&mut self, from: Life, claim: Claim) {
        if claim.id.life != from {
            return; // claims come from their caller's node, relayed or not
        }
        if self.detector.thawing.contains_key(&from) {
            let client = Client { id: claim.id, from, until: self.now };
            self.answer(client, Verdict::Stale); // who still waits asks again
            return;
        }
        let deadline = self.now + Duration::from_millis(claim.remaining_ms);
        let client = Client { id: claim.id, from, until: deadline };
        self.take_claim(client, claim.name, claim.wish, deadline);
    }

    pub(super) fn take_claim(&mut self, client: Client, name: Name, wish: Wish, deadline: Instant) {
        let slot = self.ring.slot_of(&name);
        if !self.owns(slot) {
            self.answer(client, Verdict::Stale);
            return;
        }
        if let Some(verdict) = self.desk.recall(client.id) {
            self.answer(client, verdict);
            return;
        }
        if self.desk.knows(&name, client.id) || self.replication.owes(&client) {
            return; // a retry of what is under way
        }
        if self.desk.waiters >= self.config.max_claims {
            self.reached(Bound::Claims);
            self.answer(client, Verdict::Busy);
            return;
        }
        let waiter = Waiter { client, wish, deadline };
        if !self.is_settled(&name) {
            self.desk.waiters += 1;
            self.timers.set(deadline, Timer::GrantDeadline(name.clone()));
            self.desk.queued.entry(name).or_default().push_back(waiter);
            return;
        }
        let serialise = !self.broken(Mutant::ClaimsNotSerialised);
        let idle =
            matches!(self.desk.matters.get(&name).map(|matter| &matter.step), Some(Step::Pausing { .. }));
        if idle && waiter.wish == Wish::Unregister {
            let matter = self.desk.matters.remove(&name).expect("it was just found");
            self.decide(&name, waiter);
            self.serve(&name, matter.waiters);
        } else if waiter.wish == Wish::Locate && self.is_held(&name) {
            self.decide(&name, waiter); // whatever is under way, this is where it is
        } else if self.desk.is_busy_with(&name) && serialise {
            self.wait_behind(&name, waiter);
        } else {
            self.decide(&name, waiter);
        }
    }

    /// Whether somebody alive has it by the record.
    pub(super) fn is_held(&self, name: &Name) -> bool {
        self.registry.winner(name).is_some_and(|entry| !self.is_vacant(entry))
    }

    fn wait_behind(&mut self, name: &Name, waiter: Waiter) {
        let Some(matter) = self.desk.matters.get_mut(name) else {
            self.answer(waiter.client, Verdict::Stale); // what it should wait for is over: ask again
            return;
        };
        self.desk.waiters += 1;
        self.timers.set(waiter.deadline, Timer::GrantDeadline(name.clone()));
        matter.waiters.push_back(waiter);
    }

    /// Decides a claim for a name of which nothing is under way.
    fn decide(&mut self, name: &Name, waiter: Waiter) {
        if let Some(refusal) = self.refusal(&waiter.wish) {
            self.answer(waiter.client, refusal);
            return;
        }
        if waiter.wish != Wish::Unregister && self.stop_unheard(name) {
            self.wait_behind(name, waiter);
            return;
        }
        let standing = self.registry.winner(name).cloned();
        if let Some(entry) = standing.as_ref().filter(|entry| self.is_vacant(entry) && !entry.is_attached())
            && matches!(waiter.wish, Wish::Register(_) | Wish::Locate)
            && self.quorum().is_ok()
        {
            if self.has_other_copies(name) {
                self.answer(waiter.client, Verdict::Stale); // who still waits asks again: by then it has ended
                return;
            }
            self.begin_takeover(name, entry.dot, BTreeSet::new(), 0); // who asks hears where it went
            self.wait_behind(name, waiter);
            return;
        }
        let Waiter { client, wish, deadline } = waiter;
        match (wish, standing) {
            (Wish::Register(_) | Wish::Restore(_), Some(entry)) => {
                let verdict = if is_claim(&entry, &client) && !self.broken(Mutant::ClaimIdIgnored) {
                    let (origin, seq) = self.registry.position_of(entry.dot).expect("it stands in a log");
                    Verdict::Registered { origin, seq, entry }
                } else {
                    Verdict::Taken(self.registration(&entry).expect("the winner stands"))
                };
                self.answer(client, verdict);
            }
            // A retry of what was granted, and removed since: nobody can say where it is.
            (Wish::Register(_) | Wish::Restore(_), None)
                if self.registry.has_ended(name, Some(client.id)) =>
            {
                self.answer(client, Verdict::TooLate);
            }
            (Wish::Register(_), None) if self.is_full() => {
                self.reached(Bound::Names);
                self.answer(client, Verdict::TooManyNames { max: self.config.max_names });
            }
            (Wish::Register(WorkerSpec::Attached), None) => {
                let epoch = self.next_epoch();
                let entry = self.new_entry(name, epoch, Some(client.from), client.id, WorkerSpec::Attached);
                self.grant(client, entry);
            }
            (Wish::Restore(spec), None) => {
                let epoch = self.next_epoch();
                let entry = self.new_entry(name, epoch, None, client.id, spec);
                self.grant(client, entry);
            }
            (Wish::Register(spec), None) => self.begin_start(name, spec, client, deadline),
            (Wish::Unregister, Some(entry)) => self.begin_stop(&entry, client),
            (Wish::Locate, Some(entry)) => {
                let registration = self.registration(&entry).expect("the winner stands");
                self.answer(client, Verdict::Located(registration));
            }
            (Wish::Unregister | Wish::Locate, None) => self.answer(client, Verdict::NotFound),
        }
    }

    /// Whether there are as many names as there may be, with those that are about to be.
    fn is_full(&self) -> bool {
        let names = self.registry.len() + self.desk.beginnings();
        names >= self.config.max_names && !self.broken(Mutant::NamesUnbounded)
    }

    /// A registration that begins: ours, on our side, without restarts.
    pub(super) fn new_entry(
        &self,
        name: &Name,
        epoch: Epoch,
        holder: Option<Life>,
        claim: ClaimId,
        spec: WorkerSpec,
    ) -> Entry {
        let state = State::Live { holder, claim, spec, side: self.side, crashes: None };
        Entry { dot: self.next_dot(), name: name.clone(), epoch, state, handed_on: 0 }
    }

    /// Writes a registration, and answers when it is safe.
    pub(super) fn grant(&mut self, client: Client, entry: Entry) {
        let seq = self.write(entry.clone());
        let verdict = Verdict::Registered { origin: self.me, seq, entry };
        self.answer_when_safe(seq, client, verdict);
    }

    /// Ends a registration, and those that it beat, and answers when that is safe: the name is free then.
    pub(super) fn end(&mut self, dot: Dot, client: Client) {
        let Some(entry) = self.registry.entry(dot).filter(|entry| entry.is_live()) else {
            self.answer(client, Verdict::NotFound);
            return;
        };
        let entry = entry.removed(self.registry.newest());
        let seq = self.write(entry.clone());
        if let Some(beaten) = self.registry.winner(&entry.name).cloned()
            && !self.broken(Mutant::BeatenOutliveRemoval)
        {
            self.begin_stop(&beaten, client);
            return;
        }
        let verdict = Verdict::Unregistered { origin: self.me, seq, entry };
        self.answer_when_safe(seq, client, verdict);
    }

    /// A remote caller's node gets its copy with the answer; our own callers wait for someone else's.
    fn answer_when_safe(&mut self, seq: u64, client: Client, verdict: Verdict) {
        if client.from == self.me && !self.broken(Mutant::AckBeforeCopy) {
            self.replication.owe(seq, client, verdict);
        } else {
            self.answer(client, verdict);
        }
    }

    fn begin_stop(&mut self, entry: &Entry, client: Client) {
        let State::Live { holder, spec, .. } = &entry.state else {
            unreachable!("the winner stands");
        };
        let runs = holder.filter(|&life| life == self.me || self.may_run(life));
        let Some(host) = runs.filter(|_| *spec != WorkerSpec::Attached) else {
            self.end(entry.dot, client); // nothing runs, or what runs is told by the record and lives on
            return;
        };
        let why = Stop::Unregister { dot: entry.dot, client };
        let step = Step::Stopping(Stopping { host, epoch: entry.epoch, why, again: self.now });
        self.desk.matters.insert(entry.name.clone(), Matter { step, waiters: VecDeque::new() });
        self.send_order(&entry.name);
    }

    /// A matter is closed: those who waited behind it are decided, until one opens the next.
    pub(super) fn close_matter(&mut self, name: &Name) {
        let Some(matter) = self.desk.matters.remove(name) else {
            return;
        };
        self.desk.discount(&matter.step);
        self.serve_behind(name, matter.waiters);
    }

    /// Those who waited behind a matter that is closed are decided, or wait behind the one that followed it.
    pub(super) fn serve_behind(&mut self, name: &Name, waiters: VecDeque<Waiter>) {
        match self.desk.matters.get_mut(name) {
            Some(next) => next.waiters.extend(waiters),
            None => self.serve(name, waiters),
        }
        self.look.insert(name.clone()); // what kept it busy may have hidden that it is vacant
    }

    pub(super) fn serve(&mut self, name: &Name, mut waiters: VecDeque<Waiter>) {
        while let Some(waiter) = waiters.pop_front() {
            self.desk.waiters -= 1;
            if waiter.deadline <= self.now {
                self.answer(waiter.client, Verdict::TooLate);
                continue;
            }
            self.decide(name, waiter);
            if let Some(matter) = self.desk.matters.get_mut(name) {
                matter.waiters.append(&mut waiters);
            }
        }
    }

    /// A gate was passed: its claims are decided. Of our own the arbiter before us may have answered some meanwhile: what
    /// was wished then is not wished any more.
    pub(super) fn serve_queued(&mut self) {
        let open = self.desk.queued.keys().filter(|name| self.is_settled(name));
        for name in open.cloned().collect::<alloc::vec::Vec<_>>() {
            let mut queue = self.desk.queued.remove(&name).expect("it was just listed");
            if !self.broken(Mutant::AnsweredClaimsDecided) {
                let all = queue.len();
                let me = self.me;
                queue.retain(|waiter| waiter.client.from != me || self.callers.awaits(waiter.client.id));
                self.desk.waiters -= all - queue.len();
            }
            self.serve_behind(&name, queue);
        }
    }

    /// The ring moved: matters and claims for slots that we lost are somebody else's now.
    pub(super) fn give_up_lost(&mut self) {
        let lost = |name: &&Name| !self.owns(self.ring.slot_of(name));
        let matters: alloc::vec::Vec<Name> = self.desk.matters.keys().filter(lost).cloned().collect();
        let queued: alloc::vec::Vec<Name> = self.desk.queued.keys().filter(lost).cloned().collect();
        for name in matters {
            let matter = self.desk.matters.remove(&name).expect("it was just listed");
            self.desk.discount(&matter.step);
            if let Some(client) = matter.step.client() {
                self.answer(client.clone(), Verdict::Stale);
            }
            self.refer(matter.waiters);
        }
        for name in queued {
            let queue = self.desk.queued.remove(&name).expect("it was just listed");
            self.refer(queue);
        }
    }

    fn refer(&mut self, waiters: VecDeque<Waiter>) {
        for waiter in waiters {
            self.desk.waiters -= 1;
            self.answer(waiter.client, Verdict::Stale);
        }
    }

    /// Tells a client how its claim ended.
    pub(crate) fn answer(&mut self, client: Client, verdict: Verdict) {
        if client.from != self.me {
            let is_final =
                !matches!(verdict, Verdict::Stale | Verdict::Busy | Verdict::TooLate | Verdict::Located(_));
            if is_final && self.desk.remember(self.now, &client, verdict.clone(), self.config.max_claims) {
                self.reached(Bound::Answers);
            }
            self.send_to(client.from, ClaimReply { id: client.id, verdict });
        } else if let Verdict::Stale = verdict {
            self.callers_stale(client.id.seq);
        } else {
            self.conclude_claim(self.me, client.id.seq, verdict);
        }
    }

    /// Drops those whose caller has gone.
    pub(super) fn drop_late(&mut self, name: &Name) {
        let now = self.now;
        let mut late = alloc::vec::Vec::new();
        let queues = [
            self.desk.queued.get_mut(name),
            self.desk.matters.get_mut(name).map(|matter| &mut matter.waiters),
        ];
        for queue in queues.into_iter().flatten() {
            late.extend(
                queue.iter().filter(|waiter| waiter.deadline <= now).map(|waiter| waiter.client.clone()),
            );
            queue.retain(|waiter| waiter.deadline > now);
        }
        if self.desk.queued.get(name).is_some_and(VecDeque::is_empty) {
            self.desk.queued.remove(name);
        }
        for client in late {
            self.desk.waiters -= 1;
            self.answer(client, Verdict::TooLate);
        }
    }

    /// What callers are told of an entry. `None` if it does not stand.
    pub(crate) fn registration(&self, entry: &Entry) -> Option<Registration> {
        let placement = entry.placement()?;
        // Between two holders the claim's own node is the best that is known; it says "registered", not where.
        let life = placement.holder.unwrap_or(entry.dot.life);
        Some(Registration {
            node: self.table.node_of(life),
            life,
            epoch: placement.epoch,
            kind: placement.kind,
            attached: placement.attached,
        })
    }
}

fn is_claim(entry: &Entry, client: &Client) -> bool {
    matches!(&entry.state, State::Live { claim, .. } if *claim == client.id)
}
