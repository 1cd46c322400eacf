//! The keys that requests are signed with: from the environment, else from the container, else from the machine.

use std::fmt;
use std::path::Path;

use aws_credential_types::Credentials;
use serde::Deserialize;
use skep_core::event::SourceFailure;
use skep_core::id::Reason;

use super::surroundings::Surroundings;
use crate::failure::{config, read_text, transient};
use crate::http::{Request, Server};

/// Where a task of ECS asks for the keys of its role.
const CONTAINER: &str = "http://169.254.170.2";

/// The keys of a user, or of a role for a while.
#[derive(Deserialize, Clone, PartialEq, Eq)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Keys {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
}

impl Keys {
    /// In the order in which AWS's own programs look.
    pub(super) fn find(surroundings: &Surroundings) -> Result<Self, SourceFailure> {
        let variable = |name| surroundings.variable(name);
        match (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
            (Some(id), Some(secret)) => {
                let token = variable("AWS_SESSION_TOKEN").map(str::to_owned);
                return Ok(Self { access_key_id: id.into(), secret_access_key: secret.into(), token });
            }
            (Some(_), None) => return Err(config("AWS_SECRET_ACCESS_KEY is not set".into())),
            (None, Some(_)) => return Err(config("AWS_ACCESS_KEY_ID is not set".into())),
            (None, None) => {}
        }
        if let Some(path) = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
            return Self::of_container(CONTAINER, path, None);
        }
        if let Some(url) = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI") {
            let (base, path) = split(url);
            if !is_near(base) {
                let words = "AWS_CONTAINER_CREDENTIALS_FULL_URI leads out of this machine without TLS";
                return Err(config(words.into()));
            }
            let token = match variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
                Some(path) => Some(read_text(Path::new(path))?),
                None => variable("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(str::to_owned),
            };
            return Self::of_container(base, path, token);
        }
        Self::of_machine(surroundings).map_err(|failure| {
            let words = "no keys in AWS_ACCESS_KEY_ID, no container's, and none of this machine";
            SourceFailure { reason: Reason::new(format!("{words}: {failure}")), ..failure }
        })
    }

    fn of_container(base: &str, path: &str, token: Option<String>) -> Result<Self, SourceFailure> {
        let request = Request::get(path);
        let request = match token {
            Some(token) => request.header("authorization", token),
            None => request,
        };
        Server::new(base).system_authorities().client()?.json(&request)
    }

    fn of_machine(surroundings: &Surroundings) -> Result<Self, SourceFailure> {
        let roles = surroundings.metadata("iam/security-credentials/")?;
        let role = roles.lines().next().ok_or_else(|| config("this machine has no role".into()))?;
        let text = surroundings.metadata(&format!("iam/security-credentials/{role}"))?;
        // Not with its excerpt: there are keys in it.
        serde_json::from_str(&text)
            .map_err(|error| transient(format!("the keys of the role {role}: {error}")))
    }

    pub(super) fn identity(&self) -> aws_smithy_runtime_api::client::identity::Identity {
        let (id, secret) = (self.access_key_id.clone(), self.secret_access_key.clone());
        Credentials::new(id, secret, self.token.clone(), None, "skep").into()
    }
}

/// A URL's beginning and its path.
fn split(url: &str) -> (&str, &str) {
    let host = url.find("://").map_or(0, |at| at + 3);
    match url[host..].find('/') {
        Some(at) => url.split_at(host + at),
        None => (url, "/"),
    }
}

