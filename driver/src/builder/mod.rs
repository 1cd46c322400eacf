//! From a name, a runtime and a transport to a running node.

use std::collections::HashMap;
use std::fmt;
use std::future::{Future, pending};
use std::num::NonZeroU16;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Either, select};
use skep_core::config::{Detection, KindConfig, Peers};
use skep_core::error::{BadText, ConfigError, RegisterError};
use skep_core::id::{Address, ClusterName, Kind, Life, Name, NodeName, NodePattern, Payload, Role, Source};
use skep_core::placement::StrategyId;
use skep_core::wire::Hello;
use skep_core::{Config, Machine};
use tracing::{error, warn};

use crate::discovery::Discovery;
use crate::engine::Engine;
use crate::host::Host;
use crate::link::{Hub, LinkBounds};
use crate::mail::Entrance;
use crate::node::{Node, Shared};
use crate::runtime::{Platform, Runtime};
use crate::sources::{self, Joined, Topology};
use crate::start_error::StartError;
use crate::status::Ending;
use crate::transport::{Listener, Transport};
use crate::worker::{Closure, Code, Context, Failure, MessageId, Singleton, Typed, Worker, panic_words};

/// How long a start may take to come up before the node is handed out all the same.
const UP_WITHIN: Duration = Duration::from_secs(10);

/// How long a node that was told to end has to give its workers away.
const DRAIN_WITHIN: Duration = Duration::from_secs(10);

/// How long the state of a worker may be that moves, unless the builder says otherwise.
const MAX_STATE: usize = 64 << 20;

/// After this time a singleton that was refused for want of a quorum is registered again.
const SINGLETON_AGAIN: Duration = Duration::from_millis(200);

/// A node before its start. Mistakes are told by [`NodeBuilder::start`].
///
/// The adapters make one that has a runtime, a transport and a way to find its peers. By hand, and in memory:
///
/// ```
/// # #[cfg(feature = "sim")] {
/// use std::time::Duration;
/// use skep::core::id::Address;
/// use skep::{MemoryNetwork, NodeBuilder, SimRuntime};
///
/// let runtime = SimRuntime::new(1);
/// let network = MemoryNetwork::new();
/// # || -> Result<(), skep::Failure> {
/// let (here, there) = (Address::new("here")?, Address::new("there")?);
/// runtime.run(async {
///     let a = NodeBuilder::new("a", runtime.clone(), network.at(here)).cluster("orders").singleton(
///         "cron",
///         async |context| loop {
///             context.sleep(Duration::from_secs(60)).await
///         },
///     );
///     let a = a.start().await?;
///     let b = NodeBuilder::new("b", runtime.clone(), network.at(there)).cluster("orders").join("here");
///     let b = b.start().await?;
///     assert_eq!(b.whereis_consistent("cron", Duration::from_secs(5)).await?.node, *a.name());
///     # Ok(())
/// })
/// # }().unwrap();
/// # }
/// ```
pub struct NodeBuilder<R: Runtime, T: Transport<R>> {
    runtime: R,
    transport: T,
    name: String,
    cluster: String,
    codes: HashMap<Kind, Arc<dyn Code>>,
    singletons: Vec<Name>,
    topologies: Vec<Topology<R>>,
    peers: Vec<Address>,
    settings: Vec<Setting>,
    roles: Vec<Role>,
    max_state: usize,
    until: BoxFuture<'static, ()>,
    mistake: Option<StartError>,
}

type Setting = Box<dyn FnOnce(&mut Config) + Send>;

impl<R: Runtime, T: Transport<R>> NodeBuilder<R, T> {
    /// A node of this name, in the cluster `skep`, with no kinds and no sources.
    pub fn new(name: impl Into<String>, runtime: R, transport: T) -> Self {
        Self {
            runtime,
            transport,
            name: name.into(),
            cluster: "skep".to_owned(),
            codes: HashMap::new(),
            singletons: Vec::new(),
            topologies: Vec::new(),
            peers: Vec::new(),
            settings: Vec::new(),
            roles: Vec::new(),
            max_state: MAX_STATE,
            until: pending().boxed(),
            mistake: None,
        }
    }

    /// The cluster: nodes of another one are refused.
    #[must_use]
    pub fn cluster(mut self, cluster: impl Into<String>) -> Self {
        self.cluster = cluster.into();
        self
    }

    /// Another transport, as one that listens elsewhere.
    #[must_use]
    pub fn transport<U: Transport<R>>(self, transport: U) -> NodeBuilder<R, U> {
        NodeBuilder {
            runtime: self.runtime,
            transport,
            name: self.name,
            cluster: self.cluster,
            codes: self.codes,
            singletons: self.singletons,
            topologies: self.topologies,
            peers: self.peers,
            settings: self.settings,
            roles: self.roles,
            max_state: self.max_state,
            until: self.until,
            mistake: self.mistake,
        }
    }

