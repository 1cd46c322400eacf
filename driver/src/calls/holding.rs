//! What this node holds for names that move, so that nothing it sends overtakes what it sent before.

use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use skep_core::Instant;
use skep_core::delivery::{Holds, NotHeld, Token};
use skep_core::event::Placement;
use skep_core::id::{Epoch, Life, Name};
use tracing::debug;

use super::error::SendError;
use super::forwarding::PAUSE;
use super::reply::ReplyPath;
use super::router::{Resident, Route, Router};
use super::wire::{self, Header, Undelivered};
use crate::limits::Limit;
use crate::link::Link;
use crate::lookup::{Known, Located};
use crate::mail::Mail;
use crate::worker::MessageId;

/// A message is held like so many bytes more.
const OVERHEAD: usize = 128;

/// How long a message waits for a way to its name. After that it is as lost as one on its way to a node that dies.
pub(super) const WAIT: Duration = Duration::from_secs(5);

/// A message that wants no answer, as it is held. It is put behind a header when it is sent, as that names the start
/// that the name then has.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(super) message: MessageId,
    pub(super) bytes: Vec<u8>,
    /// Until when it is worth sending.
    pub(super) until: Instant,
}

/// The way that a message without an answer takes.
pub(super) enum Way {
    /// Nothing is registered under the name.
    Free,
    /// The worker runs here.
    Here(Resident),
    /// It runs at the other end of this link.
    There(Link, Epoch),
    /// The name moves, or has no holder that can be reached: the message is held, and sent when it can be.
    Held,
}

impl Letter {
    fn weight(&self) -> usize {
        self.bytes.len() + OVERHEAD
    }
}

impl Router {
    /// The look-up map changes: a name that went from a holder to whom messages of ours may be on their way is held.
    pub(crate) fn place(&self, name: Name, placement: Option<Placement>) {
        let next = placement.as_ref().and_then(|placement| placement.holder);
        if let Known::At(last) = self.lookup.get(name.as_str())
            && next.is_some_and(|next| next != last.life)
        {
            let mut holds = self.holds();
            if self.may_have_sent(&name, last) {
                holds.moved(self.platform.now(), name.clone(), last.life);
                self.holding.store(true, Ordering::SeqCst);
            }
            // Who looked before, and sends after, sees by this that it must look again.
            self.moves.fetch_add(1, Ordering::SeqCst);
        }
        self.lookup.place(name, placement);
    }

    fn may_have_sent(&self, name: &Name, last: Located) -> bool {
        if last.life == self.life() {
            return self.forwarder().forwards(name.as_str());
        }
        self.links.to(last.life).is_some_and(|link| link.has_carried_calls())
    }

    /// How often a name went elsewhere so far.
    pub(super) fn moves(&self) -> u64 {
        self.moves.load(Ordering::SeqCst)
    }

    /// Whether the name is held: what is sent to it has to wait.
    pub(super) fn is_held(&self, name: &str) -> bool {
        self.holding.load(Ordering::SeqCst) && self.holds().holds(name)
    }

    /// The way for a message that wants no answer. If it has to be held, it is.
    pub(super) fn way(
        &self,
        name: &str,
        letter: impl Fn() -> Result<Letter, SendError>,
    ) -> Result<Way, SendError> {
        loop {
            let way = match self.route(name) {
                Route::Between => {
                    self.hold_on(name, letter()?)?;
                    return Ok(Way::Held);
                }
                Route::Free => Way::Free,
                Route::Here(resident) => Way::Here(resident),
                Route::There(link, epoch) => Way::There(link, epoch),
            };
            if !self.is_held(name) {
                return Ok(way);
            }
            let letter = letter()?;
            let weight = letter.weight();
            match self.holds().hold(name, letter, weight) {
                Ok(()) => return Ok(Way::Held),
                Err(NotHeld::Free(_)) => {} // it has just been freed
                Err(NotHeld::Full(_)) => {
                    self.reached.count(Limit::Held);
                    return Err(SendError::MailboxFull);
                }
            }
        }
    }

    /// Holds a message for a name to which there is no way just now.
    pub(super) fn hold_on(&self, name: &str, letter: Letter) -> Result<(), SendError> {
        let Ok(known) = Name::new(name) else { return Err(SendError::NotFound) };
        let weight = letter.weight();
        let mut holds = self.holds();
        holds.wait(self.platform.now(), &known);
        self.holding.store(true, Ordering::SeqCst);
        let held = holds.hold(name, letter, weight);
        drop(holds);
        self.try_later(self.life());
        held.map_err(|_| {
            self.reached.count(Limit::Held);
            SendError::MailboxFull
        })
    }

