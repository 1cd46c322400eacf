//! Which links reach which life.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use skep_core::id::{Life, LinkId};
use skep_core::wire::Frame;

use crate::link::Link;

/// The links of a node, by the life at their other end. Two links to one life exist only until the cores settle it.
#[derive(Default)]
pub(crate) struct Links {
    by_life: RwLock<HashMap<Life, Vec<Link>>>,
}

impl Links {
    pub(crate) fn add(&self, link: Link) {
        self.by_life
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(link.peer())
            .or_default()
            .push(link);
    }

    /// Forgets a link; gives another one to the same life, if there is one.
    pub(crate) fn remove(&self, id: LinkId, peer: Life) -> Option<Link> {
        let mut by_life = self.by_life.write().unwrap_or_else(PoisonError::into_inner);
        let links = by_life.get_mut(&peer)?;
        links.retain(|link| link.id() != id);
        let other = links.iter().find(|link| link.is_open()).cloned();
        if links.is_empty() {
            by_life.remove(&peer);
        }
        other
    }

    pub(crate) fn to(&self, life: Life) -> Option<Link> {
        let by_life = self.by_life.read().unwrap_or_else(PoisonError::into_inner);
        by_life.get(&life)?.iter().find(|link| link.is_open()).cloned()
    }

    /// To whom there is a link.
    pub(crate) fn lives(&self) -> Vec<Life> {
        self.by_life.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// To that life, or by way of the other. Where neither can be reached its caller's deadline ends the call.
    pub(crate) fn send_by(&self, to: Life, by: Life, frame: Frame) {
        if let Some(link) = self.to(to).or_else(|| self.to(by)) {
            let _ = link.push(frame); // a full lane leaves it to the deadline too
        }
    }

    /// An answer goes back over the link that the question came on, or over another one to the same life.
    /// Where there is none its caller hears of the lost link anyway; a full lane leaves it to the deadline.
    pub(crate) fn send_back(&self, link: &Link, frame: Frame) {
        if link.is_open() {
            let _ = link.push(frame);
        } else if let Some(other) = self.to(link.peer()) {
            let _ = other.push(frame);
        }
    }
}
