//! What keeps messages whole while a name moves: pure, shared by the driver and the simulator.
//!
//! A name moves from A to B. The promise, as long as nobody crashes meanwhile: no message is lost, none is handled
//! twice, and each sender's messages are handled in the order in which they were sent.
//!
//! - A forwards to B all that waits for the name and all that still arrives for it, in order, numbered, until B has
//!   acknowledged it ([`Forwarder`]). A new link to B is sent again what was not.
//! - B takes each number once ([`Received`]).
//! - A sender that learns of the move holds what it sends to the name until A says that all that came before is with
//!   B ([`Holds`]). So nothing that it sends to B overtakes what it sent to A, and messages need no numbers as long
//!   as nothing moves.

mod forwarder;
mod holds;
mod received;

pub use forwarder::{Forwarder, Then};
pub use holds::{Holds, NotHeld};
pub use received::Received;

/// One question of a sender: "is all that came before this with the new holder?" Unique for who asks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Token(pub u64);
