//! Which room an input or a message belongs to.

use crate::error::{GroupError, LookupError, ReadyError, Refusal, RegisterError, UnregisterError};
use crate::event::{Input, Misbehaviour, Output, Reply, Request};
use crate::id::{CallId, Life, LinkId};
use crate::machine::Machine;
use crate::time::Instant;
use crate::tracker::{GroupWish, Presence};
use crate::wire::Frame;
use crate::wire::message::{Message, Wish};

impl Machine {
    pub(super) fn dispatch(&mut self, input: Input) {
        match input {
            Input::LinkUp { link, way, peer } => self.on_link_up(link, way, peer),
            Input::LinkDown { link } => self.on_link_down(link),
            Input::DialFailed { address, failure } => self.on_dial_failed(address, failure),
            Input::Message { link, frame } => self.on_frame(link, &frame),
            Input::Call { call, deadline, request } => self.on_call(call, deadline, request),
            Input::WorkerStarted { name, epoch, result } => self.on_worker_started(&name, epoch, result),
            Input::WorkerExited { name, epoch, exit } => self.on_worker_exited(&name, epoch, exit),
            Input::WorkerStopped { name, epoch, outcome } => self.on_worker_stopped(&name, epoch, outcome),
            Input::HandoffBegun { name, epoch, handoff } => self.on_handoff_begun(&name, epoch, handoff),
            Input::StateLost { name, epoch } => self.on_state_lost(&name, epoch),
            Input::WorkerPrepared { name, epoch, result } => self.on_worker_prepared(&name, epoch, result),
            Input::ConflictResolved { name, epoch, beaten, from, result } => {
                self.on_conflict_resolved(&name, epoch, beaten, from, &result);
            }
            Input::Observed { source, observation } => self.on_observed(&source, observation),
            Input::Timeout => self.on_timeout(),
        }
    }

    fn on_call(&mut self, call: CallId, deadline: Instant, request: Request) {
        let reply = match request {
            Request::Register { name, worker } => {
                return self.claim(call, deadline, name, Wish::Register(worker));
            }
            Request::Restore { name, worker } => {
                return self.claim(call, deadline, name, Wish::Restore(worker));
            }
            Request::Unregister { name } => return self.claim(call, deadline, name, Wish::Unregister),
            Request::Locate { name } => return self.claim(call, deadline, name, Wish::Locate),
            Request::JoinGroup { group, name } => {
                return self.wish_group(call, deadline, GroupWish { group, name, presence: Presence::In });
            }
            Request::LeaveGroup { group, name } => {
                return self.wish_group(call, deadline, GroupWish { group, name, presence: Presence::Out });
            }
            Request::Drain => return self.drain(call, deadline),
            Request::Leave => return self.leave(call, deadline),
            Request::Owner { name } => Reply::Owner(self.ownership(&name)),
            Request::Members => Reply::Members(self.table.views()),
            Request::Ready { members, stable_for } => {
                return self.await_readiness(call, deadline, members, stable_for);
            }
            Request::Counters => Reply::Counters(self.counters()),
        };
        self.outputs.push_back(Output::Return { call, reply });
    }

    fn counters(&self) -> crate::event::Counters {
        let (addresses, sources, degraded) = self.book.figures();
        crate::event::Counters {
            addresses: addresses as u64,
            sources: sources as u64,
            sources_degraded: degraded as u64,
            names: self.registry.len() as u64,
            enrolments: self.registry.enrolments() as u64,
            members: self.table.others().count() as u64 + 1,
            links: self.links.len() as u64,
            ..self.counters
        }
    }

    /// After the end: calls are answered, links refused, the rest is late news.
    pub(super) fn refuse(&mut self, input: Input) {
        match input {
            Input::Call { call, request, .. } => {
                let reply = match request {
                    Request::Register { .. } | Request::Restore { .. } => {
                        Reply::Registered(Err(RegisterError::Leaving))
                    }
                    Request::Unregister { .. } => Reply::Unregistered(Err(UnregisterError::Leaving)),
                    Request::Locate { .. } => Reply::Located(Err(LookupError::Leaving)),
                    Request::JoinGroup { .. } | Request::LeaveGroup { .. } => {
                        Reply::Grouped(Err(GroupError::Leaving))
                    }
                    Request::Owner { name } => Reply::Owner(self.ownership(&name)),
                    Request::Members => Reply::Members(self.table.views()),
                    Request::Ready { .. } => Reply::Ready(Err(ReadyError::Leaving)),
                    Request::Counters => Reply::Counters(self.counters()),
                    Request::Drain => Reply::Drained(Ok(0)),
                    Request::Leave => Reply::Left,
                };
                self.outputs.push_back(Output::Return { call, reply });
            }
            Input::LinkUp { link, .. } => {
                self.outputs.push_back(Output::Close { link, reason: Refusal::Left })
            }
            Input::LinkDown { .. }
            | Input::DialFailed { .. }
            | Input::Message { .. }
            | Input::WorkerStarted { .. }
            | Input::WorkerExited { .. }
            | Input::WorkerStopped { .. }
            | Input::HandoffBegun { .. }
            | Input::StateLost { .. }
            | Input::WorkerPrepared { .. }
            | Input::ConflictResolved { .. }
            | Input::Observed { .. }
            | Input::Timeout => {}
        }
    }

