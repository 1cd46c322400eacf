//! Frames in words, for the trace.

use skep_core::wire::Frame;

/// Its kind, its length, and a mark that tells two bodies apart.
pub fn words(frame: &Frame) -> String {
    let mark =
        frame.body.iter().fold(0u32, |mark, &byte| mark.wrapping_mul(31).wrapping_add(u32::from(byte)));
    format!("{:#06x}, {} bytes, {mark:08x}", frame.kind, frame.body.len())
}
