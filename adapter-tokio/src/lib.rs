//! skep on tokio: the one crate that a tokio program depends on.

mod runtime;
mod sockets;

pub use runtime::TokioRuntime;
pub use skep::*;
pub use skep_tcp as tcp;
