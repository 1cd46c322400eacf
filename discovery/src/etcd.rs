//! Peers that leave their addresses in etcd, each under a lease, which ends with whoever holds it.
//!
//! It speaks the JSON that etcd's own gateway has for its API (v3), so it needs no gRPC. Keys are asked for every two
//! seconds, rather than watched: the lease has to be kept alive as often anyhow, a watch through the gateway holds a
//! second connection, and it ends without a word when the gateway restarts, so that one would ask all the same.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use skep::Runtime;
use skep::discovery::{Announced, Discovery, ObservationSink};
use skep_core::event::{SourceFailure, SourceFault};
use skep_core::id::{Address, Source};

use crate::address::peer_address;
use crate::failure::{read_text, transient};
use crate::helper::{in_thread, look_every};
use crate::http::{Request, Server, excerpt};

/// The source: the keys below a prefix and the cluster's name, each the life of a node with its address. It puts its
/// own key there, under a lease of 15 seconds that it keeps alive, and revokes when it leaves.
#[derive(Clone, Debug)]
pub struct Etcd {
    server: Server,
    user: Option<(String, PathBuf)>,
    prefix: String,
    every: Duration,
    lease: Duration,
}

impl Etcd {
    /// At this URL, as `http://10.0.0.1:2379`; `https` needs [`Etcd::ca_file`]. Keys begin with `skep/`.
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            server: Server::new(url),
            user: None,
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

    /// Who speaks, and the file with the password, which is read again each time that a token is over. The role of the
    /// user needs `readwrite` of the keys below the prefix.
    #[must_use]
    pub fn user(self, name: impl Into<String>, password_file: impl Into<PathBuf>) -> Self {
        Self { user: Some((name.into(), password_file.into())), ..self }
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

    fn post<T: DeserializeOwned>(&self, path: &str, body: Value, held: &Held) -> Result<T, SourceFailure> {
        let body = body.to_string();
        let request = Request::post(path, &body);
        let request = match &held.token {
            Some(token) => request.header("authorization", token), // as it is: not as a bearer's
            None => request,
        };
        self.server.client()?.json(&request).map_err(|failure| match failure.fault {
            // What it says with status 400 to who should have said a name.
            SourceFault::Transient if failure.reason.as_str().contains("user name is empty") => {
                SourceFailure { fault: SourceFault::Auth, ..failure }
            }
            _ => failure,
        })
    }

    /// A token for the user, where there is one.
    fn authenticate(&self) -> Result<Option<String>, SourceFailure> {
        let Some((name, password)) = &self.user else { return Ok(None) };
        let body = json!({ "name": name, "password": read_text(password)? }).to_string();
        let path = "/v3/auth/authenticate";
        let answer = self.server.client()?.answer(&Request::post(path, &body))?;
        if answer.status == 400 {
            return Err(SourceFailure { fault: SourceFault::Auth, ..answer.failure(path) }); // a bad password
        }
        if !answer.is_success() {
            return Err(answer.failure(path));
        }
        let told: Token = serde_json::from_slice(&answer.body)
            .map_err(|error| transient(format!("{path}: {error}, in '{}'", excerpt(&answer.body))))?;
        Ok(Some(told.token))
    }

    /// A new lease with our key under it.
    fn announce(&self, me: &Announced, held: &Held) -> Result<String, SourceFailure> {
        let granted: Lease = self.post("/v3/lease/grant", json!({ "TTL": self.lease.as_secs() }), held)?;
        let key = format!("{}{}", self.below(me), me.life);
        let put = json!({
            "key": STANDARD.encode(key),
            "value": STANDARD.encode(me.address.as_str()),
            "lease": granted.id,
        });
        let _: Value = self.post("/v3/kv/put", put, held)?;
        Ok(granted.id)
    }

    /// Whether the lease is still there.
    fn keep_alive(&self, lease: &str, held: &Held) -> Result<bool, SourceFailure> {
        let kept: KeptAlive = self.post("/v3/lease/keepalive", json!({ "ID": lease }), held)?;
        Ok(kept.result.ttl.parse().is_ok_and(|seconds: u64| seconds > 0))
    }

    fn below(&self, me: &Announced) -> String {
        format!("{}{}/", self.prefix, me.cluster)
    }

    fn peers(&self, me: &Announced, held: &Held) -> Result<Vec<Address>, SourceFailure> {
        let begin = self.below(me).into_bytes();
        let mut end = begin.clone();
        if let Some(last) = end.last_mut() {
            *last += 1; // from `/` to `0`: all keys that begin so
        }
        let range = json!({ "key": STANDARD.encode(begin), "range_end": STANDARD.encode(end) });
        let found: Range = self.post("/v3/kv/range", range, held)?;
        found.kvs.iter().map(|it| it.address()).filter(|it| it.as_ref() != Ok(&me.address)).collect()
    }

    /// One round; a token that is over, as after a restart of the server, is no failure yet.
    fn look(&self, me: &Announced, held: &mut Held) -> Result<Vec<Address>, SourceFailure> {
        if held.token.is_some() {
            match self.round(me, held) {
                Err(failure) if failure.fault == SourceFault::Auth => {}
                looked => return looked,
            }
        }
        held.token = None; // not sent along with the password
        held.token = self.authenticate()?;
        self.round(me, held)
    }

    /// Our key is there, and who else.
    fn round(&self, me: &Announced, held: &mut Held) -> Result<Vec<Address>, SourceFailure> {
        let is_there = match &held.lease {
            Some(lease) => self.keep_alive(lease, held)?,
            None => false,
        };
        if !is_there {
            held.lease = None;
            held.lease = Some(self.announce(me, held)?);
        }
        self.peers(me, held)
    }
}

/// What the server gave us.
#[derive(Default)]
struct Held {
    lease: Option<String>,
    token: Option<String>,
}

#[derive(Deserialize)]
struct Token {
    token: String,
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
            let mut held = Held::default();
            let worked = look_every(desk, source.every, || source.look(&me, &mut held));
            if let Some(lease) = &held.lease {
                // It would end by itself: whether the server hears this now changes only when.
                let _ = source.post::<Value>("/v3/lease/revoke", json!({ "ID": lease }), &held);
            }
            worked
        })
        .await;
    }
}

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing {
    use super::*;

    /// What the server answers to a question for keys, for a lease, and for its life.
    pub fn etcd(bytes: &[u8]) {
        if let Ok(range) = serde_json::from_slice::<Range>(bytes) {
            range.kvs.iter().for_each(|pair| drop(pair.address()));
        }
        drop(serde_json::from_slice::<Lease>(bytes));
        drop(serde_json::from_slice::<KeptAlive>(bytes));
    }
}
