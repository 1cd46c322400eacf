//! The one task that owns the machine: waits for mail or a deadline, and carries out what the machine orders.

mod asking;
mod flood;
mod lives;

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use skep_core::error::{DialFailure, Refusal, RetireReason};
use skep_core::event::{Event, Input, Output, Request, Way, WorkerSpec};
use skep_core::id::{CallId, Life, LinkId};
use skep_core::{Config, Instant, Machine};
use tracing::{debug, warn};

use crate::host::{Copy, Host};
use crate::limits::Limit;
use crate::link::{Credit, Link};
use crate::logging;
use crate::mail::Mail;
use crate::node::Shared;
use crate::status::Ending;
use crate::transport::Dialer;
use crate::worker::Beaten;

use asking::{Answer, Asked};
use flood::Floods;

/// At most so many inputs are handled before what they led to is carried out.
const AT_ONCE: usize = 128;

/// How long a node whose last user dropped it may take to say so to its peers.
const ABANDONED: Duration = Duration::from_millis(500);

/// The engine of one node.
pub(crate) struct Engine<D> {
    shared: Arc<Shared>,
    config: Config,
    machine: Machine,
    dialer: D,
    host: Host,
    links: HashMap<LinkId, Link>,
    /// Closed by us; their last frames may still be on their way.
    closing: Vec<Link>,
    asked: HashMap<CallId, Asked>,
    last_call: u64,
    alarm: Option<(Instant, BoxFuture<'static, ()>)>,
    abandoned: bool,
    /// Members that were just counted down.
    dead: Vec<Life>,
    floods: Floods,
}

impl<D: Dialer> Engine<D> {
    pub(crate) fn new(
        shared: Arc<Shared>,
        config: Config,
        machine: Machine,
        dialer: D,
        host: Host,
        flood_after: Duration,
    ) -> Self {
        Self {
            shared,
            config,
            machine,
            dialer,
            host,
            links: HashMap::new(),
            closing: Vec::new(),
            asked: HashMap::new(),
            last_call: 0,
            alarm: None,
            abandoned: false,
            dead: Vec::new(),
            floods: Floods::new(flood_after),
        }
    }

    /// Runs until the machine retires.
    pub(crate) async fn run(mut self) -> Ending {
        let mut mail = VecDeque::new();
        if let Some(ending) = self.carry_out() {
            return self.close(ending).await;
        }
        loop {
            self.wait(&mut mail).await;
            self.floods.begin_turn();
            while !mail.is_empty() {
                self.take(&mut mail);
                if let Some(ending) = self.carry_out() {
                    return self.close(ending).await;
                }
            }
            let now = self.shared.platform.now();
            self.host.on_time(now);
            if self.machine.poll_timeout().is_some_and(|at| at <= now) {
                self.handle(Input::Timeout);
            }
            if let Some(ending) = self.carry_out() {
                return self.close(ending).await;
            }
        }
    }

    /// Until there is mail, or the machine or the host wants to be woken.
    async fn wait(&mut self, mail: &mut VecDeque<Mail>) {
        let deadlines = [self.machine.poll_timeout(), self.host.deadline(), self.shared.router.deadline()];
        let deadline = deadlines.into_iter().flatten().min();
        match (deadline, &self.alarm) {
            (None, _) => self.alarm = None,
            (Some(at), Some((set, _))) if *set <= at => {} // ringing early is harmless, and saves a timer
            (Some(at), _) => self.alarm = Some((at, self.shared.platform.sleep_until(at))),
        }
        poll_fn(|context| {
            if self.shared.inbox.poll_take(context, mail).is_ready() {
                return Poll::Ready(());
            }
            let Some((_, alarm)) = &mut self.alarm else { return Poll::Pending };
            if alarm.poll_unpin(context).is_pending() {
                return Poll::Pending;
            }
            self.alarm = None;
            Poll::Ready(())
        })
        .await;
    }

    /// Gives the machine what came together, so that it tells its peers of it together.
    fn take(&mut self, mail: &mut VecDeque<Mail>) {
        for _ in 0..AT_ONCE {
            let Some(piece) = mail.pop_front() else { return };
            let goes_alone = !piece.is_of_many();
            if let Some(input) = self.read(piece) {
                self.handle(input);
            }
            // What comes next may be for another life, or look at what is carried out.
            if goes_alone || self.machine.is_over() || mail.front().is_some_and(|next| !next.is_of_many()) {
                return;
            }
        }
    }

    fn handle(&mut self, input: Input) {
        logging::input(&input);
        self.machine.handle(self.shared.platform.now(), input);
    }

