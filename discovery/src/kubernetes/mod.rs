//! Peers that Kubernetes knows: the endpoints of a service, or the pods with a label.
//!
//! Listed once, then watched, as a client of its API should: bookmarks move the watch forward, a version that is too
//! old (410) and a watch that falls silent begin with a list again. Neither withdraws anybody by itself.

mod kubeconfig;
mod objects;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::PathBuf;
use std::time::Duration;

use skep::Runtime;
use skep::discovery::{Announced, Discovery, ObservationSink};
use skep_core::event::{Observation, SourceFailure};
use skep_core::id::{Address, Source};

use crate::failure::{config, read_text, transient};
use crate::helper::{Desk, Stopped, in_thread};
use crate::http::{Client, Request, Server, escaped, excerpt};
use kubeconfig::Kubeconfig;
use objects::{EndpointSlice, EventKind, List, Named, Peers, Pod, Port, Trouble, WatchEvent, Which};

const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The source: all addresses of a service's endpoints, ready or not, unless they terminate. Announces nothing: a pod
/// is known by being there.
///
/// Inside a cluster it finds the API and its credentials by itself; the service account needs `list` and `watch` of
/// `endpointslices` in `discovery.k8s.io` (or of `pods`). The token is read again for each request, because it
/// changes. `examples/kubernetes/` has the manifests. Outside, there is [`Kubernetes::kubeconfig`]; where that has a
/// program that fetches tokens, as those of clouds do, `kubectl proxy` gives a URL for [`Kubernetes::api`].
#[derive(Clone, Debug)]
pub struct Kubernetes {
    what: What,
    port: Port,
    which: Which,
    namespace: Option<String>,
    api: Option<Server>,
    token: Option<PathBuf>,
    kubeconfig: Option<Kubeconfig>,
    watch: Duration,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum What {
    Service(String),
    Pods { selector: String },
}

impl Kubernetes {
    /// The endpoints of this service, which has to be headless and to publish addresses that are not ready, at its
    /// port named `skep`.
    pub fn service(name: impl Into<String>) -> Self {
        Self::of(What::Service(name.into()))
    }

    /// The pods that this label selector matches, as `app=orders`, at their port named `skep`.
    pub fn pods(selector: impl Into<String>) -> Self {
        Self::of(What::Pods { selector: selector.into() })
    }

    fn of(what: What) -> Self {
        Self {
            what,
            port: Port::Named("skep".into()),
            which: Which::Living,
            namespace: None,
            api: None,
            token: None,
            kubeconfig: None,
            watch: Duration::from_secs(60),
        }
    }

    /// Another port, by its name.
    #[must_use]
    pub fn port_named(self, name: impl Into<String>) -> Self {
        Self { port: Port::Named(name.into()), ..self }
    }

    /// Another port, by its number.
    #[must_use]
    pub fn port(self, number: u16) -> Self {
        Self { port: Port::Number(number), ..self }
    }

    /// Only addresses that are ready.
    #[must_use]
    pub fn only_ready(self) -> Self {
        Self { which: Which::Ready, ..self }
    }

    /// Another namespace than that of this pod.
    #[must_use]
    pub fn namespace(self, name: impl Into<String>) -> Self {
        Self { namespace: Some(name.into()), ..self }
    }

    /// The API at this URL, rather than that of the cluster that this pod is in; `https` needs [`Kubernetes::ca_file`].
    #[must_use]
    pub fn api(self, url: impl Into<String>) -> Self {
        Self { api: Some(Server::new(url)), ..self }
    }

    /// Who signed the certificate of the API at [`Kubernetes::api`], as PEM.
    #[must_use]
    pub fn ca_file(self, path: impl Into<PathBuf>) -> Self {
        Self { api: self.api.map(|api| api.ca_file(path)), ..self }
    }

    /// The token for the API at [`Kubernetes::api`].
    #[must_use]
    pub fn token_file(self, path: impl Into<PathBuf>) -> Self {
        Self { token: Some(path.into()), ..self }
    }

    /// The API, the namespace and the credentials of the current context in this file, as `~/.kube/config`; read again
    /// for each request.
    #[must_use]
    pub fn kubeconfig(self, path: impl Into<PathBuf>) -> Self {
        Self { kubeconfig: Some(Kubeconfig { path: path.into(), context: None }), ..self }
    }

    /// Another context of the file of [`Kubernetes::kubeconfig`].
    #[must_use]
    pub fn context(self, name: impl Into<String>) -> Self {
        let named = |kubeconfig| Kubeconfig { context: Some(name.into()), ..kubeconfig };
        Self { kubeconfig: self.kubeconfig.map(named), ..self }
    }

