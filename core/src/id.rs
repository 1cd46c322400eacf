//! What things are called: a newtype for every id, bounded where a peer or a caller chooses it.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::BadText;

/// What all text has in common: it is shown and sent as it is, and checked when it comes.
macro_rules! plain_text {
    ($type:ident, $expected:expr) => {
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl Visitor<'_> for Text {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        $type::new(text).map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}

/// A newtype over shared text, 1 to `$max` bytes, no control characters. Cloning it copies a pointer.
macro_rules! text {
    ($(#[$doc:meta])* $type:ident, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Arc<str>);

        impl $type {
            /// The longest accepted, in bytes.
            pub const MAX: usize = $max;

            /// # Errors
            /// [`BadText`] if it is empty, longer than [`Self::MAX`] bytes, or holds a control character.
            pub fn new(text: impl AsRef<str>) -> Result<Self, BadText> {
                let text = text.as_ref();
                BadText::check(text, Self::MAX)?;
                Ok(Self(text.into()))
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        plain_text!($type, concat!("text of 1 to ", $max, " bytes"));

        impl core::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

text!(
    /// What a cluster is called; nodes of another cluster are refused at the handshake.
    ClusterName, 128
);
text!(
    /// What a node is called, in logs and answers. One live node has it at a time; restarts reuse it.
    NodeName, 128
);
text!(
    /// What a group of names is called. Any text: groups are kept apart from names, and none is reserved.
    Group, 255
);
text!(
    /// Names of nodes: `*` stands for any characters, `?` for any one, all others for themselves.
    NodePattern, 128
);
text!(
    /// Which sort of worker a name runs: the key by which a host finds the code to start.
    Kind, 128
);
text!(
    /// A capability that a node offers and a kind may ask for.
    Role, 128
);
text!(
    /// Where a transport can reach a node. Opaque to the core, which only compares and hands it back.
    Address, 255
);
text!(
    /// Which discovery source said something.
    Source, 64
);

/// What a worker is registered under, unique in the cluster: 1 to 255 bytes, no control characters. Cloning it
/// copies a pointer.
///
/// It is ordered by its hash, not by its text: a machine looks each name up in many maps, and most names begin
/// alike. Sort by [`Name::as_str`] for people.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    hash: u64, // first: the derived order compares it first, and seldom has to go on
    text: Arc<str>,
}

impl Name {
    /// The longest accepted, in bytes.
    pub const MAX: usize = 255;

    /// # Errors
    /// [`BadText`] if it is empty, longer than [`Self::MAX`] bytes, or holds a control character.
    pub fn new(text: impl AsRef<str>) -> Result<Self, BadText> {
        let text = text.as_ref();
        BadText::check(text, Self::MAX)?;
        Ok(Self { hash: xxhash_rust::xxh3::xxh3_64(text.as_bytes()), text: text.into() })
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The XXH3 (64 bits, seed 0) of its UTF-8 bytes.
    pub fn xxh3(&self) -> u64 {
        self.hash
    }
}

impl core::hash::Hash for Name {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

plain_text!(Name, "text of 1 to 255 bytes");

/// One start of a node: unique, fixed while the process lives, rising with each restart under the same name.
/// The driver uses microseconds of Unix time; of two nodes that draw the same one, one draws again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Life(pub u64);

impl Life {
    /// The 20 bits that this life leaves in every epoch it makes; two members with one tag are refused.
    pub fn tag(self) -> u32 {
        (xxhash_rust::xxh3::xxh3_64(&self.0.to_le_bytes()) & 0xf_ffff) as u32
    }
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// How often a life has refuted what others said of it (SWIM's incarnation number). Only its owner raises it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Revision(pub u32);

/// One start of a worker, unique in the cluster and rising along causality: a fencing token.
/// Milliseconds `<< 20`, or'ed with the tag of the life that made it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "u64")]
pub struct Epoch(pub u64);

impl Epoch {
    /// The last that is taken from a peer: half of the range, in milliseconds the year 2248. What we count on from
    /// there cannot wrap.
    pub const LAST: Self = Self(u64::MAX >> 1);

    /// The smallest epoch of `life` above `self` and above `floor_ms` milliseconds.
    pub fn next(self, floor_ms: u64, life: Life) -> Self {
        let last_ms = u64::MAX >> 20;
        Self(((self.0 >> 20) + 1).max(floor_ms).min(last_ms) << 20 | u64::from(life.tag()))
    }

    /// Its milliseconds: about when it was made, by the clock of who made it, or ahead of that.
    pub(crate) fn millis(self) -> u64 {
        self.0 >> 20
    }
}

impl TryFrom<u64> for Epoch {
    type Error = &'static str;

    fn try_from(epoch: u64) -> Result<Self, Self::Error> {
        if epoch > Self::LAST.0 { Err("an epoch from the far future") } else { Ok(Self(epoch)) }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// One registration, from its claim to its removal: restarts and moves keep it.
/// The life that wrote it first, and the sequence in that life's log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Dot {
    /// Whose log it was first written to.
    pub life: Life,
    /// Its position there; the first is 1.
    pub seq: u64,
}

/// One wish of a caller, however often it is sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ClaimId {
    /// Where the caller is.
    pub life: Life,
    /// The how-manieth claim of that life.
    pub seq: u64,
}

/// A place in the ring, below the number of slots in `Config`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Slot(pub u32);

/// One connection, for the driver and its core only; never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkId(pub u64);

/// One outstanding call of a user, for the driver and its core only; never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallId(pub u64);

/// Encoded arguments that the core carries and never reads.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Payload(Arc<[u8]>);

impl Payload {
    /// The largest, in bytes.
    pub const MAX: usize = 64 << 10;

    /// No bytes.
    pub fn empty() -> Self {
        Self(Arc::from([].as_slice()))
    }

    /// # Errors
    /// [`BadText::TooLong`] over [`Self::MAX`] bytes.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, BadText> {
        let bytes = bytes.as_ref();
        if bytes.len() > Self::MAX {
            return Err(BadText::TooLong { length: bytes.len(), max: Self::MAX });
        }
        Ok(Self(bytes.into()))
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Payload;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {} bytes", Payload::MAX)
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Payload, E> {
                Payload::new(bytes).map_err(E::custom)
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

/// Why something failed, in words, cut to a bounded length: from a worker's start or its panic.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(from = "String")]
pub struct Reason(String);

impl From<String> for Reason {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl Reason {
    /// The longest, in bytes.
    pub const MAX: usize = 1024;

    /// Keeps the first [`Self::MAX`] bytes, cut at a character.
    pub fn new(text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        let mut end = text.len().min(Self::MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Self(String::from(&text[..end]))
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
