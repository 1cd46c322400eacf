//! Peers that are tasks of ECS, each with an address of its own.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use skep::Runtime;
use skep::discovery::{Announced, Discovery, ObservationSink};
use skep_core::event::SourceFailure;
use skep_core::id::{Address, Source};

use super::{AwsAccount, MAX_PAGES};
use crate::address::at;
use crate::failure::transient;
use crate::helper::{in_thread, look_every};
use crate::http::{Answer, excerpt};

/// The source: the addresses of the tasks of a service, or of a family, that are to run, asked for every ten seconds.
/// The tasks need addresses of their own, as the network mode `awsvpc` gives them, and Fargate always does. Announces
/// nothing: a task is known by being there.
///
/// The role of the task needs `ecs:ListTasks` and `ecs:DescribeTasks`. In whose name it asks: [`AwsAccount`]; a task has
/// keys and region from its container.
#[derive(Clone)]
pub struct Ecs {
    account: AwsAccount,
    cluster: String,
    which: (&'static str, String),
    port: u16,
    every: Duration,
}

impl Ecs {
    /// The tasks of this service, each with this port.
    pub fn service(name: impl Into<String>, port: u16) -> Self {
        Self::of(("serviceName", name.into()), port)
    }

    /// The tasks of this family of definitions, of whatever service, each with this port.
    pub fn family(name: impl Into<String>, port: u16) -> Self {
        Self::of(("family", name.into()), port)
    }

    fn of(which: (&'static str, String), port: u16) -> Self {
        let every = Duration::from_secs(10);
        Self { account: AwsAccount::of_process(), cluster: "default".into(), which, port, every }
    }

    /// Another cluster of ECS than `default`.
    #[must_use]
    pub fn cluster(self, name: impl Into<String>) -> Self {
        Self { cluster: name.into(), ..self }
    }

    /// In another name, or elsewhere, than this program by itself.
    #[must_use]
    pub fn account(self, account: AwsAccount) -> Self {
        Self { account, ..self }
    }

    /// How often it is asked. All of an account's requests are counted together against a limit.
    #[must_use]
    pub fn every(self, every: Duration) -> Self {
        Self { every, ..self }
    }

    fn look(&mut self) -> Result<Vec<Address>, SourceFailure> {
        let mut peers = BTreeSet::new();
        let mut page: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let (which, name) = &self.which.clone();
            let mut list = json!({ "cluster": self.cluster, *which: name, "desiredStatus": "RUNNING" });
            if let Some(token) = page {
                list["nextToken"] = token.into();
            }
            let list: List = self.call("ListTasks", &list)?;
            if !list.task_arns.is_empty() {
                let wanted = json!({ "cluster": self.cluster, "tasks": list.task_arns });
                let found: Described = self.call("DescribeTasks", &wanted)?;
                peers.extend(found.tasks.iter().flat_map(|task| task.peers(self.port)));
            }
            page = list.next_token;
            if page.is_none() {
                return Ok(peers.into_iter().collect());
            }
        }
        Err(transient(format!("ecs: more than {MAX_PAGES} pages")))
    }

    fn call<T: DeserializeOwned>(&mut self, action: &str, body: &Value) -> Result<T, SourceFailure> {
        let target = format!("AmazonEC2ContainerServiceV20141113.{action}");
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", &*target)];
        let bytes = self.account.ask("ecs", &headers, &body.to_string(), code)?;
        serde_json::from_slice(&bytes)
            .map_err(|error| transient(format!("ecs: {error}, in '{}'", excerpt(&bytes))))
    }
}

/// What an error is called: the word after `#` in its type.
fn code(answer: &Answer) -> Option<String> {
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    body["__type"].as_str()?.rsplit('#').next().map(str::to_owned)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    task_arns: Vec<String>,
    #[serde(default)]
    next_token: Option<String>,
}

#[derive(Deserialize)]
struct Described {
    tasks: Vec<Task>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Task {
    #[serde(default)]
    last_status: String,
    #[serde(default)]
    attachments: Vec<Attachment>,
}

#[derive(Deserialize)]
struct Attachment {
    #[serde(default)]
    details: Vec<Detail>,
}

#[derive(Deserialize)]
struct Detail {
    name: String,
    #[serde(default)]
    value: String,
}

impl Task {
    /// None until it has an address, and none any more when it ends.
    fn peers(&self, port: u16) -> Vec<Address> {
        if matches!(
            self.last_status.as_str(),
            "DEACTIVATING" | "STOPPING" | "DEPROVISIONING" | "STOPPED" | "DELETED"
        ) {
            return Vec::new();
        }
        let details = self.attachments.iter().flat_map(|attachment| &attachment.details);
        let ips = details.filter(|detail| detail.name == "privateIPv4Address");
        ips.filter_map(|detail| Some(at(detail.value.parse::<IpAddr>().ok()?, port))).collect()
    }
}

impl fmt::Debug for Ecs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ecs").field("which", &self.which).field("port", &self.port).finish_non_exhaustive()
    }
}

impl<R: Runtime> Discovery<R> for Ecs {
    fn source(&self) -> Source {
        Source::new("ecs").expect("a good name")
    }

    async fn run(&mut self, _runtime: R, _me: Announced, sink: ObservationSink) {
        let (mut source, every) = (self.clone(), self.every);
        in_thread("ecs", sink, move |desk| look_every(desk, every, || source.look())).await;
    }
}
