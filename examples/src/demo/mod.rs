//! The demo: two real node processes, one worker, a kill, a takeover, told in plain lines.

mod scene;
mod teller;

use std::io;
use std::path::Path;

pub use scene::Figures;
use teller::Teller;

use crate::process::Trouble;

/// The hidden first argument that makes the demo's program a node.
pub const NODE: &str = "node";

/// Plays the scene with `program` as the nodes' program, and tells it on standard output.
///
/// # Errors
/// [`Trouble`] with what went wrong; all processes that were started have ended then.
pub fn play(program: &Path) -> Result<Figures, Trouble> {
    scene::play(program, &Teller::new(io::stdout()))
}
