//! How the links of a node are protected, from its options to the transport.

use std::path::PathBuf;

use skep::secret::KeyRing;
use skep_tcp::TcpConfig;
use skep_tcp::session::tls::{Tls, TlsFiles};

use super::{Options, OptionsError, mistake};

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
    ) -> Result<Self, OptionsError> {
        let certificates = match tls {
            [None, None, None] => None,
            [Some(certificate), Some(key), Some(authorities)] => {
                Some(TlsFiles { certificate, key, authorities })
            }
            _ => return mistake("--tls-cert, --tls-key and --tls-ca are given together"),
        };
        match (secret_file, certificates, insecure_plaintext) {
            (None, None, false) => Ok(Self::Environment),
            (Some(path), None, false) => Ok(Self::SecretFile(path)),
            (None, Some(files), false) => Ok(Self::Certificates(files)),
            (None, None, true) => Ok(Self::InsecurePlaintext),
            _ => mistake("--secret-file, --tls-cert and --insecure-plaintext exclude each other"),
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
