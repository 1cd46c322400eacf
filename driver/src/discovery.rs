//! What skep asks of a discovery source: who might be a peer.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures::SinkExt;
use futures::channel::mpsc;
use skep_core::event::Observation;
use skep_core::id::{Address, ClusterName, Life, NodeName, Source};

use crate::limits::{Limit, Reached};
use crate::runtime::Runtime;

/// A source of addresses at which peers might be. Addresses are hints: identity comes from the handshake.
pub trait Discovery<R: Runtime>: Send + 'static {
    /// What it is called, in logs and in the count of who knows an address. Two sources of one node differ.
    fn source(&self) -> Source;

    /// Looks for peers, tells `sink`, and announces `me` where the source has a place for that.
    ///
    /// Returning is allowed: what was said last stands. When the node drains or ends, the future is dropped, and
    /// has to withdraw the announcement in a `Drop`. When the node takes a new life, the future is dropped and
    /// this is called again.
    fn run(&mut self, runtime: R, me: Announced, sink: ObservationSink) -> impl Future<Output = ()> + Send;
}

/// What a source may tell others of this node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Announced {
    /// Its cluster.
    pub cluster: ClusterName,
    /// Its name.
    pub node: NodeName,
    /// Its life.
    pub life: Life,
    /// Where it listens.
    pub address: Address,
}

/// Where a source tells what it sees. Cloning it is cheap.
#[derive(Clone)]
pub struct ObservationSink {
    sender: mpsc::Sender<Observation>,
    reached: Arc<Reached>,
}

/// What a source said, one observation after the other: the other end of an [`ObservationSink`].
pub type Observations = mpsc::Receiver<Observation>;

/// The two ends between a source and who listens to it; at most a handful of observations wait in between.
/// Public for the tests of sources.
pub fn observations() -> (ObservationSink, Observations) {
    counted_observations(Arc::default())
}

/// The same, of a source whose limits count here.
pub(crate) fn counted_observations(reached: Arc<Reached>) -> (ObservationSink, Observations) {
    let (sender, receiver) = mpsc::channel(4);
    (ObservationSink { sender, reached }, receiver)
}

impl ObservationSink {
    /// Tells the node. Waits while it is behind. When the node is gone nothing happens: the source's future is
    /// about to be dropped.
    pub async fn observe(&mut self, observation: Observation) {
        // The receiver is gone only when the node is, and then nobody wants to know.
        let _ = self.sender.send(observation).await;
    }

    /// A limit of the source was reached: once more in its node's count.
    pub fn reached(&self, limit: Limit) {
        self.reached.count(limit);
    }
}

impl fmt::Debug for ObservationSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObservationSink").finish_non_exhaustive()
    }
}
