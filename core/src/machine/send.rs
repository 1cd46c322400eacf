//! How messages leave: on a link, or to a life by whatever way there is.

use crate::event::Output;
use crate::id::{Life, LinkId};
use crate::machine::Machine;
use crate::mutant::Mutant;
use crate::wire::message::{Message, Relay};
use crate::wire::{Frame, WIRE_MIN};

impl Machine {
    /// Puts a message on a link.
    pub(crate) fn send(&mut self, link: LinkId, message: impl Into<Message>) {
        let version = self.spoken(self.links.get(link).map_or(WIRE_MIN, |link| link.peer.wire_max));
        let frame = message.into().encode(version);
        self.put(link, frame);
    }

    /// The wire version for who speaks up to this one.
    fn spoken(&self, newest: u16) -> u16 {
        let ours = self.config.wire_version;
        if self.broken(Mutant::NewWordsForAll) { ours } else { newest.min(ours) }
    }

    fn put(&mut self, link: LinkId, frame: Frame) {
        self.counters.messages_sent += 1;
        self.counters.bytes_sent += frame.wire_len() as u64;
        self.outputs.push_back(Output::Send { link, frame });
    }

    /// Sends to a member over its link, or else once through another that may have one.
    /// Whether it was sent at all; nobody promises that it arrives.
    pub(crate) fn send_to(&mut self, to: Life, message: impl Into<Message>) -> bool {
        debug_assert_ne!(to, self.me, "nobody writes letters to himself");
        if let Some(link) = self.links.to(to) {
            self.send(link, message);
            return true;
        }
        if self.broken(Mutant::NoRelay) {
            return false;
        }
        let live = |&(life, _): &(Life, LinkId)| self.table.is_live(life);
        let count = self.links.serving().filter(live).count();
        if count == 0 {
            return false;
        }
        let pick = (self.random.next() % count as u64) as usize; // another way at each try
        let live = |&(life, _): &(Life, LinkId)| self.table.is_live(life);
        let (_, link) = self.links.serving().filter(live).nth(pick).expect("there are `count` of them");
        let known = self.table.of(to).map_or(WIRE_MIN, |record| record.wire);
        let frame = message.into().encode(self.spoken(known));
        self.send(link, Relay { to, from: self.me, kind: frame.kind, body: frame.body.into() });
        true
    }

    /// Passes a letter on, if its receiver is one step away.
    pub(crate) fn on_relay(&mut self, by: Life, relay: Relay) {
        if relay.to == self.me {
            if relay.from != self.me && self.table.is_live(relay.from) {
                let frame = Frame { kind: relay.kind, body: relay.body.0 };
                self.on_relayed(relay.from, &frame);
            }
            return;
        }
        if relay.from != by {
            return; // one step only
        }
        if let Some(link) = self.links.to(relay.to) {
            self.send(link, relay);
        }
    }
}
