//! Failures of sources, and the files of secrets and certificates of which a mistake is one.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use skep_core::event::{SourceFailure, SourceFault};
use skep_core::id::Reason;

const MAX_FILE: u64 = 1 << 20; // certificates and tokens are short

pub(crate) fn config(reason: String) -> SourceFailure {
    SourceFailure { fault: SourceFault::Config, reason: Reason::new(reason) }
}

pub(crate) fn transient(reason: String) -> SourceFailure {
    SourceFailure { fault: SourceFault::Transient, reason: Reason::new(reason) }
}

pub(crate) fn auth(reason: String) -> SourceFailure {
    SourceFailure { fault: SourceFault::Auth, reason: Reason::new(reason) }
}

/// A file that is read for each round, so that it may change.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, SourceFailure> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
    match read {
        Ok(length) if length as u64 > MAX_FILE => Err(config(format!("{}: too long", path.display()))),
        Ok(_) => Ok(bytes),
        Err(error) => Err(config(format!("{}: {error}", path.display()))),
    }
}

/// The same, as one line of text.
pub(crate) fn read_text(path: &Path) -> Result<String, SourceFailure> {
    let text =
        String::from_utf8(read_file(path)?).map_err(|_| config(format!("{}: no text", path.display())))?;
    Ok(text.trim().to_owned())
}
