//! Calls that wait for their answer, and the one task that ends them at their deadline.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use futures::task::AtomicWaker;
use skep_core::Instant;
use skep_core::id::{Life, LinkId};

use super::wheel::{Entry, Key, Outcome, SHARDS, Sent, Shard, TICK};
use crate::runtime::Platform;

/// Ticks without any call before the wheel stands still.
const IDLE_TICKS: u32 = 200;

/// All calls of one node that wait.
pub(crate) struct Pending {
    shards: Vec<Mutex<Shard>>,
    next_shard: AtomicUsize,
    open: AtomicUsize,
    bound: usize,
    turning: AtomicBool,
    wheel: AtomicWaker,
}

/// A caller's hold on its entry; dropping it gives the call up.
pub(crate) struct Ticket {
    pending: Arc<Pending>,
    key: Key,
}

impl Pending {
    pub(crate) fn new(bound: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::new(Shard::new())).collect(),
            next_shard: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            bound,
            turning: AtomicBool::new(false),
            wheel: AtomicWaker::new(),
        }
    }

    /// An entry for a call; `None` when as many wait as may.
    pub(crate) fn open(self: &Arc<Self>, now: Instant, deadline: Instant) -> Option<Ticket> {
        if self.open.fetch_add(1, Ordering::SeqCst) >= self.bound {
            self.open.fetch_sub(1, Ordering::SeqCst);
            return None;
        }
        let shard = self.next_shard.fetch_add(1, Ordering::Relaxed) % SHARDS;
        let key = self.shard(shard).insert(now, deadline, shard);
        if !self.turning.load(Ordering::SeqCst) && !self.turning.swap(true, Ordering::SeqCst) {
            self.wheel.wake();
        }
        Some(Ticket { pending: self.clone(), key })
    }

    /// Ends a call, unless it has ended already.
    pub(crate) fn finish(&self, key: Key, outcome: Outcome) {
        self.finish_if(key, outcome, |_| true);
    }

    /// Ends a call that was sent to this life, unless it has ended already. No other can answer it.
    pub(crate) fn finish_from(&self, peer: Life, key: Key, outcome: Outcome) {
        self.finish_if(key, outcome, |entry| entry.sent.is_some_and(|sent| sent.to == peer));
    }

    /// Ends a call that was forwarded after it had been sent to this life, unless it has ended already.
    pub(crate) fn finish_for(&self, asked: Life, key: Key, outcome: Outcome) {
        self.finish_if(key, outcome, |entry| entry.sent.is_some_and(|sent| sent.asked == asked));
    }

    /// A call that was sent to `asked` has been forwarded.
    pub(crate) fn moved(&self, key: Key, asked: Life, to: Life, link: Option<LinkId>) {
        let mut shard = self.shard(key.shard());
        let Some(entry) = shard.entry(key) else { return };
        if entry.sent.is_some_and(|sent| sent.asked == asked) {
            entry.sent = Some(Sent { link, to, asked });
        }
    }

    /// A call to a worker of this node has been forwarded, by this node.
    pub(crate) fn sent_from_here(&self, key: Key, asked: Life, to: Life, link: Option<LinkId>) {
        if let Some(entry) = self.shard(key.shard()).entry(key) {
            entry.sent = Some(Sent { link, to, asked });
        }
    }

    /// The caller of this call may have its message again.
    pub(super) fn keep(&self, key: Key, message: Vec<u8>) {
        if let Some(entry) = self.shard(key.shard()).entry(key) {
            entry.kept = Some(message);
        }
    }

    fn finish_if(&self, key: Key, outcome: Outcome, condition: impl Fn(&Entry) -> bool) {
        let mut shard = self.shard(key.shard());
        let Some(entry) = shard.entry(key) else { return };
        if entry.outcome.is_some() || !condition(entry) {
            return;
        }
        entry.outcome = Some(outcome);
        let waker = entry.waker.take();
        drop(shard);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// All calls that were sent on this link are lost with it.
    pub(crate) fn link_lost(&self, link: LinkId) {
        self.lose(|sent| sent == link);
    }

    /// All calls that were sent on any link are lost: the node has ended.
    pub(crate) fn all_lost(&self) {
        self.lose(|_| true);
    }

    fn lose(&self, lost: impl Fn(LinkId) -> bool) {
        for shard in 0..SHARDS {
            let mut shard = self.shard(shard);
            let mut wakers = Vec::new();
            for entry in &mut shard.entries {
                if entry.sent.and_then(|sent| sent.link).is_some_and(&lost) && entry.outcome.is_none() {
                    entry.outcome = Some(Outcome::LinkLost);
                    wakers.extend(entry.waker.take());
                }
            }
            drop(shard);
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    /// Calls that were sent on `from` are answered over `to`, which leads to the same life.
    pub(crate) fn link_replaced(&self, from: LinkId, to: LinkId) {
        for shard in 0..SHARDS {
            for sent in self.shard(shard).entries.iter_mut().filter_map(|entry| entry.sent.as_mut()) {
                if sent.link == Some(from) {
                    sent.link = Some(to);
                }
            }
        }
    }

    /// Turns the wheel as long as the node lives. Stands still while there are no calls.
    pub(crate) async fn turn(self: Arc<Self>, platform: Platform) {
        let mut idle = 0;
        loop {
            poll_fn(|context| {
                self.wheel.register(context.waker());
                if self.turning.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            platform.sleep(TICK).await;
            self.sweep(platform.now());
            idle = if self.open.load(Ordering::SeqCst) == 0 { idle + 1 } else { 0 };
            if idle >= IDLE_TICKS {
                idle = 0;
                self.turning.store(false, Ordering::SeqCst);
                if self.open.load(Ordering::SeqCst) > 0 {
                    self.turning.store(true, Ordering::SeqCst); // opened in between, and did not wake us
                }
            }
        }
    }

    pub(crate) fn sweep(&self, now: Instant) {
        for shard in 0..SHARDS {
            let mut wakers = Vec::new();
            self.shard(shard).sweep(now, &mut wakers);
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    fn shard(&self, shard: usize) -> MutexGuard<'_, Shard> {
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner) // each use is one step
    }
}

impl Ticket {
    pub(crate) fn key(&self) -> Key {
        self.key
    }

    /// From now on the loss of this link ends the call.
    pub(crate) fn sent_on(&self, link: LinkId, peer: Life) {
        if let Some(entry) = self.pending.shard(self.key.shard()).entry(self.key) {
            entry.sent = Some(Sent { link: Some(link), to: peer, asked: peer });
        }
    }

    /// It was not sent on that link after all.
    pub(crate) fn not_sent(&self) {
        if let Some(entry) = self.pending.shard(self.key.shard()).entry(self.key) {
            entry.sent = None;
            if matches!(entry.outcome, Some(Outcome::LinkLost)) {
                entry.outcome = None;
            }
        }
    }

    /// How the call ended, if it has. Else `waker` is woken then.
    pub(crate) fn poll(&self, waker: &Waker) -> Poll<Outcome> {
        let mut shard = self.pending.shard(self.key.shard());
        let entry = shard.entry(self.key).expect("a ticket keeps its entry");
        if let Some(outcome) = entry.outcome.take() {
            entry.sent = None;
            return Poll::Ready(outcome);
        }
        if !entry.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            entry.waker = Some(waker.clone());
        }
        Poll::Pending
    }

    /// The message as it left this node, if it was given away here and did.
    pub(super) fn kept(&self) -> Option<Vec<u8>> {
        self.pending.shard(self.key.shard()).entry(self.key)?.kept.take()
    }

    pub(crate) async fn outcome(&self) -> Outcome {
        poll_fn(|context| self.poll(context.waker())).await
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let _left = self.pending.shard(self.key.shard()).remove(self.key);
        self.pending.open.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;

    use super::super::wheel::NONE;
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn a_call_ends_within_two_ticks_of_its_deadline_and_never_before() {
        let pending = Arc::new(Pending::new(10_000));
        let deadlines = [0, 1, 5, 12, 2559, 2560, 2561, 9000];
        let mut tickets: Vec<_> =
            deadlines.map(|millis| (millis, pending.open(at(0), at(millis)).expect("there is room"))).into();
        for now in (0..12_000).step_by(5) {
            pending.sweep(at(now));
            tickets.retain(|(deadline, ticket)| {
                let Some(outcome) = ticket.outcome().now_or_never() else { return true };
                assert!(matches!(outcome, Outcome::Expired), "{outcome:?}");
                assert!((*deadline..=deadline + 10).contains(&now), "{deadline} ended at {now}");
                false
            });
        }
        assert!(tickets.is_empty(), "all have ended");
        assert_eq!(pending.open.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn an_answer_to_a_call_that_was_given_up_reaches_nobody() {
        let pending = Arc::new(Pending::new(1));
        let first = pending.open(at(0), at(100)).expect("there is room");
        let old = first.key();
        assert!(pending.open(at(0), at(100)).is_none(), "one may wait, and one does");
        drop(first);
        for _ in 0..SHARDS {
            let next = pending.open(at(0), at(100)).expect("there is room again");
            assert_ne!(next.key(), old);
            pending.finish(old, Outcome::ReplyTooLarge);
            assert!(next.outcome().now_or_never().is_none());
        }
    }

    #[test]
    fn only_calls_on_the_lost_link_are_lost() {
        let pending = Arc::new(Pending::new(10));
        let [first, second, third] = [1, 2, 3].map(|link| {
            let ticket = pending.open(at(0), at(100)).expect("there is room");
            ticket.sent_on(LinkId(link), Life(link));
            ticket
        });
        pending.link_replaced(LinkId(3), LinkId(2));
        pending.link_lost(LinkId(2));
        assert!(first.outcome().now_or_never().is_none());
        assert!(matches!(second.outcome().now_or_never(), Some(Outcome::LinkLost)));
        assert!(matches!(third.outcome().now_or_never(), Some(Outcome::LinkLost)));
    }

    #[test]
    fn only_the_life_that_was_asked_can_answer() {
        let pending = Arc::new(Pending::new(10));
        let ticket = pending.open(at(0), at(100)).expect("there is room");
        ticket.sent_on(LinkId(1), Life(7));
        pending.finish_from(Life(8), ticket.key(), Outcome::ReplyTooLarge);
        assert!(ticket.outcome().now_or_never().is_none());
        pending.finish_from(Life(7), ticket.key(), Outcome::ReplyTooLarge);
        assert!(matches!(ticket.outcome().now_or_never(), Some(Outcome::ReplyTooLarge)));
    }

    #[test]
    fn a_call_that_was_forwarded_is_answered_by_whoever_has_it_and_ends_with_the_link_there() {
        let pending = Arc::new(Pending::new(10));
        let [answered, lost, stranger] = [(); 3].map(|()| {
            let ticket = pending.open(at(0), at(100)).expect("there is room");
            ticket.sent_on(LinkId(7), Life(7));
            pending.moved(ticket.key(), Life(7), Life(8), Some(LinkId(8)));
            pending.moved(ticket.key(), Life(6), Life(6), Some(LinkId(6))); // no word of that life's
            ticket
        });
        pending.link_lost(LinkId(7));
        pending.finish_for(Life(7), answered.key(), Outcome::ReplyTooLarge);
        assert!(matches!(answered.outcome().now_or_never(), Some(Outcome::ReplyTooLarge)));
        pending.finish_for(Life(8), stranger.key(), Outcome::ReplyTooLarge);
        assert!(stranger.outcome().now_or_never().is_none(), "it was not asked first");
        pending.link_lost(LinkId(8));
        assert!(matches!(lost.outcome().now_or_never(), Some(Outcome::LinkLost)));
    }

    #[test]
    fn entries_leave_their_bucket_from_any_place_in_it() {
        let pending = Arc::new(Pending::new(1000));
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]] {
            let mut tickets: Vec<_> = (0..3 * SHARDS).map(|_| pending.open(at(0), at(50))).collect();
            for place in order {
                (0..SHARDS).for_each(|shard| tickets[place * SHARDS + shard] = None);
            }
            for shard in 0..SHARDS {
                assert!(pending.shard(shard).buckets.iter().all(|&head| head == NONE));
            }
        }
    }
}
