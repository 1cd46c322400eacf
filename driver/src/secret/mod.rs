//! What the nodes of a cluster share and nobody else may know: kept, read, rotated, and turned into keys.
//!
//! A [`Secret`] is text that a person can put into a file. A [`KeyRing`] holds one, or a few while one takes
//! another's place: the first is used to speak, each is understood. What protects links and beacons is never the
//! secret itself but a [`Key`] derived from it, another one for each purpose.
//!
//! To change the secret of a running cluster, in three steps, each on all nodes before the next: add the new one
//! below the old one; move it above; take the old one away. A ring that was read from a file reads it again when it
//! has changed.

mod error;
mod key_ring;
mod read;
mod text;

pub use error::SecretError;
pub use key_ring::{KeyRing, MAX_SECRETS};
pub use read::{Stamp, private_file};
pub use text::{Key, Secret, WeakSecret};
