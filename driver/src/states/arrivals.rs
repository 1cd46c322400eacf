//! States that arrive: put together from their pieces, whether the copy that wants them is there already or not.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::channel::oneshot;
use skep_core::id::{Epoch, Life, Name, Reason};

use super::chunk::Header;
use super::table::{Arrival, Key, PATIENCE, Progress, Table};
use crate::limits::{Limit, Reached};
use crate::runtime::Platform;
use crate::worker::Arriving;

/// So many times the longest state may be here of those that copies wait for.
const LONGEST_AT_ONCE: usize = 16;

/// All states that are on their way to one node.
pub(crate) struct Arrivals {
    platform: Platform,
    /// The longest state, and how many bytes may be here at once that nobody wants yet.
    max_state: usize,
    reached: Arc<Reached>,
    table: Mutex<Table>,
}

impl Arrivals {
    pub(crate) fn new(platform: Platform, max_state: usize, reached: Arc<Reached>) -> Self {
        Self { platform, max_state, reached, table: Mutex::default() }
    }

    /// The longest state that may be sent or received, in bytes.
    pub(crate) fn max_state(&self) -> usize {
        self.max_state
    }

    /// The state that this life sends for a start here. Dropping the future gives it up.
    pub(crate) fn expect(self: &Arc<Self>, from: Life, name: Name, under: Epoch) -> Arriving {
        let (wanted, coming) = oneshot::channel();
        let key = (from, name, under);
        let now = self.platform.now();
        let mut table = self.table();
        let arrival = table.take_unwanted(&key).unwrap_or_else(|| Arrival::new(now));
        if arrival.progress == Progress::Coming {
            table.want(key.clone(), arrival, wanted);
        } else {
            let _ = wanted.send(arrival.came()); // its receiver is right here
        }
        drop(table);
        let wait = Wait { of: self.clone(), key };
        Box::pin(async move {
            let came = wait.of.platform.by(now + PATIENCE, coming).await;
            came.and_then(Result::ok).unwrap_or_else(|| Err(Reason::new("its state did not come")))
        })
    }

    /// A piece came. `None` if it is none.
    pub(crate) fn on_piece(&self, from: Life, body: &[u8]) -> Option<()> {
        let (header, piece) = postcard::take_from_bytes::<Header<'_>>(body).ok()?;
        let name = Name::new(header.name).ok()?;
        let end = header.offset.checked_add(piece.len() as u64)?;
        if header.total > self.max_state as u64 {
            self.reached.count(Limit::StateLength);
            return None;
        }
        if end > header.total {
            return None;
        }
        let key = (from, name, header.under);
        let mut table = self.table();
        if let Some((mut arrival, wanted)) = table.take_wanted(&key) {
            let bytes = table.wanted_bytes + arrival.bytes.len() + piece.len();
            if bytes > self.max_state.saturating_mul(LONGEST_AT_ONCE) {
                self.reached.count(Limit::ArrivingStates);
                arrival.drop_as(Progress::Refused);
            } else {
                arrival.take(&header, piece);
            }
            if arrival.progress == Progress::Coming {
                table.want(key, arrival, wanted);
            } else {
                let _ = wanted.send(arrival.came()); // who wanted it may have given it up just now
            }
            return Some(());
        }
        let mut arrival = match table.take_unwanted(&key) {
            Some(arrival) => arrival,
            None if header.offset > 0 => return Some(()), // the rest of one that was given up
            None => Arrival::new(self.platform.now()),
        };
        arrival.take(&header, piece);
        let dropped = table.keep(key, arrival, self.max_state, self.platform.now());
        self.reached.add(Limit::EarlyStates, dropped);
        Some(())
    }

    /// No link leads to this life any more: what it has not sent in full does not come.
    pub(crate) fn lost(&self, from: Life) {
        let mut table = self.table();
        let given_up: Vec<Key> = table.wanted.keys().filter(|(life, ..)| *life == from).cloned().collect();
        given_up.iter().for_each(|key| drop(table.take_wanted(key)));
        let torn: Vec<Key> = table
            .unwanted
            .iter()
            .filter(|((life, ..), arrival)| *life == from && arrival.progress != Progress::Whole)
            .map(|(key, _)| key.clone())
            .collect();
        torn.iter().for_each(|key| drop(table.take_unwanted(key)));
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner) // each use is one step
    }
}

