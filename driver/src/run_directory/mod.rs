//! The directory in which the nodes of one user on one host meet: their cards and the secret they share are there.

mod error;
mod place;

pub use error::RunDirectoryError;
pub use place::{base, check, of_cluster, prepare};
