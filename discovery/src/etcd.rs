//! Peers that leave their addresses in etcd, each under a lease, which ends with whoever holds it.
//!
//! It speaks the JSON that etcd's own gateway has for its API (v3), so it needs no gRPC. Keys are asked for every two
//! seconds, rather than watched: one small request a node, and nothing to lose the thread of.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use skep::Runtime;
use skep::discovery::{Announced, Discovery, ObservationSink};
use skep_core::event::{Observation, SourceFailure};
use skep_core::id::{Address, Source};

use crate::address::peer_address;
use crate::helper::{Desk, Stopped, in_thread};
use crate::http::{Request, Server, transient};

/// The source: the keys below a prefix and the cluster's name, each the life of a node with its address. It puts its
/// own key there, under a lease of 15 seconds that it keeps alive, and revokes when it leaves.
#[derive(Clone, Debug)]
pub struct Etcd {
    server: Server,
    prefix: String,
    every: Duration,
    lease: Duration,
}

impl Etcd {
    /// At this URL, as `http://10.0.0.1:2379`; `https` needs [`Etcd::ca_file`]. Keys begin with `skep/`.
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            server: Server::new(url),
            prefix: "skep/".into(),
            every: Duration::from_secs(2),
            lease: Duration::from_secs(15),
        }
    }

    /// Who signed its certificate, as PEM.
    #[must_use]
    pub fn ca_file(self, path: impl Into<PathBuf>) -> Self {
        Self { server: self.server.ca_file(path), ..self }
    }

    /// What keys begin with.
    #[must_use]
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    /// How often keys are asked for, and the lease is kept alive.
    #[must_use]
    pub fn every(self, every: Duration) -> Self {
        Self { every, ..self }
    }

    /// How long a key outlives a node that died; longer than a few rounds. At least a second.
    #[must_use]
    pub fn lease(self, lease: Duration) -> Self {
        Self { lease: lease.max(Duration::from_secs(1)), ..self }
    }

    fn post<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: serde_json::Value,
    ) -> Result<T, SourceFailure> {
        self.server.client()?.json(path, None, Request::Post(&body.to_string()))
    }

    /// A new lease with our key under it.
    fn announce(&self, me: &Announced) -> Result<String, SourceFailure> {
        let granted: Lease = self.post("/v3/lease/grant", json!({ "TTL": self.lease.as_secs() }))?;
        let key = format!("{}{}", self.below(me), me.life);
        let put = json!({
            "key": STANDARD.encode(key),
            "value": STANDARD.encode(me.address.as_str()),
            "lease": granted.id,
        });
        let _: serde_json::Value = self.post("/v3/kv/put", put)?;
        Ok(granted.id)
    }

    /// Whether the lease is still there.
    fn keep_alive(&self, lease: &str) -> Result<bool, SourceFailure> {
        let kept: KeptAlive = self.post("/v3/lease/keepalive", json!({ "ID": lease }))?;
        Ok(kept.result.ttl.parse().is_ok_and(|seconds: u64| seconds > 0))
    }

    fn below(&self, me: &Announced) -> String {
        format!("{}{}/", self.prefix, me.cluster)
    }

    fn peers(&self, me: &Announced) -> Result<Vec<Address>, SourceFailure> {
        let begin = self.below(me).into_bytes();
        let mut end = begin.clone();
        if let Some(last) = end.last_mut() {
            *last += 1; // from `/` to `0`: all keys that begin so
        }
        let range = json!({ "key": STANDARD.encode(begin), "range_end": STANDARD.encode(end) });
        let found: Range = self.post("/v3/kv/range", range)?;
        found.kvs.iter().map(|it| it.address()).filter(|it| it.as_ref() != Ok(&me.address)).collect()
    }

    /// One round: our key is there, and who else.
    fn look(&self, me: &Announced, lease: &mut Option<String>) -> Result<Vec<Address>, SourceFailure> {
        let is_there = match lease {
            Some(lease) => self.keep_alive(lease)?,
            None => false,
        };
        if !is_there {
            *lease = None;
            *lease = Some(self.announce(me)?);
        }
        self.peers(me)
    }

    fn work(&self, me: &Announced, lease: &mut Option<String>, desk: &mut Desk) -> Result<(), Stopped> {
        loop {
            match self.look(me, lease) {
                Ok(peers) => {
                    desk.say(Observation::all(peers))?;
                    desk.pause(self.every)?;
                }
                Err(failure) => desk.fail(failure)?,
            }
        }
    }
}

#[derive(Deserialize)]
struct Lease {
    #[serde(rename = "ID")]
    id: String,
}

#[derive(Deserialize)]
struct KeptAlive {
    result: Kept,
}

#[derive(Deserialize)]
struct Kept {
    #[serde(rename = "TTL", default)]
    ttl: String,
}

#[derive(Deserialize)]
struct Range {
    #[serde(default)]
    kvs: Vec<KeyValue>,
}

#[derive(Deserialize)]
struct KeyValue {
    key: String,
    #[serde(default)]
    value: String,
}

impl KeyValue {
    fn address(&self) -> Result<Address, SourceFailure> {
        let bytes = STANDARD.decode(&self.value).unwrap_or_default();
        let address = peer_address(&String::from_utf8_lossy(&bytes));
        address.map_err(|bad| transient(format!("the key '{}': {bad}", self.key.escape_debug())))
    }
}

impl<R: Runtime> Discovery<R> for Etcd {
    fn source(&self) -> Source {
        Source::new("etcd").expect("a good name")
    }

    async fn run(&mut self, _runtime: R, me: Announced, sink: ObservationSink) {
        let source = self.clone();
        in_thread("etcd", sink, move |desk| {
            let mut lease = None;
            let worked = source.work(&me, &mut lease, desk);
            if let Some(lease) = lease {
                // It would end by itself: whether the server hears this now changes only when.
                let _ = source.post::<serde_json::Value>("/v3/lease/revoke", json!({ "ID": lease }));
            }
            worked
        })
        .await;
    }
}
