//! Blocking clients, each in a thread of its own, so that they serve every runtime alike.

use std::future::poll_fn;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use futures::channel::oneshot;
use futures::executor::block_on;
use futures::task::AtomicWaker;
use skep::discovery::ObservationSink;
use skep::std_clock;
use skep_core::event::{Observation, SourceFailure, SourceFault};
use skep_core::id::Address;

/// Nobody listens any more: the node leaves, or takes a new life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stopped;

/// What a thread has of the node that it works for.
pub(crate) struct Desk {
    sink: ObservationSink,
    stop: Arc<Stop>,
    failures: u32,
}

#[derive(Default)]
struct Stop {
    is_stopped: Mutex<bool>,
    told: Condvar,
    waker: AtomicWaker,
}

/// The first pause after a failure; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Runs `work` in a thread until it returns, or until this future is dropped: then [`Desk`] says so, and what the
/// thread does after that (withdrawing what it announced) is its own affair.
pub(crate) async fn in_thread(
    name: &'static str,
    mut sink: ObservationSink,
    work: impl FnOnce(&mut Desk) -> Result<(), Stopped> + Send + 'static,
) {
    let stop = Arc::new(Stop::default());
    let _stops = StopsWhenDropped(stop.clone());
    let mut desk = Desk { sink: sink.clone(), stop, failures: 0 };
    let (done, ended) = oneshot::channel();
    let spawned = thread::Builder::new().name(format!("skep-{name}")).spawn(move || {
        let _ = work(&mut desk); // it ends because it was told to
        let _ = done.send(()); // nobody may wait any more
    });
    let gone = match spawned {
        Ok(_) => ended.await.is_err().then(|| "its thread panicked".to_owned()),
        Err(error) => Some(format!("there is no thread for it: {error}")),
    };
    if let Some(reason) = gone {
        sink.observe(Observation::failed(SourceFault::Config, reason)).await;
    }
}

/// Looks again and again, until nobody listens.
pub(crate) fn look_every(
    desk: &mut Desk,
    every: Duration,
    mut look: impl FnMut() -> Result<Vec<Address>, SourceFailure>,
) -> Result<(), Stopped> {
    loop {
        match look() {
            Ok(peers) => {
                desk.say(Observation::all(peers))?;
                desk.pause(every)?;
            }
            Err(failure) => desk.fail(failure)?,
        }
    }
}

impl Desk {
    /// Tells the node something good.
    pub(crate) fn say(&mut self, observation: Observation) -> Result<(), Stopped> {
        self.failures = 0;
        self.tell(observation)
    }

    /// Tells the node of a failure, and pauses: longer with each in a row.
    pub(crate) fn fail(&mut self, failure: SourceFailure) -> Result<(), Stopped> {
        self.tell(Observation::Failed(failure))?;
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(10)).min(LONGEST_PAUSE);
        self.failures += 1;
        self.pause(pause)
    }

    fn tell(&mut self, observation: Observation) -> Result<(), Stopped> {
        self.check()?;
        block_on(self.sink.observe(observation)); // ends when the node takes it, or is gone
        self.check()
    }

    /// Whether anybody listens.
    pub(crate) fn check(&self) -> Result<(), Stopped> {
        let is_stopped = *self.stop.is_stopped.lock().unwrap_or_else(PoisonError::into_inner);
        if is_stopped { Err(Stopped) } else { Ok(()) }
    }

    /// Waits, a quarter more or less.
    pub(crate) fn pause(&self, pause: Duration) -> Result<(), Stopped> {
        let until = Instant::now() + spread(pause);
        let mut is_stopped = self.stop.is_stopped.lock().unwrap_or_else(PoisonError::into_inner);
        while !*is_stopped {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            let waited = self.stop.told.wait_timeout(is_stopped, left);
            (is_stopped, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        Err(Stopped)
    }

    /// Ends when nobody listens any more. One at a time.
    pub(crate) async fn stopped(&self) {
        poll_fn(|context| {
            self.stop.waker.register(context.waker());
            if self.check().is_err() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// A quarter more or less, so that the nodes of a cluster do not look in step.
pub(crate) fn spread(pause: Duration) -> Duration {
    let mut random = [0];
    std_clock::entropy(&mut random);
    pause * 3 / 4 + pause / 2 * u32::from(random[0]) / 256
}

struct StopsWhenDropped(Arc<Stop>);

impl Drop for StopsWhenDropped {
    fn drop(&mut self) {
        *self.0.is_stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.told.notify_all();
        self.0.waker.wake();
    }
}
