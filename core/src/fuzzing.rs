//! A door for the fuzz targets: messages, which are nobody's business outside of the core.

use crate::wire::message::Message;
use crate::wire::{Frame, WIRE_MAX, WIRE_MIN};

/// Decodes a frame as a peer's message. What is one survives another round through the encoding.
///
/// # Panics
/// It does not.
pub fn message(frame: &Frame) {
    for version in WIRE_MIN..=WIRE_MAX {
        let Ok(Some(message)) = Message::decode(frame, version) else { continue };
        let again = message.encode(version);
        assert_eq!(
            Message::decode(&again, version),
            Ok(Some(message.clone())),
            "a message is what its encoding says"
        );
        if version == WIRE_MAX {
            continue;
        }
        // Who speaks the newest version understands it as well, and may pass it on to who does not.
        assert_eq!(
            Message::decode(frame, WIRE_MAX),
            Ok(Some(message.clone())),
            "old words mean what they meant"
        );
        assert!(Message::decode(&message.encode(WIRE_MAX), version).is_ok(), "new words are skipped");
    }
}
