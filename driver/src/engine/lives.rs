//! How a life of the node ends, and how the next one begins.

use std::time::Duration;

use skep_core::Machine;
use skep_core::error::RegisterError;
use skep_core::event::{Input, Request, WorkerSpec};
use skep_core::id::{Life, Name};
use skep_core::wire::Hello;

use super::Engine;
use super::asking::{Answer, Asked};
use crate::link::Link;
use crate::status::Ending;
use crate::transport::Dialer;

/// How long the last frames of a node that has left may take to be written.
const FLUSH: Duration = Duration::from_secs(1);

/// For so long a node that begins anew goes on claiming what it had registered while it was cut off.
const CLAIMED_AGAIN: Duration = Duration::from_secs(600);

impl<D: Dialer> Engine<D> {
    /// Nothing runs under the old life: begin again under a later one. Who waits for an answer is asked for again.
    pub(super) fn take_new_life(&mut self) {
        let now = self.shared.platform.now();
        let life = Life(self.shared.platform.unix_micros().max(self.config.life.0 + 1));
        self.config.life = life;
        self.config.seed = self.shared.platform.random();
        self.close_links();
        self.shared.router.lookup.clear();
        self.shared.router.take_life(life);
        self.shared.know(life, &self.config.node);
        self.machine =
            Machine::new(self.config.clone(), now).expect("the config was good for the life before");
        self.dialer.introduce_as(Hello::of(&self.config));
        for (call, asked) in &self.asked {
            let (deadline, request) = (asked.deadline, asked.request.clone());
            self.machine.handle(now, Input::Call { call: *call, deadline, request });
        }
        self.shared.status.change(|state| state.life = life); // sources announce it, and say again what they see
    }

    /// What the other side of a cut never heard of is registered there. A name that it has given away since is its own.
    pub(super) fn claim_again(&mut self, again: Vec<(Name, WorkerSpec)>) {
        let deadline = self.shared.platform.now() + CLAIMED_AGAIN;
        for (name, worker) in again {
            let request = Request::Restore { name, worker };
            let input = self.ask(Asked { request, deadline, answer: Answer::ToNobody });
            self.handle(input);
        }
    }

    pub(super) fn close_link(&mut self, link: Link) {
        link.close();
        self.shared.router.link_closed(link.id(), link.peer());
        self.closing.retain(|link| !link.is_flushed());
        self.closing.push(link);
    }

    fn close_links(&mut self) {
        let links: Vec<Link> = self.links.drain().map(|(_, link)| link).collect();
        links.into_iter().for_each(|link| self.close_link(link));
    }

    /// The last frames are written, then all is over.
    pub(super) async fn close(mut self, ending: Ending) -> Ending {
        for (_, asked) in std::mem::take(&mut self.asked) {
            if let Answer::ToGuest(sender, _) = asked.answer {
                let _ = sender.send(Err(RegisterError::Leaving)); // a caller that gave up
            }
        }
        self.close_links();
        let flushed = futures::future::join_all(self.closing.iter().map(Link::flushed));
        let _ = self.shared.platform.by(self.shared.platform.now() + FLUSH, flushed).await; // or never
        ending
    }
}
