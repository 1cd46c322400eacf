//! What the APIs of AWS want: requests signed with the keys of whoever this program runs as.

mod credentials;
#[cfg(feature = "ec2")]
mod ec2;
#[cfg(feature = "ecs")]
mod ecs;
mod surroundings;

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use skep_core::event::{SourceFailure, SourceFault};
use skep_core::id::Reason;

use crate::failure::config;
use crate::http::{Answer, Request, Server, excerpt};
use credentials::Keys;
#[cfg(feature = "ec2")]
pub use ec2::Ec2;
#[cfg(feature = "ecs")]
pub use ecs::Ecs;
use surroundings::Surroundings;

/// For how long keys are used before they are asked for again. New ones are there five minutes before the old end.
const KEYS_FOR: Duration = Duration::from_secs(60);

/// At most this many pages of an answer are read.
const MAX_PAGES: usize = 100;

/// In whose name the APIs of AWS are asked, and where.
///
/// Keys come from `AWS_ACCESS_KEY_ID` and its companions, else from the container, else from the machine (IMDSv2); the
/// region from `AWS_REGION`, else from the machine. Who the server is is checked against the authorities of this system.
#[derive(Clone, Debug)]
pub struct AwsAccount {
    region: Option<String>,
    endpoint: Option<String>,
    ca: Option<PathBuf>,
    surroundings: Surroundings,
    keys: Option<(Keys, Instant)>,
}

impl AwsAccount {
    /// That of whoever this program runs as.
    pub fn of_process() -> Self {
        let surroundings = Surroundings::of_process();
        Self { region: None, endpoint: None, ca: None, surroundings, keys: None }
    }

    /// Another region than that of this machine.
    #[must_use]
    pub fn region(self, name: impl Into<String>) -> Self {
        Self { region: Some(name.into()), ..self }
    }

    /// The API at this URL, as that of a VPC's endpoint, rather than that of the region.
    #[must_use]
    pub fn endpoint(self, url: impl Into<String>) -> Self {
        Self { endpoint: Some(url.into().trim_end_matches('/').into()), ..self }
    }

    /// Who signed the certificate of the API, as PEM, rather than an authority of this system.
    #[must_use]
    pub fn ca_file(self, path: impl Into<PathBuf>) -> Self {
        Self { ca: Some(path.into()), ..self }
    }

    /// These keys, rather than those of whoever this program runs as.
    #[must_use]
    pub fn keys(mut self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.surroundings.set("AWS_ACCESS_KEY_ID", id);
        self.surroundings.set("AWS_SECRET_ACCESS_KEY", secret);
        self.surroundings.set("AWS_SESSION_TOKEN", "");
        self
    }

    /// Sends a signed request and judges its answer by the code that the service gives to its errors.
    fn ask(
        &mut self,
        service: &'static str,
        headers: &[(&'static str, &str)],
        body: &str,
        code: impl Fn(&Answer) -> Option<String>,
    ) -> Result<Vec<u8>, SourceFailure> {
        let region = match &self.region {
            Some(region) => region.clone(),
            None => self.surroundings.region()?,
        };
        self.region = Some(region.clone());
        let base = self.endpoint.clone().unwrap_or_else(|| endpoint(service, &region));
        let server = match &self.ca {
            Some(path) => Server::new(&base).ca_file(path),
            None => Server::new(&base).system_authorities(),
        };
        let client = server.client()?;
        let keys = self.current_keys()?;
        let mut request = Request::post("/", body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        for (name, value) in signature(&keys, (service, &region), &format!("{base}/"), headers, body)? {
            request = request.header(name, value);
        }
        let answer = client.answer(&request)?;
        if answer.is_success() {
            return Ok(answer.body);
        }
        let fault = fault(answer.status, &code(&answer).unwrap_or_default());
        if fault == SourceFault::Auth {
            self.keys = None; // there may be better ones
        }
        let reason = format!("{service}: HTTP {}, '{}'", answer.status, excerpt(&answer.body));
        Err(SourceFailure { fault, reason: Reason::new(reason) })
    }

    fn current_keys(&mut self) -> Result<Keys, SourceFailure> {
        match &self.keys {
            Some((keys, since)) if since.elapsed() < KEYS_FOR => return Ok(keys.clone()),
            Some(_) | None => {}
        }
        let keys = self.surroundings.keys()?;
        self.keys = Some((keys.clone(), Instant::now()));
        Ok(keys)
    }
}

/// The headers that sign a request (AWS signature, version 4).
fn signature(
    keys: &Keys,
    (service, region): (&str, &str),
    url: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Vec<(String, String)>, SourceFailure> {
    let bad = |error: &dyn std::fmt::Display| config(format!("no request to {url} can be signed: {error}"));
    let identity = keys.identity();
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| bad(&error))?
        .into();
    let body = SignableBody::Bytes(body.as_bytes());
    let signable = SignableRequest::new("POST", url, headers.iter().copied(), body);
    let signed = sign(signable.map_err(|error| bad(&error))?, &parameters).map_err(|error| bad(&error))?;
    let (instructions, _) = signed.into_parts();
    Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// Where a service is in a region.
fn endpoint(service: &str, region: &str) -> String {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://{service}.{region}.{domain}")
}

/// Whose fault an error is. A mistake in a request is told with the status 400, and so are some errors of keys.
fn fault(status: u16, code: &str) -> SourceFault {
    const KEYS: [&str; 13] = [
        "AuthFailure",
        "UnauthorizedOperation",
        "AccessDenied",
        "AccessDeniedException",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
        "IncompleteSignature",
        "MissingAuthenticationToken",
        "ExpiredToken",
        "ExpiredTokenException",
        "OptInRequired",
    ];
    let passes = code.contains("Throttl") || matches!(code, "RequestLimitExceeded" | "RequestExpired");
    match status {
        _ if KEYS.contains(&code) => SourceFault::Auth,
        _ if passes => SourceFault::Transient,
        401 | 403 => SourceFault::Auth,
        400 | 404 => SourceFault::Config,
        _ => SourceFault::Transient,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_by_its_code_before_its_status() {
        for (status, code, expected) in [
            (400, "AccessDeniedException", SourceFault::Auth),
            (401, "AuthFailure", SourceFault::Auth),
            (403, "", SourceFault::Auth),
            (400, "ThrottlingException", SourceFault::Transient),
            (503, "RequestLimitExceeded", SourceFault::Transient),
            (500, "", SourceFault::Transient),
            (400, "ClusterNotFoundException", SourceFault::Config),
            (400, "InvalidParameterValue", SourceFault::Config),
        ] {
            assert_eq!(fault(status, code), expected, "{status} {code}");
        }
    }

    #[test]
    fn a_region_has_its_own_endpoint() {
        assert_eq!(endpoint("ec2", "eu-west-1"), "https://ec2.eu-west-1.amazonaws.com");
        assert_eq!(endpoint("ecs", "cn-north-1"), "https://ecs.cn-north-1.amazonaws.com.cn");
    }
}
