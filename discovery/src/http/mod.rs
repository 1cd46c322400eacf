//! HTTP as the sources need it: JSON, deadlines, bounds, and failures told apart by whose fault they are. Blocking.

mod lines;
mod trust;

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;
use skep_core::event::{SourceFailure, SourceFault};
use skep_core::id::Reason;
use ureq::{Agent, Body};

use crate::failure::{config, transient};
pub(crate) use lines::Lines;
use trust::{Identity, Trust};

/// The longest body, in bytes, and the longest line of a stream.
const MAX_BODY: u64 = 16 << 20;

const CONNECT_WITHIN: Duration = Duration::from_secs(3);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What is asked of a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Request<'a> {
    method: &'static str,
    path: &'a str,
    headers: Vec<(String, String)>,
    body: &'a str,
}

/// What a server answered, whatever its status.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// A server and how to speak to it.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    base: String,
    trust: Trust,
    identity: Option<Identity>,
}

/// A server with the certificates that it is checked against. One for each round of requests: files change.
pub(crate) struct Client {
    agent: Agent,
    base: String,
}

impl<'a> Request<'a> {
    pub(crate) fn get(path: &'a str) -> Self {
        Self { method: "GET", path, headers: Vec::new(), body: "" }
    }

    pub(crate) fn post(path: &'a str, body: &'a str) -> Self {
        Self { method: "POST", body, ..Self::get(path) }
    }

    pub(crate) fn put(path: &'a str, body: &'a str) -> Self {
        Self { method: "PUT", body, ..Self::get(path) }
    }

    pub(crate) fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With this token, if there is one.
    pub(crate) fn bearer(self, token: Option<&str>) -> Self {
        match token {
            Some(token) => self.header("authorization", format!("Bearer {token}")),
            None => self,
        }
    }
}

impl Server {
    /// At this URL, as `https://10.0.0.1:6443`, without a slash at its end.
    pub(crate) fn new(base: impl Into<String>) -> Self {
        let base: String = base.into();
        Self { base: base.trim_end_matches('/').to_owned(), trust: Trust::default(), identity: None }
    }

    /// Who signed its certificate, as PEM.
    pub(crate) fn ca_file(self, path: impl Into<PathBuf>) -> Self {
        Self { trust: Trust::File(path.into()), ..self }
    }

    /// The same, as PEM in memory.
    pub(crate) fn authorities(self, pem: Vec<u8>) -> Self {
        Self { trust: Trust::Pem(pem), ..self }
    }

    /// The certificate that we show, and its key, as PEM.
    pub(crate) fn identity(self, certificate: Vec<u8>, key: Vec<u8>) -> Self {
        Self { identity: Some(Identity { certificate, key }), ..self }
    }

    /// Whoever this system trusts may have signed its certificate.
    pub(crate) fn system_authorities(self) -> Self {
        Self { trust: Trust::System, ..self }
    }

    /// # Errors
    /// A mistake in what it was told, before anything is sent: there is no TLS without a check.
    pub(crate) fn client(&self) -> Result<Client, SourceFailure> {
        let is_https = self.base.starts_with("https://");
        if !is_https && !self.base.starts_with("http://") {
            return Err(config(format!("'{}' is no URL of HTTP", self.base.escape_debug())));
        }
        let mut agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0) // a token goes where it was meant to go, and nowhere else
            .proxy(None)
            .timeout_resolve(Some(CONNECT_WITHIN))
            .timeout_connect(Some(CONNECT_WITHIN))
            .timeout_send_request(Some(ANSWER_WITHIN))
            .timeout_send_body(Some(ANSWER_WITHIN));
        if is_https {
            agent = agent.tls_config(self.trust.tls(&self.base, self.identity.as_ref())?);
        }
        Ok(Client { agent: agent.build().into(), base: self.base.clone() })
    }
}

impl Client {
    /// The answer to a request, as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, request: &Request<'_>) -> Result<T, SourceFailure> {
        let (path, bytes) = (request.path, self.bytes(request)?);
        serde_json::from_slice(&bytes)
            .map_err(|error| transient(format!("{path}: {error}, in '{}'", excerpt(&bytes))))
    }

    /// The answer to a request, if it is a success.
    pub(crate) fn bytes(&self, request: &Request<'_>) -> Result<Vec<u8>, SourceFailure> {
        let answer = self.answer(request)?;
        if answer.is_success() { Ok(answer.body) } else { Err(answer.failure(request.path)) }
    }

    /// The answer to a request, whatever it is.
    pub(crate) fn answer(&self, request: &Request<'_>) -> Result<Answer, SourceFailure> {
        let (status, mut body) = self.send(request, ANSWER_WITHIN)?;
        let mut bytes = Vec::new();
        let read = body.as_reader().take(MAX_BODY + 1).read_to_end(&mut bytes);
        read.map_err(|error| transient(format!("{}: {error}", request.path)))?;
        if bytes.len() as u64 > MAX_BODY {
            return Err(transient(format!("{}: longer than {MAX_BODY} bytes", request.path)));
        }
        Ok(Answer { status, body: bytes })
    }

    /// The lines of an endless answer; it ends when none comes for `patience`.
    pub(crate) fn lines(&self, request: &Request<'_>, patience: Duration) -> Result<Lines, SourceFailure> {
        let (status, mut body) = self.send(request, patience)?;
        if (200..300).contains(&status) {
            return Ok(Lines::of(body));
        }
        let mut start = Vec::new();
        let _ = body.as_reader().take(300).read_to_end(&mut start); // why, if it says so
        Err(Answer { status, body: start }.failure(request.path))
    }

    fn send(&self, request: &Request<'_>, patience: Duration) -> Result<(u16, Body), SourceFailure> {
        let url = format!("{}{}", self.base, request.path);
        let mut head = ureq::http::Request::builder().uri(&url).header("accept", "application/json");
        for (name, value) in &request.headers {
            head = head.header(name, value);
        }
        let made = head
            .method(request.method)
            .body(request.body)
            .map_err(|error| config(format!("{url}: {error}")))?;
        let made = self.agent.configure_request(made);
        let made = made.timeout_recv_response(Some(ANSWER_WITHIN)).timeout_recv_body(Some(patience)).build();
        let answered = self.agent.run(made);
        let answer = answered.map_err(|error| transient(format!("{url}: {error}")))?;
        Ok((answer.status().as_u16(), answer.into_body()))
    }
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What its status means to who asked for this path.
    pub(crate) fn failure(&self, path: &str) -> SourceFailure {
        let reason = format!("{path}: HTTP {}, '{}'", self.status, excerpt(&self.body));
        let fault = match self.status {
            401 | 403 => SourceFault::Auth,
            _ => SourceFault::Transient,
        };
        SourceFailure { fault, reason: Reason::new(reason) }
    }
}

/// Percent-encoded as a part of a URL (RFC 3986).
pub(crate) fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped.push(byte.into()),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
        escaped
    })
}

/// Its beginning, for a log line.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
    text.split_whitespace().collect::<Vec<_>>().join(" ").escape_debug().to_string()
}
