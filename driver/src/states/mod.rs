//! The state of workers on its way between nodes: shipped in chunks on the bulk lane, put together on arrival.
//!
//! worker -> `ship` -> the bulk lane of a link -> the peer's reader -> [`Arrivals`] -> the prepared copy.

mod arrivals;
mod chunk;
mod ship;
mod table;

pub(crate) use arrivals::Arrivals;
pub(crate) use chunk::STATE;
pub(crate) use ship::ship;
