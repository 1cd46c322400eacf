//! The simulated runtime: one thread, virtual time, all chance from a seed. The same seed runs the same way.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};

use futures::future::BoxFuture;
use skep_core::Instant;

use crate::runtime::Runtime;

/// A runtime on which time passes only when nothing else is left to do.
///
/// Which of several tasks that can run is polled next is drawn from the seed, so that a test sees other
/// interleavings with another seed, and the same ones again with the same seed.
///
/// ```
/// use std::time::Duration;
/// use skep::{Runtime, SimRuntime};
///
/// let runtime = SimRuntime::new(7);
/// let slept = runtime.run(async {
///     let start = runtime.now();
///     runtime.sleep_until(start + Duration::from_secs(3600)).await;
///     runtime.now() - start
/// });
/// assert_eq!(slept, Duration::from_secs(3600)); // of virtual time
/// ```
#[derive(Clone)]
pub struct SimRuntime {
    world: Arc<Mutex<World>>,
    /// Whose tasks it spawns.
    process: Option<Process>,
}

/// Tasks that end together, as those of a process that is killed.
#[derive(Clone, Default)]
pub(crate) struct Process {
    state: Arc<Mutex<Tasks>>,
}

#[derive(Default)]
struct Tasks {
    is_dead: bool,
    all: Vec<Weak<Task>>,
    /// At so many those that have ended are forgotten.
    limit: usize,
}

struct World {
    now: Instant,
    last_micros: u64,
    random: u64,
    ready: Vec<Arc<Task>>,
    timers: BinaryHeap<Reverse<Timer>>,
    timer_seq: u64,
    panics: u64,
}

struct Timer {
    at: Instant,
    seq: u64,
    waker: Waker,
}

struct Task {
    world: Arc<Mutex<World>>,
    process: Option<Process>,
    state: Mutex<TaskState>,
}

struct TaskState {
    future: Option<BoxFuture<'static, ()>>,
    queued: bool,
}

/// Unix time at the origin of every simulation: 2026-01-01.
const UNIX_ORIGIN_MICROS: u64 = 1_767_225_600_000_000;

impl SimRuntime {
    /// A world at the beginning of its time.
    pub fn new(seed: u64) -> Self {
        let world = World {
            now: Instant::ZERO,
            last_micros: 0,
            random: seed,
            ready: Vec::new(),
            timers: BinaryHeap::new(),
            timer_seq: 0,
            panics: 0,
        };
        Self { world: Arc::new(Mutex::new(world)), process: None }
    }

    /// The same world, where what is spawned belongs to this process.
    pub(crate) fn in_process(&self, process: Process) -> Self {
        Self { world: self.world.clone(), process: Some(process) }
    }

    /// Runs the future to its end, and what was spawned beside it. Time advances to the next timer whenever
    /// nothing can run. What is left of the spawned tasks goes on in the next `run`.
    ///
    /// # Panics
    /// When the future waits for something that can no longer come.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let main = Arc::new(Flag(Mutex::new(true)));
        let waker = Waker::from(main.clone());
        let mut future = pin!(future);
        loop {
            if main.take()
                && let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker))
            {
                return output;
            }
            let next = lock(&self.world).draw_ready();
            match next {
                Some(task) => task.run(),
                None if main.is_raised() => {}
                None => assert!(self.advance(), "the simulation waits for what can no longer come"),
            }
        }
    }

    /// How many spawned tasks ended by a panic so far.
    pub fn panics(&self) -> u64 {
        lock(&self.world).panics
    }

    fn advance(&self) -> bool {
        let mut world = lock(&self.world);
        let Some(Reverse(first)) = world.timers.pop() else { return false };
        world.now = world.now.max(first.at);
        let mut due = vec![first.waker];
        while let Some(Reverse(timer)) = world.timers.peek()
            && timer.at <= world.now
        {
            due.extend(world.timers.pop().map(|Reverse(timer)| timer.waker));
        }
        drop(world);
        due.into_iter().for_each(Waker::wake);
        true
    }
}

impl Runtime for SimRuntime {
    fn now(&self) -> Instant {
        lock(&self.world).now
    }