    /// Its share of the ring, relative to the others'. At least 1, which is the default.
    #[must_use]
    pub fn weight(self, weight: u16) -> Self {
        self.configure(move |config| config.weight = weight)
    }

    /// Nothing runs, and nothing is registered or removed, where fewer than so many members are up: then workers are
    /// stopped, their names are kept, and they start again when there are enough. Must be the same on all nodes, which
    /// refuse each other otherwise. More than half of the nodes is what keeps two sides of a cut from running a name
    /// twice, nearly always: a node that stands still may go on for a moment when it wakes.
    ///
    /// Names of a node that falls silent then start elsewhere some seconds later than without: after the time in which
    /// it may notice that it is cut off, and the grace in which its workers stop.
    #[must_use]
    pub fn quorum(mut self, members: u16) -> Self {
        match NonZeroU16::new(members) {
            Some(members) => {
                self.configure(move |config| config.strategy = StrategyId::StaticQuorum(members))
            }
            None => {
                self.note(StartError::Config(ConfigError::ZeroBound("quorum")));
                self
            }
        }
    }

    /// Has links only with nodes of such names: `*` stands for any characters, `?` for any one. Asked for several
    /// times, each of them is allowed. Who is refused is told so, as is this node.
    #[must_use]
    pub fn allow(self, nodes: impl AsRef<str>) -> Self {
        self.list(nodes.as_ref(), |peers, pattern| peers.allow.push(pattern))
    }

    /// Has no links with nodes of such names, allowed or not.
    #[must_use]
    pub fn deny(self, nodes: impl AsRef<str>) -> Self {
        self.list(nodes.as_ref(), |peers, pattern| peers.deny.push(pattern))
    }

    fn list(mut self, text: &str, add: fn(&mut Peers, NodePattern)) -> Self {
        match NodePattern::new(text) {
            Ok(pattern) => self.configure(move |config| add(&mut config.peers, pattern)),
            Err(fault) => {
                self.note(StartError::BadText { what: "pattern", text: text.into(), fault });
                self
            }
        }
    }

    /// A capability that it offers: workers can ask for it with [`Registering::on_role`](crate::Registering::on_role).
    #[must_use]
    pub fn role(mut self, role: impl AsRef<str>) -> Self {
        match Role::new(role.as_ref()) {
            Ok(role) => self.roles.push(role),
            Err(fault) => self.note(StartError::BadText { what: "role", text: role.as_ref().into(), fault }),
        }
        self
    }

    /// Within which time the silent death of a member is noticed; 1 s by default. A killed process is noticed in
    /// milliseconds whatever this is.
    #[must_use]
    pub fn detect(self, within: Duration) -> Self {
        self.configure(move |config| config.detection = Detection::within(within))
    }

    /// The longest state, in bytes, that a worker may hand over or that is taken from another node; 64 MiB by
    /// default. A worker whose state is longer stays, as if it had asked to.
    #[must_use]
    pub fn max_state(mut self, bytes: usize) -> Self {
        self.max_state = bytes;
        self
    }

    /// Any other setting of the machine.
    #[must_use]
    pub fn configure(mut self, setting: impl FnOnce(&mut Config) + Send + 'static) -> Self {
        self.settings.push(Box::new(setting));
        self
    }

    /// Code for a kind of worker: this node can now host it.
    #[must_use]
    pub fn worker<W: Worker>(self) -> Self {
        self.code(W::KIND, Arc::new(Typed::<W>::new()))
    }

    /// A closure that runs on exactly one node of the cluster, under this name, which is registered on start. All
    /// nodes that could run it have to be built with it.
    ///
    /// When it has to stop it is dropped where it waits for [`Context::sleep`], or at any await point when the
    /// grace is over. When it returns, its name is freed; when it panics, it is started again.
    ///
    /// The closure is called once for each start here, so that what it captures has to be cloned into its future.
    #[must_use]
    pub fn singleton<F, Fut>(mut self, name: impl AsRef<str>, run: F) -> Self
    where
        F: Fn(Context<Singleton>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let name = name.as_ref();
        match Name::new(name) {
            Ok(name) => self.singletons.push(name),
            Err(fault) => self.note(StartError::BadText { what: "singleton", text: name.into(), fault }),
        }
        self.code(name, Arc::new(Closure::new(run)))
    }

