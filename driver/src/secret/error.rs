//! Why there is no secret to use.

use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;

use super::{MAX_SECRETS, WeakSecret};
#[cfg(unix)]
use crate::run_directory::RunDirectoryError;

/// Why there is no secret to use.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[expect(missing_docs, reason = "`path` is where, `kind` is what the system said")]
pub enum SecretError {
    /// A ring of no secrets.
    None,
    /// A ring of more than [`MAX_SECRETS`].
    TooMany,
    /// One that breaks the rule.
    Weak {
        /// Which, counted from 1.
        nth: usize,
        /// How.
        fault: WeakSecret,
    },
    /// The file is not there or cannot be read.
    NotRead { path: PathBuf, kind: ErrorKind },
    /// It could not be made.
    NotMade { path: PathBuf, kind: ErrorKind },
    /// It is a directory, a pipe, or longer than any file of secrets.
    NoFileOfSecrets { path: PathBuf },
    /// Others than its owner can read or write it.
    OpenToOthers {
        path: PathBuf,
        /// Its permissions; 0600 is wanted.
        mode: u32,
    },
    /// It belongs to another user, who could change it.
    NotOurs {
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// What is in it is not good.
    InFile {
        path: PathBuf,
        /// What is wrong.
        fault: Box<SecretError>,
    },
    /// The directory that the nodes of this host share is of no use.
    #[cfg(unix)]
    RunDirectory(RunDirectoryError),
    /// This system has no such directory: name a file, or set `SKEP_SECRET`.
    #[cfg(not(unix))]
    NoRunDirectory,
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("there is no secret"),
            Self::TooMany => write!(f, "there are more than {MAX_SECRETS} secrets"),
            Self::Weak { nth, fault } => write!(f, "secret {nth} is weak: {fault}"),
            Self::NotRead { path, kind } => write!(f, "{} cannot be read: {kind}", path.display()),
            Self::NotMade { path, kind } => write!(f, "{} cannot be made: {kind}", path.display()),
            Self::NoFileOfSecrets { path } => write!(f, "{} is no file of secrets", path.display()),
            Self::OpenToOthers { path, mode } => {
                write!(f, "{} is open to others: its mode is {mode:04o}, 0600 is wanted", path.display())
            }
            Self::NotOurs { path, owner } => write!(f, "{} belongs to user {owner}", path.display()),
            Self::InFile { path, fault } => write!(f, "{}: {fault}", path.display()),
            #[cfg(unix)]
            Self::RunDirectory(error) => error.fmt(f),
            #[cfg(not(unix))]
            Self::NoRunDirectory => f.write_str("this system has no run directory: name a file of secrets"),
        }
    }
}

impl std::error::Error for SecretError {}
