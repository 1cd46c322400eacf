//! How a worker moves to another node, and what it takes along.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a worker answers when it is wanted on another node.
#[derive(Debug)]
pub enum Handoff {
    /// It stays, as long as its node does.
    Stay,
    /// It starts anew there, from its arguments. As with a state, it handles nothing here from now on, unless the
    /// move is given up: then it goes on as if it had not been asked.
    Restart,
    /// It goes on there with this state, which [`Worker::end_handoff`](super::Worker::end_handoff) is given.
    Resume(State),
}

impl Handoff {
    /// It goes on there with this state; or it stays, if that cannot be encoded.
    pub fn resume<T: Serialize>(state: &T) -> Self {
        State::of(state).map_or(Self::Stay, Self::Resume)
    }
}

/// A worker's state on its way to another node: bytes, and the version of the kind that wrote them.
#[derive(Clone, PartialEq, Eq)]
pub struct State {
    version: u16,
    bytes: Vec<u8>,
}

impl State {
    /// The encoded form of any value.
    ///
    /// # Errors
    /// [`StateError::NotEncoded`].
    pub fn of<T: Serialize>(value: &T) -> Result<Self, StateError> {
        postcard::to_allocvec(value).map(Self::from_bytes).map_err(|_| StateError::NotEncoded)
    }

    /// Bytes of the worker's own.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self { version: 0, bytes }
    }

    /// The value of which this is the encoded form.
    ///
    /// # Errors
    /// [`StateError::NotDecoded`].
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, StateError> {
        match postcard::take_from_bytes(&self.bytes) {
            Ok((value, [])) => Ok(value),
            Ok(_) | Err(_) => Err(StateError::NotDecoded),
        }
    }

    /// The bytes themselves.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The [`Worker::VERSION`](super::Worker::VERSION) of the worker that handed it over.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// As a worker of this version hands it over.
    pub(crate) fn of_version(self, version: u16) -> Self {
        Self { version, ..self }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of version {}", self.bytes.len(), self.version)
    }
}

/// Why a state is not what it should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StateError {
    /// The value cannot be encoded.
    NotEncoded,
    /// The bytes are no such value.
    NotDecoded,
    /// A worker of another version of the kind handed it over, and nothing migrates it.
    OtherVersion {
        /// That version.
        version: u16,
    },
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEncoded => f.write_str("the state cannot be encoded"),
            Self::NotDecoded => f.write_str("the state does not decode"),
            Self::OtherVersion { version } => {
                write!(f, "the state is of version {version}, and nothing migrates it")
            }
        }
    }
}

impl std::error::Error for StateError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_as_what_it_was_made_of_and_as_nothing_longer_or_shorter() {
        let state = State::of(&(7u64, "seven")).expect("plain data");
        assert_eq!(state.read(), Ok((7u64, "seven".to_owned())));
        assert_eq!(state.read::<u64>(), Err(StateError::NotDecoded), "bytes are left");
        assert_eq!(state.read::<(u64, String, u8)>(), Err(StateError::NotDecoded), "bytes are missing");
    }
}
