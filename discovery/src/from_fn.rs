//! A source from a closure.

use std::fmt;
use std::future::Future;

use skep::Runtime;
use skep::discovery::{Announced, Discovery, ObservationSink};
use skep_core::id::Source;

/// A source that is this closure. It is called once for each life of the node, and its future is dropped when the
/// node leaves.
///
/// ```
/// use std::time::Duration;
/// use skep::discovery::{Announced, ObservationSink};
/// use skep::{Runtime, SimRuntime, core::event::Observation};
/// use skep_discovery::{from_fn, peer_address};
///
/// let source = from_fn(async |runtime: SimRuntime, me: Announced, mut sink: ObservationSink| loop {
///     let answer = ["10.0.0.1:7000", "10.0.0.2:7000"]; // ask whoever knows
///     sink.observe(Observation::all(answer.iter().filter_map(|text| peer_address(text).ok()))).await;
///     println!("{} has looked", me.node);
///     runtime.sleep_until(runtime.now() + Duration::from_secs(5)).await;
/// });
/// ```
///
/// Give it a name with `NodeBuilder::topology`.
pub fn from_fn<F>(run: F) -> FromFn<F> {
    FromFn { run }
}

/// See [`from_fn`].
#[derive(Clone)]
pub struct FromFn<F> {
    run: F,
}

impl<R, F, Fut> Discovery<R> for FromFn<F>
where
    R: Runtime,
    F: FnMut(R, Announced, ObservationSink) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    fn source(&self) -> Source {
        Source::new("function").expect("a good name")
    }

    async fn run(&mut self, runtime: R, me: Announced, sink: ObservationSink) {
        (self.run)(runtime, me, sink).await;
    }
}

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromFn").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use skep::discovery::observations;
    use skep::{MemoryNetwork, NodeBuilder, SimRuntime};
    use skep_core::event::Observation;
    use skep_core::id::Address;

    use super::*;
    use crate::testing::me;

    #[test]
    fn a_closure_is_asked_and_its_word_passed_on() {
        let runtime = SimRuntime::new(1);
        let peer = Address::new("a").expect("a good address");
        let named = peer.clone();
        let mut source = from_fn(move |_: SimRuntime, me: Announced, mut sink: ObservationSink| {
            let peer = named.clone();
            async move {
                assert_eq!(me.node.as_str(), "me");
                sink.observe(Observation::Upsert(peer)).await;
            }
        });
        let (sink, mut observed) = observations();
        runtime.run(Discovery::run(&mut source, runtime.clone(), me(), sink));
        assert_eq!(observed.try_recv().ok(), Some(Observation::Upsert(peer)));
    }

    #[test]
    fn two_nodes_meet_by_a_closure() {
        let runtime = SimRuntime::new(2);
        let network = MemoryNetwork::new();
        let there = Address::new("there").expect("a good address");
        runtime.run(async {
            let a = NodeBuilder::new("a", runtime.clone(), network.at(there.clone())).start().await;
            let a = a.expect("it starts");
            let here = network.at(Address::new("here").expect("a good address"));
            let find = from_fn(move |_, _, mut sink: ObservationSink| {
                let there = there.clone();
                async move { sink.observe(Observation::all([there])).await }
            });
            let b = NodeBuilder::new("b", runtime.clone(), here).topology("mine", find).start().await;
            let b = b.expect("it starts");
            let patience = std::time::Duration::from_secs(10);
            for node in [&a, &b] {
                assert_eq!(node.ready(2, std::time::Duration::ZERO, patience).await, Ok(2));
            }
        });
    }
}
