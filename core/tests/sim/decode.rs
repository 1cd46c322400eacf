//! Frames in words, for the trace.

use skep_core::wire::{Frame, describe};

/// The message, cut where it fills a screen.
pub fn words(frame: &Frame) -> String {
    const SCREEN: usize = 700;
    let mut text = describe(frame);
    if text.len() > SCREEN {
        let end = (0..=SCREEN).rev().find(|&end| text.is_char_boundary(end)).expect("zero is a boundary");
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Its kind, its length, and a mark that tells two bodies apart.
pub fn mark(frame: &Frame) -> String {
    let mark =
        frame.body.iter().fold(0u32, |mark, &byte| mark.wrapping_mul(31).wrapping_add(u32::from(byte)));
    format!("{:#06x}, {} bytes, {mark:08x}", frame.kind, frame.body.len())
}
