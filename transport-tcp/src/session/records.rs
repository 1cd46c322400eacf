//! What follows a handshake that gave both sides keys: one sealed record after the other, each behind its length.
//!
//! ```text
//! u16, little-endian: the bytes that follow
//! the frames, or a part of them, encrypted with AES-256-GCM; the last 16 bytes are the tag
//! ```
//!
//! These are the transport messages of Noise. The nonce counts the records of a direction, so one that is missing,
//! repeated or out of place does not open. After [`RECORDS_PER_KEY`] records a direction takes its next key, by
//! Noise's `REKEY`, on both sides alike.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::{Opener, Sealer, SessionError};

/// The longest record without its length, in bytes: what Noise allows, and what a length of 16 bits can say.
pub const MAX_RECORD: usize = u16::MAX as usize;

/// How many records a key seals. At their longest these are 2^32 blocks of AES: with so few, an attacker's advantage
/// is below 2^-63.
pub const RECORDS_PER_KEY: u64 = 1 << 20;

pub(super) const TAG: usize = 16;

/// What is kept of a buffer that one long frame has stretched.
const KEPT: usize = 256 << 10;

/// The key of one direction, and how many records it has seen.
pub(super) struct Cipher {
    key: LessSafeKey,
    records: u64,
    records_per_key: u64,
}

impl Cipher {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self { key: aes(key), records: 0, records_per_key: RECORDS_PER_KEY }
    }

    /// The same with fewer records to a key: a test reaches the change.
    #[cfg(test)]
    pub(super) fn with_records_per_key(mut self, records: u64) -> Self {
        self.records_per_key = records;
        self
    }

    /// Seals `record[from..]` in place and appends the tag.
    fn seal(&mut self, record: &mut Vec<u8>, from: usize) -> Result<(), SessionError> {
        let nonce = self.next()?;
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::empty(), &mut record[from..])
            .map_err(|_| SessionError::Broken)?;
        record.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// Appends what is in a record.
    pub(super) fn open(&mut self, record: &[u8], out: &mut Vec<u8>) -> Result<(), SessionError> {
        let nonce = self.next()?;
        let from = out.len();
        out.extend_from_slice(record);
        let opened = self.key.open_in_place(nonce, Aad::empty(), &mut out[from..]).map(|opened| opened.len());
        out.truncate(from + opened.as_ref().unwrap_or(&0)); // nothing of what does not open is handed on
        opened.map(|_| ()).map_err(|_| SessionError::Broken)
    }

    fn next(&mut self) -> Result<Nonce, SessionError> {
        if self.records > 0 && self.records.is_multiple_of(self.records_per_key) {
            self.rekey();
        }
        let nonce = self.records;
        self.records = nonce.checked_add(1).ok_or(SessionError::Broken)?; // the last is REKEY's
        Ok(nonce_of(nonce))
    }

    /// Noise, 4.2: the next key is the encryption of 32 zeros under the largest nonce.
    fn rekey(&mut self) {
        let mut next = Zeroizing::new([0; 32]);
        let _of_no_use = self
            .key
            .seal_in_place_separate_tag(nonce_of(u64::MAX), Aad::empty(), &mut *next)
            .expect("32 bytes are few");
        self.key = aes(&next);
    }
}

fn aes(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("32 bytes are a key"))
}

/// Noise, 12.4: 32 zero bits, then the number, big-endian.
fn nonce_of(number: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// The writer's half.
pub(super) struct Sealing {
    cipher: Cipher,
    out: Vec<u8>,
}

impl Sealing {
    pub(super) fn new(cipher: Cipher) -> Self {
        Self { cipher, out: Vec::new() }
    }

    /// Appends the records that hold these bytes: as few as there can be.
    pub(super) fn append(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), SessionError> {
        for piece in bytes.chunks(MAX_RECORD - TAG) {
            let length = u16::try_from(piece.len() + TAG).expect("a piece fits into a record");
            out.extend_from_slice(&length.to_le_bytes());
            let from = out.len();
            out.extend_from_slice(piece);
            self.cipher.seal(out, from)?;
        }
        Ok(())
    }
}

impl Sealer for Sealing {
    fn seal<'a>(&'a mut self, frames: &'a [u8]) -> Result<&'a [u8], SessionError> {
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        out.shrink_to(KEPT);
        let sealed = self.append(frames, &mut out);
        self.out = out;
        sealed.map(|()| &*self.out)
    }
}

/// The reader's half.
pub(super) struct Opening {
    cipher: Cipher,
    /// The beginning of a record, with its length.
    partial: Vec<u8>,
    out: Vec<u8>,
}

impl Opening {
    pub(super) fn new(cipher: Cipher) -> Self {
        Self { cipher, partial: Vec::new(), out: Vec::new() }
    }
}

impl Opener for Opening {
    fn open<'a>(&'a mut self, mut bytes: &'a [u8]) -> Result<&'a [u8], SessionError> {
        self.out.clear();
        self.out.shrink_to(KEPT);
        while !bytes.is_empty() {
            if self.partial.is_empty()
                && let Some((record, rest)) = first_record(bytes)
            {
                self.cipher.open(record, &mut self.out)?;
                bytes = rest;
                continue;
            }
            let (more, rest) = bytes.split_at(missing(&self.partial).min(bytes.len()));
            self.partial.extend_from_slice(more);
            bytes = rest;
            if let Some((record, _)) = first_record(&self.partial) {
                self.cipher.open(record, &mut self.out)?;
                self.partial.clear();
            }
        }
        Ok(&self.out)
    }
}

/// The record at the beginning of these bytes, if it is whole, and what follows it.
fn first_record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))
}

/// How many bytes it takes to complete a record's length, then the record.
fn missing(partial: &[u8]) -> usize {
    match partial.split_first_chunk::<2>() {
        Some((length, rest)) => usize::from(u16::from_le_bytes(*length)) - rest.len(),
        None => 2 - partial.len(),
    }
}
