//! Bounds of the machine's own that others may reach, told apart for the operator's counts.

/// What was reached, each time that it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Bound {
    /// `Config::max_names`: this arbiter refused a registration.
    Names,
}
