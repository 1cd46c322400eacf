//! Users who send messages to names: carried by the machines of `delivery/`, with these around them as the driver
//! has them around it. A node forwards for names that left it, holds what it sends to names that move, and takes
//! each forwarded message once.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use skep_core::Instant;
use skep_core::delivery::{Forwarder, Holds, Received, Then, Token};
use skep_core::event::Placement;
use skep_core::id::{Epoch, Life, LinkId, Name};
use skep_core::mutant::Mutant;
use skep_core::wire::{FIRST_CALL_KIND, Frame};

use crate::hosts::{Phase, Worker};
use crate::network::Packet;
use crate::oracle::Note;
use crate::process::Running;
use crate::world::{Happening, ProcessId, Waiting, World};

/// What goes past the core.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Letter {
    Plain(Name, Epoch, Note),
    Forward(u64, Name, Epoch, Note),
    Forwarded(u64),
    Flush(u64),
    Flushed(u64),
}

/// The data path of one process.
pub struct Postroom {
    forwarder: Forwarder<(Epoch, Note)>,
    received: Received,
    holds: Holds<Note>,
    /// The links to each life, the latest last.
    links: BTreeMap<Life, Vec<LinkId>>,
    /// When it will be woken for what it held too long.
    alarm: Option<Instant>,
}

impl Default for Postroom {
    fn default() -> Self {
        let (forwarder, received) = (Forwarder::default(), Received::default());
        Self { forwarder, received, holds: Holds::new(usize::MAX), links: BTreeMap::new(), alarm: None }
    }
}

/// Who takes messages for a name at a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Resident {
    Active(Epoch),
    /// It takes what is for its own start; the rest is for who still holds the name.
    Prepared(Epoch),
}

impl Letter {
    fn frame(&self) -> Frame {
        Frame { kind: FIRST_CALL_KIND, body: postcard::to_allocvec(self).expect("plain data") }
    }

    pub fn of(frame: &Frame) -> Self {
        postcard::from_bytes(&frame.body).expect("we wrote it")
    }
}

impl World {
    /// The next messages of a random run.
    pub fn user_sends(&mut self) {
        let Some(pause) = self.plan.send_every else { return };
        let pause = self.random.between(Duration::ZERO, pause * 2);
        self.after(pause, Happening::UserSends);
        let running = self.all_running();
        let Some(process) = self.random.pick(&running) else { return };
        let number = self.random.below(self.plan.names);
        let name = self.plan.name(number).name;
        for _ in 0..=self.random.below(3) {
            self.send_note(process, &name);
        }
    }

    /// A user of this node sends to a name, or hears that it cannot be reached.
    pub fn send_note(&mut self, at: ProcessId, name: &Name) {
        let Some(&Placement { holder: Some(to), epoch, attached: false, .. }) = self[at].places.get(name)
        else {
            return;
        };
        if self[at].running == Running::Frozen || !self[at].lives() {
            return;
        }
        if self[at].post.holds.holds(name.as_str()) {
            let note = self.oracle.messages.sent(at, name, epoch, to);
            let held = self[at].post.holds.hold(name.as_str(), note, 1);
            return held.expect("there is room for all");
        }
        if self.can_reach(at, name, to) {
            let note = self.oracle.messages.sent(at, name, epoch, to);
            self.dispatch(at, name, note);
        }
    }

    fn can_reach(&self, at: ProcessId, name: &Name, to: Life) -> bool {
        match to == self[at].life {
            true => self.resident(at, name).is_some(),
            false => self[at].post.links.get(&to).is_some_and(|links| !links.is_empty()),
        }
    }

    /// Sends to where the name is, as far as this node knows, if that can be reached.
    fn dispatch(&mut self, at: ProcessId, name: &Name, note: Note) {
        let Some(&Placement { holder: Some(to), epoch, .. }) = self[at].places.get(name) else {
            return self.not_taken(at, name, note);
        };
        self.oracle.messages.released(name, note, epoch, to);
        if to != self[at].life {
            return self.write_to(at, to, &Letter::Plain(name.clone(), epoch, note));
        }
        match self.resident(at, name) {
            Some(Resident::Active(start) | Resident::Prepared(start)) => self.put(at, name, start, note),
            None => self.not_taken(at, name, note),
        }
    }

    fn resident(&self, at: ProcessId, name: &Name) -> Option<Resident> {
        self.starts_of(at, name).find_map(|(epoch, worker)| match worker.phase {
            Phase::Running | Phase::Held | Phase::Stopping(_) | Phase::Stuck => Some(Resident::Active(epoch)),
            Phase::AwaitingState | Phase::Preparing | Phase::Prepared => Some(Resident::Prepared(epoch)),
            Phase::Starting | Phase::Frozen | Phase::Cancelled => None,
        })
    }

