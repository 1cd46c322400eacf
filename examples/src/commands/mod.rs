//! What can be asked of a node at its prompt: one line, one command.

mod help;
mod parse;
mod words;

use std::fmt;
use std::time::Duration;

use skep_core::error::BadText;
use skep_core::id::{Group, Kind, Name, Role};

pub use help::HELP;

/// How long a command may take unless its line says otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_millis(5000);

/// A command that can be carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// Its first word, as the answer repeats it.
    pub word: &'static str,
    /// By when the answer has to be there.
    pub timeout: Duration,
    /// What to do.
    pub command: Command,
}

/// What to do.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each is the command of its name; see `help`")]
pub enum Command {
    Register { name: Name, worker: Wanted },
    RegisterMany { names: Vec<Name>, worker: Wanted },
    Unregister { name: Name },
    Whereis { name: Name },
    WhereisConsistent { name: Name },
    WhereisOrRegister { name: Name, worker: Wanted },
    Registered,
    Workers,
    Call { name: Name, text: String },
    Send { name: Name, text: String },
    Join { group: Group, name: Name },
    Leave { group: Group, name: Name },
    Members { group: Group },
    Publish { group: Group, text: String },
    MultiCall { group: Group, text: String },
    Attach { name: Name },
    Nodes,
    Owner { name: Name },
    Drain,
    Stats,
    Help,
    Quit,
}

/// Which worker a name is registered for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// What code.
    pub kind: Kind,
    /// For its start; may be empty.
    pub args: String,
    /// Only on nodes that have all of these.
    pub roles: Vec<Role>,
}

/// A line that is no command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotACommand {
    /// Its first word, cut to a bounded length.
    pub word: String,
    /// What is wrong with it.
    pub mistake: Mistake,
}

/// What is wrong with a line.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Mistake {
    /// No command has this word.
    UnknownCommand,
    /// A name that no worker or no group can have.
    BadName(BadText),
    /// A kind that no node can know.
    BadKind(BadText),
    /// A role that no node can offer.
    BadRole(BadText),
    /// Something is missing, or something is too much: how the command is used.
    Usage(&'static str),
    /// What follows `--timeout` is no number of milliseconds.
    BadTimeout,
    /// More than [`MAX_COUNT`] names at once, or none.
    BadCount,
    /// More bytes than [`MAX_LINE`].
    TooLong,
}

/// The longest line, in bytes: what the input may make us buffer.
pub const MAX_LINE: usize = 1 << 20;
/// The most names of one `register-many`.
pub const MAX_COUNT: usize = 1_000_000;

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCommand => f.write_str("no such command; try help"),
            Self::BadName(bad) => write!(f, "the name {bad}"),
            Self::BadKind(bad) => write!(f, "the kind {bad}"),
            Self::BadRole(bad) => write!(f, "the role {bad}"),
            Self::Usage(usage) => write!(f, "usage: {usage}"),
            Self::BadTimeout => f.write_str("--timeout takes milliseconds"),
            Self::BadCount => write!(f, "the count is not between 1 and {MAX_COUNT}"),
            Self::TooLong => write!(f, "the line is longer than {MAX_LINE} bytes"),
        }
    }
}
