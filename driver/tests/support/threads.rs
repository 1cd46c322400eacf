//! A runtime of one thread for each task and each sleep: slow, and as parallel as it gets.

use std::future::Future;
use std::thread;

use futures::channel::oneshot;
use futures::executor::block_on;
use skep::core::Instant;
use skep::{Runtime, std_clock};

#[derive(Clone)]
pub(crate) struct Threads;

impl Runtime for Threads {
    fn now(&self) -> Instant {
        std_clock::now()
    }

    fn unix_micros(&self) -> u64 {
        std_clock::unix_micros()
    }

    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> + Send + 'static {
        let (over, slept) = oneshot::channel::<()>();
        thread::spawn(move || {
            while std_clock::now() < deadline && !over.is_canceled() {
                let left = deadline.since(std_clock::now());
                thread::park_timeout(left.min(std::time::Duration::from_millis(5)));
            }
            let _ = over.send(()); // nobody may sleep any more
        });
        async move {
            let _ = slept.await; // sent or dropped: over
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        thread::spawn(|| block_on(task));
    }

    fn entropy(&self, buffer: &mut [u8]) {
        std_clock::entropy(buffer);
    }
}
