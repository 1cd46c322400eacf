//! What travels between nodes: frames, the hello, and the messages of the cores.

mod frame;
mod hello;
mod list;
pub(crate) mod message;

pub use frame::{Deframer, FIRST_BULK_KIND, FIRST_CALL_KIND, Frame, HEADER, Lane, MAX_FRAME};
pub use hello::{Hello, MAX_HELLO, WIRE_MAX, WIRE_MIN};
pub(crate) use list::List;
