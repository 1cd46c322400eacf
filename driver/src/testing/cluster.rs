//! Nodes that are started, cut off, healed, stopped and killed, and what must be true of them.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{Either, join_all, select};
use skep_core::Instant;
use skep_core::event::Status;
use skep_core::id::{Address, NodeName};

use crate::builder::NodeBuilder;
use crate::memory::{MemoryNetwork, MemoryTransport};
use crate::node::Node;
use crate::runtime::Runtime;
use crate::sim::{Process, SimRuntime};

/// What a [`Cluster`] builds its nodes with.
pub type SimulatedNode = NodeBuilder<SimRuntime, MemoryTransport>;

/// How long a test may take.
const LIMIT: Duration = Duration::from_secs(3600);

/// How long a cluster may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(10);

/// How long a node that is stopped may take to hand its workers over.
const DRAIN: Duration = Duration::from_secs(30);

/// A cluster of simulated nodes; see [the module](crate::testing) for how it is used.
///
/// Each node has its name for an address, joins all that were started before, and can be started again after it was
/// killed or stopped. A panic while a cluster is there tells its seed.
pub struct Cluster {
    seed: u64,
    runtime: SimRuntime,
    network: MemoryNetwork,
    recipe: Box<dyn Fn(SimulatedNode) -> SimulatedNode + Send + Sync>,
    nodes: Mutex<BTreeMap<String, Place>>,
}

/// A name under which a node was started.
struct Place {
    /// `None` once it was stopped or killed.
    node: Option<(Node, Process)>,
}

impl Cluster {
    /// A cluster without nodes. The recipe adds to each node what it is to have: workers, singletons, settings.
    pub fn new(seed: u64, recipe: impl Fn(SimulatedNode) -> SimulatedNode + Send + Sync + 'static) -> Self {
        Self {
            seed,
            runtime: SimRuntime::new(seed),
            network: MemoryNetwork::new(),
            recipe: Box::new(recipe),
            nodes: Mutex::default(),
        }
    }

    /// Runs a test to its end.
    ///
    /// # Panics
    /// When that has not come after an hour of virtual time, because the test waits for what does not come.
    pub fn run<T>(&self, test: impl Future<Output = T>) -> T {
        let limit = self.runtime.sleep_until(self.runtime.now() + LIMIT);
        match self.runtime.run(select(pin!(test), pin!(limit))) {
            Either::Left((output, _)) => output,
            Either::Right(_) => panic!("the test is over within {LIMIT:?}"),
        }
    }

    /// Starts a node under this name, and waits until it is up.
    ///
    /// # Panics
    /// If a node of this name runs, or does not start.
    pub async fn start(&self, name: &str) -> Node {
        let [node] = self.start_all([name]).await;
        node
    }

    /// Starts nodes under these names at the same moment, and waits until all are up.
    ///
    /// # Panics
    /// As [`Cluster::start`].
    pub async fn start_all<const N: usize>(&self, names: [&str; N]) -> [Node; N] {
        for name in names {
            let place = Place { node: None };
            let was = self.places().insert(name.to_owned(), place);
            assert!(was.is_none_or(|place| place.node.is_none()), "a node {name} runs already");
        }
        let nodes = join_all(names.map(|name| self.start_one(name))).await;
        match nodes.try_into() {
            Ok(nodes) => nodes,
            Err(_) => unreachable!("as many were started as there are names"),
        }
    }

    async fn start_one(&self, name: &str) -> Node {
        let process = Process::default();
        let runtime = self.runtime.in_process(process.clone());
        let node = NodeBuilder::new(name, runtime, self.network.at(address(name)));
        let peers: Vec<String> = self.places().keys().filter(|peer| *peer != name).cloned().collect();
        let node = (self.recipe)(peers.iter().fold(node, |node, peer| node.join(peer)));
        let node = node.start().await.unwrap_or_else(|error| panic!("node {name}: {error}"));
        self.places().insert(name.to_owned(), Place { node: Some((node.clone(), process)) });
        node
    }

    /// The nodes that run, sorted by name.
    pub fn nodes(&self) -> Vec<Node> {
        self.places().values().filter_map(|place| Some(place.node.as_ref()?.0.clone())).collect()
    }

    /// Stops a node as an operator does: it hands its workers over and leaves.
    ///
    /// # Panics
    /// If no node of this name runs.
    pub async fn stop(&self, name: impl AsRef<str>) {
        let (node, _) = self.take(name.as_ref());
        node.leave(DRAIN).await;
    }