    /// What is here of a name, the latest first.
    fn starts_of(&self, at: ProcessId, name: &Name) -> impl Iterator<Item = (Epoch, &Worker)> {
        let starts = (name.clone(), Epoch(0))..=(name.clone(), Epoch(u64::MAX));
        self[at].workers.range(starts).rev().map(|(&(_, epoch), worker)| (epoch, worker))
    }

    /// A message for a start of this name has come here.
    fn take(&mut self, at: ProcessId, name: Name, epoch: Epoch, note: Note, owed: Option<(Life, u64)>) {
        let post = &self[at].post;
        let start = match self.resident(at, &name) {
            // earlier ones may be on their way round
            Some(Resident::Active(start)) if epoch < start && post.forwarder.forwards(name.as_str()) => None,
            Some(Resident::Active(start)) => (epoch <= start).then_some(start),
            Some(Resident::Prepared(start)) => (epoch == start).then_some(start),
            None => None,
        };
        let way = post.forwarder.way(name.as_str(), epoch);
        match (start, way) {
            (Some(start), _) => self.put(at, &name, start, note),
            (None, Some((to, under))) if !self.is_broken(Mutant::NotForwarded) => {
                return self.forward(at, name, to, (under, note), owed);
            }
            (None, _) => self.not_taken(at, &name, note),
        }
        if let Some((to, number)) = owed {
            self.follow(at, Then::Acknowledge(to, number));
        }
    }

    fn put(&mut self, at: ProcessId, name: &Name, start: Epoch, note: Note) {
        let worker = self[at].workers.get_mut(&(name.clone(), start)).expect("it was just found");
        worker.mailbox.push(note);
        self.work(at, name, start);
    }

    /// A worker handles what it has, if it does so now.
    pub fn work(&mut self, at: ProcessId, name: &Name, epoch: Epoch) {
        let Some(worker) = self[at].workers.get_mut(&(name.clone(), epoch)) else { return };
        if worker.phase != Phase::Running || worker.is_beaten {
            return;
        }
        for note in std::mem::take(&mut worker.mailbox) {
            self.note_of(at, format_args!("{name} handles {note:?}"));
            if let Err(why) = self.oracle.messages.handled(name, note) {
                self.violate(why);
            }
        }
    }

    fn not_taken(&mut self, at: ProcessId, name: &Name, note: Note) {
        self.note_of(at, format_args!("{name} is not here: {note:?}"));
        if let Err(why) = self.oracle.messages.refused(name, note) {
            self.violate(why);
        }
    }

    fn forward(
        &mut self,
        at: ProcessId,
        name: Name,
        to: Life,
        (under, note): (Epoch, Note),
        owed: Option<(Life, u64)>,
    ) {
        self.oracle.messages.forwarded(&name, note, under);
        self[at].post.forwarder.forward(to, name, (under, note), owed);
        self.pump(at, to);
    }

    /// Puts on the link to that life what may be there.
    fn pump(&mut self, at: ProcessId, to: Life) {
        if self[at].post.links.get(&to).is_none_or(Vec::is_empty) {
            return; // it goes on when there is one
        }
        while let Some((number, name, &(under, note))) = self[at].post.forwarder.next(to) {
            let letter = Letter::Forward(number, name.clone(), under, note);
            self[at].post.forwarder.sent(to);
            self.write_to(at, to, &letter);
        }
    }

    fn write_to(&mut self, at: ProcessId, to: Life, letter: &Letter) {
        match self[at].post.links.get(&to).and_then(|links| links.last().copied()) {
            Some(link) => self.send(at, link, &letter.frame()),
            None => self.lose(letter),
        }
    }

    /// A letter came. What the engine has to see waits with the core.
    pub fn on_letter(&mut self, at: ProcessId, from: Life, letter: Letter) {
        let is_for_the_engine = matches!(letter, Letter::Flush(_) | Letter::Flushed(_));
        match self[at].running {
            Running::Dead => return self.lose(&letter),
            Running::CoreFrozen if !is_for_the_engine => {}
            Running::Frozen | Running::CoreFrozen => {
                return self[at].standstill.inputs.push_back(Waiting::Letter(from, letter));
            }
            Running::Yes => {}
        }
        self.note_of(at, format_args!("<- {letter:?} from {from}"));
        match letter {
            Letter::Plain(name, epoch, note) => self.take(at, name, epoch, note, None),
            Letter::Forward(number, name, epoch, note) => {
                let is_new = self[at].post.received.is_new(from, number);
                if is_new || self.is_broken(Mutant::ForwardedTakenTwice) {
                    self.take(at, name, epoch, note, Some((from, number)));
                } else if !self[at].post.forwarder.is_owed(from, number) {
                    self.follow(at, Then::Acknowledge(from, number));
                }
            }
            Letter::Forwarded(number) => {
                let then = self[at].post.forwarder.arrived(from, number);
                self.pump(at, from);
                then.into_iter().for_each(|then| self.follow(at, then));
            }
            Letter::Flush(token) => self.on_question(at, from, Token(token)),
            Letter::Flushed(token) => self[at].post.holds.flushed(from, Token(token)),
        }
        self.attend(at);
    }