/// Whoever waits for a state. Dropped, nobody does.
struct Wait {
    of: Arc<Arrivals>,
    key: Key,
}

impl Drop for Wait {
    fn drop(&mut self) {
        drop(self.of.table().take_wanted(&self.key)); // if it has not come
    }
}

#[cfg(all(test, feature = "sim"))]
mod tests {
    use std::collections::HashMap;

    use futures::FutureExt;

    use super::super::chunk::{self, Header};
    use super::super::table::{Came, OVERHEAD};
    use super::*;
    use crate::sim::SimRuntime;
    use crate::worker::State;

    const FROM: Life = Life(1);
    const UNDER: Epoch = Epoch(7);

    fn arrivals(max_state: usize) -> (SimRuntime, Arc<Arrivals>) {
        let runtime = SimRuntime::new(1);
        (runtime.clone(), Arc::new(Arrivals::new(Platform::new(runtime), max_state, Arc::default())))
    }

    fn name(text: &str) -> Name {
        Name::new(text).expect("a good name")
    }

    fn piece(name: &str, total: u64, offset: u64, piece: &[u8]) -> Vec<u8> {
        chunk::frame(&Header { under: UNDER, version: 3, total, offset, name }, piece).body
    }

    fn come(arrivals: &Arrivals, name: &str, total: u64, offset: u64, bytes: &[u8]) -> Option<()> {
        arrivals.on_piece(FROM, &piece(name, total, offset, bytes))
    }

    fn whole(bytes: &[u8]) -> Option<Came> {
        Some(Ok(State::from_bytes(bytes.to_vec()).of_version(3)))
    }

    #[test]
    fn a_state_is_whole_whether_it_comes_before_its_copy_or_after_or_around_it() {
        for before in 0..=3 {
            let (_, arrivals) = arrivals(100);
            let pieces = [(0, [1u8, 2]), (2, [3, 4]), (4, [5, 6])];
            for (offset, bytes) in &pieces[..before] {
                assert_eq!(come(&arrivals, "n", 6, *offset, bytes), Some(()));
            }
            let arriving = arrivals.expect(FROM, name("n"), UNDER);
            for (offset, bytes) in &pieces[before..] {
                assert_eq!(come(&arrivals, "n", 6, *offset, bytes), Some(()));
            }
            assert_eq!(arriving.now_or_never(), whole(&[1, 2, 3, 4, 5, 6]), "{before} pieces before");
        }
    }

    #[test]
    fn an_empty_state_is_one_too() {
        let (_, arrivals) = arrivals(100);
        let arriving = arrivals.expect(FROM, name("n"), UNDER);
        assert_eq!(come(&arrivals, "n", 0, 0, &[]), Some(()));
        assert_eq!(arriving.now_or_never(), whole(&[]));
    }

    #[test]
    fn a_piece_that_is_missing_tears_the_state() {
        let (_, arrivals) = arrivals(100);
        let arriving = arrivals.expect(FROM, name("n"), UNDER);
        assert_eq!(come(&arrivals, "n", 6, 0, &[1, 2]), Some(()));
        assert_eq!(come(&arrivals, "n", 6, 4, &[5, 6]), Some(()));
        let reason = Reason::new("a piece of its state is missing");
        assert_eq!(arriving.now_or_never(), Some(Err(reason)));
    }

    #[test]
    fn one_that_does_not_come_is_not_waited_for_for_ever() {
        let (runtime, arrivals) = arrivals(100);
        let missing = Err(Reason::new("its state did not come"));
        assert_eq!(runtime.run(arrivals.expect(FROM, name("n"), UNDER)), missing, "in time");
        assert!(arrivals.table().wanted.is_empty());
        let arriving = arrivals.expect(FROM, name("n"), UNDER);
        arrivals.lost(Life(2));
        let mut arriving = arriving;
        assert_eq!((&mut arriving).now_or_never(), None, "another life was lost");
        arrivals.lost(FROM);
        assert_eq!(arriving.now_or_never(), Some(missing), "its sender was lost");
    }