    fn on_frame(&mut self, id: LinkId, frame: &Frame) {
        let Some(link) = self.links.get_mut(id) else {
            return; // it was closed while this was under way
        };
        link.heard = self.now;
        link.asked = None;
        let (life, peer) = (link.peer.life, link.peer.clone());
        self.counters.messages_received += 1;
        self.counters.bytes_received += frame.wire_len() as u64;
        let message = match Message::decode(frame, self.config.wire_version) {
            Ok(Some(message)) => message,
            Ok(None) => {
                self.counters.unknown_frames += 1;
                return;
            }
            Err(_) => return self.expel(id, Misbehaviour::NoMessage),
        };
        let stranger = matches!(&message, Message::Greet(greet) if !self.introduces(&peer, greet));
        let stranger = stranger.then_some(Misbehaviour::NotItself);
        if let Some(what) = stranger.or_else(|| self.misbehaviour(life, &message)) {
            return self.expel(id, what);
        }
        let serves = self.links.serves(id);
        if serves {
            self.on_heard(life);
        }
        match message {
            Message::Goodbye(goodbye) => self.on_goodbye(id, goodbye.refusal),
            Message::Greet(greet) if serves => self.on_greet(id, *greet),
            Message::Greet(greet) => self.keep_early(id, greet),
            Message::Reproach(reproach) => self.on_reproach(id, reproach.code),
            Message::Estranged(theirs) => self.on_estranged(id, &theirs.up),
            _ if !serves => {} // parked: it will greet again
            Message::Records(records) => self.merge_records(life, records.records),
            Message::Forgotten(forgotten) => self.on_forgotten(id, &forgotten.lives),
            Message::Ping(ping) => self.on_ping(id, *ping),
            Message::Pong(pong) => self.on_pong(id, *pong),
            Message::Digest(digest) => self.on_digest(id, *digest),
            Message::Pull(pull) => self.on_pull(id, &pull),
            Message::Delta(delta) => self.on_delta(id, *delta),
            Message::Acked(acked) => self.on_acked(id, acked.position),
            Message::Relay(relay) => self.on_relay(life, *relay),
            request => self.on_request(life, request),
        }
    }

    /// A letter that came by way of another member.
    pub(super) fn on_relayed(&mut self, from: Life, frame: &Frame) {
        match Message::decode(frame, self.config.wire_version) {
            // What is wrong is not the fault of the link that brought it.
            Ok(Some(message)) if self.misbehaviour(from, &message).is_some() => {
                self.counters.malformed_frames += 1;
            }
            Ok(Some(message)) => self.on_request(from, message),
            Ok(None) => self.counters.unknown_frames += 1,
            Err(_) => self.counters.malformed_frames += 1,
        }
    }

    /// What may come by any way.
    fn on_request(&mut self, from: Life, message: Message) {
        match message {
            Message::PingFor(question) => self.on_ping_for(from, *question),
            Message::PongFor(answer) => self.on_pong_for(from, *answer),
            Message::Barrier(barrier) => self.on_barrier(from, &barrier),
            Message::BarrierAck(ack) => self.on_barrier_ack(from, *ack),
            Message::Claim(claim) => self.on_claim(from, *claim),
            Message::ClaimReply(reply) => self.on_claim_reply(from, *reply),
            Message::StartOrder(order) => self.on_start_order(from, *order),
            Message::StartReport(report) => self.on_start_report(from, *report),
            Message::StopOrder(order) => self.on_stop_order(from, &order),
            Message::StopReport(report) => self.on_stop_report(from, &report),
            Message::Offer(offer) => self.on_offer(from, *offer),
            Message::OfferReply(reply) => self.on_offer_reply(from, *reply),
            Message::Withdraw(withdraw) => self.on_withdraw(from, &withdraw),
            Message::Surrender(surrender) => self.on_surrender(from, *surrender),
            Message::SurrenderReply(reply) => self.on_surrender_reply(from, *reply),
            Message::Greet(_)
            | Message::Goodbye(_)
            | Message::Records(_)
            | Message::Forgotten(_)
            | Message::Estranged(_)
            | Message::Reproach(_)
            | Message::Ping(_)
            | Message::Pong(_)
            | Message::Digest(_)
            | Message::Pull(_)
            | Message::Delta(_)
            | Message::Acked(_)
            | Message::Relay(_) => self.counters.malformed_frames += 1, // these travel on their own link only
        }
    }
}
