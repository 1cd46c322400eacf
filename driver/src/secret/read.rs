//! Files that only we may read: whose they are, what is in them, and the one that the nodes of a host share.

use std::fs::{File, Metadata};
use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::{MAX_SECRETS, Secret, SecretError};

/// The longest file, in bytes: all the secrets a ring can hold, and room for comments.
const MAX_FILE: usize = 4096;

/// What tells one state of a file from another without reading it: for whoever reads it again when it has changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    #[cfg(unix)]
    identity: (u64, u64),
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        Self {
            modified: found.modified().ok(),
            length: found.len(),
            #[cfg(unix)]
            identity: {
                use std::os::unix::fs::MetadataExt;
                (found.dev(), found.ino())
            },
        }
    }

    /// The file's state now; `None` if there is none.
    pub fn at(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|found| Self::of(&found))
    }
}

/// What is in a file that only its owner may read (0600), and the state of it that was read.
///
/// # Errors
/// It is not there, is longer than `longest` bytes, belongs to another user, or is open to others.
pub fn private_file(path: &Path, longest: usize) -> Result<(Zeroizing<Vec<u8>>, Stamp), SecretError> {
    let not_read = |error: std::io::Error| SecretError::NotRead { path: path.into(), kind: error.kind() };
    let no_file = || SecretError::NoFileOfSecrets { path: path.into() };
    // A pipe of that name would block whoever opens it.
    if !std::fs::metadata(path).map_err(not_read)?.is_file() {
        return Err(no_file());
    }
    let file = File::open(path).map_err(not_read)?;
    let found = file.metadata().map_err(not_read)?;
    check(path, &found)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(longest + 1)); // no copy is left behind by growing
    file.take(longest as u64 + 1).read_to_end(&mut bytes).map_err(not_read)?;
    if bytes.len() > longest {
        return Err(no_file());
    }
    Ok((bytes, Stamp::of(&found)))
}

/// The secrets in a file, and the state of it that they were read from.
pub(super) fn read(path: &Path) -> Result<(Vec<Secret>, Stamp), SecretError> {
    let (bytes, stamp) = private_file(path, MAX_FILE)?;
    let text = str::from_utf8(&bytes).map_err(|_| SecretError::NoFileOfSecrets { path: path.into() })?;
    let secrets =
        parse(text).map_err(|fault| SecretError::InFile { path: path.into(), fault: Box::new(fault) })?;
    Ok((secrets, stamp))
}

/// A secret on each line. Empty lines, and those that begin with `#`, are skipped.
pub(super) fn parse(text: &str) -> Result<Vec<Secret>, SecretError> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut secrets = Vec::new();
    for (at, line) in lines.enumerate() {
        if at == MAX_SECRETS {
            return Err(SecretError::TooMany);
        }
        secrets.push(Secret::new(line).map_err(|fault| SecretError::Weak { nth: at + 1, fault })?);
    }
    if secrets.is_empty() { Err(SecretError::None) } else { Ok(secrets) }
}

/// Whether only we can read and change it. A file of root's may be readable for its group too: so does Kubernetes
/// hand secrets to a container that is not root.
#[cfg(unix)]
fn check(path: &Path, found: &Metadata) -> Result<(), SecretError> {
    use std::os::unix::fs::MetadataExt;
    let (us, owner) = (rustix::process::geteuid().as_raw(), found.uid());
    if owner != us && owner != 0 {
        return Err(SecretError::NotOurs { path: path.into(), owner });
    }
    let open = if owner == us { 0o077 } else { 0o037 };
    if found.mode() & open != 0 {
        return Err(SecretError::OpenToOthers { path: path.into(), mode: found.mode() & 0o7777 });
    }
    Ok(())
}

/// Permissions of other systems are not looked at.
#[cfg(not(unix))]
fn check(_path: &Path, _found: &Metadata) -> Result<(), SecretError> {
    Ok(())
}

/// Puts a fresh secret there in one step, unless another process was faster: then that one's stays.
#[cfg(unix)]
pub(super) fn make(path: &Path) -> Result<(), SecretError> {
    use std::fs::{OpenOptions, hard_link, remove_file};
    use std::io::{self, Write};
    use std::os::unix::fs::OpenOptionsExt;
    let not_made = |error: io::Error| SecretError::NotMade { path: path.into(), kind: error.kind() };
    let aside =
        path.with_extension(format!("{}.{:?}.aside", std::process::id(), std::thread::current().id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside);
    let linked = file
        .as_mut()
        .map_err(|error| io::Error::from(error.kind()))
        .and_then(|file| file.write_all(Secret::random().as_str().as_bytes()))
        .and_then(|()| hard_link(&aside, path));
    // It has another name now, or is of no use.
    let _ = remove_file(&aside);
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked.map_err(not_made),
    }
}
