//! What travels between nodes: frames, the hello, and the messages of the cores.

#[cfg(feature = "mutants")]
mod arbitrary;
mod frame;
mod hello;
mod list;
pub(crate) mod message;
#[cfg(test)]
mod pinned;
mod v1;
mod version;

#[cfg(feature = "mutants")]
#[doc(hidden)]
pub use arbitrary::Arbitrary;
pub use frame::{Deframer, FIRST_BULK_KIND, FIRST_CALL_KIND, Frame, HEADER, Lane, MAX_FRAME};
pub use hello::{Hello, MAX_HELLO};
pub(crate) use list::List;
pub use version::{WIRE_MAX, WIRE_MIN};

use crate::error::Refusal;

/// The last frame on a link that is closed: why. The same in all wire versions.
pub fn goodbye(refusal: Refusal) -> Frame {
    message::Message::from(message::Goodbye { refusal }).encode(WIRE_MIN)
}

/// A frame in words, for the trace of the simulator.
#[cfg(feature = "mutants")]
#[doc(hidden)]
pub fn describe(frame: &Frame) -> alloc::string::String {
    match message::Message::decode(frame, WIRE_MAX) {
        Ok(Some(message)) => alloc::format!("{message:?}"),
        Ok(None) => alloc::format!("unknown kind {:#06x}", frame.kind),
        Err(error) => alloc::format!("{error}"),
    }
}
