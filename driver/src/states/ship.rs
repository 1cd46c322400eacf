//! The sending of one state.

use skep_core::id::{Epoch, Name};

use super::chunk::{self, CHUNK, Header};
use crate::link::{Ended, Link};
use crate::worker::State;

/// Puts a state on the bulk lane of a link, piece by piece, each as soon as there is room.
///
/// # Errors
/// [`Ended`] when the link ended before all was on it. What was put there may be lost with it all the same.
pub(crate) async fn ship(link: &Link, name: &Name, under: Epoch, state: &State) -> Result<(), Ended> {
    let bytes = state.as_bytes();
    let total = bytes.len() as u64;
    let mut offset = 0;
    loop {
        let end = bytes.len().min(offset + CHUNK);
        let header =
            Header { under, version: state.version(), total, offset: offset as u64, name: name.as_str() };
        link.push_when_room(chunk::frame(&header, &bytes[offset..end])).await?;
        offset = end;
        if offset == bytes.len() {
            return Ok(());
        }
    }
}
