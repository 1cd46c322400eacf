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
        kubeconfig: Option<PathBuf>,
        context: Option<String>,
    },
    #[cfg(feature = "postgres")]
    Postgres {
        url: String,
        password_file: Option<PathBuf>,
        ca_file: Option<PathBuf>,
        table: Option<String>,
    },
    #[cfg(feature = "etcd")]
    Etcd {
        url: String,
        ca_file: Option<PathBuf>,
        user: Option<User>,
    },
    #[cfg(feature = "consul")]
    Consul {
        url: String,
        service: String,
        token_file: Option<PathBuf>,
    },
    /// Instances with a tag.
    #[cfg(feature = "ec2")]
    Ec2 {
        tag: String,
        value: String,
        port: u16,
        region: Option<String>,
    },
    /// Tasks of a service.
    #[cfg(feature = "ecs")]
    Ecs {
        service: String,
        port: u16,
        cluster: Option<String>,
        region: Option<String>,
    },
}

/// Who speaks to a server.
#[cfg(feature = "etcd")]
#[derive(Deserialize, Clone, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct User {
    name: String,
    password_file: PathBuf,
}

fn peers<'de, D: Deserializer<'de>>(file: D) -> Result<Vec<Address>, D::Error> {
    let texts = Vec::<String>::deserialize(file)?;
    texts.iter().map(|text| peer(text)).collect::<Result<_, _>>().map_err(D::Error::custom)
}

impl Topologies {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
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
            Self::Kubernetes { service, namespace, port, kubeconfig, context } => {
                let source = skep_discovery::Kubernetes::service(service);
                let source = kubeconfig.into_iter().fold(source, skep_discovery::Kubernetes::kubeconfig);
                let mut source = context.into_iter().fold(source, skep_discovery::Kubernetes::context);
                if let Some(namespace) = namespace {
                    source = source.namespace(namespace);
                }
                if let Some(port) = port {
                    source = source.port(port);
                }
                node.topology(name, source)
            }
            #[cfg(feature = "postgres")]
            Self::Postgres { url, password_file, ca_file, table } => {
                let source = skep_discovery::Postgres::at(url);
                let source = password_file.into_iter().fold(source, skep_discovery::Postgres::password_file);
                let source = ca_file.into_iter().fold(source, skep_discovery::Postgres::ca_file);
                node.topology(name, table.into_iter().fold(source, skep_discovery::Postgres::table))
            }
            #[cfg(feature = "etcd")]
            Self::Etcd { url, ca_file, user } => {
                let source = skep_discovery::Etcd::at(url);
                let source =
                    user.into_iter().fold(source, |source, user| source.user(user.name, user.password_file));
                node.topology(name, ca_file.into_iter().fold(source, skep_discovery::Etcd::ca_file))
            }
            #[cfg(feature = "consul")]
            Self::Consul { url, service, token_file } => {
                let source = skep_discovery::Consul::at(url, service);
                node.topology(name, token_file.into_iter().fold(source, skep_discovery::Consul::token_file))
            }
            #[cfg(feature = "ec2")]
            Self::Ec2 { tag, value, port, region } => {
                let source = skep_discovery::Ec2::tagged(tag, value, port).account(account(region));
                node.topology(name, source)
            }
            #[cfg(feature = "ecs")]
            Self::Ecs { service, port, cluster, region } => {
                let source = skep_discovery::Ecs::service(service, port);
                let source = cluster.into_iter().fold(source, skep_discovery::Ecs::cluster);
                node.topology(name, source.account(account(region)))
            }
        }
    }
}

#[cfg(any(feature = "ec2", feature = "ecs"))]
fn account(region: Option<String>) -> skep_discovery::AwsAccount {
    let account = skep_discovery::AwsAccount::of_process();
    region.into_iter().fold(account, skep_discovery::AwsAccount::region)
}
