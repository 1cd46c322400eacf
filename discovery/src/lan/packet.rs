//! A beacon on the wire: sealed, of bounded length, and read back without trust.
//!
//! Four bytes `skb1`, twelve of nonce, and sealed with ChaCha20-Poly1305 (RFC 8439) under a key that HKDF derives
//! from the cluster's secret for this purpose alone: life and Unix microseconds, eight bytes each, big-endian; the
//! length of the cluster's name in one byte, the name; the address to the end. Whoever has no secret learns the
//! length of a beacon and when it was sent, and can make none.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use skep::secret::Key;
use skep_core::id::{Address, ClusterName, Life};

const MAGIC: &[u8; 4] = b"skb1"; // the number rises when a reader of today could misread the rest
const TAG: usize = 16;
const HEAD: usize = MAGIC.len() + NONCE_LEN;
const FIXED: usize = 8 + 8 + 1;

/// What keys for beacons are derived for.
pub(super) const PURPOSE: &str = "skep lan beacon 1";

/// The longest beacon, in bytes.
pub(super) const MAX_BEACON: usize = HEAD + FIXED + ClusterName::MAX + Address::MAX + TAG;

/// What a node says of itself to its network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Beacon {
    pub(super) cluster: ClusterName,
    pub(super) life: Life,
    /// Where it listens.
    pub(super) address: Address,
    /// When it was sent, in Unix microseconds; no two beacons of a life have the same.
    pub(super) sent: u64,
}

/// Why bytes are no beacon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BadBeacon {
    /// They do not look like one.
    Garbage,
    /// None of our secrets made it, or it was changed on the way.
    Forged,
}

impl Beacon {
    pub(super) fn seal(&self, key: &Key, nonce: [u8; NONCE_LEN]) -> Vec<u8> {
        let mut body = Vec::with_capacity(MAX_BEACON);
        body.extend_from_slice(&self.life.0.to_be_bytes());
        body.extend_from_slice(&self.sent.to_be_bytes());
        let cluster = self.cluster.as_str().as_bytes();
        body.push(u8::try_from(cluster.len()).expect("a cluster's name is at most 255 bytes"));
        body.extend_from_slice(cluster);
        body.extend_from_slice(self.address.as_str().as_bytes());
        sealing(key)
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(MAGIC), &mut body)
            .expect("a beacon is far below the longest message of this cipher");
        [MAGIC, &nonce[..], &body].concat()
    }

    /// Tries the keys in turn.
    pub(super) fn open(bytes: &[u8], keys: &[Key]) -> Result<Self, BadBeacon> {
        if bytes.len() > MAX_BEACON || bytes.len() < HEAD + FIXED + TAG {
            return Err(BadBeacon::Garbage);
        }
        let (magic, rest) = bytes.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(BadBeacon::Garbage);
        }
        let (nonce, sealed) = rest.split_at(NONCE_LEN);
        let nonce: [u8; NONCE_LEN] = nonce.try_into().map_err(|_| BadBeacon::Garbage)?;
        for key in keys {
            let mut body = sealed.to_vec(); // at most MAX_BEACON bytes
            let nonce = Nonce::assume_unique_for_key(nonce);
            if let Ok(body) = sealing(key).open_in_place(nonce, Aad::from(MAGIC), &mut body) {
                return Self::parse(body).ok_or(BadBeacon::Garbage);
            }
        }
        Err(BadBeacon::Forged)
    }

    fn parse(body: &[u8]) -> Option<Self> {
        let (life, body) = body.split_first_chunk::<8>()?;
        let (sent, body) = body.split_first_chunk::<8>()?;
        let (&length, body) = body.split_first()?;
        let (cluster, address) = body.split_at_checked(length.into())?;
        Some(Self {
            cluster: ClusterName::new(str::from_utf8(cluster).ok()?).ok()?,
            life: Life(u64::from_be_bytes(*life)),
            address: Address::new(str::from_utf8(address).ok()?).ok()?,
            sent: u64::from_be_bytes(*sent),
        })
    }
}

