//! What a start is given, as it is kept in the registry: the version of the kind that wrote it, then the arguments.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use skep_core::error::BadText;
use skep_core::id::Payload;

use super::Worker;
use super::failure::Failure;

/// The arguments of a kind that is known by its name only, as
/// [`Node::register_raw`](crate::Node::register_raw) takes them: of this [`Worker::VERSION`].
///
/// # Errors
/// They are too long.
pub fn encode_args(version: u16, args: &impl Serialize) -> Result<Payload, BadText> {
    // Arguments whose `Serialize` fails are no arguments; what the start is given then does not decode either.
    Payload::new(postcard::to_allocvec(&(version, args)).unwrap_or_default())
}

/// The arguments as this version of the kind takes them.
pub(super) fn decode_args<W: Worker>(payload: &Payload) -> Result<W::Args, Failure> {
    let undecoded = || Failure::new("its arguments do not decode as those of its kind");
    let (version, bytes) = postcard::take_from_bytes(payload.as_slice()).map_err(|_| undecoded())?;
    let args = OldArgs { version, bytes: bytes.to_vec() };
    if version == W::VERSION { args.read().map_err(|_| undecoded()) } else { W::migrate_args(args) }
}

/// Arguments that were encoded by another version of the kind; an older one, or a newer one whose nodes are in the
/// cluster already.
#[derive(Clone, PartialEq, Eq)]
pub struct OldArgs {
    version: u16,
    bytes: Vec<u8>,
}

impl OldArgs {
    /// The [`Worker::VERSION`] that encoded them.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// Them, as that version had them.
    ///
    /// # Errors
    /// [`ArgsError::NotDecoded`].
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ArgsError> {
        match postcard::take_from_bytes(&self.bytes) {
            Ok((args, [])) => Ok(args),
            Ok(_) | Err(_) => Err(ArgsError::NotDecoded),
        }
    }
}

impl fmt::Debug for OldArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of version {}", self.bytes.len(), self.version)
    }
}

/// Why arguments are not what they should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ArgsError {
    /// The bytes are no such arguments.
    NotDecoded,
    /// They are of another version of the kind, and nothing migrates them.
    OtherVersion {
        /// That version.
        version: u16,
    },
}

impl fmt::Display for ArgsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDecoded => f.write_str("the arguments do not decode"),
            Self::OtherVersion { version } => {
                write!(f, "the arguments are of version {version}, and nothing migrates them")
            }
        }
    }
}

impl std::error::Error for ArgsError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_pinned() {
        let payload = encode_args(300, &(7u64, "n")).expect("they are short");
        assert_eq!(payload.as_slice(), [0xac, 2, 7, 1, b'n']);
        assert!(matches!(encode_args(0, &vec![0u8; Payload::MAX]), Err(BadText::TooLong { .. })));
    }
}
