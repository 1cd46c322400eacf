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

/// Which API is asked, and in whose name.
#[derive(Clone, Debug)]
struct Account {
    service: &'static str,
    region: Option<String>,
    endpoint: Option<String>,
    ca: Option<PathBuf>,
    surroundings: Surroundings,
    keys: Option<(Keys, Instant)>,
}

impl Account {
    fn of(service: &'static str) -> Self {
        let surroundings = Surroundings::of_process();
        Self { service, region: None, endpoint: None, ca: None, surroundings, keys: None }
    }

    /// The API at this URL, rather than that of the region.
    fn at(&mut self, url: String) {
        self.endpoint = Some(url.trim_end_matches('/').into());
    }

    /// These keys, rather than those of whoever this program runs as.
    fn with_keys(&mut self, id: String, secret: String) {
        self.surroundings.set("AWS_ACCESS_KEY_ID", id);
        self.surroundings.set("AWS_SECRET_ACCESS_KEY", secret);
        self.surroundings.set("AWS_SESSION_TOKEN", "");
    }

    /// Sends a signed request and judges its answer by the code that the service gives to its errors.
    fn ask(
        &mut self,
        headers: &[(&'static str, &str)],
        body: &str,
        code: impl Fn(&Answer) -> Option<String>,
    ) -> Result<Vec<u8>, SourceFailure> {
        let region = match &self.region {
            Some(region) => region.clone(),
            None => self.surroundings.region()?,
        };
        self.region = Some(region.clone());
        let base = self.endpoint.clone().unwrap_or_else(|| endpoint(self.service, &region));
        let server = match &self.ca {
            Some(path) => Server::new(&base).ca_file(path),
            None => Server::new(&base).system_authorities(),
        };
        let client = server.client()?;
        let keys = self.keys()?;
        let mut request = Request::post("/", body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        for (name, value) in self.signature(&keys, &region, &format!("{base}/"), headers, body)? {
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
        let reason = format!("{}: HTTP {}, '{}'", self.service, answer.status, excerpt(&answer.body));
        Err(SourceFailure { fault, reason: Reason::new(reason) })
    }

    fn keys(&mut self) -> Result<Keys, SourceFailure> {
        match &self.keys {
            Some((keys, since)) if since.elapsed() < KEYS_FOR => return Ok(keys.clone()),
            Some(_) | None => {}
        }
        let keys = self.surroundings.keys()?;
        self.keys = Some((keys.clone(), Instant::now()));
        Ok(keys)
    }

    /// The headers that sign a request (AWS signature, version 4).
    fn signature(
        &self,
        keys: &Keys,
        region: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Vec<(String, String)>, SourceFailure> {
        let bad =
            |error: &dyn std::fmt::Display| config(format!("no request to {url} can be signed: {error}"));
        let identity = keys.identity();
        let parameters = SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(self.service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| bad(&error))?
            .into();
        let body = SignableBody::Bytes(body.as_bytes());
        let signable = SignableRequest::new("POST", url, headers.iter().copied(), body);
        let signed =
            sign(signable.map_err(|error| bad(&error))?, &parameters).map_err(|error| bad(&error))?;
        let (instructions, _) = signed.into_parts();
        Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
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
