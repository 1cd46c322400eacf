//! Sources of peers by names of the user's choice, as the file of options has them: `[topology.NAME.SOURCE]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use skep::{NodeBuilder, Runtime, transport::Transport};
use skep_core::id::Address;
use skep_discovery::{Environment, PeerFile, Static};

use super::value::peer;

/// Sources of peers by their names.
#[derive(Deserialize, Clone, PartialEq, Eq, Debug, Default)]
#[serde(transparent)]
pub struct Topologies(BTreeMap<String, Settings>);

/// A source and its settings. What needs a feature of this crate is no source without it.
#[derive(Deserialize, Clone, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
enum Settings {
    Static {
        #[serde(deserialize_with = "peers")]
        peers: Vec<Address>,
    },
    Environment {
        variable: String,
    },
    File {
        path: PathBuf,
    },
    /// Addresses of a host at a port.
    #[cfg(feature = "dns")]
    Dns {
        host: String,
        port: u16,
    },
    /// Targets of a service.
    #[cfg(feature = "dns")]
    DnsService {
        name: String,
    },
    #[cfg(feature = "kubernetes")]
    Kubernetes {
        service: String,
        namespace: Option<String>,
        port: Option<u16>,
    },
    #[cfg(feature = "etcd")]
    Etcd {
        url: String,
        ca_file: Option<PathBuf>,
    },
    #[cfg(feature = "consul")]
    Consul {
        url: String,
        service: String,
        token_file: Option<PathBuf>,
    },
}

fn peers<'de, D: Deserializer<'de>>(file: D) -> Result<Vec<Address>, D::Error> {
    let texts = Vec::<String>::deserialize(file)?;
    texts.iter().map(|text| peer(text)).collect::<Result<_, _>>().map_err(D::Error::custom)
}

impl Topologies {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives all of them to a node.
    pub fn discover<R: Runtime, T: Transport<R>>(&self, mut node: NodeBuilder<R, T>) -> NodeBuilder<R, T> {
        for (name, settings) in &self.0 {
            node = settings.discover(name, node);
        }
        node
    }
}

impl Settings {
    fn discover<R: Runtime, T: Transport<R>>(
        &self,
        name: &str,
        node: NodeBuilder<R, T>,
    ) -> NodeBuilder<R, T> {
        match self.clone() {
            Self::Static { peers } => node.topology(name, Static::new(peers)),
            Self::Environment { variable } => node.topology(name, Environment::new(variable)),
            Self::File { path } => node.topology(name, PeerFile::at(path)),
            #[cfg(feature = "dns")]
            Self::Dns { host, port } => node.topology(name, skep_discovery::Dns::host(host, port)),
            #[cfg(feature = "dns")]
            Self::DnsService { name: service } => node.topology(name, skep_discovery::Dns::service(service)),
            #[cfg(feature = "kubernetes")]
            Self::Kubernetes { service, namespace, port } => {
                let mut source = skep_discovery::Kubernetes::service(service);
                if let Some(namespace) = namespace {
                    source = source.namespace(namespace);
                }
                if let Some(port) = port {
                    source = source.port(port);
                }
                node.topology(name, source)
            }
            #[cfg(feature = "etcd")]
            Self::Etcd { url, ca_file } => {
                let source = skep_discovery::Etcd::at(url);
                node.topology(name, ca_file.into_iter().fold(source, skep_discovery::Etcd::ca_file))
            }
            #[cfg(feature = "consul")]
            Self::Consul { url, service, token_file } => {
                let source = skep_discovery::Consul::at(url, service);
                node.topology(name, token_file.into_iter().fold(source, skep_discovery::Consul::token_file))
            }
        }
    }
}
