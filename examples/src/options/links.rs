//! How the links of a node are protected, from its options to the transport.

use std::path::PathBuf;

use skep::secret::KeyRing;
use skep_tcp::TcpConfig;
use skep_tcp::session::tls::{Tls, TlsFiles};

use super::{Given, Options, OptionsError, mistake};

/// How the links of a node are protected.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Links {
    /// By the secret in the environment, else by the one that the nodes of this host share.
    #[default]
    Environment,
    /// By the secrets in a file.
    SecretFile(PathBuf),
    /// By certificates.
    Certificates(TlsFiles),
    /// Not at all.
    InsecurePlaintext,
}

impl Links {
    pub(super) fn new(
        secret_file: Option<PathBuf>,
        tls: [Option<PathBuf>; 3],
        insecure_plaintext: bool,
        secret_in_environment: bool,
    ) -> Result<Self, OptionsError> {
        let certificates = match tls {
            [None, None, None] => None,
            [Some(certificate), Some(key), Some(authorities)] => {
                Some(TlsFiles { certificate, key, authorities })
            }
            _ => return mistake("--tls-cert, --tls-key and --tls-ca are given together"),
        };
        match (secret_file, certificates, insecure_plaintext, secret_in_environment) {
            (None, None, false, _) => Ok(Self::Environment),
            (Some(path), None, false, _) => Ok(Self::SecretFile(path)),
            (None, Some(files), false, false) => Ok(Self::Certificates(files)),
            (None, None, true, false) => Ok(Self::InsecurePlaintext),
            _ => mistake(
                "a secret (--secret-file, SKEP_SECRET), --tls-cert and --insecure-plaintext exclude each other",
            ),
        }
    }
}

/// A way to protect links.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    Secret,
    Certificates,
    Nothing,
}

impl Given {
    /// The way that is named here, if one is.
    pub(super) fn links(&self) -> Option<Way> {
        if self.secret_in_environment || self.secret_file.is_some() {
            Some(Way::Secret)
        } else if self.tls_cert.is_some() || self.tls_key.is_some() || self.tls_ca.is_some() {
            Some(Way::Certificates)
        } else {
            self.insecure_plaintext.unwrap_or(false).then_some(Way::Nothing)
        }
    }

    /// How links are protected is one question: who goes first and answers it is not contradicted.
    pub(super) fn without_ways_but(self, first: Option<Way>) -> Self {
        let Some(first) = first else { return self };
        let kept = self.clone();
        let others = Self {
            secret_file: None,
            secret_in_environment: false,
            tls_cert: None,
            tls_key: None,
            tls_ca: None,
            insecure_plaintext: None,
            ..self
        };
        match first {
            Way::Certificates => {
                Self { tls_cert: kept.tls_cert, tls_key: kept.tls_key, tls_ca: kept.tls_ca, ..others }
            }
            Way::Secret | Way::Nothing => others, // which are said whole
        }
    }
}

impl Options {
    /// The transport that these options describe, with its secrets read.
    ///
    /// # Errors
    /// [`OptionsError::Mistake`], if there is no secret or no certificate to use.
    pub fn transport(&self) -> Result<TcpConfig, OptionsError> {
        let config = self.reachable(TcpConfig::new(&self.listen))?;
        match &self.links {
            Links::Environment => match KeyRing::from_environment() {
                Ok(secrets) => Ok(config.secret(secrets)),
                Err(error) => mistake(format!("there is no secret to protect links with: {error}")),
            },
            Links::SecretFile(path) => match KeyRing::file(path) {
                Ok(secrets) => Ok(config.secret(secrets)),
                Err(error) => mistake(format!("--secret-file: {error}")),
            },
            // Read here for the mistakes in them; the transport reads them again.
            Links::Certificates(files) => match Tls::new(files.clone()) {
                Ok(_) => Ok(config.certificates(files.clone())),
                Err(error) => mistake(format!("certificates: {error}")),
            },
            Links::InsecurePlaintext => Ok(config.insecure_plaintext()),
        }
    }
}
