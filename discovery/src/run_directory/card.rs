//! The one small file that a node leaves for its peers: what it says, and how it is read back. Pure.

use std::fmt;

use skep_core::error::BadText;
use skep_core::id::{Address, Life};

/// What a node says of itself to whoever may read the directory. A hint: identity comes from the handshake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Card {
    /// Which start of a node this is; also the file's name.
    pub(crate) life: Life,
    /// Where it listens.
    pub(crate) address: Address,
}

/// The longest file that is read, in bytes: the longest address and the words around it.
pub(crate) const MAX_CARD: usize = 512;

/// A file that is no card.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum BadCard {
    /// More than [`MAX_CARD`] bytes.
    TooLong,
    /// Not UTF-8.
    NotText,
    /// Another format, or a later version of it.
    OtherFormat,
    /// A line that should be here is not: its first word.
    Missing(&'static str),
    /// A life that is no number.
    Life,
    /// An address that cannot be one.
    Address(BadText),
}

const FIRST_LINE: &str = "skep node 1"; // the version rises when a reader of today could misread the rest

impl Card {
    pub(crate) fn format(&self) -> String {
        format!("{FIRST_LINE}\nlife {}\naddress {}\n", self.life, self.address)
    }

    /// Lines after the third are skipped: a later version may add some.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, BadCard> {
        if bytes.len() > MAX_CARD {
            return Err(BadCard::TooLong);
        }
        let text = str::from_utf8(bytes).map_err(|_| BadCard::NotText)?;
        let mut lines = text.split_terminator('\n');
        if lines.next() != Some(FIRST_LINE) {
            return Err(BadCard::OtherFormat);
        }
        let life = field(lines.next(), "life ")?.parse().map_err(|_| BadCard::Life)?;
        let address = Address::new(field(lines.next(), "address ")?).map_err(BadCard::Address)?;
        Ok(Self { life: Life(life), address })
    }
}

fn field<'a>(line: Option<&'a str>, word: &'static str) -> Result<&'a str, BadCard> {
    line.and_then(|line| line.strip_prefix(word)).ok_or(BadCard::Missing(word))
}

impl fmt::Display for BadCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "it is longer than {MAX_CARD} bytes"),
            Self::NotText => f.write_str("it is not text"),
            Self::OtherFormat => write!(f, "it does not begin with '{FIRST_LINE}'"),
            Self::Missing(word) => write!(f, "the line '{word}…' is missing"),
            Self::Life => f.write_str("its life is no number"),
            Self::Address(bad) => write!(f, "its address {bad}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card() -> Card {
        Card {
            life: Life(1_795_400_000_000_001),
            address: Address::new("127.0.0.1:41234").expect("a good address"),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        assert_eq!(Card::parse(card().format().as_bytes()), Ok(card()));
        assert_eq!(card().format(), "skep node 1\nlife 1795400000000001\naddress 127.0.0.1:41234\n");
    }

    #[test]
    fn the_longest_address_fits() {
        let long =
            Card { life: Life(u64::MAX), address: Address::new("x".repeat(Address::MAX)).expect("fits") };
        assert_eq!(Card::parse(long.format().as_bytes()), Ok(long));
    }

    #[test]
    fn every_truncation_is_refused_or_says_the_same() {
        let whole = card().format();
        for end in 0..whole.len() {
            let parsed = Card::parse(&whole.as_bytes()[..end]);
            // A cut inside the address still reads as one; only the atomic rename excludes it.
            if let Ok(cut) = parsed {
                assert!(card().address.as_str().starts_with(cut.address.as_str()), "cut at {end}: {cut:?}");
            }
        }
    }

    #[test]
    fn each_mistake_is_named() {
        for (bytes, expected) in [
            (&b""[..], BadCard::OtherFormat),
            (b"skep node 2\nlife 1\naddress a\n", BadCard::OtherFormat),
            (b"skep node 1\n", BadCard::Missing("life ")),
            (b"skep node 1\nlife x\naddress a\n", BadCard::Life),
            (b"skep node 1\nlife 18446744073709551616\naddress a\n", BadCard::Life),
            (b"skep node 1\nlife 1\n", BadCard::Missing("address ")),
            (b"skep node 1\nlife 1\naddress \n", BadCard::Address(BadText::Empty)),
            (b"skep node 1\nlife 1\naddress a\x07\n", BadCard::Address(BadText::ControlCharacter)),
            (b"\xff\xfe", BadCard::NotText),
            (&[b'x'; MAX_CARD + 1], BadCard::TooLong),
        ] {
            assert_eq!(Card::parse(bytes), Err(expected), "of {:?}", String::from_utf8_lossy(bytes));
        }
    }
}