    /// As if the process of a node had been killed: nothing of it runs any more, at once, and its links end.
    ///
    /// # Panics
    /// If no node of this name runs.
    pub fn kill(&self, name: impl AsRef<str>) {
        let (node, process) = self.take(name.as_ref());
        self.network.kill(node.address());
        process.kill();
    }

    /// From now on the one nodes and the others do not hear each other: nothing arrives, and nobody is told. What is
    /// under way waits. Pairs that were cut before stay so.
    pub fn cut(&self, some: &[&str], others: &[&str]) {
        for (one, other) in some.iter().flat_map(|one| others.iter().map(move |other| (one, other))) {
            self.network.cut(&address(one), &address(other));
        }
    }

    /// All nodes hear each other again. What was under way arrives, unless its link was given up.
    pub fn heal(&self) {
        self.network.heal();
    }

    /// The virtual time.
    pub fn now(&self) -> Instant {
        self.runtime.now()
    }

    /// Lets virtual time pass.
    pub async fn sleep(&self, time: Duration) {
        self.runtime.sleep_until(self.runtime.now() + time).await;
    }

    /// Waits until something is so.
    ///
    /// # Panics
    /// If it is not within two minutes of virtual time.
    pub async fn until(&self, what: &str, so: impl AsyncFn() -> bool) {
        let deadline = self.runtime.now() + PATIENCE;
        while !so().await {
            assert!(self.runtime.now() < deadline, "{what} within {PATIENCE:?}");
            self.sleep(LOOK).await;
        }
    }

    /// The nodes on which a worker of this name really runs, sorted. One at most, unless a cut or a pause let the
    /// nodes think otherwise.
    pub async fn holders(&self, name: impl AsRef<str>) -> Vec<NodeName> {
        let mut holders = Vec::new();
        for node in self.nodes() {
            let Ok(workers) = node.workers().await else { continue };
            if workers.iter().any(|worker| worker.name.as_str() == name.as_ref()) {
                holders.push(node.name().clone());
            }
        }
        holders
    }

    /// Waits until the cluster is at rest: all nodes that run, and no others, are up to one another, all know the same
    /// names, and each name runs on the one node that they know it on.
    ///
    /// # Panics
    /// With what is not so, if it is not at rest within two minutes of virtual time. Nodes that are cut off never are.
    pub async fn settled(&self) {
        let deadline = self.runtime.now() + PATIENCE;
        while let Err(unrest) = self.look().await {
            assert!(self.runtime.now() < deadline, "at rest within {PATIENCE:?}, but {unrest}");
            self.sleep(LOOK).await;
        }
    }

    /// What is not at rest, if anything.
    async fn look(&self) -> Result<(), String> {
        let nodes = self.nodes();
        let mut running = Vec::new();
        for node in &nodes {
            let me = node.name();
            let members = node.members().await.map_err(|ended| format!("{me}: {ended}"))?;
            let up = members.iter().filter(|member| member.status == Status::Up).map(|member| member.life);
            let mut up: Vec<_> = up.collect();
            let mut all: Vec<_> = nodes.iter().map(Node::life).collect();
            up.sort_unstable();
            all.sort_unstable();
            if up != all {
                return Err(format!("{me} counts {} of {} nodes up", up.len(), all.len()));
            }
            let workers = node.workers().await.map_err(|ended| format!("{me}: {ended}"))?;
            running.extend(workers.into_iter().map(|worker| (worker.name.to_string(), me.clone())));
        }
        running.sort();
        for node in &nodes {
            let me = node.name();
            let registered = node.registered().await.map_err(|ended| format!("{me}: {ended}"))?;
            let mut known = Vec::new();
            for name in registered {
                let Some(holder) = name.node else {
                    return Err(format!("{me} knows nobody who has {}", name.name));
                };
                known.push((name.name.to_string(), holder));
            }
            known.sort();
            if known != running {
                return Err(format!("{me} knows {known:?}, and what runs is {running:?}"));
            }
        }
        Ok(())
    }

    fn take(&self, name: &str) -> (Node, Process) {
        let node = self.places().get_mut(name).and_then(|place| place.node.take());
        node.unwrap_or_else(|| panic!("a node {name} runs"))
    }

    fn places(&self) -> MutexGuard<'_, BTreeMap<String, Place>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner) // each use is one step
    }
}

fn address(name: &str) -> Address {
    Address::new(name).unwrap_or_else(|error| panic!("a node named {name:?}: {error}"))
}

impl Drop for Cluster {
    #[expect(clippy::print_stderr, reason = "it is a test's, and it has failed")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the cluster was Cluster::new({}, …)", self.seed);
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("seed", &self.seed)
            .field("nodes", &self.nodes())
            .finish_non_exhaustive()
    }
}