    /// A message went to this life while names moved. If its own did, then perhaps behind the question that was
    /// asked there: it is asked again, and the name is held until that is answered.
    pub(super) fn sent_late(&self, name: &str, to: Life) {
        let mut holds = self.holds();
        let is_there = matches!(self.lookup.get(name), Known::At(at) if at.life == to);
        if is_there && !holds.holds(name) {
            return;
        }
        let Ok(name) = Name::new(name) else { return };
        holds.moved(self.platform.now(), name, to);
        self.holding.store(true, Ordering::SeqCst);
        self.ask(&mut holds);
        drop(holds);
        self.inbox.post(Mail::Attend); // it sees to the deadline
    }

    fn ask(&self, holds: &mut Holds<Letter>) {
        for (life, token) in holds.ask() {
            if life == self.life() {
                self.on_question(life, token);
            } else if !self.put_question(life, token) {
                holds.lost(life);
            }
        }
    }

    pub(super) fn put_question(&self, life: Life, token: Token) -> bool {
        let Some(link) = self.links.to(life) else { return false };
        link.push(wire::plain(wire::FLUSH, &token.0)).is_ok()
    }

    pub(crate) fn on_flushed(&self, from: Life, token: Token) {
        if !self.fences.answered(from, token) {
            self.holds().flushed(from, token);
        }
    }

    /// When [`Router::attend`] has something to do, if nothing happens before.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if !self.holding.load(Ordering::SeqCst) && self.stalled().is_empty() {
            return None;
        }
        let stalled = self.stalled().first().map(|(at, _)| *at);
        [self.holds().deadline(), stalled].into_iter().flatten().min()
    }

    /// Asks what is to be asked, and sends what is not held any more. For the engine's task alone.
    pub(crate) fn attend(&self, now: Instant) {
        while let Some(to) = self.due(now) {
            if to == self.life() {
                self.holds().try_again();
            } else {
                self.pump_to(to);
            }
        }
        if !self.holding.load(Ordering::SeqCst) {
            return;
        }
        let mut holds = self.holds();
        holds.on_time(now);
        self.ask(&mut holds);
        let mut is_stalled = false;
        while let Some((name, messages)) = holds.release() {
            drop(holds);
            let left = if messages.is_empty() {
                self.lookup.touch(name.as_str());
                Vec::new()
            } else {
                self.send_held(now, name.as_str(), messages)
            };
            holds = self.holds();
            if !left.is_empty() {
                holds.put_back(name, left);
                is_stalled = true;
            }
        }
        self.holding.store(!holds.is_empty(), Ordering::SeqCst);
        drop(holds);
        if is_stalled {
            self.try_later(self.life());
        }
    }

    /// Whether nothing is held, and nothing that was forwarded is on its way.
    #[cfg(all(test, feature = "sim"))]
    pub(crate) fn is_quiet(&self) -> bool {
        self.holds().is_empty() && self.forwarder().is_empty()
    }

    /// What of these cannot be sent yet.
    fn send_held(&self, now: Instant, name: &str, letters: Vec<(Letter, usize)>) -> Vec<(Letter, usize)> {
        let mut letters = letters.into_iter();
        while let Some((letter, weight)) = letters.next() {
            let waits = match self.route(name) {
                Route::Free => false,
                Route::Between => true,
                Route::There(link, epoch) => {
                    let message = letter.message.0;
                    let header = Header { call: 0, remaining_micros: 0, epoch, message, name };
                    let frame = wire::with_bytes(wire::ONE_WAY, &header, &letter.bytes);
                    link.push(frame).is_err()
                }
                Route::Here(resident) => {
                    let path = ReplyPath::nobody();
                    let delivered = resident.mailbox.deliver(letter.message, &letter.bytes, path);
                    matches!(delivered, Err((Undelivered::Overloaded | Undelivered::NotHere, _)))
                }
            };
            if waits && now < letter.until {
                return std::iter::once((letter, weight)).chain(letters).collect();
            }
            if waits {
                debug!(name, "no way to it was found in time: a message is lost");
            }
        }
        Vec::new()
    }

    pub(super) fn try_later(&self, to: Life) {
        self.stalled().insert((self.platform.now() + PAUSE, to));
        self.inbox.post(Mail::Attend);
    }

    fn due(&self, now: Instant) -> Option<Life> {
        let mut stalled = self.stalled();
        if stalled.first()?.0 > now {
            return None;
        }
        stalled.pop_first().map(|(_, to)| to)
    }

    pub(super) fn holds(&self) -> MutexGuard<'_, Holds<Letter>> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner) // each use is one step
    }
}
