//! smol's timers, and tasks on smol's global executor or on another one.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use skep::core::Instant;
use skep::{Runtime, std_clock};
use smol::{Executor, Timer};

/// smol's reactor for sockets and timers, and one of three executors for tasks.
#[derive(Clone)]
pub struct SmolRuntime {
    tasks: Tasks,
}

#[derive(Clone)]
enum Tasks {
    Global,
    Executor(Arc<Executor<'static>>),
    #[cfg(feature = "async-std")]
    AsyncStd,
}

impl SmolRuntime {
    /// Tasks run on smol's global executor: one thread, or as many as `SMOL_THREADS` says.
    pub fn global() -> Self {
        Self { tasks: Tasks::Global }
    }

    /// Tasks run where this executor is driven.
    pub fn on(executor: Arc<Executor<'static>>) -> Self {
        Self { tasks: Tasks::Executor(executor) }
    }

    /// Tasks run on async-std's threads. async-std is discontinued: this is for existing applications.
    #[cfg(feature = "async-std")]
    pub fn async_std() -> Self {
        Self { tasks: Tasks::AsyncStd }
    }
}

impl Runtime for SmolRuntime {
    fn now(&self) -> Instant {
        std_clock::now()
    }

    fn unix_micros(&self) -> u64 {
        std_clock::unix_micros()
    }

    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> + Send + 'static {
        let timer = Timer::at(std_clock::to_std(deadline));
        async {
            timer.await;
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        match &self.tasks {
            Tasks::Global => smol::spawn(task).detach(),
            Tasks::Executor(executor) => executor.spawn(task).detach(),
            #[cfg(feature = "async-std")]
            Tasks::AsyncStd => drop(async_std::task::spawn(task)), // dropping its handle detaches it
        }
    }

    fn entropy(&self, buffer: &mut [u8]) {
        std_clock::entropy(buffer);
    }
}

impl fmt::Debug for SmolRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.tasks {
            Tasks::Global => "SmolRuntime on the global executor",
            Tasks::Executor(_) => "SmolRuntime on an executor of its own",
            #[cfg(feature = "async-std")]
            Tasks::AsyncStd => "SmolRuntime on async-std",
        })
    }
}