    /// What a piece of mail means to the machine, if anything.
    fn read(&mut self, mail: Mail) -> Option<Input> {
        match mail {
            Mail::LinkUp { way, peer, link } => {
                if self.floods.is_kept_away(self.shared.platform.now(), &peer.node) {
                    return self.keep_away(way, &link);
                }
                if link.ours() != self.config.life {
                    return self.end_former(way, &link);
                }
                let id = link.id();
                debug!(target: "skep", link = id.0, node = %peer.node, life = %peer.life, ?way, "link up");
                self.shared.learn(peer.life, &peer.node);
                self.links.insert(id, link.clone());
                self.shared.router.link_up(link);
                Some(Input::LinkUp { link: id, way, peer })
            }
            Mail::Control { link, frame, credit } => {
                if self.is_flood(link, credit) {
                    return self.drop_flooder(link);
                }
                self.links.contains_key(&link).then_some(Input::Message { link, frame })
            }
            Mail::LinkDown { link, peer } => {
                self.floods.on_link_gone(link);
                self.links.remove(&link)?;
                debug!(target: "skep", link = link.0, life = %peer, "link down");
                self.shared.router.link_down(link, peer);
                Some(Input::LinkDown { link })
            }
            Mail::DialFailed { address, failure } => {
                debug!(target: "skep", %address, %failure, "dial failed");
                Some(Input::DialFailed { address, failure })
            }
            Mail::Ask { request, deadline, reply } => {
                Some(self.ask(Asked { request, deadline, answer: Answer::To(reply) }))
            }
            Mail::Wish { request, deadline } => {
                Some(self.ask(Asked { request, deadline, answer: Answer::ToNobody }))
            }
            Mail::Attach { name, deadline, guest, reply } => {
                let request = Request::Register { name, worker: WorkerSpec::Attached };
                Some(self.ask(Asked { request, deadline, answer: Answer::ToGuest(reply, guest) }))
            }
            Mail::Started { seat, result } => {
                self.host.on_started(seat, result);
                None
            }
            Mail::Ended { seat, verdict } => {
                self.host.on_ended(seat, verdict);
                None
            }
            Mail::HandoffBegun { seat, number, handoff } => {
                self.host.on_handoff_begun(seat, number, handoff);
                None
            }
            Mail::StateLost { seat } => {
                self.host.on_state_lost(seat);
                None
            }
            Mail::ConflictResolved { seat, beaten, result } => {
                self.host.on_conflict_resolved(seat, beaten, result);
                None
            }
            Mail::Detached { name, epoch } => {
                self.host.on_detached(name, epoch);
                None
            }
            Mail::Question { asker, token, credit } => {
                drop(credit);
                self.shared.router.on_question(asker, token);
                None
            }
            Mail::Flushed { from, token, credit } => {
                drop(credit);
                self.shared.router.on_flushed(from, token);
                None
            }
            Mail::Attend => None, // which is done after each piece of mail
            Mail::Observed { source, observation, done } => {
                drop(done); // the source may go on
                Some(Input::Observed { source, observation })
            }
            Mail::Workers { reply } => {
                let _ = reply.send(self.host.workers()); // who asked may have gone
                None
            }
            Mail::Abandon => {
                self.abandoned = true;
                let deadline = self.shared.platform.now() + ABANDONED;
                Some(self.ask(Asked { request: Request::Leave, deadline, answer: Answer::ToNobody }))
            }
        }
    }

    fn is_flood(&mut self, link: LinkId, credit: Credit) -> bool {
        let is_pressed = credit.is_pressed();
        drop(credit);
        self.links.contains_key(&link) && self.floods.on_control(self.shared.platform.now(), link, is_pressed)
    }

    /// Its peer sends more than can be handled, and does not stop: the others shall not suffer from it.
    fn drop_flooder(&mut self, link: LinkId) -> Option<Input> {
        self.floods.on_link_gone(link);
        let gone = self.links.remove(&link)?;
        let away = self.floods.drop_peer(self.shared.platform.now(), gone.node());
        warn!(target: "skep", node = %gone.node(), ?away, "{} floods this node: link closed", gone.node());
        self.shared.reached.count(Limit::Flood);
        let _ = gone.push(flood::goodbye()); // it may not read either
        self.close_link(gone);
        Some(Input::LinkDown { link })
    }

    /// It flooded this node shortly before. The machine, if it ordered this link, tries again later.
    fn keep_away(&mut self, way: Way, link: &Link) -> Option<Input> {
        self.shared.reached.count(Limit::KeptAway);
        let _ = link.push(flood::goodbye()); // it may just have ended
        turn_away(way, link, DialFailure::Unreachable)
    }

    /// The peer shook hands with a life that is over, and would take the present one for a liar.
    fn end_former(&mut self, way: Way, link: &Link) -> Option<Input> {
        debug!(target: "skep", link = link.id().0, life = %link.ours(), "link of a former life");
        turn_away(way, link, DialFailure::Handshake(Refusal::Stalled)) // soon to be tried again
    }

