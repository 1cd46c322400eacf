//! Where a name's messages go, and what comes in from links goes to whom.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use skep_core::Instant;
use skep_core::delivery::{Forwarder, Holds, Received, Token};
use skep_core::id::{Epoch, Life, LinkId, Name};
use skep_core::wire::Frame;
use tracing::debug;

use super::bounds::CallBounds;
use super::chain::Waiting;
use super::fences::Fences;
use super::forwarding::Parcel;
use super::holding::Letter;
use super::links::Links;
use super::pending::Pending;
use super::reply::ReplyPath;
use super::wheel::{Key, Outcome};
use super::wire::{self, Header, Moved, Undelivered, Verdict};
use crate::limits::Reached;
use crate::link::{Credit, Link};
use crate::lookup::{ByName, Known, Lookup};
use crate::mail::{Inbox, Mail};
use crate::runtime::Platform;
use crate::states::{self, Arrivals};
use crate::worker::{Delivery, MessageId};

/// Whether the engine answers a frame of this kind. All others are dealt with where they are read.
pub(crate) fn is_for_engine(kind: u16) -> bool {
    matches!(kind, wire::FLUSH | wire::FLUSHED)
}

/// The data path of one node.
pub(crate) struct Router {
    pub(crate) platform: Platform,
    pub(crate) bounds: Arc<CallBounds>,
    pub(crate) lookup: Lookup,
    pub(crate) links: Arc<Links>,
    pub(crate) pending: Arc<Pending>,
    pub(crate) arrivals: Arc<Arrivals>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) forwarder: Mutex<Forwarder<Parcel>>,
    /// Whether anything that was forwarded is on its way.
    pub(super) forwarding: AtomicBool,
    received: Mutex<Received>,
    pub(super) holds: Mutex<Holds<Letter>>,
    /// Whether any name is held.
    pub(super) holding: AtomicBool,
    /// How often a name went elsewhere.
    pub(super) moves: AtomicU64,
    /// Lanes that were full, and when to try them again.
    stalled: Mutex<BTreeSet<(Instant, Life)>>,
    pub(super) fences: Fences,
    residents: ByName<Resident>,
    life: AtomicU64,
    ended: AtomicBool,
    malformed: AtomicU64,
    pub(crate) reached: Arc<Reached>,
}

/// A worker that runs here, as the data path sees it.
#[derive(Clone)]
pub(crate) struct Resident {
    pub(crate) epoch: Epoch,
    pub(crate) mailbox: Arc<dyn Delivery>,
    pub(crate) stands: Stands,
}

/// What a resident takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stands {
    /// It holds the name: what is for its start or an earlier one.
    Active,
    /// It is a prepared copy: what is for its start alone. The rest is for who still holds the name.
    Prepared,
}

impl Resident {
    fn takes(&self, epoch: Epoch) -> bool {
        match self.stands {
            Stands::Active => epoch <= self.epoch,
            Stands::Prepared => epoch == self.epoch,
        }
    }
}

/// The way to a worker at this moment.
pub(crate) enum Route {
    /// Nothing is registered under the name.
    Free,
    /// It has no holder, or none that can be reached now.
    Between,
    /// It runs here.
    Here(Resident),
    /// It runs at the other end of this link.
    There(Link, Epoch),
}

impl Router {
    pub(crate) fn new(
        platform: Platform,
        life: Life,
        max_state: usize,
        bounds: CallBounds,
        inbox: Arc<Inbox>,
        reached: Arc<Reached>,
    ) -> Self {
        Self {
            arrivals: Arc::new(Arrivals::new(platform.clone(), max_state, reached.clone())),
            platform,
            lookup: Lookup::new(),
            links: Arc::new(Links::default()),
            pending: Arc::new(Pending::new(bounds.pending)),
            inbox,
            forwarder: Mutex::default(),
            forwarding: AtomicBool::new(false),
            received: Mutex::default(),
            holds: Mutex::new(Holds::new(bounds.held)),
            holding: AtomicBool::new(false),
            moves: AtomicU64::new(0),
            stalled: Mutex::default(),
            fences: Fences::default(),
            residents: ByName::new(),
            life: AtomicU64::new(life.0),
            ended: AtomicBool::new(false),
            malformed: AtomicU64::new(0),
            bounds: Arc::new(bounds),
            reached,
        }
    }