    /// How long a watch may be silent before it is begun again; 60 s by default.
    #[must_use]
    pub fn watch_for(self, watch: Duration) -> Self {
        Self { watch: watch.max(Duration::from_secs(1)), ..self }
    }

    fn access(&self) -> Result<Access, SourceFailure> {
        if let Some(kubeconfig) = &self.kubeconfig {
            return kubeconfig.access(self.namespace.as_ref());
        }
        if let Some(api) = &self.api {
            let token = self.token.as_deref().map(read_text).transpose()?;
            let namespace = self.namespace.clone().unwrap_or_else(|| "default".into());
            return Ok(Access { client: api.client()?, token, namespace });
        }
        let variable = |name: &str| {
            env::var(name).map_err(|_| config(format!("{name} is not set: this is no pod of a cluster")))
        };
        let (host, port) = (variable("KUBERNETES_SERVICE_HOST")?, variable("KUBERNETES_SERVICE_PORT")?);
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let account = PathBuf::from(ACCOUNT);
        let api = Server::new(format!("https://{host}:{port}")).ca_file(account.join("ca.crt"));
        let namespace = match &self.namespace {
            Some(namespace) => namespace.clone(),
            None => read_text(&account.join("namespace"))?,
        };
        Ok(Access { client: api.client()?, token: Some(read_text(&account.join("token"))?), namespace })
    }

    fn work(&self, desk: &mut Desk) -> Result<(), Stopped> {
        loop {
            let looked = match &self.what {
                What::Service(_) => self.look::<EndpointSlice>(desk)?,
                What::Pods { .. } => self.look::<Pod>(desk)?,
            };
            if let Err(failure) = looked {
                desk.fail(failure)?;
            }
        }
    }

    /// Lists, then watches, until the watch ends.
    fn look<T: Peers>(&self, desk: &mut Desk) -> Result<Result<(), SourceFailure>, Stopped> {
        let (mut known, mut version) = match self.list::<T>() {
            Ok(listed) => listed,
            Err(failure) => return Ok(Err(failure)),
        };
        let mut said = union(&known);
        desk.say(Observation::all(said.iter().cloned()))?;
        loop {
            let watched = self.watch::<T>(&version.clone(), &mut |event| {
                version = event.apply(self, &mut known).unwrap_or_else(|| version.clone());
                let now = union(&known);
                if now != said {
                    said = now;
                    desk.say(Observation::all(said.iter().cloned()))?;
                }
                desk.check()
            })?;
            match watched {
                Ok(Ended::Silent) => {}
                Ok(Ended::TooOld) => return Ok(Ok(())),
                Err(failure) => return Ok(Err(failure)),
            }
        }
    }

    fn list<T: Peers>(&self) -> Result<(BTreeMap<String, BTreeSet<Address>>, String), SourceFailure> {
        let access = self.access()?;
        let path = self.path(&access.namespace, "");
        let list: List<T> = access.client.json(&Request::get(&path).bearer(access.token.as_deref()))?;
        let known = list.items.iter().map(|item| (item.name().to_owned(), self.peers(item)));
        Ok((known.collect(), list.metadata.resource_version))
    }

    fn peers<T: Peers>(&self, item: &T) -> BTreeSet<Address> {
        item.peers(&self.port, self.which)
    }

    fn path(&self, namespace: &str, more: &str) -> String {
        let (group, sort, selector) = match &self.what {
            What::Service(name) => {
                let selector = format!("kubernetes.io/service-name={name}");
                ("apis/discovery.k8s.io/v1", "endpointslices", selector)
            }
            What::Pods { selector } => ("api/v1", "pods", selector.clone()),
        };
        let (namespace, selector) = (escaped(namespace), escaped(&selector));
        format!("/{group}/namespaces/{namespace}/{sort}?labelSelector={selector}{more}")
    }

