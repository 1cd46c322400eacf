//! Peers that send more than this node can handle, for longer than any honest burst lasts: who is dropped, and for
//! how long he is kept away.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use skep_core::Instant;
use skep_core::error::Refusal;
use skep_core::id::{LinkId, NodeName};
use skep_core::wire::{self, Frame};

/// The most that one frame can add to the time for which a link is pressed: a node that stood still is not to blame
/// its peers for it.
const STEP: Duration = Duration::from_millis(100);

/// How long a peer that flooded is kept away, doubled each time up to the longest.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(64);

/// A peer that behaves for so long after that is a stranger again.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// At most so many peers are remembered; the one that may come back first gives way.
const MAX_REMEMBERED: usize = 1024;

/// What a peer that floods is told: to send so much is what no correct peer does. Who hears it waits before it dials
/// again, as it does not where a link just ends.
pub(super) fn goodbye() -> Frame {
    wire::goodbye(Refusal::Malformed)
}

/// Who presses this node, and who did.
pub(super) struct Floods {
    patience: Duration,
    turn: u64,
    pressed: HashMap<LinkId, Pressed>, // links that are up: no more than members
    away: BTreeMap<NodeName, Away>,
}

struct Pressed {
    turn: u64,
    last: Instant,
    total: Duration,
}

struct Away {
    until: Instant,
    times: u32,
}

impl Floods {
    /// A link may be pressed for as long as `patience`.
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, turn: 0, pressed: HashMap::new(), away: BTreeMap::new() }
    }

    /// The engine takes what came meanwhile.
    pub(super) fn begin_turn(&mut self) {
        self.turn += 1;
    }

    /// A control frame of this link is handled; `is_pressed` says whether more than half of what may wait does. Says
    /// whether that is a flood by now. A link lets up if it does not press when a turn begins: on one thread no reader
    /// can bring more before the turn is over.
    pub(super) fn on_control(&mut self, now: Instant, link: LinkId, is_pressed: bool) -> bool {
        let turn = self.turn;
        match self.pressed.entry(link) {
            Entry::Vacant(vacant) => {
                if is_pressed {
                    vacant.insert(Pressed { turn, last: now, total: Duration::ZERO });
                }
                false
            }
            Entry::Occupied(lets_up) if !is_pressed && lets_up.get().turn != turn => {
                lets_up.remove();
                false
            }
            Entry::Occupied(mut pressing) => {
                let pressed = pressing.get_mut();
                pressed.total += now.since(pressed.last).min(STEP);
                (pressed.turn, pressed.last) = (turn, now);
                pressed.total > self.patience
            }
        }
    }

    pub(super) fn on_link_gone(&mut self, link: LinkId) {
        self.pressed.remove(&link);
    }

    /// From now on the peer is kept away for the time that this returns.
    pub(super) fn drop_peer(&mut self, now: Instant, node: &NodeName) -> Duration {
        self.away.retain(|_, away| now < away.until + FORGOTTEN_AFTER);
        if self.away.len() >= MAX_REMEMBERED && !self.away.contains_key(node) {
            let first = self.away.iter().min_by_key(|(_, away)| away.until).map(|(node, _)| node.clone());
            first.and_then(|first| self.away.remove(&first));
        }
        let away = self.away.entry(node.clone()).or_insert(Away { until: now, times: 0 });
        let time = SHORTEST.saturating_mul(1 << away.times.min(16)).min(LONGEST);
        *away = Away { until: now + time, times: away.times + 1 };
        time
    }

    pub(super) fn is_kept_away(&self, now: Instant, node: &NodeName) -> bool {
        self.away.get(node).is_some_and(|away| now < away.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: LinkId = LinkId(1);
    const TENTH: Duration = Duration::from_millis(100);

    fn floods() -> (Floods, Instant) {
        (Floods::new(Duration::from_secs(1)), Instant::from_nanos(1))
    }

    fn node(name: &str) -> NodeName {
        NodeName::new(name).expect("a good name")
    }

    #[test]
    fn a_goodbye_is_pinned() {
        assert_eq!(goodbye(), Frame { kind: 2, body: vec![9] }); // as in the core's wire/pinned.rs
    }

    #[test]
    fn who_presses_without_end_floods() {
        let (mut floods, mut now) = floods();
        let mut frames = 0;
        while !floods.on_control(now, LINK, true) {
            floods.begin_turn();
            now += TENTH;
            frames += 1;
            assert!(frames < 100, "it is never a flood");
        }
        assert_eq!(frames, 11, "a second, and the frame that is past it");
        assert!(!floods.on_control(now, LinkId(2), true), "others are not to blame");
    }

    #[test]
    fn who_lets_up_between_bursts_does_not_flood() {
        let (mut floods, mut now) = floods();
        for frame in 0..1000 {
            floods.begin_turn();
            assert!(!floods.on_control(now, LINK, frame % 10 > 0), "frame {frame}");
            now += TENTH;
        }
    }

    #[test]
    fn a_turn_that_empties_the_queue_is_no_pause() {
        let (mut floods, mut now) = floods();
        let mut turns = 0;
        while !(floods.on_control(now, LINK, true) || floods.on_control(now, LINK, false)) {
            floods.begin_turn();
            now += TENTH;
            turns += 1;
            assert!(turns < 100, "it is never a flood");
        }
        assert_eq!(turns, 11);
    }

    #[test]
    fn a_node_that_stood_still_blames_nobody() {
        let (mut floods, now) = floods();
        assert!(!floods.on_control(now, LINK, true));
        assert!(!floods.on_control(now + Duration::from_secs(3600), LINK, true));
    }

    #[test]
    fn who_floods_again_is_kept_away_for_longer_up_to_a_bound_and_is_forgotten() {
        let (mut floods, mut now) = floods();
        let a = node("a");
        let mut times = Vec::new();
        for _ in 0..8 {
            let time = floods.drop_peer(now, &a);
            assert!(floods.is_kept_away(now, &a) && !floods.is_kept_away(now, &node("b")));
            now += time;
            assert!(!floods.is_kept_away(now, &a));
            times.push(time.as_secs());
        }
        assert_eq!(times, [1, 2, 4, 8, 16, 32, 64, 64]);
        assert_eq!(floods.drop_peer(now + FORGOTTEN_AFTER, &a), SHORTEST);
    }

    #[test]
    fn a_crowd_that_floods_is_remembered_in_bounded_space() {
        let (mut floods, mut now) = floods();
        for number in 0..MAX_REMEMBERED + 10 {
            floods.drop_peer(now, &node(&format!("n{number}")));
            now += Duration::from_nanos(1);
        }
        assert_eq!(floods.away.len(), MAX_REMEMBERED);
        assert!(floods.is_kept_away(now, &node(&format!("n{}", MAX_REMEMBERED + 9))), "the latest is");
        assert!(!floods.is_kept_away(now, &node("n0")), "the first gave way");
    }
}
