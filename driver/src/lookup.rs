//! The look-up map: where each name is and who is in each group, as far as this node knows. The one file that knows
//! which map it is.
//!
//! dashmap with foldhash and a raised shard count: of the maps that were measured (one reader, two readers, readers
//! beside a writer) it read fastest, and a resize stalls one shard only.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use dashmap::DashMap;
use foldhash::fast::RandomState;
use futures::task::AtomicWaker;
use skep_core::event::Placement;
use skep_core::id::{Epoch, Group, Kind, Life, Name};

const SHARDS: usize = 256;

/// A name as the maps hash it: by its text, because that is what is looked up.
#[derive(PartialEq, Eq)]
struct Text(Name);

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_str().hash(state);
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self.0.as_str()
    }
}

/// A map by name that many read while one writes.
pub(crate) struct ByName<V> {
    map: DashMap<Text, V, RandomState>,
}

impl<V: Clone> ByName<V> {
    pub(crate) fn new() -> Self {
        Self { map: DashMap::with_capacity_and_hasher_and_shard_amount(0, RandomState::default(), SHARDS) }
    }

    pub(crate) fn get(&self, name: &str) -> Option<V> {
        self.map.get(name).map(|value| value.clone())
    }

    pub(crate) fn insert(&self, name: Name, value: V) {
        self.map.insert(Text(name), value);
    }

    pub(crate) fn remove_if(&self, name: &Name, condition: impl FnOnce(&V) -> bool) -> Option<V> {
        self.map.remove_if(name.as_str(), |_, value| condition(value)).map(|(_, value)| value)
    }

    pub(crate) fn drain(&self) -> Vec<V> {
        let values = self.map.iter().map(|entry| entry.value().clone()).collect();
        self.map.clear();
        values
    }
}

/// Where a name is, as far as one node knows without asking.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Located {
    /// The life that runs it.
    pub life: Life,
    /// The start that runs: a fencing token.
    pub epoch: Epoch,
    /// Whether it was attached, and so does not move.
    pub attached: bool,
}

/// What the map says of a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Known {
    /// Nothing.
    Free,
    /// It is registered, and runs nowhere just now.
    Between,
    /// It runs.
    At(Located),
}

impl Known {
    /// Who runs it, if anyone does.
    pub(crate) fn life(self) -> Option<Life> {
        match self {
            Self::Free | Self::Between => None,
            Self::At(located) => Some(located.life),
        }
    }

    /// Which start of it runs, if any does.
    pub(crate) fn epoch(self) -> Option<Epoch> {
        match self {
            Self::Free | Self::Between => None,
            Self::At(located) => Some(located.epoch),
        }
    }
}

/// Where each name is, who is in each group, and who waits for that to change.
pub(crate) struct Lookup {
    places: DashMap<Text, Placement, RandomState>,
    groups: DashMap<Group, HashSet<Name, RandomState>, RandomState>,
    watched: AtomicUsize,
    watches: Mutex<HashMap<String, Vec<Arc<Signal>>>>,
}

/// Tells one waiting caller of each change around one name.
pub(crate) struct Watch<'a> {
    lookup: &'a Lookup,
    name: &'a str,
    signal: Arc<Signal>,
}

#[derive(Default)]
struct Signal {
    raised: AtomicBool,
    waker: AtomicWaker,
}

