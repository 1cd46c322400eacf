//! The links of this node, and for each what was said on it.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::event::Way;
use crate::id::{Address, Life, LinkId};
use crate::time::Instant;
use crate::wire::Hello;
use crate::wire::message::Greet;

/// One link, from `LinkUp` to its end.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) peer: Hello,
    pub(crate) way: Way,
    /// When bytes last came.
    pub(crate) heard: Instant,
    /// Since when a ping waits for any answer.
    pub(crate) asked: Option<Instant>,
    /// How far the peer has each log, as it last said; `None` before its greeting.
    pub(crate) theirs: Option<BTreeMap<Life, u64>>,
    /// Whether it has a log that we never had and do not take any more (`departed.rs`): what that one overwrote is
    /// missing in all that the peer sends.
    pub(crate) has_gaps: bool,
    /// What it had at its greeting: what a joining node waits for.
    pub(crate) greeted: BTreeMap<Life, u64>,
    /// How far our own log was sent on this link.
    pub(crate) sent: u64,
    /// How far it told us to have our log, on this link.
    pub(crate) acked: u64,
    /// How far we told it to have its log.
    pub(crate) told: u64,
    /// Up to where we told it that our log is stable.
    pub(crate) stable: u64,
    /// Who we said is of our side, to a peer of another one.
    pub(crate) side: Option<Vec<Life>>,
    /// A greeting that came before the link was let in.
    pub(crate) early: Option<Box<Greet>>,
    /// Whether the peer reproached us.
    pub(crate) reproached: bool,
    /// Probes in a row whose hash of member records was not ours.
    pub(crate) records_differ: u8,
    /// Probes in a row whose hash of positions was not ours.
    pub(crate) positions_differ: u8,
}

impl Link {
    fn dialler(&self, me: Life) -> Life {
        match self.way {
            Way::Dialled(_) => me,
            Way::Accepted => self.peer.life,
        }
    }
}

/// All links: one serves each peer, others wait for a decision.
#[derive(Debug)]
pub(crate) struct Links {
    me: Life,
    links: BTreeMap<LinkId, Link>,
    serving: BTreeMap<Life, LinkId>,
}

/// What to do about a second link to the same life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Settled {
    /// There is no other.
    Only,
    /// The new one serves, that old one is to be closed.
    Replaces(LinkId),
    /// The old one serves on, the new one is to be closed.
    Loses,
}

impl Links {
    pub(crate) fn new(me: Life) -> Self {
        Self { me, links: BTreeMap::new(), serving: BTreeMap::new() }
    }

    /// Takes a new link; it serves nobody yet.
    pub(crate) fn insert(&mut self, id: LinkId, way: Way, peer: Hello, now: Instant) {
        let link = Link {
            peer,
            way,
            heard: now,
            asked: None,
            theirs: None,
            has_gaps: false,
            greeted: BTreeMap::new(),
            sent: 0,
            acked: 0,
            told: 0,
            stable: 0,
            side: None,
            early: None,
            reproached: false,
            records_differ: 0,
            positions_differ: 0,
        };
        self.links.insert(id, link);
    }

    /// Which of two links to one life survives: the one that the lower life dialled, so that both ends say the
    /// same; of two that the same life dialled, the newer, because the older must be dead.
    pub(crate) fn settle(&self, id: LinkId) -> Settled {
        let link = &self.links[&id];
        let Some(&old) = self.serving.get(&link.peer.life) else {
            return Settled::Only;
        };
        let (older, newer) = (self.links[&old].dialler(self.me), link.dialler(self.me));
        if newer <= older { Settled::Replaces(old) } else { Settled::Loses }
    }

    /// From now on this link serves its peer.
    pub(crate) fn serve(&mut self, id: LinkId) {
        self.serving.insert(self.links[&id].peer.life, id);
    }

    /// Forgets a link. Whether it served its peer.
    pub(crate) fn remove(&mut self, id: LinkId) -> Option<(Link, bool)> {
        let link = self.links.remove(&id)?;
        let served = self.serving.get(&link.peer.life) == Some(&id);
        if served {
            self.serving.remove(&link.peer.life);
        }
        Some((link, served))
    }

    /// From now on this link serves nobody, and stays.
    pub(crate) fn park(&mut self, id: LinkId) {
        self.serving.retain(|_, serving| *serving != id);
    }

    /// This life's log is dropped here: how far it goes elsewhere does not matter any more.
    pub(crate) fn forget(&mut self, life: Life) {
        for link in self.links.values_mut() {
            link.greeted.remove(&life);
            link.theirs.as_mut().map(|theirs| theirs.remove(&life));
        }
    }

    pub(crate) fn get(&self, id: LinkId) -> Option<&Link> {
        self.links.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links.get_mut(&id)
    }

    /// Whether this link serves its peer.
    pub(crate) fn serves(&self, id: LinkId) -> bool {
        self.links.get(&id).is_some_and(|link| self.serving.get(&link.peer.life) == Some(&id))
    }

    pub(crate) fn to(&self, life: Life) -> Option<LinkId> {
        self.serving.get(&life).copied()
    }

    pub(crate) fn of_mut(&mut self, life: Life) -> Option<&mut Link> {
        self.links.get_mut(self.serving.get(&life)?)
    }

    /// The lives that have a link, in order, with it.
    pub(crate) fn serving(&self) -> impl Iterator<Item = (Life, LinkId)> + '_ {
        self.serving.iter().map(|(&life, &id)| (life, id))
    }

    /// Links on which a ping has waited since before `then`.
    pub(crate) fn silent_since(&self, then: Instant) -> Vec<LinkId> {
        let silent = self.links.iter().filter(|(_, link)| link.asked.is_some_and(|asked| asked < then));
        silent.map(|(&id, _)| id).collect()
    }

    /// What was asked before does not count.
    pub(crate) fn forget_questions(&mut self) {
        self.links.values_mut().for_each(|link| link.asked = None);
    }

    /// All of them, serving or not.
    pub(crate) fn all(&self) -> Vec<LinkId> {
        self.links.keys().copied().collect()
    }

    /// Links that wait for a decision.
    pub(crate) fn parked(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        self.links
            .iter()
            .filter(|(id, link)| self.serving.get(&link.peer.life) != Some(id))
            .map(|(&id, link)| (id, link))
    }

    /// Whether some link leads to this address.
    pub(crate) fn reaches(&self, address: &Address) -> bool {
        let dialled = |link: &Link| matches!(&link.way, Way::Dialled(to) if to == address);
        self.links.values().any(|link| link.peer.address == *address || dialled(link))
    }

    /// How much it holds, for `Machine::holdings`.
    #[cfg(feature = "mutants")]
    pub(crate) fn holdings(&self) -> [(&'static str, usize); 2] {
        let theirs = self.links.values().filter_map(|link| link.theirs.as_ref()).map(BTreeMap::len).max();
        [("links", self.links.len()), ("positions of a peer", theirs.unwrap_or(0))]
    }

    pub(crate) fn len(&self) -> usize {
        self.serving.len()
    }
}
