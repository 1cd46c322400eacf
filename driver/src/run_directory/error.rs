//! Why a run directory is of no use.

use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;

/// Why a run directory was not written or not read. Until it is mended the node announces and sees nobody there.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[expect(missing_docs, reason = "`path` is where, `kind` is what the system said")]
pub enum RunDirectoryError {
    /// It could not be made.
    NotMade { path: PathBuf, kind: ErrorKind },
    /// It could not be read.
    NotRead { path: PathBuf, kind: ErrorKind },
    /// Our file could not be written.
    NotWritten { path: PathBuf, kind: ErrorKind },
    /// Something else has its name; a link counts as something else.
    NotADirectory { path: PathBuf },
    /// It belongs to another user, who could make us dial anybody.
    NotOurs {
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// Others may look into it or write there.
    OpenToOthers {
        path: PathBuf,
        /// Its permissions; 0700 is wanted.
        mode: u32,
    },
}

impl fmt::Display for RunDirectoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMade { path, kind } => write!(f, "{} cannot be made: {kind}", path.display()),
            Self::NotRead { path, kind } => write!(f, "{} cannot be read: {kind}", path.display()),
            Self::NotWritten { path, kind } => write!(f, "{} cannot be written: {kind}", path.display()),
            Self::NotADirectory { path } => write!(f, "{} is not a directory", path.display()),
            Self::NotOurs { path, owner } => write!(f, "{} belongs to user {owner}", path.display()),
            Self::OpenToOthers { path, mode } => {
                write!(f, "{} is open to others: its mode is {mode:04o}, 0700 is wanted", path.display())
            }
        }
    }
}

impl std::error::Error for RunDirectoryError {}
