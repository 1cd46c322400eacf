//! Bounds of the machine's own that others may reach, told apart for the operator's counts.

/// What was reached, each time that it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Bound {
    /// `Config::max_names`: this arbiter refused a registration.
    Names,
    /// `Config::max_claims`: a request of a user of this node, or one that another node's user makes of this arbiter, was
    /// refused.
    Claims,
    /// `Config::max_groups`: a name was not let into one more group.
    Groups,
    /// `Config::max_claims`: the answer to a claim of another node was forgotten before its caller gave up. Asked again, it
    /// is decided again.
    Answers,
    /// `Config::max_addresses`: addresses were passed over, once for each time that some were.
    Addresses,
    /// Four times `Config::max_moves`: a copy that another node offered was refused. It offers it again later.
    Copies,
    /// What so many beaten copies of one name knew was heard by its winner, and one more was refused.
    Beaten,
}
