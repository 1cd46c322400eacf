//! What no correct peer sends, told apart: for the operator of the one node, and for that of the other.

use core::fmt;

macro_rules! misbehaviours {
    ($($(#[$doc:meta])+ $code:literal $name:ident $text:literal)+) => {
        /// What a member did that no correct one does. It was told, and its link was closed.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[non_exhaustive]
        pub enum Misbehaviour {
            $($(#[$doc])+ $name,)+
        }

        impl Misbehaviour {
            /// Its number on the wire, which never changes.
            pub(crate) fn code(self) -> u16 {
                match self {
                    $(Self::$name => $code,)+
                }
            }

            /// `None` for one that only later versions know.
            pub(crate) fn of(code: u16) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)+
                    _ => None,
                }
            }
        }

        impl fmt::Display for Misbehaviour {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$name => $text,)+
                })
            }
        }
    };
}

misbehaviours! {
    /// Bytes that are no message of their kind.
    1 NoMessage "it sent what is no message"
    /// A greeting without a record of its sender, or with one that says otherwise than the handshake did.
    2 NotItself "it introduced itself as somebody else"
    /// Records of the receiver's own log, which nobody else writes.
    3 ForeignLog "it wrote to the log of another"
    /// Positions of a log and sequence numbers that contradict each other.
    4 Disordered "it sent records of a log in no order that a log has"
    /// A record of a registration that nobody can have made yet.
    5 NotYetMade "it wrote of a registration that is yet to be made"
    /// An epoch years ahead of the receiver's clock.
    6 EpochFromFuture "it sent an epoch from the future"
    /// A claim in the name of another node.
    7 NotItsClaim "it claimed in the name of another"
    /// A letter to pass on, or one that was passed on, in a name in which it cannot have been written.
    8 NotItsLetter "it passed on a letter that nobody wrote"
    /// An answer to a claim that the receiver never made.
    9 NotAsked "it answered what nobody asked"
    /// More records in its log than one may hold (`Config::max_log`).
    10 LogTooLong "it wrote more than a log may hold"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_number_of_its_own() {
        let known: alloc::vec::Vec<Misbehaviour> = (0..100).filter_map(Misbehaviour::of).collect();
        assert_eq!(known.len(), 10);
        assert!(known.iter().all(|what| Misbehaviour::of(what.code()) == Some(*what)));
        assert_eq!(Misbehaviour::of(0), None);
    }
}
