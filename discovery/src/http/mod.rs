//! HTTP as the sources need it: JSON, deadlines, bounds, and failures told apart by whose fault they are. Blocking.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use skep_core::event::{SourceFailure, SourceFault};
use skep_core::id::Reason;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

/// The longest body, in bytes, and the longest line of a stream.
const MAX_BODY: u64 = 16 << 20;

const MAX_FILE: u64 = 1 << 20; // certificates and tokens are short

const CONNECT_WITHIN: Duration = Duration::from_secs(3);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What is asked of a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Request<'a> {
    Get,
    #[cfg(feature = "etcd")]
    Post(&'a str),
    #[cfg(feature = "consul")]
    Put(&'a str),
}

/// A server and how to speak to it.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    base: String,
    ca: Option<PathBuf>,
}

/// A server with the certificates that it is checked against. One for each round of requests: files change.
pub(crate) struct Client {
    agent: Agent,
    base: String,
}

/// A file that is read for each round, so that it may change.
fn read_file(path: &Path) -> Result<Vec<u8>, SourceFailure> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
    match read {
        Ok(length) if length as u64 > MAX_FILE => Err(config(format!("{}: too long", path.display()))),
        Ok(_) => Ok(bytes),
        Err(error) => Err(config(format!("{}: {error}", path.display()))),
    }
}

/// The same, as one line of text.
#[cfg(any(feature = "kubernetes", feature = "consul"))]
pub(crate) fn read_text(path: &Path) -> Result<String, SourceFailure> {
    let text =
        String::from_utf8(read_file(path)?).map_err(|_| config(format!("{}: no text", path.display())))?;
    Ok(text.trim().to_owned())
}

impl Server {
    /// At this URL, as `https://10.0.0.1:6443`, without a slash at its end.
    pub(crate) fn new(base: impl Into<String>) -> Self {
        let base: String = base.into();
        Self { base: base.trim_end_matches('/').to_owned(), ca: None }
    }

    /// Who signed its certificate, as PEM.
    pub(crate) fn ca_file(self, path: impl Into<PathBuf>) -> Self {
        Self { ca: Some(path.into()), ..self }
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
            let Some(path) = &self.ca else {
                return Err(config(format!("{} needs a CA file to be checked against", self.base)));
            };
            agent = agent.tls_config(tls(path)?);
        }
        Ok(Client { agent: agent.build().into(), base: self.base.clone() })
    }
}

fn tls(path: &Path) -> Result<TlsConfig, SourceFailure> {
    let pem = read_file(path)?;
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(config(format!("{}: {error}", path.display()))),
        }
    }
    if certificates.is_empty() {
        return Err(config(format!("{}: no certificate in it", path.display())));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&certificates))
        .unversioned_rustls_crypto_provider(provider)
        .build())
}

impl Client {
    /// The answer to a request, as JSON.
    pub(crate) fn json<T: DeserializeOwned>(
        &self,
        path: &str,
        token: Option<&str>,
        request: Request<'_>,
    ) -> Result<T, SourceFailure> {
        let bytes = self.bytes(path, token, request)?;
        serde_json::from_slice(&bytes)
            .map_err(|error| transient(format!("{path}: {error}, in '{}'", excerpt(&bytes))))
    }

    /// The answer to a request, whatever it is.
    pub(crate) fn bytes(
        &self,
        path: &str,
        token: Option<&str>,
        request: Request<'_>,
    ) -> Result<Vec<u8>, SourceFailure> {
        let mut answer = self.send(path, token, request, ANSWER_WITHIN)?;
        let mut bytes = Vec::new();
        let read = answer.as_reader().take(MAX_BODY + 1).read_to_end(&mut bytes);
        read.map_err(|error| transient(format!("{path}: {error}")))?;
        if bytes.len() as u64 > MAX_BODY {
            return Err(transient(format!("{path}: longer than {MAX_BODY} bytes")));
        }
        Ok(bytes)
    }

    /// The lines of an endless answer; it ends when none comes for `patience`.
    #[cfg(feature = "kubernetes")]
    pub(crate) fn lines(
        &self,
        path: &str,
        token: Option<&str>,
        patience: Duration,
    ) -> Result<Lines, SourceFailure> {
        let body = self.send(path, token, Request::Get, patience)?;
        Ok(Lines { reader: Box::new(BufReader::new(body.into_reader())) })
    }

    fn send(
        &self,
        path: &str,
        token: Option<&str>,
        request: Request<'_>,
        patience: Duration,
    ) -> Result<Body, SourceFailure> {
        let url = format!("{}{path}", self.base);
        let mut head = ureq::http::Request::builder().uri(&url).header("accept", "application/json");
        if let Some(token) = token {
            head = head.header("authorization", format!("Bearer {token}"));
        }
        let (method, body) = match request {
            Request::Get => ("GET", ""),
            #[cfg(feature = "etcd")]
            Request::Post(body) => ("POST", body),
            #[cfg(feature = "consul")]
            Request::Put(body) => ("PUT", body),
        };
        let made = head.method(method).body(body).map_err(|error| config(format!("{url}: {error}")))?;
        let made = self.agent.configure_request(made);
        let made = made.timeout_recv_response(Some(ANSWER_WITHIN)).timeout_recv_body(Some(patience)).build();
        let answered = self.agent.run(made);
        let answer = answered.map_err(|error| transient(format!("{url}: {error}")))?;
        let status = answer.status().as_u16();
        let mut answer = answer.into_body();
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        let mut start = Vec::new();
        let _ = answer.as_reader().take(300).read_to_end(&mut start); // why, if it says so
        let reason = format!("{path}: HTTP {status}, '{}'", excerpt(&start));
        Err(match status {
            401 | 403 => SourceFailure { fault: SourceFault::Auth, reason: Reason::new(reason) },
            _ => transient(reason),
        })
    }
}

/// The lines of an endless answer.
#[cfg(feature = "kubernetes")]
pub(crate) struct Lines {
    reader: Box<dyn BufRead + Send>,
}

#[cfg(feature = "kubernetes")]
impl Lines {
    /// The next line; `None` at the end of the answer.
    pub(crate) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let read = (&mut self.reader).take(MAX_BODY + 1).read_until(b'\n', &mut line)?;
        if read as u64 > MAX_BODY {
            return Err(io::Error::other(format!("a line longer than {MAX_BODY} bytes")));
        }
        Ok((read > 0).then_some(line))
    }
}

/// Its beginning, for a log line.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
    text.split_whitespace().collect::<Vec<_>>().join(" ").escape_debug().to_string()
}

pub(crate) fn config(reason: String) -> SourceFailure {
    SourceFailure { fault: SourceFault::Config, reason: Reason::new(reason) }
}

pub(crate) fn transient(reason: String) -> SourceFailure {
    SourceFailure { fault: SourceFault::Transient, reason: Reason::new(reason) }
}
