//! What a node is to be, said before its start.

mod oversight;
mod singletons;
mod start;

use std::collections::HashMap;
use std::fmt;
use std::future::{Future, pending};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use skep_core::Config;
use skep_core::config::{Detection, Peers};
use skep_core::error::ConfigError;
use skep_core::id::{Address, Kind, Name, NodePattern, Role, Source};
use skep_core::placement::StrategyId;

use crate::calls::CallBounds;
use crate::discovery::Discovery;
use crate::link::LinkBounds;
use crate::runtime::Runtime;
use crate::sources::Topology;
use crate::start_error::StartError;
use crate::transport::Transport;
use crate::worker::{Closure, Code, Context, Singleton, Typed, Worker};

/// How long the state of a worker may be that moves, unless the builder says otherwise.
const MAX_STATE: usize = 64 << 20;

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
    link_bounds: LinkBounds,
    call_bounds: CallBounds,
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
            link_bounds: LinkBounds::default(),
            call_bounds: CallBounds::default(),
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
            link_bounds: self.link_bounds,
            call_bounds: self.call_bounds,
            until: self.until,
            mistake: self.mistake,
        }
    }

    /// Its share of the ring, relative to the others'. At least 1, which is the default.
    #[must_use]
    pub fn weight(self, weight: u16) -> Self {
        self.configure(move |config| config.weight = weight)
    }

    /// The newest wire version that it speaks, by default the newest that it knows; see
    /// [`manual::operating`](crate::manual::operating).
    #[must_use]
    pub fn wire_version(self, version: u16) -> Self {
        self.configure(move |config| config.wire_version = version)
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

    /// What may wait on each link, in bytes, and for how long a peer may send more than can be handled. None of them
    /// may be zero.
    #[must_use]
    pub fn link_bounds(mut self, bounds: LinkBounds) -> Self {
        self.link_bounds = bounds;
        self
    }

    /// What calls and messages may make wait on this node. None of them may be zero.
    #[must_use]
    pub fn call_bounds(mut self, bounds: CallBounds) -> Self {
        self.call_bounds = bounds;
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

    /// Declares a topology an authority: it knows of every member. An address that it named once, that no source has
    /// named for `silent_for` (more than zero) while all sources answered, and whose node is down, is dialled no more.
    /// Otherwise that goes on until the node is forgotten after an hour, though its address may be somebody else's by
    /// then. If more than a third of the members would be let go of at once, nobody is, and an event says so.
    ///
    /// That is all: no link is ever closed and no live member let go of because of what a source says. Peers that cut
    /// off a node which lives would make it a cluster of its own, which runs all names a second time. To remove a node,
    /// drain it or end its process. One that was let go of is dialled again when it is named again, and may dial.
    #[must_use]
    pub fn authority(mut self, topology: impl AsRef<str>, silent_for: Duration) -> Self {
        match Source::new(topology.as_ref()) {
            Ok(name) => self.configure(move |config| {
                config.authorities.insert(name, silent_for);
            }),
            Err(fault) => {
                self.note(StartError::BadText { what: "topology", text: topology.as_ref().into(), fault });
                self
            }
        }
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