    #[test]
    fn nobody_can_send_a_state_for_another_or_more_than_there_is_room_for() {
        let (_, arrivals) = arrivals(4);
        let arriving = arrivals.expect(FROM, name("n"), UNDER);
        assert_eq!(
            arrivals.on_piece(Life(2), &piece("n", 1, 0, &[9])),
            Some(()),
            "kept for a copy that may come"
        );
        assert_eq!(come(&arrivals, "n", 5, 0, &[9]), None, "too long");
        assert_eq!(come(&arrivals, "n", 1, 0, &[9, 9]), None, "longer than it says");
        assert_eq!(come(&arrivals, "n", 4, u64::MAX, &[9]), None, "an end past all ends");
        assert_eq!(arriving.now_or_never(), None);
        for other in ["o", "p"] {
            assert_eq!(come(&arrivals, other, 4, 0, &[1, 2]), Some(()));
        }
        let table = arrivals.table();
        assert_eq!(
            (table.unwanted.len(), table.unwanted_bytes),
            (2, 3),
            "1 and 2 bytes; 2 more are too many"
        );
        assert_eq!(arrivals.reached.times(Limit::EarlyStates), 1);
        assert_eq!(arrivals.reached.times(Limit::StateLength), 1);
    }

    #[test]
    fn whoever_sends_most_that_nobody_expects_gives_way_to_the_others() {
        let (_, arrivals) = arrivals(100);
        let expect = |from, name_| arrivals.expect(from, name(name_), UNDER).now_or_never();
        for number in 0..1000 {
            assert_eq!(
                arrivals.on_piece(Life(2), &piece(&format!("junk-{number}"), 10, 0, &[7; 10])),
                Some(())
            );
        }
        assert_eq!(arrivals.table().unwanted_bytes, 100);
        assert_eq!(arrivals.reached.times(Limit::EarlyStates), 990);
        assert_eq!(come(&arrivals, "n", 40, 0, &[1; 20]), Some(()));
        assert_eq!(come(&arrivals, "n", 40, 20, &[2; 20]), Some(()));
        assert_eq!(arrivals.reached.times(Limit::EarlyStates), 994, "as many as there was need of");
        assert_eq!(expect(FROM, "n"), whole(&[[1; 20], [2; 20]].concat()));
        let table = arrivals.table();
        assert_eq!((table.unwanted_bytes, table.unwanted.len()), (60, 6));
        assert_eq!(table.shares, HashMap::from([(Life(2), 6 * (10 + OVERHEAD))]));
    }

    #[test]
    fn states_that_copies_wait_for_are_bounded_together() {
        let (_, arrivals) = arrivals(10);
        let mut waiting: Vec<_> =
            (0..17).map(|number| arrivals.expect(FROM, name(&format!("n{number}")), UNDER)).collect();
        for number in 0..17 {
            assert_eq!(come(&arrivals, &format!("n{number}"), 10, 0, &[1; 9]), Some(()));
        }
        assert_eq!(arrivals.table().wanted_bytes, 17 * 9);
        for number in 0..17 {
            assert_eq!(come(&arrivals, &format!("n{number}"), 10, 9, &[1]), Some(()), "it is whole");
        }
        assert_eq!(arrivals.table().wanted_bytes, 0);
        waiting.clear();
        let mut waiting: Vec<_> =
            (0..18).map(|number| arrivals.expect(FROM, name(&format!("n{number}")), UNDER)).collect();
        for number in 0..18 {
            assert_eq!(come(&arrivals, &format!("n{number}"), 10, 0, &[1; 9]), Some(()));
        }
        let refused = Err(Reason::new("too much state is on its way here"));
        assert_eq!(waiting.pop().and_then(FutureExt::now_or_never), Some(refused));
        assert_eq!(arrivals.reached.times(Limit::ArrivingStates), 1);
        drop(waiting);
        assert_eq!(arrivals.table().wanted_bytes, 0, "who gives up makes room");
    }
}
