//! A source that was told everything at the start.

use skep::Runtime;
use skep::discovery::{Announced, Discovery, ObservationSink};
use skep_core::event::Observation;
use skep_core::id::{Address, Source};

/// Addresses named by the user; told once, never withdrawn. Announces nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Static {
    peers: Vec<Address>,
}

impl Static {
    /// A source of exactly these. Our own address among them does no harm.
    pub fn new(peers: impl IntoIterator<Item = Address>) -> Self {
        Self { peers: peers.into_iter().collect() }
    }
}

impl<R: Runtime> Discovery<R> for Static {
    fn source(&self) -> Source {
        Source::new("static").expect("a good name")
    }

    async fn run(&mut self, _runtime: R, _me: Announced, mut sink: ObservationSink) {
        sink.observe(Observation::all(self.peers.clone())).await;
    }
}

#[cfg(test)]
mod tests {
    use skep::SimRuntime;
    use skep::discovery::observations;

    use super::*;
    use crate::testing::me;

    #[test]
    fn the_list_is_told_once_and_the_source_returns() {
        let runtime = SimRuntime::new(1);
        let peer = Address::new("10.0.0.1:7000").expect("a good address");
        let (sink, mut observations) = observations();
        let mut list = Static::new([peer.clone()]);
        runtime.run(Discovery::run(&mut list, runtime.clone(), me(), sink));
        assert_eq!(observations.try_recv().ok(), Some(Observation::all([peer])));
        assert!(observations.try_recv().is_err(), "it says nothing more");
    }
}
