//! Where a node looks for its peers: a fixed list, or a directory that the nodes of one host share.
//!
//! Each source implements `skep::discovery::Discovery`. What a source says are hints: identity comes from the
//! handshake, and the core dials, backs off and never closes a link because a source changed its mind.

#[cfg(unix)]
mod run_directory;
mod static_list;
#[cfg(test)]
mod test_runtime;

#[cfg(unix)]
pub use run_directory::{MAX_FILES, RunDirectory, RunDirectoryError};
pub use static_list::Static;
