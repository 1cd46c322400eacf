//! A piece of a state as bytes: a small header, then the piece itself.

use serde::{Deserialize, Serialize};
use skep_core::id::Epoch;
use skep_core::wire::{FIRST_BULK_KIND, Frame};

/// A piece of a worker's state.
pub(crate) const STATE: u16 = FIRST_BULK_KIND;

/// How many bytes of state a frame carries: so few that a probe behind it does not wait for long.
pub(super) const CHUNK: usize = 64 << 10;

/// What stands before a piece.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Header<'a> {
    /// The start that waits for it.
    pub(super) under: Epoch,
    /// Of the kind that wrote it.
    pub(super) version: u16,
    /// How long the whole state is.
    pub(super) total: u64,
    /// Where in it this piece belongs.
    pub(super) offset: u64,
    /// Whose it is.
    pub(super) name: &'a str,
}

pub(super) fn frame(header: &Header<'_>, piece: &[u8]) -> Frame {
    let mut body = postcard::to_extend(header, Vec::with_capacity(64 + piece.len())).expect("plain data");
    body.extend_from_slice(piece);
    Frame { kind: STATE, body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_pinned() {
        let header = Header { under: Epoch(1), version: 2, total: 3, offset: 4, name: "n" };
        let frame = frame(&header, &[9, 8]);
        assert_eq!(
            (frame.kind, frame.body.as_slice()),
            (0xc000, b"\x01\x02\x03\x04\x01n\x09\x08".as_slice())
        );
        let (read, rest): (Header<'_>, _) = postcard::take_from_bytes(&frame.body).expect("a header");
        assert_eq!((read, rest), (header, [9, 8].as_slice()));
    }
}