    /// A source of addresses at which peers may be. It is a topology under its own name.
    #[must_use]
    pub fn discover(self, source: impl Discovery<R>) -> Self {
        let name = source.source();
        self.topology(name.as_str(), source)
    }

    /// A source of addresses under a name of your choice, in logs and events. A node may have several at once, also
    /// of one sort; their names differ.
    #[must_use]
    pub fn topology(mut self, name: impl AsRef<str>, source: impl Discovery<R>) -> Self {
        match Source::new(name.as_ref()) {
            Ok(name) if self.topologies.iter().any(|topology| topology.name == name) => {
                self.note(StartError::DuplicateTopology(name));
            }
            Ok(name) => self.topologies.push(Topology { name, source: Box::new(source) }),
            Err(fault) => {
                self.note(StartError::BadText { what: "topology", text: name.as_ref().into(), fault });
            }
        }
        self
    }

    /// An address at which a peer may be.
    #[must_use]
    pub fn join(mut self, address: impl AsRef<str>) -> Self {
        match Address::new(address.as_ref()) {
            Ok(address) => self.peers.push(address),
            Err(fault) => {
                self.note(StartError::BadText { what: "address", text: address.as_ref().into(), fault });
            }
        }
        self
    }

    /// What ends [`NodeBuilder::run`]: the adapters give it the signals of the process.
    #[must_use]
    pub fn until(mut self, told: impl Future<Output = ()> + Send + 'static) -> Self {
        self.until = told.boxed();
        self
    }

    /// Binds the transport, meets the peers and returns when the node is up (or after 10 seconds, when it still
    /// goes on trying; see [`Node::up`]) and its singletons are registered, here or elsewhere. Below the quorum they are
    /// registered once it is reached.
    ///
    /// # Errors
    /// The first mistake that was made while building, or what went wrong.
    pub async fn start(mut self) -> Result<Node, StartError> {
        if !self.peers.is_empty() {
            let joined = Joined(std::mem::take(&mut self.peers));
            self = self.discover(joined);
        }
        if let Some(mistake) = self.mistake.take() {
            return Err(mistake);
        }
        let platform = Platform::new(self.runtime.clone());
        let node = text("name", &self.name, |text| NodeName::new(text))?;
        let cluster = text("cluster", &self.cluster, |text| ClusterName::new(text))?;
        check_messages(&self.codes)?;
        let listener = self.transport.bind(self.runtime.clone()).await.map_err(StartError::Bind)?;

        let life = Life(platform.unix_micros());
        let mut config = Config::new(cluster.clone(), node.clone(), life, listener.address());
        config.seed = platform.random();
        config.roles = self.roles;
        config.kinds = kinds(&self.codes);
        self.settings.into_iter().for_each(|set| set(&mut config));
        let machine = Machine::new(config.clone(), platform.now()).map_err(StartError::Config)?;

        let shared = {
            let address = listener.address();
            Arc::new(Shared::new(node, cluster, address, platform.clone(), life, self.max_state))
        };
        let entrance = Entrance { inbox: shared.inbox.clone(), router: shared.router.clone() };
        let hub = Hub::new(Arc::new(entrance), LinkBounds::default());
        let dialer = listener.serve(Hello::of(&config), hub);
        let host = Host::new(shared.clone(), self.codes);
        let engine = Engine::new(shared.clone(), config, machine, dialer, host);
        platform.spawn(oversee(shared.clone(), engine.run()));
        platform.spawn(turn_wheel(shared.clone()));
        for topology in self.topologies {
            platform.spawn(sources::attend(topology, self.runtime.clone(), shared.clone()));
        }
        let node = shared.held_node();

        let up = platform.by(platform.now() + UP_WITHIN, node.up()).await;
        match up {
            Some(Err(Ending::NameInUse { address })) => return Err(StartError::NameInUse { address }),
            Some(Err(ending)) => return Err(StartError::Ended(ending)),
            Some(Ok(())) => {}
            None => warn!(target: "skep", node = %node.name(), "not up yet; going on"),
        }
        let mut waiting = Vec::new();
        for name in self.singletons {
            match register_singleton(&node, &name).await {
                Ok(()) => {}
                Err(RegisterError::NoQuorum(_)) => waiting.push(name),
                Err(error) => return Err(StartError::Singleton { name, error }),
            }
        }
        if !waiting.is_empty() {
            platform.spawn(register_later(shared, waiting));
        }
        Ok(node)
    }