    fn on_question(&mut self, at: ProcessId, asker: Life, token: Token) {
        let then = match self.is_broken(Mutant::FlushedEarly) {
            true => Some(Then::Flushed(asker, token)),
            false => self[at].post.forwarder.flush(asker, token),
        };
        then.into_iter().for_each(|then| self.follow(at, then));
    }

    fn follow(&mut self, at: ProcessId, then: Then) {
        match then {
            Then::Acknowledge(to, number) => self.write_to(at, to, &Letter::Forwarded(number)),
            Then::Flushed(to, token) if to == self[at].life => self[at].post.holds.flushed(to, token),
            Then::Flushed(to, token) => self.write_to(at, to, &Letter::Flushed(token.0)),
        }
    }

    /// This node hears that a name is elsewhere: it holds what it sends there until what it sent before has come.
    pub fn hold_if_moved(&mut self, at: ProcessId, name: &Name, next: Option<Life>) {
        let last = self[at].places.get(name).and_then(|placement| placement.holder);
        let (Some(last), Some(next)) = (last, next) else { return };
        let post = &self[at].post;
        let may_have_sent = match last == self[at].life {
            true => post.forwarder.forwards(name.as_str()),
            false => post.links.get(&last).is_some_and(|links| !links.is_empty()),
        };
        if last != next && may_have_sent && !self.is_broken(Mutant::MovedNotHeld) {
            let now = self.now;
            self[at].post.holds.moved(now, name.clone(), last);
        }
    }

    /// It goes on there: what waits for it here goes the same way.
    pub fn forward_all(&mut self, at: ProcessId, name: &Name, epoch: Epoch, to: Life, under: Epoch) {
        self[at].post.forwarder.depart(name.clone(), to, under);
        let worker = self[at].workers.get_mut(&(name.clone(), epoch)).expect("it was just frozen");
        for note in std::mem::take(&mut worker.mailbox) {
            self.forward(at, name.clone(), to, (under, note), None);
        }
    }

    /// It acts here from now on.
    pub fn settle_letters(&mut self, at: ProcessId, name: &Name, epoch: Epoch) {
        self[at].post.forwarder.settle(name);
        self.work(at, name, epoch);
    }

    /// A member is dead: what was on its way there waits here for what becomes of its worker, or is lost.
    pub fn take_back_letters(&mut self, at: ProcessId, dead: Life) {
        let (left, then) = self[at].post.forwarder.lost(dead);
        then.into_iter().for_each(|then| self.follow(at, then));
        for (name, (_, note)) in left {
            let may_go_on = |worker: &Worker| matches!(worker.phase, Phase::Frozen | Phase::Running);
            let here =
                self.starts_of(at, &name).find(|(_, worker)| may_go_on(worker)).map(|(epoch, _)| epoch);
            match here {
                Some(epoch) => self.put(at, &name, epoch, note),
                None => self.not_taken(at, &name, note),
            }
        }
    }

    /// Asks what is to be asked, and sends what is not held any more.
    pub fn attend(&mut self, at: ProcessId) {
        if self[at].post.holds.is_empty() || self[at].running != Running::Yes {
            return;
        }
        let now = self.now;
        if self[at].post.holds.deadline().is_some_and(|at| at <= now) {
            self.oracle.messages.excuse_all(at, |_, _| true); // it has waited for too long, and may overtake
        }
        self[at].post.holds.on_time(now);
        self[at].post.holds.try_again();
        for (life, token) in self[at].post.holds.ask() {
            if life == self[at].life {
                self.on_question(at, life, token);
            } else if self[at].post.links.get(&life).is_some_and(|links| !links.is_empty()) {
                self.write_to(at, life, &Letter::Flush(token.0));
            } else {
                self.unanswered(at, life);
            }
        }
        while let Some((name, notes)) = self[at].post.holds.release() {
            let to = self[at].places.get(&name).and_then(|placement| placement.holder);
            if to.is_some_and(|to| !self.can_reach(at, &name, to)) && !notes.is_empty() {
                self[at].post.holds.put_back(name, notes);
                continue; // the record came before the link
            }
            notes.into_iter().for_each(|(note, _)| self.dispatch(at, &name, note));
        }
        let due = self[at].post.holds.deadline();
        if let Some(due) = due.filter(|_| due != self[at].post.alarm) {
            self[at].post.alarm = Some(due);
            self.at(due, Happening::Attend(at));
        }
    }