impl Lookup {
    pub(crate) fn new() -> Self {
        Self {
            places: DashMap::with_capacity_and_hasher_and_shard_amount(0, RandomState::default(), SHARDS),
            groups: DashMap::with_capacity_and_hasher_and_shard_amount(0, RandomState::default(), SHARDS),
            watched: AtomicUsize::new(0),
            watches: Mutex::new(HashMap::new()),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Known {
        match self.places.get(name) {
            None => Known::Free,
            Some(place) => match place.holder {
                None => Known::Between,
                Some(life) => Known::At(Located { life, epoch: place.epoch, attached: place.attached }),
            },
        }
    }

    pub(crate) fn kind(&self, name: &str) -> Option<Kind> {
        self.places.get(name).map(|place| place.kind.clone())
    }

    pub(crate) fn place(&self, name: Name, placement: Option<Placement>) {
        match placement {
            Some(placement) => {
                self.places.insert(Text(name.clone()), placement);
            }
            None => {
                self.places.remove(name.as_str());
            }
        }
        self.touch(name.as_str());
    }

    /// All names and what is known of them, sorted by name.
    pub(crate) fn all(&self) -> Vec<(Name, Placement)> {
        let mut all: Vec<_> =
            self.places.iter().map(|place| (place.key().0.clone(), place.value().clone())).collect();
        all.sort_unstable_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
        all
    }

    pub(crate) fn join(&self, group: Group, name: Name) {
        self.groups.entry(group).or_default().insert(name);
    }

    pub(crate) fn leave(&self, group: &Group, name: &Name) {
        if let Some(mut names) = self.groups.get_mut(group) {
            names.remove(name);
        }
        self.groups.remove_if(group, |_, names| names.is_empty());
    }

    /// The names in a group, in no order.
    pub(crate) fn names_in(&self, group: &str) -> Vec<Name> {
        self.groups.get(group).map_or_else(Vec::new, |names| names.iter().cloned().collect())
    }

    pub(crate) fn clear(&self) {
        self.places.clear();
        self.groups.clear();
        self.touch_all();
    }

    /// Begins to tell of changes around a name. Look at the name after this, or a change may be missed.
    pub(crate) fn watch<'a>(&'a self, name: &'a str) -> Watch<'a> {
        let signal = Arc::new(Signal::default());
        self.watches().entry(name.to_owned()).or_default().push(signal.clone());
        self.watched.fetch_add(1, Ordering::SeqCst);
        Watch { lookup: self, name, signal }
    }

    /// Something around this name changed: its place, its mailbox here.
    pub(crate) fn touch(&self, name: &str) {
        if self.watched.load(Ordering::SeqCst) == 0 {
            return;
        }
        let signals = self.watches().get(name).cloned();
        signals.into_iter().flatten().for_each(|signal| signal.raise());
    }

    /// Something around any name changed: a link came up.
    pub(crate) fn touch_all(&self) {
        if self.watched.load(Ordering::SeqCst) == 0 {
            return;
        }
        let signals: Vec<_> = self.watches().values().flatten().cloned().collect();
        signals.into_iter().for_each(|signal| signal.raise());
    }

    /// Ready once anything is known of this name.
    pub(crate) async fn known(&self, name: &str) {
        let watch = self.watch(name);
        while self.get(name) == Known::Free {
            watch.changed().await;
        }
    }

    fn watches(&self) -> MutexGuard<'_, HashMap<String, Vec<Arc<Signal>>>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner) // each use is one step
    }
}

impl Signal {
    fn raise(&self) {
        self.raised.store(true, Ordering::SeqCst);
        self.waker.wake();
    }
}

impl Watch<'_> {
    /// Ready when something changed since the last time that this was ready.
    pub(crate) fn poll_changed(&self, waker: &Waker) -> Poll<()> {
        self.signal.waker.register(waker);
        if self.signal.raised.swap(false, Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
    }

    pub(crate) async fn changed(&self) {
        poll_fn(|context| self.poll_changed(context.waker())).await;
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let mut watches = self.lookup.watches();
        if let Some(signals) = watches.get_mut(self.name) {
            signals.retain(|signal| !Arc::ptr_eq(signal, &self.signal));
            if signals.is_empty() {
                watches.remove(self.name);
            }
        }
        self.lookup.watched.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).expect("a good name")
    }

    fn placement(holder: Option<Life>) -> Placement {
        Placement { holder, epoch: Epoch(7), kind: Kind::new("k").expect("a good kind"), attached: false }
    }

    #[test]
    fn it_tells_free_from_between_from_held() {
        let lookup = Lookup::new();
        assert_eq!(lookup.get("n"), Known::Free);
        lookup.place(name("n"), Some(placement(None)));
        assert_eq!(lookup.get("n"), Known::Between);
        lookup.place(name("n"), Some(placement(Some(Life(1)))));
        let located = Located { life: Life(1), epoch: Epoch(7), attached: false };
        assert_eq!(lookup.get("n"), Known::At(located));
        lookup.place(name("n"), None);
        assert_eq!(lookup.get("n"), Known::Free);
    }

    #[test]
    fn a_group_without_names_is_forgotten() {
        let lookup = Lookup::new();
        let group = Group::new("g").expect("a good name");
        for text in ["n", "m", "n"] {
            lookup.join(group.clone(), name(text));
        }
        lookup.leave(&group, &name("m"));
        assert_eq!(lookup.names_in("g"), [name("n")]);
        lookup.leave(&group, &name("n"));
        lookup.leave(&group, &name("n"));
        assert!(lookup.names_in("g").is_empty() && lookup.groups.is_empty());
    }

    #[test]
    fn a_watch_sees_its_own_name_change_and_no_other() {
        let lookup = Lookup::new();
        let watch = lookup.watch("n");
        lookup.place(name("m"), Some(placement(None)));
        assert!(watch.changed().now_or_never().is_none());
        lookup.place(name("n"), Some(placement(None)));
        assert!(watch.changed().now_or_never().is_some());
        assert!(watch.changed().now_or_never().is_none(), "told once for each change");
        drop(watch);
        assert!(lookup.watches().is_empty());
    }
}