    /// Starts, runs until it is told to end, drains, leaves. Told while it starts, it leaves once it has started.
    ///
    /// # Errors
    /// Why it did not start, or why it ended if it was not told to.
    pub async fn run(mut self) -> Result<(), Failure> {
        let mut until = std::mem::replace(&mut self.until, pending().boxed());
        let (node, is_told) = match select(&mut until, pin!(self.start())).await {
            Either::Left(((), start)) => (start.await?, true),
            Either::Right((node, _)) => (node?, false),
        };
        if !is_told && let Either::Right((ending, _)) = select(until, pin!(node.ended())).await {
            return if ending == Ending::Left { Ok(()) } else { Err(ending.into()) };
        }
        node.leave(DRAIN_WITHIN).await;
        Ok(())
    }

    fn code(mut self, kind: &str, code: Arc<dyn Code>) -> Self {
        match Kind::new(kind) {
            Ok(kind) => {
                if self.codes.insert(kind.clone(), code).is_some() {
                    self.note(StartError::DuplicateKind(kind));
                }
            }
            Err(fault) => self.note(StartError::BadText { what: "kind", text: kind.into(), fault }),
        }
        self
    }

    fn note(&mut self, mistake: StartError) {
        self.mistake.get_or_insert(mistake);
    }
}

impl<R: Runtime, T: Transport<R>> fmt::Debug for NodeBuilder<R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeBuilder")
            .field("name", &self.name)
            .field("cluster", &self.cluster)
            .finish_non_exhaustive()
    }
}

fn text<N>(
    what: &'static str,
    text: &str,
    new: impl FnOnce(&str) -> Result<N, BadText>,
) -> Result<N, StartError> {
    new(text).map_err(|fault| StartError::BadText { what, text: text.to_owned(), fault })
}

fn kinds(codes: &HashMap<Kind, Arc<dyn Code>>) -> Vec<KindConfig> {
    let mut kinds: Vec<_> =
        codes.iter().map(|(kind, code)| KindConfig { kind: kind.clone(), restart: code.restart() }).collect();
    kinds.sort_unstable_by(|one, other| one.kind.cmp(&other.kind)); // the same on each start
    kinds
}

fn check_messages(codes: &HashMap<Kind, Arc<dyn Code>>) -> Result<(), StartError> {
    let mut names: HashMap<MessageId, &'static str> = HashMap::new();
    for (id, name) in codes.values().flat_map(|code| code.messages()) {
        let known = *names.entry(id).or_insert(name);
        if known != name {
            return Err(StartError::MessageClash { one: known, other: name });
        }
    }
    Ok(())
}

async fn register_singleton(node: &Node, name: &Name) -> Result<(), RegisterError> {
    let found = node.whereis_or_register_raw(name.as_str(), name.as_str(), Payload::empty(), UP_WITHIN);
    found.await.map(drop)
}

/// Registers the singletons of a node that started below the quorum, once it is reached.
async fn register_later(shared: Arc<Shared>, mut waiting: Vec<Name>) {
    while let Some(name) = waiting.last() {
        let goes_on = shared.status.until(|state| match &state.ended {
            Some(_) => Some(false),
            None => state.has_quorum.then_some(true),
        });
        if !goes_on.await {
            return;
        }
        match register_singleton(&shared.node(), name).await {
            Err(RegisterError::NoQuorum(_) | RegisterError::Timeout) => {
                // Lost again, or its arbiter sees it later than we.
                shared.platform.sleep_until(shared.platform.now() + SINGLETON_AGAIN).await;
            }
            Err(error) => {
                warn!(target: "skep", node = %shared.name, %name, %error, "a singleton is not registered");
                waiting.pop();
            }
            Ok(()) => drop(waiting.pop()),
        }
    }
}

/// Runs the engine to its end, whatever that is, and tells all who wait.
async fn oversee(shared: Arc<Shared>, engine: impl Future<Output = Ending>) {
    let mut oversight = Oversight { shared, ending: Ending::Dropped };
    oversight.ending = AssertUnwindSafe(engine).catch_unwind().await.unwrap_or_else(|panic| {
        let node = &oversight.shared.name;
        error!(target: "skep", node = %node, words = %panic_words(&*panic), "a bug in skep: this node ends");
        Ending::Broken
    });
}

/// Tells how a node ended, also if its runtime drops the engine.
struct Oversight {
    shared: Arc<Shared>,
    ending: Ending,
}

impl Drop for Oversight {
    fn drop(&mut self) {
        self.shared.end(self.ending.clone());
    }
}

/// Ends calls at their deadline, until the node has ended.
async fn turn_wheel(shared: Arc<Shared>) {
    let turning = shared.router.pending.clone().turn(shared.platform.clone());
    let ended = shared.status.until(|state| state.ended.clone());
    select(pin!(turning), pin!(ended)).await;
}