/// Whether keys may be asked for there: by TLS, or of this host, or of what stands for it in ECS and EKS.
fn is_near(base: &str) -> bool {
    let near = ["127.0.0.1", "localhost", "[::1]", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"];
    let host = base.strip_prefix("http://").unwrap_or_default();
    let is =
        |name: &&str| host.strip_prefix(*name).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
    base.starts_with("https://") || near.iter().any(is)
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::thread::{self, JoinHandle};

    use skep_core::event::SourceFault;

    use super::*;

    const KEYS: &str =
        r#"{"AccessKeyId":"I","SecretAccessKey":"S","Token":"T","Expiration":"2030-01-01T00:00:00Z"}"#;

    /// Answers these bodies in turn; its URL, and what it was asked.
    fn server(answers: &'static [&str]) -> (String, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let serving = thread::spawn(move || {
            let asked = answers.iter().map(|body| {
                let (mut stream, _) = listener.accept().expect("a request");
                let lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
                let status = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n", body.len());
                write!(stream, "{status}connection: close\r\n\r\n{body}").expect("it listens");
                head.join("\n").to_lowercase()
            });
            asked.collect()
        });
        (url, serving)
    }

    fn surroundings(variables: &[(&str, &str)]) -> Surroundings {
        let mut surroundings = Surroundings::default();
        variables.iter().for_each(|(name, value)| surroundings.set(name, *value));
        surroundings
    }

    fn keys(id: &str, secret: &str, token: Option<&str>) -> Keys {
        let token = token.map(str::to_owned);
        Keys { access_key_id: id.into(), secret_access_key: secret.into(), token }
    }

    #[test]
    fn the_environment_goes_first_and_half_of_a_pair_is_a_mistake() {
        let both = [("AWS_ACCESS_KEY_ID", "I"), ("AWS_SECRET_ACCESS_KEY", "S")];
        assert_eq!(surroundings(&both).keys(), Ok(keys("I", "S", None)));
        let [id, secret] = both;
        let with_token = surroundings(&[id, secret, ("AWS_SESSION_TOKEN", "T")]);
        assert_eq!(with_token.keys(), Ok(keys("I", "S", Some("T"))));
        for (given, missing) in [(id, "AWS_SECRET_ACCESS_KEY"), (secret, "AWS_ACCESS_KEY_ID")] {
            let failure = surroundings(&[given]).keys().expect_err("half a pair");
            assert_eq!(
                (failure.fault, failure.reason.as_str()),
                (SourceFault::Config, &*format!("{missing} is not set"))
            );
        }
    }

    #[test]
    fn a_container_is_asked_with_its_token_and_nobody_out_there() {
        let (url, serving) = server(&[KEYS]);
        let url = format!("{url}/role?x=1");
        let there =
            [("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*url), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "secret")];
        assert_eq!(surroundings(&there).keys(), Ok(keys("I", "S", Some("T"))));
        let asked = serving.join().expect("it served").concat();
        assert!(asked.starts_with("get /role?x=1 ") && asked.contains("authorization: secret"), "{asked}");
        for far in ["http://10.0.0.1/", "http://127.0.0.1.example/", "http://localhost@10.0.0.1/"] {
            let failure = surroundings(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", far)]).keys();
            assert_eq!(failure.expect_err("far away").fault, SourceFault::Config, "{far}");
        }
    }

    #[test]
    fn a_machine_is_asked_for_its_role_with_a_token_and_for_its_region() {
        let (url, serving) = server(&["T0", "worker\n", "T1", KEYS, "T2", "eu-west-1"]);
        let there = surroundings(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url)]);
        assert_eq!(there.keys(), Ok(keys("I", "S", Some("T"))));
        assert_eq!(there.region(), Ok("eu-west-1".into()));
        let asked = serving.join().expect("it served");
        assert!(asked[0].starts_with("put /latest/api/token "), "{asked:?}");
        for (at, begin, token) in [
            (1, "get /latest/meta-data/iam/security-credentials/ ", "t0"),
            (3, "get /latest/meta-data/iam/security-credentials/worker ", "t1"),
            (5, "get /latest/meta-data/placement/region ", "t2"),
        ] {
            let token = format!("x-aws-ec2-metadata-token: {token}");
            assert!(asked[at].starts_with(begin) && asked[at].contains(&token), "{begin}: {asked:?}");
        }
        let none = surroundings(&[("AWS_EC2_METADATA_DISABLED", "true")]).keys().expect_err("nobody to ask");
        assert_eq!(none.fault, SourceFault::Config);
    }

    #[test]
    fn keys_are_not_printed() {
        assert!(!format!("{:?}", keys("I", "hush", Some("hush"))).contains("hush"));
    }
}
