//! A door for the fuzz targets: messages, which are nobody's business outside of the core.

use crate::wire::message::Message;
use crate::wire::{Frame, WIRE_MAX, WIRE_MIN};

/// Decodes a frame as a peer's message. What is one survives another round through the encoding.
///
/// # Panics
/// It does not.
pub fn message(frame: &Frame) {
    let mut versions = WIRE_MIN..=WIRE_MAX;
    let understood = versions.find_map(|version| Some((version, Message::decode(frame, version).ok()??)));
    let Some((first, message)) = understood else { return };
    assert_eq!(message.encode(first).kind, frame.kind, "a message has one kind in its version");
    for version in first..=WIRE_MAX {
        let meant = Ok(Some(message.clone()));
        assert_eq!(Message::decode(frame, version), meant, "old words mean what they meant");
        let again = message.encode(version);
        assert_eq!(Message::decode(&again, version), meant, "a message is what its encoding says");
        assert!(Message::decode(&message.encode(WIRE_MAX), version).is_ok(), "new words are skipped");
    }
}