    fn is_broken(&self, mutant: Mutant) -> bool {
        self.settings.mutant == Some(mutant)
    }
}

/// Links that come and go, and what is lost with them.
impl World {
    pub fn letters_linked(&mut self, at: ProcessId, link: LinkId, peer: Life) {
        let links = self[at].post.links.entry(peer).or_default();
        links.push(link);
        if links.len() > 1 {
            self.oracle.messages.excuse_all(at, |_, to| to == peer); // two links keep no order
        }
        self.relink(at, peer);
    }

    /// A link is gone: what was asked on it is not answered.
    pub fn letters_unlinked(&mut self, at: ProcessId, link: LinkId) {
        if let Some(peer) = self.drop_link(at, link) {
            self.unanswered(at, peer);
            self.relink(at, peer);
        }
    }

    /// This node closed a link: what was sent on it still arrives.
    pub fn letters_closed(&mut self, at: ProcessId, link: LinkId) {
        let Some(peer) = self.drop_link(at, link) else { return };
        match self[at].post.links.contains_key(&peer) {
            true => self.relink(at, peer),
            false => self.unanswered(at, peer),
        }
    }

    /// Whose link it was.
    fn drop_link(&mut self, at: ProcessId, link: LinkId) -> Option<Life> {
        let post = &mut self[at].post;
        let (&peer, links) = post.links.iter_mut().find(|(_, links)| links.contains(&link))?;
        links.retain(|&other| other != link);
        if links.is_empty() {
            post.links.remove(&peer);
        }
        self.oracle.messages.excuse_all(at, |_, to| to == peer);
        Some(peer)
    }

    fn relink(&mut self, at: ProcessId, peer: Life) {
        self[at].post.forwarder.relink(peer);
        self.pump(at, peer);
    }

    /// No question to this life will be answered: what was held because of it may overtake what was sent there.
    fn unanswered(&mut self, at: ProcessId, peer: Life) {
        self[at].post.holds.lost(peer);
        self.oracle.messages.excuse_all(at, |_, to| to == peer);
    }

    /// What was on a link does not arrive.
    pub fn lose_packet(&mut self, packet: &Packet) {
        let Packet::Bytes(bytes) = packet else { return };
        let (header, body) = bytes.split_at(skep_core::wire::HEADER);
        if header[4..] == FIRST_CALL_KIND.to_le_bytes() {
            self.lose(&postcard::from_bytes(body).expect("we wrote it"));
        }
    }

    /// What is forwarded is sent again; the rest is not.
    fn lose(&mut self, letter: &Letter) {
        if let Letter::Plain(name, _, note) = letter {
            self.oracle.messages.excuse(name, *note);
        }
    }

    /// A process ends with all that it has.
    pub fn lose_letters(&mut self, at: ProcessId) {
        self.oracle.messages.excuse_all(at, |_, _| true);
        let mut post = std::mem::take(&mut self[at].post);
        let lives: Vec<Life> = self.processes.iter().map(|process| process.life).collect();
        let underway = lives.into_iter().flat_map(|life| post.forwarder.lost(life).0);
        let mut lost: Vec<(Name, Note)> = underway.map(|(name, (_, note))| (name, note)).collect();
        for ((name, _), worker) in &mut self[at].workers {
            lost.extend(worker.mailbox.drain(..).map(|note| (name.clone(), note)));
        }
        lost.into_iter().for_each(|(name, note)| self.oracle.messages.excuse(&name, note));
    }

    /// Who forwards for this name.
    pub fn forwards(&self, name: &Name) -> Option<ProcessId> {
        let forwards = |process: &ProcessId| self[*process].post.forwarder.forwards(name.as_str());
        self.all_running().into_iter().find(forwards)
    }

    /// At rest every message is handled, and nothing waits.
    pub fn undelivered(&mut self) -> Option<String> {
        self.oracle.messages.missing().or_else(|| {
            let busy = |&process: &ProcessId| {
                let post = &self[process].post;
                !post.holds.is_empty() || !post.forwarder.is_empty()
            };
            let busy = self.all_running().into_iter().find(busy)?;
            Some(format!("{} holds or forwards messages", self[busy]))
        })
    }
}
