//! A door for the fuzz targets: all that a peer can say on the lanes that go past the core, to a node's data path.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;

use futures::FutureExt;
use skep_core::event::Way;
use skep_core::id::Life;
use skep_core::wire::{Frame, Hello};

use crate::calls::{CallBounds, Router};
use crate::limits::Reached;
use crate::link::{Hub, Link, LinkBounds};
use crate::mail::{Entrance, Inbox, Mail};
use crate::runtime::Platform;
use crate::sim::SimRuntime;

/// The longest state that is taken, in bytes.
const MAX_STATE: usize = 1 << 20;

/// Feeds frames to the data path of a node that has no workers, as a reader does.
///
/// # Panics
/// It does not.
pub fn passed(peer: Hello, frames: impl IntoIterator<Item = Frame>) {
    let inbox = Arc::new(Inbox::new());
    let platform = Platform::new(SimRuntime::new(1));
    let reached = Arc::new(Reached::default());
    let bounds = CallBounds::default();
    let router = Router::new(platform, Life(1), MAX_STATE, bounds, inbox.clone(), reached.clone());
    let router = Arc::new(router);
    let entrance = Arc::new(Entrance { inbox: inbox.clone(), router: router.clone() });
    let mut ends = Hub::new(entrance, LinkBounds::default(), reached).link_up(Way::Accepted, Life(1), peer);
    let link = linked(&inbox).expect("the hub has just told of it");
    router.link_up(link.clone());
    for frame in frames {
        let taken = ends.incoming.frame(frame).now_or_never(); // else its lane is full
        if !matches!(taken, Some(Ok(()))) {
            break;
        }
    }
    router.link_down(link.id(), link.peer()); // they hold each other
    router.end();
    inbox.close();
}

fn linked(inbox: &Inbox) -> Option<Link> {
    let mut mail = VecDeque::new();
    poll_fn(|context| inbox.poll_take(context, &mut mail)).now_or_never()?;
    mail.into_iter().find_map(|mail| match mail {
        Mail::LinkUp { link, .. } => Some(link),
        _ => None,
    })
}