fn sealing(key: &Key) -> LessSafeKey {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key.as_bytes()).expect("a key has the cipher's length");
    LessSafeKey::new(key)
}

#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing {
    use skep::secret::Secret;

    use super::*;

    fn key() -> Key {
        Secret::new("0123456789abcdef0123456789abcdef").expect("long enough").key(PURPOSE)
    }

    /// Whether it is a beacon.
    pub(in super::super) fn opened(bytes: &[u8]) -> bool {
        let opened = Beacon::open(bytes, &[key()]);
        if let Ok(beacon) = &opened {
            assert_eq!(Beacon::open(&beacon.seal(&key(), [0; NONCE_LEN]), &[key()]).as_ref(), Ok(beacon));
        }
        opened.is_ok()
    }

    /// With this inside.
    pub(in super::super) fn sealed(body: &[u8]) -> Vec<u8> {
        let mut body = body.to_vec();
        let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
        let sealed = sealing(&key()).seal_in_place_append_tag(nonce, Aad::from(MAGIC), &mut body);
        sealed.expect("short enough for the cipher");
        [MAGIC, &[0; NONCE_LEN][..], &body].concat()
    }
}

#[cfg(test)]
mod tests {
    use skep::secret::Secret;

    use super::*;

    fn key(text: &str) -> Key {
        Secret::new(format!("{text}-0123456789abcdef0123456789abcdef")).expect("good").key(PURPOSE)
    }

    fn beacon() -> Beacon {
        Beacon {
            cluster: ClusterName::new("orders").expect("a good name"),
            life: Life(1_795_400_000_000_001),
            address: Address::new("10.0.0.1:7000").expect("a good address"),
            sent: 1_795_400_000_123_456,
        }
    }

    #[test]
    fn what_one_seals_another_of_the_same_secret_opens() {
        let sealed = beacon().seal(&key("one"), [7; 12]);
        assert!(sealed.len() <= MAX_BEACON, "{} bytes", sealed.len());
        assert_eq!(Beacon::open(&sealed, &[key("one")]), Ok(beacon()));
        assert_eq!(Beacon::open(&sealed, &[key("two"), key("one")]), Ok(beacon()), "while secrets change");
        assert_eq!(Beacon::open(&sealed, &[key("two")]), Err(BadBeacon::Forged));
        let text = |bytes: &[u8], words: &[u8]| bytes.windows(words.len()).any(|window| window == words);
        assert!(!text(&sealed, b"orders") && !text(&sealed, b"10.0.0.1"), "a stranger reads nothing");
    }

    #[test]
    fn the_longest_fits() {
        let long = Beacon {
            cluster: ClusterName::new("c".repeat(ClusterName::MAX)).expect("fits"),
            address: Address::new("a".repeat(Address::MAX)).expect("fits"),
            ..beacon()
        };
        let sealed = long.seal(&key("one"), [0; 12]);
        assert_eq!((sealed.len(), Beacon::open(&sealed, &[key("one")])), (MAX_BEACON, Ok(long)));
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_refused() {
        let sealed = beacon().seal(&key("one"), [7; 12]);
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Beacon::open(&flipped, &[key("one")]).is_err(), "bit {bit}");
        }
        for end in 0..sealed.len() {
            assert!(Beacon::open(&sealed[..end], &[key("one")]).is_err(), "cut at {end}");
        }
        assert!(Beacon::open(&[&sealed[..], &[0; 2000]].concat(), &[key("one")]).is_err());
    }

    #[test]
    fn a_sealed_body_that_is_no_beacon_is_refused() {
        for body in
            [&b""[..], &[0; 16], &[255; 17], &[255; 300], b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01\x01x"]
        {
            assert_eq!(Beacon::parse(body), None, "{body:?}");
        }
    }
}
