//! Users who wait for the machine: what they ask, and how they hear the answer.

use futures::channel::oneshot;
use skep_core::Instant;
use skep_core::event::{Input, Registration, Reply, Request};
use skep_core::id::{CallId, Name};

use super::Engine;
use crate::logging;
use crate::mail::{Attaching, Guest};
use crate::transport::Dialer;
use crate::worker::Notice;

/// A user who waits for the machine's answer.
pub(super) struct Asked {
    pub(super) request: Request,
    pub(super) deadline: Instant,
    pub(super) answer: Answer,
}

pub(super) enum Answer {
    To(oneshot::Sender<Reply>),
    ToGuest(oneshot::Sender<Attaching>, Guest),
    ToNobody,
}

impl<D: Dialer> Engine<D> {
    pub(super) fn ask(&mut self, asked: Asked) -> Input {
        self.last_call += 1;
        let call = CallId(self.last_call);
        let (deadline, request) = (asked.deadline, asked.request.clone());
        self.asked.insert(call, asked);
        Input::Call { call, deadline, request }
    }

    pub(super) fn answer(&mut self, asked: Asked, reply: Reply) {
        match asked.answer {
            Answer::ToNobody => logging::unheard(&asked.request, &reply),
            Answer::To(sender) => {
                let _ = sender.send(reply); // a caller that gave up
            }
            Answer::ToGuest(sender, guest) => {
                let Request::Register { name, .. } = asked.request else { return };
                let Reply::Registered(result) = reply else { return };
                // A guest that gave up drops the notice that it is sent, and so frees the name.
                let _ = sender.send(result.map(|registration| {
                    let notice = self.seat_guest(name, guest, &registration);
                    (registration, notice)
                }));
            }
        }
    }

    fn seat_guest(&mut self, name: Name, guest: Guest, registration: &Registration) -> Notice {
        let notice = Notice {
            name: name.clone(),
            epoch: registration.epoch,
            cancellation: guest.cancellation.clone(),
            inbox: self.shared.inbox.clone(),
        };
        self.host.attach(name, registration.epoch, registration.kind.clone(), guest);
        notice
    }
}
