//! Peers that are instances of a service in Consul, and healthy.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use skep::Runtime;
use skep::discovery::{Announced, Discovery, ObservationSink};
use skep_core::event::SourceFailure;
use skep_core::id::{Address, Source};

use crate::address::peer_address;
use crate::failure::{config, read_text, transient};
use crate::helper::{in_thread, look_every};
use crate::http::{Request, Server};

/// The source: the instances of a service that pass their checks, asked for every two seconds. It registers this node
/// with the agent, with a check of its own that it passes each time and that fails 15 seconds after it last did, and
/// takes itself out when it leaves.
#[derive(Clone, Debug)]
pub struct Consul {
    agent: Server,
    service: String,
    token: Option<PathBuf>,
    every: Duration,
}

impl Consul {
    /// The agent at this URL, as `http://127.0.0.1:8500`; `https` needs [`Consul::ca_file`].
    pub fn at(url: impl Into<String>, service: impl Into<String>) -> Self {
        let agent = Server::new(url);
        Self { agent, service: service.into(), token: None, every: Duration::from_secs(2) }
    }

    /// Who signed its certificate, as PEM.
    #[must_use]
    pub fn ca_file(self, path: impl Into<PathBuf>) -> Self {
        Self { agent: self.agent.ca_file(path), ..self }
    }

    /// The token that it wants to see; read again for each round.
    #[must_use]
    pub fn token_file(self, path: impl Into<PathBuf>) -> Self {
        Self { token: Some(path.into()), ..self }
    }

    /// How often it is asked.
    #[must_use]
    pub fn every(self, every: Duration) -> Self {
        Self { every, ..self }
    }

    fn send(&self, request: Request<'_>) -> Result<Vec<u8>, SourceFailure> {
        let token = self.token.as_deref().map(read_text).transpose()?;
        self.agent.client()?.bytes(&request.bearer(token.as_deref()))
    }

    fn register(&self, me: &Announced) -> Result<(), SourceFailure> {
        let parts = me.address.as_str().rsplit_once(':');
        let parts = parts.and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
        let Some((host, port)) = parts else {
            return Err(config(format!("{} has no port to register", me.address)));
        };
        let service = json!({
            "ID": id(me),
            "Name": self.service,
            "Address": host.trim_start_matches('[').trim_end_matches(']'),
            "Port": port,
            "Meta": { "cluster": me.cluster.as_str(), "node": me.node.as_str() },
            "Check": { "TTL": "15s", "DeregisterCriticalServiceAfter": "1m" },
        });
        self.send(Request::put("/v1/agent/service/register", &service.to_string())).map(drop)
    }

    fn pass(&self, me: &Announced) -> Result<(), SourceFailure> {
        self.send(Request::put(&format!("/v1/agent/check/pass/service:{}", id(me)), "")).map(drop)
    }

    fn peers(&self, me: &Announced) -> Result<Vec<Address>, SourceFailure> {
        let path = format!("/v1/health/service/{}?passing=1", self.service);
        let bytes = self.send(Request::get(&path))?;
        let found: Vec<Instance> = serde_json::from_slice(&bytes)
            .map_err(|error| transient(format!("{path}: {error}, in '{}'", crate::http::excerpt(&bytes))))?;
        let ours = id(me);
        found.iter().filter(|instance| instance.service.id != ours).map(Instance::address).collect()
    }

    /// One round: we are healthy, and who else is.
    fn look(&self, me: &Announced) -> Result<Vec<Address>, SourceFailure> {
        if self.pass(me).is_err() {
            self.register(me)?; // the agent has never heard of us, or has forgotten
            self.pass(me)?;
        }
        self.peers(me)
    }
}

fn id(me: &Announced) -> String {
    format!("skep-{}", me.life)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Instance {
    node: Node,
    service: Service,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Service {
    #[serde(rename = "ID")]
    id: String,
    #[serde(default)]
    address: String,
    port: u16,
}

impl Instance {
    /// Who registered without an address is where its agent is.
    fn address(&self) -> Result<Address, SourceFailure> {
        let host = if self.service.address.is_empty() { &self.node.address } else { &self.service.address };
        let text = if host.contains(':') {
            format!("[{host}]:{}", self.service.port)
        } else {
            format!("{host}:{}", self.service.port)
        };
        peer_address(&text).map_err(|bad| transient(format!("the instance {}: {bad}", self.service.id)))
    }
}

impl<R: Runtime> Discovery<R> for Consul {
    fn source(&self) -> Source {
        Source::new("consul").expect("a good name")
    }

    async fn run(&mut self, _runtime: R, me: Announced, sink: ObservationSink) {
        let source = self.clone();
        in_thread("consul", sink, move |desk| {
            let worked = look_every(desk, source.every, || source.look(&me));
            // Its check would fail by itself: whether the agent hears this now changes only when.
            let _ = source.send(Request::put(&format!("/v1/agent/service/deregister/{}", id(&me)), ""));
            worked
        })
        .await;
    }
}

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing {
    use super::*;

    /// What the agent answers to a question for the healthy instances of a service.
    pub fn consul(bytes: &[u8]) {
        if let Ok(instances) = serde_json::from_slice::<Vec<Instance>>(bytes) {
            instances.iter().for_each(|instance| drop(instance.address()));
        }
    }
}
