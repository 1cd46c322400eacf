//! Why a node did not start: by whose mistake.

use std::fmt;

use skep_core::error::{BadText, ConfigError, RegisterError};
use skep_core::id::{Address, Kind, Name, Source};

use crate::status::Ending;
use crate::transport::BindError;

/// Why a node did not start.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The node's name, its cluster's, a kind's, a role's, a singleton's or a topology's is none.
    BadText {
        /// Which of them.
        what: &'static str,
        /// What it was.
        text: String,
        /// What is wrong with it.
        fault: BadText,
    },
    /// Two kinds of one name.
    DuplicateKind(Kind),
    /// Two topologies of one name.
    DuplicateTopology(Source),
    /// An authority that is no topology.
    UnknownTopology(Source),
    /// Two messages of different names have the same identity on the wire: rename one.
    MessageClash {
        /// One name.
        one: &'static str,
        /// The other.
        other: &'static str,
    },
    /// A setting that no node can run with.
    Config(ConfigError),
    /// The transport could not take its address.
    Bind(BindError),
    /// A live node has this name already.
    NameInUse {
        /// Where it answers.
        address: Address,
    },
    /// It ended while it started.
    Ended(Ending),
    /// A singleton of [`NodeBuilder::singleton`](crate::NodeBuilder::singleton) could not be registered.
    Singleton {
        /// Which.
        name: Name,
        /// Why.
        error: RegisterError,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadText { what, text, fault } => write!(f, "the {what} {text:?} {fault}"),
            Self::DuplicateKind(kind) => write!(f, "there are two kinds of the name {kind}"),
            Self::DuplicateTopology(name) => write!(f, "there are two topologies of the name {name}"),
            Self::UnknownTopology(name) => {
                write!(f, "there is no topology of the name {name} to be an authority")
            }
            Self::MessageClash { one, other } => {
                write!(f, "the messages {one} and {other} clash on the wire: rename one")
            }
            Self::Config(error) => write!(f, "{error}"),
            Self::Bind(error) => write!(f, "{error}"),
            Self::NameInUse { address } => write!(f, "the name is in use by a live node at {address}"),
            Self::Ended(ending) => write!(f, "{ending}"),
            Self::Singleton { name, error } => write!(f, "{name} was not registered: {error}"),
        }
    }
}

impl std::error::Error for StartError {}
