//! The connections that are not through their handshake: how many there may be, and who gives way.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::channel::oneshot;
use skep::Limit;

/// All half-open connections of one listener. Dropping it evicts them all.
#[derive(Debug)]
pub(crate) struct HalfOpen {
    table: Arc<Mutex<Table>>,
    max: usize,
    max_per_address: usize,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    /// Oldest first.
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    id: u64,
    address: IpAddr,
    _evicted_when_dropped: oneshot::Sender<()>,
}

/// One connection's place. Dropping it makes room.
#[derive(Debug)]
pub(crate) struct Place {
    id: u64,
    table: Arc<Mutex<Table>>,
    /// Ready, with an error, once the place was given to another.
    pub(crate) evicted: oneshot::Receiver<()>,
}

impl HalfOpen {
    /// Both bounds count as at least 1.
    pub(crate) fn new(max: usize, max_per_address: usize) -> Self {
        Self { table: Arc::default(), max: max.max(1), max_per_address: max_per_address.max(1) }
    }

    /// A place for a connection from `address`; the oldest of that address, or of all, gives way for it. Which limit
    /// was reached, if one was.
    pub(crate) fn enter(&self, address: IpAddr) -> (Place, Option<Limit>) {
        let mut reached = None;
        let address = address.to_canonical();
        let mut table = lock(&self.table);
        let is_neighbour = |waiting: &Waiting| waiting.address == address;
        if table.waiting.iter().filter(|waiting| is_neighbour(waiting)).count() >= self.max_per_address {
            let oldest = table.waiting.iter().position(is_neighbour);
            oldest.and_then(|oldest| table.waiting.remove(oldest));
            reached = Some(Limit::HalfOpenOfAddress);
        }
        if table.waiting.len() >= self.max {
            table.waiting.pop_front();
            reached = Some(Limit::HalfOpen);
        }
        let id = table.next;
        table.next += 1;
        let (sender, evicted) = oneshot::channel();
        table.waiting.push_back(Waiting { id, address, _evicted_when_dropped: sender });
        (Place { id, table: self.table.clone(), evicted }, reached)
    }
}

impl Drop for HalfOpen {
    fn drop(&mut self) {
        lock(&self.table).waiting.clear();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.table).waiting.retain(|waiting| waiting.id != self.id);
    }
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner) // no step in its scope leaves it half done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn is_evicted(place: &mut Place) -> bool {
        place.evicted.try_recv().is_err()
    }

    #[test]
    fn the_oldest_of_the_same_address_gives_way() {
        let half_open = HalfOpen::new(10, 2);
        let (mut other, _) = half_open.enter(address(9));
        let (mut places, reached): (Vec<Place>, Vec<_>) = (0..4).map(|_| half_open.enter(address(1))).unzip();
        let full = Some(Limit::HalfOpenOfAddress);
        assert_eq!(reached, [None, None, full, full]);
        let evicted: Vec<bool> = places.iter_mut().map(is_evicted).collect();
        assert_eq!(evicted, [true, true, false, false]);
        assert!(!is_evicted(&mut other));
    }

    #[test]
    fn one_address_written_in_two_ways_is_one_address() {
        let half_open = HalfOpen::new(10, 1);
        let (mut first, _) = half_open.enter(address(1));
        let IpAddr::V4(v4) = address(1) else { unreachable!("written as four bytes") };
        let _second = half_open.enter(v4.to_ipv6_mapped().into());
        assert!(is_evicted(&mut first));
    }

    #[test]
    fn the_oldest_of_all_gives_way() {
        let half_open = HalfOpen::new(2, 2);
        let (mut places, reached): (Vec<Place>, Vec<_>) =
            (0..3).map(|last| half_open.enter(address(last))).unzip();
        assert_eq!(reached, [None, None, Some(Limit::HalfOpen)]);
        let evicted: Vec<bool> = places.iter_mut().map(is_evicted).collect();
        assert_eq!(evicted, [true, false, false]);
    }

    #[test]
    fn a_finished_handshake_makes_room() {
        let half_open = HalfOpen::new(1, 1);
        drop(half_open.enter(address(1)));
        let (mut second, _) = half_open.enter(address(1));
        assert!(!is_evicted(&mut second));
        assert_eq!(lock(&half_open.table).waiting.len(), 1);
    }

    #[test]
    fn closing_the_listener_evicts_all() {
        let half_open = HalfOpen::new(2, 2);
        let (mut place, _) = half_open.enter(address(1));
        drop(half_open);
        assert!(is_evicted(&mut place));
    }
}
