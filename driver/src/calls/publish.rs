//! One message to many workers: encoded once, and sent in one frame to each node that runs some of them.

use std::collections::HashMap;

use skep_core::id::{Epoch, Life, Name};
use skep_core::wire::{Frame, MAX_FRAME};

use super::error::SendError;
use super::holding::{Letter, Way};
use super::reply::ReplyPath;
use super::router::Router;
use super::wire::PUBLISHED;
use crate::limits::Limit;
use crate::link::Link;
use crate::worker::{Message, MessageId};

/// The most workers of one frame: bounds the work that a peer can ask for with it.
const MAX_RECEIVERS: usize = 1024;

/// A frame for one node, while receivers are added to it: the message's identity and bytes, then to its end the
/// receivers, each with the start of it that the sender knows of.
struct Batch<'a> {
    link: Link,
    body: Vec<u8>,
    receivers: Vec<&'a Name>,
}

impl Router {
    /// Sends a message that wants no answer to each of these workers. Never waits. To how many it was sent, or
    /// will be when their move is over: not where a mailbox or a link is full.
    pub(crate) fn publish<M: Message>(&self, names: &[Name], message: &M) -> Result<usize, SendError> {
        let Letter { message: id, bytes, until } = self.letter(message)?;
        let (seen, mut sent) = (self.moves(), Vec::new());
        let mut held = 0;
        let mut batches: HashMap<Life, Batch<'_>> = HashMap::new();
        for name in names {
            match self.way(name.as_str(), || Ok(Letter { message: id, bytes: bytes.clone(), until })) {
                Ok(Way::Held) => held += 1,
                Err(_) | Ok(Way::Free) => {}
                Ok(Way::Here(resident)) => {
                    if resident.mailbox.deliver(id, &bytes, ReplyPath::nobody()).is_ok() {
                        sent.push((name, self.life()));
                    }
                }
                Ok(Way::There(link, epoch)) => {
                    let peer = link.peer();
                    let begin = || Batch { link, body: head(id, &bytes), receivers: Vec::new() };
                    let batch = batches.entry(peer).or_insert_with(begin);
                    if !batch.has_room(name) {
                        batch.send(head(id, &bytes), &mut sent);
                    }
                    batch.add(epoch, name);
                }
            }
        }
        for batch in batches.values_mut() {
            batch.send(Vec::new(), &mut sent);
        }
        if self.moves() != seen {
            sent.iter().for_each(|(name, to)| self.sent_late(name.as_str(), *to));
        }
        Ok(sent.len() + held)
    }

    /// Such a frame came. `None` if it is none.
    pub(super) fn on_published(&self, link: &Link, body: &[u8]) -> Option<()> {
        let ((id, message), mut receivers) = postcard::take_from_bytes::<(u64, &[u8])>(body).ok()?;
        for _ in 0..MAX_RECEIVERS {
            if receivers.is_empty() {
                return Some(());
            }
            let ((epoch, name), rest) = postcard::take_from_bytes::<(Epoch, &str)>(receivers).ok()?;
            receivers = rest;
            let parked = link.park(message.len()); // of each: each mailbox has a copy
            if parked.is_some() {
                self.hand_over(name, epoch, MessageId(id), message, ReplyPath::nobody().of_parked(parked));
            }
        }
        if !receivers.is_empty() {
            self.reached.count(Limit::Receivers);
            return None;
        }
        Some(())
    }
}

impl<'a> Batch<'a> {
    fn has_room(&self, name: &Name) -> bool {
        let longest = 10 + 2 + name.as_str().len(); // an epoch and a length, as varints
        self.receivers.len() < MAX_RECEIVERS && self.body.len() + longest <= MAX_FRAME as usize
    }

    fn add(&mut self, epoch: Epoch, name: &'a Name) {
        let body = std::mem::take(&mut self.body);
        self.body = postcard::to_extend(&(epoch, name), body).expect("a name is plain data");
        self.receivers.push(name);
    }

    /// Sends what was added so far, and begins anew with `next`. Adds those to whom it was sent.
    fn send(&mut self, next: Vec<u8>, sent: &mut Vec<(&'a Name, Life)>) {
        let body = std::mem::replace(&mut self.body, next);
        let receivers = std::mem::take(&mut self.receivers);
        if self.link.push(Frame { kind: PUBLISHED, body }).is_ok() {
            sent.extend(receivers.into_iter().map(|name| (name, self.link.peer())));
        } // else the link is full or lost: none of them has it
    }
}

fn head(id: MessageId, message: &[u8]) -> Vec<u8> {
    let room = Vec::with_capacity(message.len() + 1024);
    postcard::to_extend(&(id.0, message), room).expect("bytes are plain data")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_message_is_pinned() {
        let mut body = head(MessageId(4), &[7, 8]);
        for (epoch, name) in [(Epoch(300), "n"), (Epoch(5), "m")] {
            body = postcard::to_extend(&(epoch, Name::new(name).expect("a good name")), body).expect("short");
        }
        assert_eq!(body, [4, 2, 7, 8, 0xac, 2, 1, b'n', 5, 1, b'm']);
    }
}
