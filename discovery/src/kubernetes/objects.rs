//! What is read of Kubernetes' objects, and which addresses they mean.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::Deserialize;
use skep_core::id::Address;

use crate::address::at;

/// A list of objects of one sort.
#[derive(Deserialize, Debug)]
pub(super) struct List<T> {
    pub(super) metadata: ListMeta,
    #[serde(default = "Vec::new")]
    pub(super) items: Vec<T>,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListMeta {
    pub(super) resource_version: String,
}

/// One line of a watch.
#[derive(Deserialize, Debug)]
pub(super) struct WatchEvent {
    #[serde(rename = "type")]
    pub(super) kind: EventKind,
    pub(super) object: serde_json::Value,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum EventKind {
    Added,
    Modified,
    Deleted,
    Bookmark,
    Error,
    #[serde(other)]
    Unknown,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Meta {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) resource_version: String,
    #[serde(default)]
    deletion_timestamp: Option<String>,
}

/// What a watch says of any object.
#[derive(Deserialize, Debug)]
pub(super) struct Named {
    pub(super) metadata: Meta,
}

/// An error of the API.
#[derive(Deserialize, Debug)]
pub(super) struct Trouble {
    #[serde(default)]
    pub(super) code: u16,
    #[serde(default)]
    pub(super) message: String,
}

/// Which endpoints count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Which {
    /// All that do not terminate: a node may become ready only once it has met the others.
    Living,
    /// Only those that are ready.
    Ready,
}

/// An object that stands for addresses.
pub(super) trait Peers: serde::de::DeserializeOwned {
    fn name(&self) -> &str;
    fn peers(&self, port: &Port, which: Which) -> BTreeSet<Address>;
}

/// The port at which nodes listen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Port {
    Number(u16),
    Named(String),
}

/// `discovery.k8s.io/v1`.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct EndpointSlice {
    metadata: Meta,
    #[serde(default)]
    endpoints: Option<Vec<Endpoint>>,
    #[serde(default)]
    ports: Option<Vec<EndpointPort>>,
}

#[derive(Deserialize, Debug)]
struct Endpoint {
    #[serde(default)]
    addresses: Vec<String>,
    #[serde(default)]
    conditions: Conditions,
}

#[derive(Deserialize, Debug, Default)]
struct Conditions {
    ready: Option<bool>,
    terminating: Option<bool>,
}

#[derive(Deserialize, Debug)]
struct EndpointPort {
    name: Option<String>,
    port: Option<u16>,
}

impl Peers for EndpointSlice {
    fn name(&self) -> &str {
        &self.metadata.name
    }

    fn peers(&self, port: &Port, which: Which) -> BTreeSet<Address> {
        let port = match port {
            Port::Number(number) => Some(*number),
            Port::Named(wanted) => self
                .ports
                .iter()
                .flatten()
                .find_map(|port| port.port.filter(|_| port.name.as_deref() == Some(wanted))),
        };
        let counts = |endpoint: &&Endpoint| {
            let Conditions { ready, terminating } = endpoint.conditions;
            let is_ready = ready.unwrap_or(true); // unknown counts as ready, says the API
            terminating != Some(true) && (which == Which::Living || is_ready)
        };
        let counted = self.endpoints.iter().flatten().filter(counts);
        let ips = counted.flat_map(|endpoint| &endpoint.addresses);
        ips.filter_map(|ip| Some(at(ip.parse::<IpAddr>().ok()?, port?))).collect()
    }
}

/// `v1`.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pod {
    metadata: Meta,
    #[serde(default)]
    spec: PodSpec,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Deserialize, Debug, Default)]
struct PodSpec {
    #[serde(default)]
    containers: Vec<Container>,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
struct Container {
    #[serde(default)]
    ports: Vec<ContainerPort>,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
struct ContainerPort {
    name: Option<String>,
    container_port: u16,
}

#[derive(Deserialize, Debug, Default)]
#[serde(rename_all = "camelCase")]
struct PodStatus {
    #[serde(default)]
    phase: String,
    #[serde(rename = "podIP")]
    pod_ip: Option<String>,
    #[serde(default)]
    conditions: Vec<PodCondition>,
}

#[derive(Deserialize, Debug)]
struct PodCondition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

impl Peers for Pod {
    fn name(&self) -> &str {
        &self.metadata.name
    }

