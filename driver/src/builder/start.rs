//! From a builder to a running node, and from there to its end.

use std::collections::HashMap;
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{Either, select};
use skep_core::config::KindConfig;
use skep_core::error::{BadText, RegisterError};
use skep_core::id::{ClusterName, Kind, Life, NodeName, Source};
use skep_core::wire::Hello;
use skep_core::{Config, Machine};
use tracing::warn;

use super::NodeBuilder;
use super::oversight::{oversee, turn_wheel};
use super::singletons::{register_later, register_singleton};
use crate::engine::Engine;
use crate::host::Host;
use crate::link::Hub;
use crate::mail::Entrance;
use crate::node::{Node, Shared};
use crate::runtime::{Platform, Runtime};
use crate::sources::{self, Joined, Topology};
use crate::start_error::StartError;
use crate::status::Ending;
use crate::transport::{Listener, Transport};
use crate::worker::{Code, Failure, MessageId};

/// How long a start may take to come up before the node is handed out all the same.
pub(super) const UP_WITHIN: Duration = Duration::from_secs(10);

/// How long a node that was told to end has to give its workers away.
const DRAIN_WITHIN: Duration = Duration::from_secs(10);

impl<R: Runtime, T: Transport<R>> NodeBuilder<R, T> {
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
        self.link_bounds.check().map_err(StartError::Config)?;
        self.call_bounds.check().map_err(StartError::Config)?;
        let listener = self.transport.bind(self.runtime.clone()).await.map_err(StartError::Bind)?;

        let life = Life(platform.unix_micros());
        let mut config = Config::new(cluster.clone(), node.clone(), life, listener.address());
        config.seed = platform.random();
        config.roles = self.roles;
        config.kinds = kinds(&self.codes);
        self.settings.into_iter().for_each(|set| set(&mut config));
        check_authorities(&config, &self.topologies)?;
        let machine = Machine::new(config.clone(), platform.now()).map_err(StartError::Config)?;

        let shared = {
            let address = listener.address();
            let (state, bounds) = (self.max_state, self.call_bounds);
            Arc::new(Shared::new(node, cluster, address, platform.clone(), life, state, bounds))
        };
        let entrance = Entrance { inbox: shared.inbox.clone(), router: shared.router.clone() };
        let hub = Hub::new(Arc::new(entrance), self.link_bounds.clone(), shared.reached.clone());
        let dialer = listener.serve(Hello::of(&config), hub);
        let host = Host::new(shared.clone(), self.codes);
        let engine = Engine::new(shared.clone(), config, machine, dialer, host, self.link_bounds.flood_after);
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

fn check_authorities<R: Runtime>(config: &Config, topologies: &[Topology<R>]) -> Result<(), StartError> {
    let is_there = |name: &Source| topologies.iter().any(|topology| topology.name == *name);
    match config.authorities.keys().find(|name| !is_there(name)) {
        Some(nowhere) => Err(StartError::UnknownTopology(nowhere.clone())),
        None => Ok(()),
    }
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