    pub(crate) fn life(&self) -> Life {
        Life(self.life.load(Ordering::Relaxed))
    }

    pub(crate) fn take_life(&self, life: Life) {
        self.life.store(life.0, Ordering::Relaxed);
    }

    /// Frames that were no call and no answer, so far.
    pub(crate) fn malformed(&self) -> u64 {
        self.malformed.load(Ordering::Relaxed)
    }

    pub(crate) fn settle(&self, name: Name, resident: Resident) {
        if resident.stands == Stands::Active {
            self.forwarder().settle(&name);
        }
        self.residents.insert(name.clone(), resident);
        self.lookup.touch(name.as_str());
    }

    pub(crate) fn evict(&self, name: &Name, epoch: Epoch) {
        if let Some(resident) = self.residents.remove_if(name, |resident| resident.epoch == epoch) {
            resident.mailbox.close();
            self.lookup.touch(name.as_str());
        }
    }

    /// It takes no more messages here for now; its mailbox stays as it is.
    pub(crate) fn withdraw(&self, name: &Name, epoch: Epoch) {
        if self.residents.remove_if(name, |resident| resident.epoch == epoch).is_some() {
            self.lookup.touch(name.as_str());
        }
    }

    pub(crate) fn link_up(&self, link: Link) {
        let peer = link.peer();
        self.links.add(link);
        self.relink(peer);
        self.lookup.touch_all();
    }

    pub(crate) fn link_down(&self, link: LinkId, peer: Life) {
        if self.cut_off(link, peer).is_some() {
            self.holds().lost(peer); // what was asked on that link is not answered
            self.fences.lost(peer);
        }
        self.pending.link_lost(link);
    }

    /// That link is gone. Gives another one to the same life, if there is one.
    fn cut_off(&self, link: LinkId, peer: Life) -> Option<Link> {
        let other = self.links.remove(link, peer);
        if other.is_some() {
            self.relink(peer);
        } else {
            self.arrivals.lost(peer);
            self.holds().lost(peer); // it answers no question of ours
            self.fences.lost(peer);
        }
        other
    }

    /// We closed it: what was sent on it still arrives, and is answered over another link if there is one.
    pub(crate) fn link_closed(&self, link: LinkId, peer: Life) {
        match self.cut_off(link, peer) {
            Some(other) => self.pending.link_replaced(link, other.id()),
            None => self.pending.link_lost(link),
        }
    }

    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.residents.drain().into_iter().for_each(|resident| resident.mailbox.close());
        self.lookup.clear();
        self.pending.all_lost();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    pub(crate) fn route(&self, name: &str) -> Route {
        let located = match self.lookup.get(name) {
            Known::Free => return Route::Free,
            Known::Between => return Route::Between,
            Known::At(located) => located,
        };
        if located.life == self.life() {
            return self.residents.get(name).map_or(Route::Between, Route::Here);
        }
        self.links.to(located.life).map_or(Route::Between, |link| Route::There(link, located.epoch))
    }