    /// Carries out all orders, and all that follows from them. Says when this life and its node are over.
    fn carry_out(&mut self) -> Option<Ending> {
        loop {
            while let Some(output) = self.machine.poll_output() {
                logging::output(&output);
                let Some(reason) = self.obey(output) else { continue };
                logging::retired(&self.config.node, &reason);
                match reason {
                    RetireReason::Left => return Some(Ending::Left),
                    RetireReason::NameInUse { address, .. } => return Some(Ending::NameInUse { address }),
                    RetireReason::TagClash if !self.host.is_empty() => return Some(Ending::TagClash),
                    RetireReason::TagClash => self.take_new_life(),
                    RetireReason::Forgotten { .. } if !self.host.is_empty() => {
                        return Some(Ending::Forgotten);
                    }
                    RetireReason::Forgotten { again } => {
                        self.take_new_life();
                        self.claim_again(again);
                    }
                    other => {
                        debug!(target: "skep", reason = ?other, "retired for a reason of a newer core");
                        return Some(Ending::Broken);
                    }
                }
            }
            let mut next = self.host.report();
            if next.is_none() {
                break;
            }
            for _ in 0..AT_ONCE {
                let Some(input) = next else { break };
                self.handle(input);
                next = if self.machine.is_over() { None } else { self.host.report() };
            }
        }
        for life in std::mem::take(&mut self.dead) {
            self.host.on_dead(life);
        }
        self.shared.router.attend(self.shared.platform.now());
        None
    }

    fn obey(&mut self, output: Output) -> Option<RetireReason> {
        match output {
            Output::Dial { address } => self.dialer.dial(address),
            Output::Send { link, frame } => {
                if let Some(link) = self.links.get(&link) {
                    let _ = link.push(frame); // the machine repairs what is lost; a full lane ends its link
                }
            }
            Output::Close { link, reason } => {
                if reason == Refusal::Full {
                    self.shared.reached.count(Limit::Members);
                }
                self.floods.on_link_gone(link);
                if let Some(link) = self.links.remove(&link) {
                    self.close_link(link);
                }
            }
            Output::Start { name, epoch, kind, args } => self.host.start(name, epoch, kind, args),
            Output::Stop { name, epoch, grace, why } => {
                let grace = if self.abandoned { Duration::ZERO } else { grace };
                self.host.stop(self.shared.platform.now(), name, epoch, grace, why);
            }
            Output::BeginHandoff { name, epoch, why } => self.host.begin_handoff(name, epoch, why),
            Output::SendState { name, epoch, to, under } => self.host.send_state(name, epoch, to, under),
            Output::GoOn { name, epoch } => self.host.go_on(&name, epoch),
            Output::Freeze { name, epoch, to, under } => self.host.freeze(&name, epoch, to, under),
            Output::Prepare { name, epoch, kind, args, state, from } => {
                let copy = Copy { state, from };
                self.host.prepare(name, epoch, kind, args, &copy);
            }
            Output::ResolveConflict { name, epoch, beaten, from, bytes: _ } => {
                self.host.resolve_conflict(name, epoch, Beaten { epoch: beaten, at: from });
            }
            Output::Activate { name, epoch, under } => self.host.activate(name, epoch, under),
            Output::Return { call, reply } => {
                if let Some(asked) = self.asked.remove(&call) {
                    self.answer(asked, reply);
                }
            }
            Output::Place { name, placement } => self.shared.router.place(name, placement),
            Output::JoinGroup { group, name } => self.shared.router.lookup.join(group, name),
            Output::LeaveGroup { group, name } => self.shared.router.lookup.leave(&group, &name),
            Output::Event(event) => self.tell(event),
            Output::Reached(bound) => self.shared.reached.count(bound.into()),
            Output::Retire(reason) => return Some(reason),
        }
        None
    }

    fn tell(&mut self, event: Event) {
        logging::event(&self.config.node, &event);
        if let Event::MemberDown { life, .. } = &event {
            self.dead.push(*life);
        }
        match &event {
            Event::Formed { .. } => self.shared.status.change(|state| state.is_up = true),
            Event::QuorumLost { .. } => self.shared.status.change(|state| state.has_quorum = false),
            Event::QuorumReached { .. } => self.shared.status.change(|state| state.has_quorum = true),
            Event::MemberUp { node, life }
            | Event::MemberSuspect { node, life }
            | Event::MemberLeaving { node, life }
            | Event::MemberDown { node, life, .. } => self.shared.know(*life, node),
            _ => {}
        }
        self.shared.board.put_up(event);
    }
}

/// Ends a link before the machine hears of it. If the machine ordered it, it hears that the dial failed.
fn turn_away(way: Way, link: &Link, failure: DialFailure) -> Option<Input> {
    link.close();
    match way {
        Way::Dialled(address) => Some(Input::DialFailed { address, failure }),
        Way::Accepted => None,
    }
}

impl<D> Drop for Engine<D> {
    /// However it ends, also by a panic, its links do not stay open.
    fn drop(&mut self) {
        self.links.values().for_each(Link::close);
    }
}
