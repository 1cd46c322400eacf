//! One secret, the rule it has to keep, and the keys that are derived from it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use hmac_sha256::HKDF;
use zeroize::Zeroizing;

/// Text that the nodes of a cluster share: at least [`Secret::MIN`] printable ASCII characters, at least
/// [`Secret::MIN_DIFFERENT`] different ones. `openssl rand -hex 32` makes a good one.
///
/// Whoever records a handshake can try secrets on the recording for as long as he likes, so a secret has to be
/// random: a sentence that somebody thought of is none, however long it is. `Debug` does not show it, and its memory
/// is overwritten when it is dropped.
#[derive(Clone)]
pub struct Secret {
    text: Arc<Zeroizing<String>>,
}

impl Secret {
    /// The fewest characters: 128 bits, if each is a random hexadecimal digit.
    pub const MIN: usize = 32;

    /// The most characters.
    pub const MAX: usize = 256;

    /// The fewest different characters. Of 32 random hexadecimal digits one set in a million has fewer.
    pub const MIN_DIFFERENT: usize = 8;

    /// A secret of these characters.
    ///
    /// # Errors
    /// [`WeakSecret`] says which part of the rule it breaks.
    pub fn new(text: impl AsRef<str>) -> Result<Self, WeakSecret> {
        let text = text.as_ref();
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(WeakSecret::NotPrintable);
        }
        if text.len() < Self::MIN {
            return Err(WeakSecret::TooShort { length: text.len() });
        }
        if text.len() > Self::MAX {
            return Err(WeakSecret::TooLong { length: text.len() });
        }
        let different = text.bytes().collect::<BTreeSet<_>>().len();
        if different < Self::MIN_DIFFERENT {
            return Err(WeakSecret::TooPlain { different });
        }
        Ok(Self { text: Arc::new(Zeroizing::new(text.to_owned())) })
    }

    /// The key for one purpose: HKDF with SHA-256 (RFC 5869), the purpose being its `info`. Keys for different
    /// purposes tell nothing about each other or about the secret.
    pub fn key(&self, purpose: &str) -> Key {
        let mut key = Key(Zeroizing::new([0; Key::LENGTH]));
        let extracted = Zeroizing::new(HKDF::extract(b"skep", self.text.as_bytes()));
        HKDF::expand(&mut *key.0, *extracted, purpose);
        key
    }
}

#[cfg(unix)]
impl Secret {
    /// A fresh one: 256 bits from the system, as hexadecimal digits.
    pub(super) fn random() -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes).expect("the system has randomness");
        let mut text = Zeroizing::new(String::with_capacity(64)); // no copy is left behind by growing
        for byte in bytes.iter() {
            let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
            text.extend([digit(byte >> 4), digit(byte & 15)]);
        }
        Self { text: Arc::new(text) }
    }

    /// For the file that it is kept in.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A key that was derived from a [`Secret`]. `Debug` does not show it, and its memory is overwritten when it is
/// dropped.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; Key::LENGTH]>);

impl Key {
    /// Its length in bytes.
    pub const LENGTH: usize = 32;

    /// For whatever encrypts with it.
    pub fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// What is wrong with a secret.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum WeakSecret {
    /// Spaces, control characters, or letters beyond ASCII.
    NotPrintable,
    /// Fewer characters than [`Secret::MIN`].
    TooShort {
        /// How many it has.
        length: usize,
    },
    /// More characters than [`Secret::MAX`].
    TooLong {
        /// How many it has.
        length: usize,
    },
    /// Fewer different characters than [`Secret::MIN_DIFFERENT`].
    TooPlain {
        /// How many it has.
        different: usize,
    },
}

impl fmt::Display for WeakSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPrintable => {
                f.write_str("it has characters other than printable ASCII without spaces")?
            }
            Self::TooShort { length } => write!(f, "it has {length} characters")?,
            Self::TooLong { length } => write!(f, "it has {length} characters")?,
            Self::TooPlain { different } => write!(f, "it has {different} different characters")?,
        }
        write!(
            f,
            "; a secret has {} to {} characters, at least {} different ones (openssl rand -hex 32 makes one)",
            Secret::MIN,
            Secret::MAX,
            Secret::MIN_DIFFERENT
        )
    }
}

impl std::error::Error for WeakSecret {}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn weak_ones_are_refused_and_told_the_rule() {
        for (text, fault) in [
            ("", WeakSecret::TooShort { length: 0 }),
            (&GOOD[1..], WeakSecret::TooShort { length: 31 }),
            (&"0123456".repeat(5), WeakSecret::TooPlain { different: 7 }),
            (&GOOD.repeat(9), WeakSecret::TooLong { length: 288 }),
            (&GOOD.replace('0', " "), WeakSecret::NotPrintable),
            (&GOOD.replace('0', "\n"), WeakSecret::NotPrintable),
            (&GOOD.replace('0', "ü"), WeakSecret::NotPrintable),
        ] {
            let refused = Secret::new(text).expect_err("weak");
            assert_eq!(refused, fault, "{text:?}");
            assert!(refused.to_string().ends_with(
                "; a secret has 32 to 256 characters, at least 8 different ones (openssl rand -hex 32 makes one)"
            ));
        }
        assert!(Secret::new(GOOD).is_ok());
    }

    #[test]
    fn nothing_shows_a_secret() {
        let secret = Secret::new(GOOD).expect("good");
        assert_eq!(format!("{secret:?} {:?}", secret.key("links")), "Secret(…) Key(…)");
    }

    /// RFC 5869, test case 1: what the derivation is made of is the HKDF of the standard.
    #[test]
    fn the_derivation_is_hkdf_with_sha_256() {
        let salt: Vec<u8> = (0..=0x0c).collect();
        let info: Vec<u8> = (0xf0..=0xf9).collect();
        let mut out = [0; 42];
        HKDF::expand(&mut out, HKDF::extract(salt, [0x0b; 22]), info);
        assert_eq!(out[..8], [0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac, 0xd5, 0x7a]);
        assert_eq!(out[34..], [0x72, 0x08, 0xd5, 0xb8, 0x87, 0x18, 0x58, 0x65]);
    }

    #[test]
    fn each_purpose_has_a_key_of_its_own() {
        let secret = Secret::new(GOOD).expect("good");
        let key = |purpose| *secret.key(purpose).as_bytes();
        assert_eq!(key("links"), key("links"));
        assert_ne!(key("links"), key("beacons"));
        let other = Secret::new(GOOD.replace('0', "x")).expect("good");
        assert_ne!(key("links"), *other.key("links").as_bytes());
    }

    #[cfg(unix)]
    #[test]
    fn fresh_ones_keep_the_rule_and_differ() {
        let (one, two) = (Secret::random(), Secret::random());
        assert!(Secret::new(one.as_str()).is_ok());
        assert_ne!(one.as_str(), two.as_str());
    }
}
