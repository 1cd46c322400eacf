//! Where a transport reports to, and the same without a node behind it, for the transport's own tests.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use futures::channel::mpsc::{self, UnboundedReceiver, UnboundedSender};
use skep_core::error::DialFailure;
use skep_core::event::Way;
use skep_core::id::{Address, Life, LinkId, NodeName};
use skep_core::wire::{Frame, Hello};

use super::ends::{self, Credit, Link, LinkEnds};
use super::lanes::LinkBounds;
use super::parked::Backlog;
use crate::limits::{Limit, Reached};

/// Where a transport reports to. Cloning it is cheap.
#[derive(Clone)]
pub struct Hub {
    sink: Arc<dyn Sink>,
    bounds: LinkBounds,
    reached: Arc<Reached>,
    next: Arc<AtomicU64>,
    backlogs: Arc<Mutex<HashMap<NodeName, Backlog>>>,
}

/// Who takes what comes in through a hub. None of these may block.
pub(crate) trait Sink: Send + Sync {
    fn up(&self, way: Way, peer: Hello, link: Link);
    /// Whether its engine handles such a frame: then there is a bound to how many wait for it.
    fn is_for_engine(&self, frame: &Frame) -> bool {
        frame.is_control()
    }
    fn control(&self, link: LinkId, frame: Frame, credit: Credit);
    /// Any other frame, with credit if it is for the engine.
    fn passed(&self, link: &Link, frame: Frame, credit: Option<Credit>);
    fn down(&self, link: LinkId, peer: Life);
    fn dial_failed(&self, address: Address, failure: DialFailure);
}

impl Hub {
    pub(crate) fn new(sink: Arc<dyn Sink>, bounds: LinkBounds, reached: Arc<Reached>) -> Self {
        Self { sink, bounds, reached, next: Arc::new(AtomicU64::new(1)), backlogs: Arc::default() }
    }

    /// A link is up: both hellos are admitted, ours with this life. If the node took another one meanwhile, it ends the
    /// link.
    pub fn link_up(&self, way: Way, ours: Life, peer: Hello) -> LinkEnds {
        let id = LinkId(self.next.fetch_add(1, Ordering::Relaxed));
        let (link, ends) = ends::link(
            id,
            ours,
            &peer,
            self.bounds.clone(),
            self.sink.clone(),
            self.reached.clone(),
            self.backlog(&peer.node),
        );
        self.sink.up(way, peer, link);
        ends
    }

    /// One for all links of a node, so that a new link brings no new share. Those that nobody has a part in go.
    fn backlog(&self, of: &NodeName) -> Backlog {
        let mut backlogs = self.backlogs.lock().unwrap_or_else(PoisonError::into_inner); // each use is one step
        backlogs.retain(|_, backlog| backlog.is_used());
        backlogs.entry(of.clone()).or_default().clone()
    }

    /// A limit of the transport was reached: once more in its count.
    pub fn reached(&self, limit: Limit) {
        self.reached.count(limit);
    }

    /// A dial made no link.
    pub fn dial_failed(&self, address: Address, failure: DialFailure) {
        self.sink.dial_failed(address, failure);
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").finish_non_exhaustive()
    }
}

/// A hub without a node, and all that is reported through it, in order.
pub fn hub() -> (Hub, Reports) {
    hub_with(LinkBounds::default())
}

/// As [`hub`], with bounds that a test can reach.
pub fn hub_with(bounds: LinkBounds) -> (Hub, Reports) {
    let (sender, receiver) = mpsc::unbounded();
    let reached = Arc::<Reached>::default();
    (Hub::new(Arc::new(Reporter { sender }), bounds, reached.clone()), Reports { receiver, reached })
}

/// What a transport reported. Control frames that were not taken from here count as not handled.
pub struct Reports {
    receiver: UnboundedReceiver<(Report, Option<Credit>)>,
    reached: Arc<Reached>,
}

/// One thing that a transport reported.
#[derive(Debug)]
pub enum Report {
    /// `Hub::link_up`.
    LinkUp {
        /// Who began it.
        way: Way,
        /// What the peer said of itself.
        peer: Hello,
        /// To push frames, and to close it.
        link: Link,
    },
    /// A frame of any lane.
    Frame {
        /// From where.
        link: LinkId,
        /// What.
        frame: Frame,
    },
    /// The connection is gone, and not by [`Link::close`].
    Down {
        /// Which.
        link: LinkId,
    },
    /// `Hub::dial_failed`.
    DialFailed {
        /// As ordered.
        address: Address,
        /// Why.
        failure: DialFailure,
    },
}

impl Reports {
    /// The next report.
    ///
    /// # Panics
    /// When nobody can report any more: all hubs and ends are gone.
    pub async fn next(&mut self) -> Report {
        self.receiver.next().await.expect("a hub or an end of a link is left to report").0
    }

    /// How often this limit was reached.
    pub fn times_reached(&self, limit: Limit) -> u64 {
        self.reached.times(limit)
    }

    /// The next report if it is there already.
    pub fn try_next(&mut self) -> Option<Report> {
        self.receiver.try_recv().ok().map(|(report, _)| report)
    }
}

impl fmt::Debug for Reports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reports").finish_non_exhaustive()
    }
}

struct Reporter {
    sender: UnboundedSender<(Report, Option<Credit>)>,
}

impl Reporter {
    fn tell(&self, report: Report, credit: Option<Credit>) {
        // A test that dropped its reports wants no more of them.
        let _ = self.sender.unbounded_send((report, credit));
    }
}

impl Sink for Reporter {
    fn up(&self, way: Way, peer: Hello, link: Link) {
        self.tell(Report::LinkUp { way, peer, link }, None);
    }

    fn control(&self, link: LinkId, frame: Frame, credit: Credit) {
        self.tell(Report::Frame { link, frame }, Some(credit));
    }

    fn passed(&self, link: &Link, frame: Frame, credit: Option<Credit>) {
        self.tell(Report::Frame { link: link.id(), frame }, credit);
    }

    fn down(&self, link: LinkId, _peer: Life) {
        self.tell(Report::Down { link }, None);
    }

    fn dial_failed(&self, address: Address, failure: DialFailure) {
        self.tell(Report::DialFailed { address, failure }, None);
    }
}
