//! skep on smol: the one crate that a smol program depends on.

mod runtime;
mod sockets;

pub use runtime::SmolRuntime;
pub use skep::*;
pub use skep_tcp as tcp;
