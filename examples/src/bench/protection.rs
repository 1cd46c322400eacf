//! How the two nodes of a measurement, `a` and `b`, protect their links.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;

use skep_tcp::TcpConfig;
use skep_tcp::session::tls::TlsFiles;

/// A way to protect links.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Protection {
    Plaintext,
    /// The default: Noise.
    Secret,
    /// Mutual TLS.
    Certificates,
}

impl Protection {
    /// The first is what the others are held against.
    pub(super) const ALL: [Self; 3] = [Self::Plaintext, Self::Secret, Self::Certificates];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Secret => "a secret",
            Self::Certificates => "certificates",
        }
    }

    /// What a node's program is told.
    pub(super) fn options(self, keys: &Keys, node: &str) -> Vec<String> {
        match self {
            Self::Plaintext => vec!["--insecure-plaintext".into()],
            Self::Secret => Vec::new(),
            Self::Certificates => {
                let TlsFiles { certificate, key, authorities } = keys.files(node);
                [("--tls-cert", certificate), ("--tls-key", key), ("--tls-ca", authorities)]
                    .into_iter()
                    .flat_map(|(option, path)| [option.to_owned(), path.display().to_string()])
                    .collect()
            }
        }
    }

    /// The transport of a node in this process.
    pub(super) fn transport(self, keys: &Keys, node: &str) -> TcpConfig {
        let config = TcpConfig::new("127.0.0.1:0");
        match self {
            Self::Plaintext => config.insecure_plaintext(),
            Self::Secret => config,
            Self::Certificates => config.certificates(keys.files(node)),
        }
    }
}

/// The certificates of the transport's tests, with private keys that nobody else may read: a copy, gone when dropped.
pub(super) struct Keys {
    found: PathBuf,
    copies: PathBuf,
}

impl Keys {
    /// # Errors
    /// The OS's, also if this program is run where the repository is not.
    pub(super) fn copy() -> io::Result<Self> {
        let keys = Self {
            found: Path::new(env!("CARGO_MANIFEST_DIR")).join("../transport-tcp/tests/certificates"),
            copies: std::env::temp_dir().join(format!("skep-bench-{}", process::id())),
        };
        fs::create_dir(&keys.copies)?;
        for node in ["a", "b"] {
            let key = fs::read(keys.found.join(node).with_extension("key"))?;
            let mut file = OpenOptions::new();
            file.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
            file.open(keys.files(node).key)?.write_all(&key)?;
        }
        Ok(keys)
    }

    fn files(&self, node: &str) -> TlsFiles {
        TlsFiles {
            certificate: self.found.join(node).with_extension("pem"),
            key: self.copies.join(node).with_extension("key"),
            authorities: self.found.join("ours.pem"),
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // What stays is in a directory for what may go at any time.
        let _ = fs::remove_dir_all(&self.copies);
    }
}
