//! Whom a server's certificate is checked against. There is no TLS without a check.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use skep_core::event::SourceFailure;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use crate::failure::{config, read_file};

/// Who may sign a server's certificate.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) enum Trust {
    /// Nobody was named.
    #[default]
    Nobody,
    /// The authorities in this file, as PEM.
    File(PathBuf),
    /// These authorities, as PEM.
    Pem(Vec<u8>),
    /// The authorities that this system trusts.
    System,
}

/// Who we are, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) certificate: Vec<u8>,
    pub(super) key: Vec<u8>,
}

/// Where systems keep the authorities that they trust: Debian and Arch, Fedora and Amazon Linux, SUSE, Alpine and
/// macOS.
const SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

impl Trust {
    /// How to speak TLS to the server at `base`.
    pub(super) fn tls(&self, base: &str, identity: Option<&Identity>) -> Result<TlsConfig, SourceFailure> {
        let roots = match self {
            Self::Nobody => return Err(config(format!("{base} needs a CA file to be checked against"))),
            Self::File(path) => of_file(path)?,
            Self::Pem(pem) => certificates(pem, base)?,
            Self::System => of_file(&of_system()?)?,
        };
        let shown = match identity {
            Some(identity) => Some(identity.shown(base)?),
            None => None,
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        Ok(TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&roots))
            .client_cert(shown)
            .unversioned_rustls_crypto_provider(provider)
            .build())
    }
}

impl Identity {
    fn shown(&self, base: &str) -> Result<ClientCert, SourceFailure> {
        let bad = |error| config(format!("our certificate for {base}: {error}"));
        let key = PrivateKey::from_pem(&self.key).map_err(bad)?;
        Ok(ClientCert::new_with_certs(&certificates(&self.certificate, base)?, key))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// The file in `SSL_CERT_FILE`, as everywhere, else the first that is there.
fn of_system() -> Result<PathBuf, SourceFailure> {
    if let Some(path) = env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    let found = SYSTEM.iter().map(Path::new).find(|path| path.exists());
    let none = || config("no file of authorities on this system: name one in SSL_CERT_FILE".into());
    found.map(Into::into).ok_or_else(none)
}

fn of_file(path: &Path) -> Result<Vec<Certificate<'static>>, SourceFailure> {
    certificates(&read_file(path)?, &path.display().to_string())
}

fn certificates(pem: &[u8], place: &str) -> Result<Vec<Certificate<'static>>, SourceFailure> {
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(config(format!("{place}: {error}"))),
        }
    }
    if certificates.is_empty() {
        return Err(config(format!("{place}: no certificate in it")));
    }
    Ok(certificates)
}
