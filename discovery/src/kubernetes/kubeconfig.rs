//! The file that `kubectl` has: where an API is, who signed its certificate, and as whom to speak to it.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use skep_core::event::SourceFailure;
use yaml_rust2::{Yaml, YamlLoader};

use super::Access;
use crate::failure::{config, read_file, read_text};
use crate::http::Server;

/// The file, and the context in it, if it is not the current one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Kubeconfig {
    pub(super) path: PathBuf,
    pub(super) context: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Written {
    #[serde(default)]
    clusters: Vec<NamedCluster>,
    #[serde(default)]
    users: Vec<NamedUser>,
    #[serde(default)]
    contexts: Vec<NamedContext>,
    #[serde(default)]
    current_context: String,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Deserialize)]
struct NamedUser {
    name: String,
    user: User,
}

#[derive(Deserialize)]
struct NamedContext {
    name: String,
    context: Context,
}

#[derive(Deserialize)]
struct Context {
    cluster: String,
    #[serde(default)]
    user: String,
    namespace: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    server: String,
    certificate_authority: Option<PathBuf>,
    certificate_authority_data: Option<String>,
    #[serde(default)]
    insecure_skip_tls_verify: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
struct User {
    token: Option<String>,
    #[serde(rename = "tokenFile")]
    token_file: Option<PathBuf>,
    client_certificate: Option<PathBuf>,
    client_certificate_data: Option<String>,
    client_key: Option<PathBuf>,
    client_key_data: Option<String>,
    exec: Option<serde_json::Value>,
    auth_provider: Option<serde_json::Value>,
    username: Option<String>,
}

impl Kubeconfig {
    /// How to speak to the API, as the file says now.
    ///
    /// # Errors
    /// A mistake in the file, or something in it that we do not do: no certificate is left unchecked, and no program
    /// is run for a token.
    pub(super) fn access(&self, namespace: Option<&String>) -> Result<Access, SourceFailure> {
        let bad = |what: String| config(format!("{}: {what}", self.path.display()));
        let written: Written = parse(&read_file(&self.path)?).map_err(bad)?;
        let name = self.context.as_ref().unwrap_or(&written.current_context);
        let context = written.contexts.iter().find(|it| it.name == *name);
        let context = &context.ok_or_else(|| bad(format!("no context '{}'", name.escape_debug())))?.context;
        let cluster = written.clusters.iter().find(|it| it.name == context.cluster);
        let cluster = &cluster.ok_or_else(|| bad(format!("no cluster '{}'", context.cluster)))?.cluster;
        let nobody = User::default();
        let user = match written.users.iter().find(|it| it.name == context.user) {
            Some(found) => &found.user,
            None if context.user.is_empty() => &nobody,
            None => return Err(bad(format!("no user '{}'", context.user))),
        };
        if cluster.insecure_skip_tls_verify {
            return Err(bad("insecure-skip-tls-verify: there is no TLS without a check".into()));
        }
        if user.exec.is_some() || user.auth_provider.is_some() || user.username.is_some() {
            return Err(bad(format!("the user '{}' has neither a token nor a certificate", context.user)));
        }
        let mut server = Server::new(&cluster.server);
        if let Some(pem) = self.pem(&cluster.certificate_authority, &cluster.certificate_authority_data)? {
            server = server.authorities(pem);
        }
        let certificate = self.pem(&user.client_certificate, &user.client_certificate_data)?;
        let key = self.pem(&user.client_key, &user.client_key_data)?;
        match (certificate, key) {
            (Some(certificate), Some(key)) => server = server.identity(certificate, key),
            (None, None) => {}
            _ => return Err(bad("a client's certificate and its key are given together".into())),
        }
        let token = match &user.token_file {
            Some(path) => Some(read_text(&self.beside(path))?),
            None => user.token.clone(),
        };
        let namespace = namespace.or(context.namespace.as_ref()).map_or("default", String::as_str);
        Ok(Access { client: server.client()?, token, namespace: namespace.into() })
    }

    /// What is in the file, or in a file that it names.
    fn pem(&self, path: &Option<PathBuf>, text: &Option<String>) -> Result<Option<Vec<u8>>, SourceFailure> {
        match (text, path) {
            (Some(text), _) => {
                let bad = |error| config(format!("{}: base64: {error}", self.path.display()));
                STANDARD.decode(text.trim()).map(Some).map_err(bad)
            }
            (None, Some(path)) => read_file(&self.beside(path)).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Paths in the file are relative to where it is.
    fn beside(&self, path: &Path) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let documents = YamlLoader::load_from_str(text).map_err(|error| error.to_string())?;
    let document = documents.first().ok_or("nothing in it")?;
    serde_json::from_value(json(document)).map_err(|error| error.to_string())
}

fn json(yaml: &Yaml) -> serde_json::Value {
    match yaml {
        Yaml::Real(text) | Yaml::String(text) => text.clone().into(),
        Yaml::Integer(number) => (*number).into(),
        Yaml::Boolean(is) => (*is).into(),
        Yaml::Array(items) => items.iter().map(json).collect(),
        Yaml::Hash(map) => {
            let pairs = map.iter().filter_map(|(key, value)| Some((key.as_str()?.to_owned(), json(value))));
            serde_json::Value::Object(pairs.collect())
        }
        Yaml::Alias(_) | Yaml::Null | Yaml::BadValue => serde_json::Value::Null,
    }
}

#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing {
    use super::*;

    pub(in super::super) fn file(bytes: &[u8]) {
        drop(parse::<Written>(bytes));
    }
}