    fn peers(&self, port: &Port, which: Which) -> BTreeSet<Address> {
        let port = match port {
            Port::Number(number) => Some(*number),
            Port::Named(wanted) => {
                let mut ports = self.spec.containers.iter().flat_map(|container| &container.ports);
                ports.find(|port| port.name.as_deref() == Some(wanted)).map(|port| port.container_port)
            }
        };
        let ready = |it: &PodCondition| it.kind == "Ready" && it.status == "True";
        let is_ended = matches!(self.status.phase.as_str(), "Succeeded" | "Failed");
        let counts = self.metadata.deletion_timestamp.is_none()
            && !is_ended
            && (which == Which::Living || self.status.conditions.iter().any(ready));
        let ip = self.status.pod_ip.as_deref().filter(|_| counts).and_then(|ip| ip.parse::<IpAddr>().ok());
        ip.zip(port).map(|(ip, port)| at(ip, port)).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(peers: BTreeSet<Address>) -> Vec<String> {
        peers.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn terminating_endpoints_do_not_count_and_unready_ones_only_if_they_may() {
        let slice: EndpointSlice = serde_json::from_value(json!({
            "metadata": { "name": "skep-1", "resourceVersion": "7" },
            "addressType": "IPv4",
            "ports": [{ "name": "metrics", "port": 9090 }, { "name": "skep", "port": 7000 }],
            "endpoints": [
                { "addresses": ["10.0.0.1"], "conditions": { "ready": true, "serving": true } },
                { "addresses": ["10.0.0.2"], "conditions": { "ready": false } },
                { "addresses": ["10.0.0.3"], "conditions": { "ready": false, "terminating": true } },
                { "addresses": ["10.0.0.4"] },
                { "addresses": ["no address"], "conditions": {} },
            ],
        }))
        .expect("a good slice");
        let skep = Port::Named("skep".into());
        let living = ["10.0.0.1:7000", "10.0.0.2:7000", "10.0.0.4:7000"];
        assert_eq!(texts(slice.peers(&skep, Which::Living)), living);
        assert_eq!(texts(slice.peers(&skep, Which::Ready)), ["10.0.0.1:7000", "10.0.0.4:7000"]);
        assert_eq!(texts(slice.peers(&Port::Named("other".into()), Which::Living)), [""; 0]);
        assert_eq!(slice.peers(&Port::Number(1), Which::Living).len(), 3);
    }

    #[test]
    fn a_pod_counts_until_it_terminates_or_ends() {
        let pod = |metadata: serde_json::Value, phase: &str, ready: &str| -> Pod {
            let conditions = json!([{ "type": "Ready", "status": ready }]);
            let ports = json!([{ "name": "skep", "containerPort": 7000 }]);
            serde_json::from_value(json!({
                "metadata": metadata,
                "spec": { "containers": [{ "name": "node", "ports": ports }] },
                "status": { "phase": phase, "podIP": "10.1.0.1", "conditions": conditions },
            }))
            .expect("a good pod")
        };
        let skep = Port::Named("skep".into());
        let count = |pod: Pod, which| pod.peers(&skep, which).len();
        let named = || json!({ "name": "a" });
        assert_eq!(texts(pod(named(), "Running", "True").peers(&skep, Which::Ready)), ["10.1.0.1:7000"]);
        assert_eq!(count(pod(named(), "Running", "False"), Which::Ready), 0);
        assert_eq!(count(pod(named(), "Running", "False"), Which::Living), 1);
        assert_eq!(count(pod(named(), "Failed", "False"), Which::Living), 0);
        let deleted = json!({ "name": "a", "deletionTimestamp": "2026-11-27T00:00:00Z" });
        assert_eq!(count(pod(deleted, "Running", "True"), Which::Living), 0);
    }
}