    fn watch<T: Peers>(
        &self,
        version: &str,
        on_event: &mut dyn FnMut(Change<T>) -> Result<(), Stopped>,
    ) -> Result<Result<Ended, SourceFailure>, Stopped> {
        let opened = self.access().and_then(|access| {
            let (seconds, version) = (self.watch.as_secs(), escaped(version));
            let more = format!(
                "&watch=1&allowWatchBookmarks=true&timeoutSeconds={seconds}&resourceVersion={version}"
            );
            let path = self.path(&access.namespace, &more);
            let request = Request::get(&path).bearer(access.token.as_deref());
            access.client.lines(&request, self.watch + GRACE)
        });
        let mut lines = match opened {
            Ok(lines) => lines,
            Err(failure) if failure.reason.as_str().contains("HTTP 410") => return Ok(Ok(Ended::TooOld)),
            Err(failure) => return Ok(Err(failure)),
        };
        loop {
            // A watch ends when its time is over, when the server restarts, and when nothing comes any more.
            let Ok(Some(line)) = lines.next() else { return Ok(Ok(Ended::Silent)) };
            let change = match Change::<T>::read(&line) {
                Ok(Some(change)) => change,
                Ok(None) => return Ok(Ok(Ended::TooOld)),
                Err(failure) => return Ok(Err(failure)),
            };
            on_event(change)?;
        }
    }
}

/// How much longer than it was asked to a server may take to end a watch.
const GRACE: Duration = Duration::from_secs(5);

/// How a watch ended.
enum Ended {
    /// It may go on where it was.
    Silent,
    /// The version is no longer known: list again.
    TooOld,
}

/// What a watch told.
enum Change<T> {
    Is(T, String),
    Gone(Named),
    Bookmark(String),
}

impl<T: Peers> Change<T> {
    /// `None` if the version is too old.
    fn read(line: &[u8]) -> Result<Option<Self>, SourceFailure> {
        let bad = |error: serde_json::Error| transient(format!("watch: {error}, in '{}'", excerpt(line)));
        let WatchEvent { kind, object } = serde_json::from_slice(line).map_err(bad)?;
        if kind == EventKind::Error {
            let trouble: Trouble = serde_json::from_value(object).map_err(bad)?;
            return if trouble.code == 410 {
                Ok(None)
            } else {
                Err(transient(format!("watch: {} {}", trouble.code, excerpt(trouble.message.as_bytes()))))
            };
        }
        let named: Named = serde_json::from_value(object.clone()).map_err(bad)?;
        let version = named.metadata.resource_version.clone();
        Ok(Some(match kind {
            EventKind::Added | EventKind::Modified => {
                Self::Is(serde_json::from_value(object).map_err(bad)?, version)
            }
            EventKind::Deleted => Self::Gone(named),
            EventKind::Bookmark | EventKind::Unknown | EventKind::Error => Self::Bookmark(version),
        }))
    }

    /// Changes what is known. The version to go on from.
    fn apply(self, source: &Kubernetes, known: &mut BTreeMap<String, BTreeSet<Address>>) -> Option<String> {
        let version = match self {
            Self::Is(item, version) => {
                known.insert(item.name().to_owned(), source.peers(&item));
                version
            }
            Self::Gone(named) => {
                known.remove(&named.metadata.name);
                named.metadata.resource_version
            }
            Self::Bookmark(version) => version,
        };
        Some(version).filter(|version| !version.is_empty())
    }
}

/// The API, and what it wants to see.
struct Access {
    client: Client,
    token: Option<String>,
    namespace: String,
}

fn union(known: &BTreeMap<String, BTreeSet<Address>>) -> BTreeSet<Address> {
    known.values().flatten().cloned().collect()
}

impl<R: Runtime> Discovery<R> for Kubernetes {
    fn source(&self) -> Source {
        Source::new("kubernetes").expect("a good name")
    }

    async fn run(&mut self, _runtime: R, _me: Announced, sink: ObservationSink) {
        let source = self.clone();
        in_thread("kubernetes", sink, move |desk| source.work(desk)).await;
    }
}

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing {
    use super::*;

    /// What the API answers to a question for objects, and a line of a watch.
    pub fn kubernetes(bytes: &[u8]) {
        answer::<EndpointSlice>(&Kubernetes::service("orders"), bytes);
        answer::<Pod>(&Kubernetes::pods("app=orders").port_named("skep"), bytes);
    }

    fn answer<T: Peers>(source: &Kubernetes, bytes: &[u8]) {
        if let Ok(list) = serde_json::from_slice::<List<T>>(bytes) {
            list.items.iter().for_each(|item| drop(source.peers(item)));
        }
        let mut known = BTreeMap::new();
        for line in bytes.split(|&byte| byte == b'\n') {
            if let Ok(Some(change)) = Change::<T>::read(line) {
                change.apply(source, &mut known);
            }
        }
        union(&known);
    }

    /// The file that `kubectl` has.
    pub fn kubeconfig(bytes: &[u8]) {
        kubeconfig::fuzzing::file(bytes);
    }
}
