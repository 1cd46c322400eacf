//! Where a name's messages go, and what comes in from links goes to whom.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use skep_core::id::{Epoch, Life, LinkId, Name};
use skep_core::wire::Frame;
use tracing::debug;

use super::links::Links;
use super::pending::Pending;
use super::reply::ReplyPath;
use super::wheel::{Key, Outcome};
use super::wire::{self, Answered, Header, Undelivered, Verdict};
use crate::link::Link;
use crate::lookup::{ByName, Known, Lookup};
use crate::runtime::Platform;
use crate::states::{self, Arrivals};
use crate::worker::Delivery;

/// At most this many calls of one node wait for their answer.
const MAX_PENDING: usize = 1 << 20;

/// The data path of one node.
pub(crate) struct Router {
    pub(crate) platform: Platform,
    pub(crate) lookup: Lookup,
    pub(crate) links: Arc<Links>,
    pub(crate) pending: Arc<Pending>,
    pub(crate) arrivals: Arc<Arrivals>,
    residents: ByName<Resident>,
    life: AtomicU64,
    ended: AtomicBool,
    malformed: AtomicU64,
}

/// A worker that runs here, as the data path sees it.
#[derive(Clone)]
pub(crate) struct Resident {
    pub(crate) epoch: Epoch,
    pub(crate) mailbox: Arc<dyn Delivery>,
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
    pub(crate) fn new(platform: Platform, life: Life, max_state: usize) -> Self {
        Self {
            arrivals: Arc::new(Arrivals::new(platform.clone(), max_state)),
            platform,
            lookup: Lookup::new(),
            links: Arc::new(Links::default()),
            pending: Arc::new(Pending::new(MAX_PENDING)),
            residents: ByName::new(),
            life: AtomicU64::new(life.0),
            ended: AtomicBool::new(false),
            malformed: AtomicU64::new(0),
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
        self.links.add(link);
        self.lookup.touch_all();
    }

    pub(crate) fn link_down(&self, link: LinkId, peer: Life) {
        if self.links.remove(link, peer).is_none() {
            self.arrivals.lost(peer);
        }
        self.pending.link_lost(link);
    }

    /// We closed it: what was sent on it still arrives, and is answered over another link if there is one.
    pub(crate) fn link_closed(&self, link: LinkId, peer: Life) {
        match self.links.remove(link, peer) {
            Some(other) => self.pending.link_replaced(link, other.id()),
            None => {
                self.arrivals.lost(peer);
                self.pending.link_lost(link);
            }
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
    pub(crate) fn passed(&self, link: &Link, frame: Frame) {
        let understood = match frame.kind {
            wire::REQUEST | wire::ONE_WAY => self.on_message(link, frame.kind, &frame.body),
            wire::REPLY => self.on_reply(link.peer(), frame.body),
            states::STATE => self.arrivals.on_piece(link.peer(), &frame.body),
            _ => Some(()), // of a newer version: skipped
        };
        if understood.is_none() {
            self.malformed.fetch_add(1, Ordering::Relaxed);
            debug!(node = %link.node(), kind = frame.kind, "a frame that is none");
        }
    }

    fn on_message(&self, link: &Link, kind: u16, body: &[u8]) -> Option<()> {
        let (header, message) = postcard::take_from_bytes::<Header<'_>>(body).ok()?;
        let path = if kind == wire::ONE_WAY {
            ReplyPath::nobody()
        } else {
            let deadline = self.platform.now() + Duration::from_micros(header.remaining_micros);
            ReplyPath::there(self.links.clone(), link.clone(), header.call, deadline)
        };
        match self.residents.get(header.name) {
            Some(resident) if header.epoch <= resident.epoch => {
                if let Err((why, path)) = resident.mailbox.deliver(header.message_id(), message, path) {
                    path.refuse(why);
                }
            }
            Some(_) | None => path.refuse(Undelivered::NotHere),
        }
        Some(())
    }

    fn on_reply(&self, peer: Life, body: Vec<u8>) -> Option<()> {
        let (verdict, reply) = postcard::take_from_bytes::<Verdict>(&body).ok()?;
        let from = body.len() - reply.len();
        let outcome = match verdict.outcome {
            Answered::Reply => Outcome::Encoded(body, from),
            Answered::Undelivered(why) => Outcome::Undelivered(why),
            Answered::Failed(handled) => Outcome::Failed(handled),
            Answered::ReplyTooLarge => Outcome::ReplyTooLarge,
        };
        self.pending.finish_from(peer, Key(verdict.call), outcome);
        Some(())
    }
}
