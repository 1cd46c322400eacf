//! The stream of news: bounded, the same for all readers; a slow reader is told how much it missed.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures::Stream;
use skep_core::event::Event;

use crate::limits::{Limit, Reached};

/// How many events are kept for readers that are behind.
pub(crate) const KEPT: usize = 4096;

/// One piece of news.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum News {
    /// Something happened.
    Event(Event),
    /// This reader was too slow: so many events before the next one are lost to it.
    Missed(u64),
}

/// A reader's place in the stream, which ends with the node.
pub struct Events {
    board: Arc<Board>,
    next: u64,
}

/// Where events are put up.
pub(crate) struct Board {
    reached: Arc<Reached>,
    state: Mutex<State>,
}

struct State {
    events: VecDeque<Event>,
    first: u64, // the number of the oldest event that is kept
    readers: Vec<Waker>,
    open: bool,
}

impl Board {
    pub(crate) fn new(reached: Arc<Reached>) -> Self {
        let state = State { events: VecDeque::new(), first: 0, readers: Vec::new(), open: true };
        Self { reached, state: Mutex::new(state) }
    }

    pub(crate) fn put_up(&self, event: Event) {
        let mut state = self.state();
        if state.events.len() == KEPT {
            state.events.pop_front();
            state.first += 1;
        }
        state.events.push_back(event);
        let readers = std::mem::take(&mut state.readers);
        drop(state);
        readers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.open = false;
        let readers = std::mem::take(&mut state.readers);
        drop(state);
        readers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn reader(self: &Arc<Self>) -> Events {
        let state = self.state();
        let next = state.first + state.events.len() as u64;
        drop(state);
        Events { board: self.clone(), next }
    }

    pub(crate) fn reader_from_start(self: &Arc<Self>) -> Events {
        Events { board: self.clone(), next: 0 }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner) // each use is one step
    }
}

impl Events {
    /// The next piece of news; `None` once the node has ended.
    pub async fn next(&mut self) -> Option<News> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl Stream for Events {
    type Item = News;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<News>> {
        let board = self.board.clone();
        let mut state = board.state();
        if self.next < state.first {
            let missed = state.first - self.next;
            self.next = state.first;
            board.reached.add(Limit::Events, missed);
            return Poll::Ready(Some(News::Missed(missed)));
        }
        if let Some(event) = state.events.get((self.next - state.first) as usize) {
            self.next += 1;
            return Poll::Ready(Some(News::Event(event.clone())));
        }
        if !state.open {
            return Poll::Ready(None);
        }
        if !state.readers.iter().any(|reader| reader.will_wake(context.waker())) {
            state.readers.push(context.waker().clone());
        }
        Poll::Pending
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("next", &self.next).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn formed(up: usize) -> Event {
        Event::Formed { up }
    }

    #[test]
    fn a_reader_hears_what_happens_after_it_came_then_the_end() {
        let board = Arc::new(Board::new(Arc::default()));
        board.put_up(formed(1));
        let mut events = board.reader();
        assert_eq!(events.next().now_or_never(), None);
        board.put_up(formed(2));
        board.close();
        let mut all = board.reader_from_start();
        assert_eq!(all.next().now_or_never(), Some(Some(News::Event(formed(1)))));
        assert_eq!(events.next().now_or_never(), Some(Some(News::Event(formed(2)))));
        assert_eq!(events.next().now_or_never(), Some(None));
    }

    #[test]
    fn a_reader_from_the_start_hears_what_was_before_it_came() {
        let board = Arc::new(Board::new(Arc::default()));
        board.put_up(formed(1));
        let mut events = board.reader_from_start();
        assert_eq!(events.next().now_or_never(), Some(Some(News::Event(formed(1)))));
        assert_eq!(events.next().now_or_never(), None);
    }

    #[test]
    fn a_slow_reader_is_told_how_much_it_missed() {
        let board = Arc::new(Board::new(Arc::default()));
        let mut events = board.reader();
        (0..KEPT + 3).for_each(|up| board.put_up(formed(up)));
        assert_eq!(events.next().now_or_never(), Some(Some(News::Missed(3))));
        assert_eq!(board.reached.times(Limit::Events), 3);
        assert_eq!(events.next().now_or_never(), Some(Some(News::Event(formed(3)))));
    }
}
