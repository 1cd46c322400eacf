//! What a program is told by where it runs: by variables of its environment, its container, its machine.

use std::collections::BTreeMap;
use std::env;
use std::fmt;

use skep_core::event::SourceFailure;

use super::credentials::Keys;
use crate::failure::config;
use crate::http::{Request, Server};

/// The variables whose names begin with `AWS_`, by their names. They may have secrets in them.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Surroundings(BTreeMap<String, String>);

/// The metadata of the machine, where it is one of EC2, at an address that is always this (EC2, user guide: IMDS).
const METADATA: &str = "http://169.254.169.254";

impl Surroundings {
    pub(super) fn of_process() -> Self {
        let variables = env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok().filter(|name| name.starts_with("AWS_"))?;
            Some((name, value.into_string().ok()?))
        });
        Self(variables.collect())
    }

    /// What a variable is set to, unless that is nothing.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    pub(super) fn region(&self) -> Result<String, SourceFailure> {
        let told = self.variable("AWS_REGION").or(self.variable("AWS_DEFAULT_REGION"));
        match told {
            Some(region) => Ok(region.into()),
            None => self.metadata("placement/region"),
        }
    }

    pub(super) fn keys(&self) -> Result<Keys, SourceFailure> {
        Keys::find(self)
    }

    /// What the machine says of itself under this name, asked with a token as version 2 of its service wants it.
    ///
    /// # Errors
    /// As a request; without such a service that is the answer on every machine outside of EC2.
    pub(super) fn metadata(&self, name: &str) -> Result<String, SourceFailure> {
        if self.variable("AWS_EC2_METADATA_DISABLED").is_some_and(|it| it.eq_ignore_ascii_case("true")) {
            return Err(config(format!("no metadata to ask for {name}: AWS_EC2_METADATA_DISABLED")));
        }
        let server = Server::new(self.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or(METADATA));
        let client = server.client()?;
        let token =
            Request::put("/latest/api/token", "").header("x-aws-ec2-metadata-token-ttl-seconds", "60");
        let token = String::from_utf8_lossy(&client.bytes(&token)?).trim().to_owned();
        let path = format!("/latest/meta-data/{name}");
        let answer = client.bytes(&Request::get(&path).header("x-aws-ec2-metadata-token", token))?;
        Ok(String::from_utf8_lossy(&answer).trim().to_owned())
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