    /// Never the same twice, as two nodes that start in one instant of virtual time need two lives.
    fn unix_micros(&self) -> u64 {
        let mut world = lock(&self.world);
        let micros = UNIX_ORIGIN_MICROS + world.now.as_nanos() / 1000;
        world.last_micros = micros.max(world.last_micros + 1);
        world.last_micros
    }

    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> + Send + 'static {
        Sleep { world: self.world.clone(), deadline, armed: None }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let state = Mutex::new(TaskState { future: Some(Box::pin(task)), queued: false });
        let task = Arc::new(Task { world: self.world.clone(), process: self.process.clone(), state });
        if self.process.as_ref().is_none_or(|process| process.admits(&task)) {
            task.wake();
        }
    }

    fn entropy(&self, buffer: &mut [u8]) {
        let mut world = lock(&self.world);
        for chunk in buffer.chunks_mut(8) {
            let bytes = world.draw().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

impl fmt::Debug for SimRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimRuntime").field("now", &Runtime::now(self)).finish_non_exhaustive()
    }
}

impl World {
    /// SplitMix64, <https://prng.di.unimi.it/splitmix64.c>.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn draw_ready(&mut self) -> Option<Arc<Task>> {
        if self.ready.is_empty() {
            return None;
        }
        let index = self.draw() as usize % self.ready.len();
        Some(self.ready.swap_remove(index))
    }
}

impl Task {
    fn run(self: Arc<Self>) {
        let Some(mut future) = ({
            let mut state = lock(&self.state);
            state.queued = false;
            state.future.take()
        }) else {
            return;
        };
        let waker = Waker::from(self.clone());
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut Context::from_waker(&waker)))) {
            Ok(Poll::Pending) if self.process.as_ref().is_some_and(Process::is_dead) => {} // by its own doing
            Ok(Poll::Pending) => lock(&self.state).future = Some(future),
            Ok(Poll::Ready(())) => {}
            Err(_) => lock(&self.world).panics += 1,
        }
    }
}

impl Process {
    /// Nothing of it runs any more: what it was doing is dropped where it waits.
    pub(crate) fn kill(&self) {
        let mut tasks = lock(&self.state);
        tasks.is_dead = true;
        let all = std::mem::take(&mut tasks.all);
        drop(tasks);
        for task in all.iter().filter_map(Weak::upgrade) {
            let future = lock(&task.state).future.take();
            drop(future); // outside of the lock: it runs the user's code
        }
    }

    fn is_dead(&self) -> bool {
        lock(&self.state).is_dead
    }

    fn admits(&self, task: &Arc<Task>) -> bool {
        let mut tasks = lock(&self.state);
        if tasks.all.len() >= tasks.limit {
            tasks.all.retain(|task| task.strong_count() > 0);
            tasks.limit = 2 * tasks.all.len() + 64;
        }
        tasks.all.push(Arc::downgrade(task));
        !tasks.is_dead
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let mut state = lock(&self.state);
        if !state.queued {
            state.queued = true;
            drop(state);
            lock(&self.world).ready.push(self.clone());
        }
    }
}

/// Whether the future of `run` was woken.
struct Flag(Mutex<bool>);

impl Flag {
    fn take(&self) -> bool {
        std::mem::take(&mut *lock(&self.0))
    }

    fn is_raised(&self) -> bool {
        *lock(&self.0)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        *lock(&self.0) = true;
    }
}

struct Sleep {
    world: Arc<Mutex<World>>,
    deadline: Instant,
    armed: Option<Waker>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let world = self.world.clone();
        let mut world = lock(&world);
        if world.now >= self.deadline {
            return Poll::Ready(());
        }
        if !self.armed.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            world.timer_seq += 1;
            let (at, seq, waker) = (self.deadline, world.timer_seq, context.waker().clone());
            world.timers.push(Reverse(Timer { at, seq, waker }));
            self.armed = Some(context.waker().clone());
        }
        Poll::Pending
    }
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.seq == other.seq
    }
}

impl Eq for Timer {}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timer {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.seq).cmp(&(other.at, other.seq))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner) // a task's panic is caught outside of every lock
}
