//! Bounds of the data path that only thousands of peers or names reach: nothing breaks there, and each is counted.

use std::any::Any;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Waker;

use futures::FutureExt;
use skep_core::Config;
use skep_core::event::Way;
use skep_core::id::{Address, ClusterName, Epoch, Life, Name, NodeName};
use skep_core::wire::{Frame, Hello};

use super::wire::{self, Forward};
use super::{CallBounds, Forwarding, ReplyPath, Router, Undelivered};
use crate::limits::{Limit, Reached};
use crate::link::{Hub, Link, LinkBounds};
use crate::mail::{Entrance, Inbox, Mail};
use crate::runtime::Platform;
use crate::sim::SimRuntime;
use crate::worker::{Delivery, MessageId};

/// The data path of a node without workers, and its door for links.
struct Path {
    inbox: Arc<Inbox>,
    router: Arc<Router>,
    hub: Hub,
}

impl Path {
    fn new() -> Self {
        let inbox = Arc::new(Inbox::new());
        let reached = Arc::new(Reached::default());
        let platform = Platform::new(SimRuntime::new(1));
        let router =
            Router::new(platform, Life(1), 1 << 20, CallBounds::default(), inbox.clone(), reached.clone());
        let router = Arc::new(router);
        let entrance = Arc::new(Entrance { inbox: inbox.clone(), router: router.clone() });
        Self { inbox, router, hub: Hub::new(entrance, LinkBounds::default(), reached) }
    }

    /// A frame comes from this life.
    fn hear(&self, from: Life, frame: Frame) {
        let text = from.to_string();
        let address = Address::new(&text).expect("a good address");
        let node = NodeName::new(&text).expect("a good name");
        let hello = Hello::of(&Config::new(ClusterName::new("test").expect("good"), node, from, address));
        let ends = self.hub.link_up(Way::Accepted, Life(1), hello);
        let mut mail = VecDeque::new();
        poll_fn(|context| self.inbox.poll_take(context, &mut mail)).now_or_never();
        let link: Option<Link> = mail.into_iter().find_map(|mail| match mail {
            Mail::LinkUp { link, .. } => Some(link),
            _ => None,
        });
        self.router.passed(&link.expect("the hub has just told of it"), frame, None);
        drop(ends);
    }

    fn times(&self, limit: Limit) -> u64 {
        self.router.reached.times(limit)
    }
}

/// A mailbox of a worker that has moved.
struct Empty;

impl Delivery for Empty {
    fn offer(&self, _: &mut dyn Any, _: Option<&Waker>) -> Result<(), Undelivered> {
        Err(Undelivered::NotHere)
    }

    fn deliver(&self, _: MessageId, _: &[u8], reply: ReplyPath) -> Result<(), (Undelivered, ReplyPath)> {
        Err((Undelivered::NotHere, reply))
    }

    fn deliver_forwarded(
        &self,
        id: MessageId,
        bytes: &[u8],
        reply: ReplyPath,
    ) -> Result<(), (Undelivered, ReplyPath)> {
        self.deliver(id, bytes, reply)
    }

    fn forward(&self, _: Forwarding) {}

    fn reopen(&self) {}

    fn close(&self) {}
}

#[test]
fn nodes_that_forward_are_remembered_up_to_a_number_and_those_that_are_forgotten_counted() {
    let path = Path::new();
    for life in 2..2 + 4096 + 3 {
        let header = Forward {
            number: 1,
            remaining_micros: 0,
            epoch: Epoch(1),
            message: 1,
            caller: None,
            chain: Default::default(),
            name: "n",
        };
        path.hear(Life(life), wire::with_bytes(wire::FORWARD, &header, &[]));
    }
    assert_eq!(path.times(Limit::Forwarders), 3);
}

#[test]
fn names_that_moved_away_are_remembered_up_to_a_number_and_those_that_are_forgotten_counted() {
    let path = Path::new();
    for number in 0..(1 << 17) + 5 {
        let name = Name::new(format!("n{number}")).expect("a good name");
        path.router.depart(&name, Epoch(1), Life(2), Epoch(2), &Empty);
    }
    assert_eq!(path.times(Limit::Departed), 5);
}

#[test]
fn a_published_frame_is_for_so_many_and_one_for_more_is_counted() {
    let path = Path::new();
    for (receivers, times) in [(1024, 0), (1025, 1)] {
        let mut body = postcard::to_allocvec(&(7u64, 1u8, 9u8)).expect("plain data");
        for number in 0..receivers {
            body = postcard::to_extend(&(Epoch(1), format!("n{number}")), body).expect("plain data");
        }
        path.hear(Life(2), Frame { kind: wire::PUBLISHED, body });
        assert_eq!((path.times(Limit::Receivers), path.router.malformed()), (times, times), "{receivers}");
    }
}
