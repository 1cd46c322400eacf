//! How a node listens to its discovery sources.

use std::pin::pin;
use std::sync::Arc;

use futures::channel::oneshot;
use futures::future::{BoxFuture, join, select};
use futures::{FutureExt, StreamExt};
use skep_core::event::{Observation, SourceFault};
use skep_core::id::{Address, Life, Source};

use crate::discovery::{Announced, Discovery, ObservationSink, Observations, counted_observations};
use crate::mail::Mail;
use crate::node::Shared;
use crate::runtime::Runtime;
use crate::worker::caught;

/// A source under the name of its topology.
pub(crate) struct Topology<R: Runtime> {
    pub(crate) name: Source,
    pub(crate) source: Box<dyn AnySource<R>>,
}

/// A source whose type is not known here.
pub(crate) trait AnySource<R: Runtime>: Send {
    fn run(&mut self, runtime: R, me: Announced, sink: ObservationSink) -> BoxFuture<'_, ()>;
}

impl<R: Runtime, D: Discovery<R>> AnySource<R> for D {
    fn run(&mut self, runtime: R, me: Announced, sink: ObservationSink) -> BoxFuture<'_, ()> {
        Discovery::run(self, runtime, me, sink).boxed()
    }
}

/// The addresses that a builder was given.
pub(crate) struct Joined(pub(crate) Vec<Address>);

impl<R: Runtime> Discovery<R> for Joined {
    fn source(&self) -> Source {
        Source::new("join").expect("a good name")
    }

    async fn run(&mut self, _runtime: R, _me: Announced, mut sink: ObservationSink) {
        sink.observe(Observation::all(self.0.clone())).await;
    }
}

/// Runs a source until the node drains or ends; again for each new life.
pub(crate) async fn attend<R: Runtime>(topology: Topology<R>, runtime: R, shared: Arc<Shared>) {
    let Topology { name, mut source } = topology;
    let mut life = shared.status.read(|state| state.life);
    loop {
        let me = Announced {
            cluster: shared.cluster.clone(),
            node: shared.name.clone(),
            life,
            address: shared.address.clone(),
        };
        let (sink, observed) = counted_observations(shared.reached.clone());
        let listening = join(run(&mut *source, runtime.clone(), me, sink), pass_on(&shared, &name, observed));
        let changed = shared.status.until(|state| {
            if state.is_leaving || state.ended.is_some() {
                return Some(None);
            }
            (state.life != life).then_some(Some(state.life))
        });
        let next: Option<Life> = match select(pin!(listening), pin!(changed)).await {
            futures::future::Either::Left((_, changed)) => changed.await,
            futures::future::Either::Right((next, _)) => next,
        };
        let Some(next) = next else { return };
        life = next;
    }
}

/// Runs a source to its end. One that panics has said its last word, which is that it is of no use.
async fn run<R: Runtime>(
    source: &mut dyn AnySource<R>,
    runtime: R,
    me: Announced,
    mut sink: ObservationSink,
) {
    if let Err(panic) = caught(source.run(runtime, me, sink.clone())).await {
        sink.observe(Observation::failed(SourceFault::Config, panic.as_str())).await;
    }
}

async fn pass_on(shared: &Shared, source: &Source, mut observed: Observations) {
    while let Some(observation) = observed.next().await {
        let (done, taken) = oneshot::channel();
        shared.inbox.post(Mail::Observed { source: source.clone(), observation, done });
        let _ = taken.await; // dropped once the engine has taken it
    }
}
