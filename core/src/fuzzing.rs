//! A door for the fuzz targets: messages, which are nobody's business outside of the core.

use crate::wire::Frame;
use crate::wire::message::Message;

/// Decodes a frame as a peer's message. What is one survives another round through the encoding.
///
/// # Panics
/// It does not.
pub fn message(frame: &Frame) {
    let Ok(Some(message)) = Message::decode(frame) else { return };
    let again = message.encode();
    assert_eq!(again.kind, frame.kind, "a message has one kind");
    assert_eq!(Message::decode(&again), Ok(Some(message)), "a message is what its encoding says");
}
