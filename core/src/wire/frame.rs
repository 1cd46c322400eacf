//! Frames: length, kind, body. The kind stands outside the encoding, so that an unknown one can be skipped.

use alloc::vec::Vec;

use crate::error::WireError;

/// The longest frame body, in bytes: bounds what a peer can make us buffer.
pub const MAX_FRAME: u32 = 1 << 20;

/// Bytes before the body: a `u32` length of what follows it, then a `u16` kind, both little-endian.
pub const HEADER: usize = 6;

/// From here on frames are calls, which go past the core.
pub const FIRST_CALL_KIND: u16 = 0x8000;

/// From here on frames are bulk: state in chunks.
pub const FIRST_BULK_KIND: u16 = 0xc000;

/// One message on a link, not yet decoded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// What the body is.
    pub kind: u16,
    /// At most [`MAX_FRAME`] bytes.
    pub body: Vec<u8>,
}

/// The queues of a link. What is in one never waits for another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Lane {
    /// Between the cores.
    Control,
    /// Messages to workers and their replies.
    Calls,
    /// State on its way to another node.
    Bulk,
}

impl Frame {
    /// Which queue it travels in.
    pub fn lane(&self) -> Lane {
        match self.kind {
            0..FIRST_CALL_KIND => Lane::Control,
            FIRST_CALL_KIND..FIRST_BULK_KIND => Lane::Calls,
            FIRST_BULK_KIND.. => Lane::Bulk,
        }
    }

    /// Whether it is for the core.
    pub fn is_control(&self) -> bool {
        self.lane() == Lane::Control
    }

    /// Bytes on the wire, header included.
    pub fn wire_len(&self) -> usize {
        HEADER + self.body.len()
    }

    /// Appends the frame to `bytes`.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        let length = u32::try_from(self.body.len() + 2).expect("a frame body is at most MAX_FRAME long");
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&self.kind.to_le_bytes());
        bytes.extend_from_slice(&self.body);
    }
}

/// Cuts a stream of bytes into frames. Buffers at most one frame more than it was given.
#[derive(Clone, Debug, Default)]
pub struct Deframer {
    buffer: Vec<u8>,
    start: usize,
}

impl Deframer {
    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        } else if self.start > 64 << 10 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, if it is there.
    ///
    /// # Errors
    /// A length that no frame has. The stream cannot be cut any further: close it.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, WireError> {
        let bytes = &self.buffer[self.start..];
        let Some((length, rest)) = bytes.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*length);
        if length < 2 {
            return Err(WireError::FrameTooShort);
        }
        if length > MAX_FRAME + 2 {
            return Err(WireError::FrameTooLong { length });
        }
        let Some(framed) = rest.get(..length as usize) else {
            return Ok(None);
        };
        let frame = Frame { kind: u16::from_le_bytes([framed[0], framed[1]]), body: framed[2..].to_vec() };
        self.start += 4 + length as usize;
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn a_frame_is_length_kind_and_body() {
        let mut bytes = Vec::new();
        Frame { kind: 0x0201, body: vec![9, 8, 7] }.encode(&mut bytes);
        assert_eq!(bytes, [5, 0, 0, 0, 1, 2, 9, 8, 7]);
    }

    #[test]
    fn a_stream_cut_anywhere_gives_the_same_frames() {
        let frames: Vec<Frame> =
            (0..4u16).map(|n| Frame { kind: n * 0x4000, body: vec![n as u8; usize::from(n) * 7] }).collect();
        let mut stream = Vec::new();
        frames.iter().for_each(|frame| frame.encode(&mut stream));
        for cut in 0..=stream.len() {
            let mut deframer = Deframer::default();
            let mut got = Vec::new();
            for part in [&stream[..cut], &stream[cut..]] {
                deframer.push(part);
                while let Some(frame) = deframer.next_frame().expect("these are frames") {
                    got.push(frame);
                }
            }
            assert_eq!(got, frames, "cut at {cut}");
        }
    }

    #[test]
    fn lengths_that_no_frame_has_are_refused_before_their_body_is_awaited() {
        for (length, error) in [
            (0, WireError::FrameTooShort),
            (1, WireError::FrameTooShort),
            (MAX_FRAME + 3, WireError::FrameTooLong { length: MAX_FRAME + 3 }),
            (u32::MAX, WireError::FrameTooLong { length: u32::MAX }),
        ] {
            let mut deframer = Deframer::default();
            deframer.push(&u32::to_le_bytes(length));
            assert_eq!(deframer.next_frame(), Err(error));
        }
    }
}