    /// Takes a frame of the calls lane or the bulk lane. Never waits.
    pub(crate) fn passed(&self, link: &Link, frame: Frame, credit: Option<Credit>) {
        let kind = frame.kind;
        let understood = match kind {
            wire::REQUEST | wire::ONE_WAY => self.on_message(link, kind, &frame.body),
            wire::REPLY => self.on_reply(link.peer(), frame.body),
            wire::FORWARD => self.on_forward(link, &frame.body),
            wire::FORWARDED => self.on_forwarded(link.peer(), &frame.body),
            wire::FLUSH => self.post_token(&frame.body, |token| {
                let asker = link.peer();
                Mail::Question { asker, token, credit }
            }),
            wire::FLUSHED => self.post_token(&frame.body, |token| {
                let from = link.peer();
                Mail::Flushed { from, token, credit }
            }),
            wire::MOVED => {
                postcard::from_bytes::<Moved>(&frame.body).ok().map(|moved| self.on_call_moved(&moved))
            }
            wire::REPLY_FOR => self.on_reply_for(frame),
            wire::PUBLISHED => self.on_published(link, &frame.body),
            states::STATE => self.arrivals.on_piece(link.peer(), &frame.body),
            _ => Some(()), // of a newer version: skipped
        };
        if understood.is_none() {
            self.malformed.fetch_add(1, Ordering::Relaxed);
            debug!(node = %link.node(), kind, "a frame that is none");
        }
    }

    fn on_message(&self, link: &Link, kind: u16, body: &[u8]) -> Option<()> {
        let (header, message) = postcard::take_from_bytes::<Header<'_>>(body).ok()?;
        let id = header.message_id();
        let (path, message) = if kind == wire::ONE_WAY {
            (ReplyPath::nobody(), message)
        } else {
            let (chain, message) = postcard::take_from_bytes(message).ok()?;
            let until = self.platform.now() + Duration::from_micros(header.remaining_micros);
            let waiting = Waiting { until, chain };
            (ReplyPath::there(self.links.clone(), link.clone(), header.call, waiting), message)
        };
        match link.park(body.len()) {
            Some(parked) => {
                self.hand_over(header.name, header.epoch, id, message, path.of_parked(Some(parked)));
            }
            None => path.refuse(Undelivered::Overloaded),
        }
        Some(())
    }

    /// Puts a message from another node into its mailbox, or tells the sender why not.
    pub(super) fn hand_over(&self, name: &str, epoch: Epoch, id: MessageId, message: &[u8], path: ReplyPath) {
        match self.residents.get(name) {
            Some(resident) if self.may_take(&resident, name, epoch) => {
                if let Err((why, path)) = resident.mailbox.deliver(id, message, path) {
                    path.refuse(why);
                }
            }
            Some(_) | None => {
                if let Err(path) = self.pass_on(name, epoch, id, message, path) {
                    path.refuse(Undelivered::NotHere);
                }
            }
        }
    }

    /// The engine answers it, behind all news that came before.
    fn post_token(&self, body: &[u8], mail: impl FnOnce(Token) -> Mail) -> Option<()> {
        let token = Token(wire::number(body)?);
        self.inbox.post(mail(token));
        Some(())
    }

    fn on_reply(&self, peer: Life, body: Vec<u8>) -> Option<()> {
        let (verdict, reply) = postcard::take_from_bytes::<Verdict>(&body).ok()?;
        let from = body.len() - reply.len();
        let outcome = Outcome::answered(verdict.outcome, body, from);
        self.pending.finish_from(peer, Key(verdict.call), outcome);
        Some(())
    }

    /// Whether a message for this start can be given to this resident. One for an earlier start cannot while others
    /// are still on their way round that came before the name had returned: it has to follow them.
    pub(super) fn may_take(&self, resident: &Resident, name: &str, epoch: Epoch) -> bool {
        let must_follow = || {
            epoch < resident.epoch
                && self.forwarding.load(Ordering::SeqCst)
                && self.forwarder().forwards(name)
        };
        resident.takes(epoch) && !must_follow()
    }

    pub(super) fn resident(&self, name: &str) -> Option<Resident> {
        self.residents.get(name)
    }

    pub(super) fn received(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner) // each use is one step
    }

    pub(super) fn stalled(&self) -> MutexGuard<'_, BTreeSet<(Instant, Life)>> {
        self.stalled.lock().unwrap_or_else(PoisonError::into_inner) // each use is one step
    }
}
