//! Why a command was not carried out: the contract's kinds of errors, from those of the crates below.

use serde::Serialize;
use skep_core::error::{
    DrainError, GroupError, LookupError, NoQuorum, OwnerError, RegisterError, UnregisterError,
};

use crate::commands::Mistake;

/// Why a command was not carried out.
#[derive(Serialize, Clone, PartialEq, Eq, Debug)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the contract names them")]
pub enum NotDone {
    AlreadyRegistered {
        node: String,
        incarnation: u64,
        epoch: u64,
    },
    UnknownKind,
    NoNodeAvailable {
        /// What `owner` has to say about it.
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    NoQuorum {
        present: usize,
        needed: usize,
    },
    BadRole {
        reason: String,
    },
    StartFailed {
        reason: String,
    },
    BadName {
        reason: String,
    },
    NotFound,
    WorkerFailed {
        handled: &'static str,
        reason: String,
    },
    MailboxFull,
    Timeout,
    /// Workers that a drain left here.
    #[serde(rename = "timeout")]
    NotDrained {
        left: usize,
    },
    /// Too many calls wait in this node already.
    Busy,
    /// This node is draining or has ended.
    Leaving,
    /// The argument or the text is longer than skep carries.
    TooLarge {
        reason: String,
    },
    /// The name is between two holders, or the link to its holder is lost.
    NotReachable {
        reason: String,
    },
    /// There are as many names as there may be.
    TooManyNames {
        max: usize,
    },
    /// The name is in as many groups as one may be in.
    TooManyGroups {
        max: usize,
    },
    UnknownCommand,
    BadCommand {
        reason: String,
    },
}

impl From<Mistake> for NotDone {
    fn from(mistake: Mistake) -> Self {
        match mistake {
            Mistake::UnknownCommand => Self::UnknownCommand,
            Mistake::BadName(bad) => Self::BadName { reason: bad.to_string() },
            Mistake::BadKind(_) => Self::UnknownKind,
            Mistake::BadRole(bad) => Self::BadRole { reason: format!("the role {bad}") },
            other @ (Mistake::Usage(_) | Mistake::BadTimeout | Mistake::BadCount | Mistake::TooLong) => {
                Self::BadCommand { reason: other.to_string() }
            }
        }
    }
}

// Another crate's errors are not exhaustive: what a later version adds is told in its own words.

impl From<RegisterError> for NotDone {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::AlreadyRegistered { holder } => Self::AlreadyRegistered {
                node: holder.node.to_string(),
                incarnation: holder.life.0,
                epoch: holder.epoch.0,
            },
            RegisterError::BadName(bad) => Self::BadName { reason: bad.to_string() },
            RegisterError::BadArgs(bad) => Self::TooLarge { reason: format!("the argument {bad}") },
            RegisterError::UnknownKind => Self::UnknownKind,
            RegisterError::NoNodeAvailable => Self::NoNodeAvailable { why: None },
            RegisterError::NoQuorum(lack) => lack.into(),
            RegisterError::BadRole(bad) => Self::BadRole { reason: format!("the role {bad}") },
            RegisterError::BadPlace(bad) => Self::BadRole { reason: bad.to_string() },
            RegisterError::StartFailed { reason } => Self::StartFailed { reason: reason.to_string() },
            RegisterError::TooManyNames { max } => Self::TooManyNames { max },
            RegisterError::Busy => Self::Busy,
            RegisterError::Timeout => Self::Timeout,
            RegisterError::Leaving => Self::Leaving,
            other => Self::BadCommand { reason: other.to_string() },
        }
    }
}

impl From<NoQuorum> for NotDone {
    fn from(NoQuorum { present, needed }: NoQuorum) -> Self {
        Self::NoQuorum { present, needed }
    }
}

impl From<UnregisterError> for NotDone {
    fn from(error: UnregisterError) -> Self {
        match error {
            UnregisterError::NotFound => Self::NotFound,
            UnregisterError::NoQuorum(lack) => lack.into(),
            UnregisterError::Busy => Self::Busy,
            UnregisterError::Timeout => Self::Timeout,
            UnregisterError::Leaving => Self::Leaving,
            other => Self::BadCommand { reason: other.to_string() },
        }
    }
}

impl From<LookupError> for NotDone {
    fn from(error: LookupError) -> Self {
        match error {
            LookupError::NotFound => Self::NotFound,
            LookupError::Busy => Self::Busy,
            LookupError::Timeout => Self::Timeout,
            LookupError::Leaving => Self::Leaving,
            other => Self::BadCommand { reason: other.to_string() },
        }
    }
}

impl From<GroupError> for NotDone {
    fn from(error: GroupError) -> Self {
        match error {
            GroupError::NotFound => Self::NotFound,
            GroupError::BadGroup(bad) => Self::BadName { reason: bad.to_string() },
            GroupError::TooMany { max } => Self::TooManyGroups { max },
            GroupError::Busy => Self::Busy,
            GroupError::Timeout => Self::Timeout,
            GroupError::Leaving => Self::Leaving,
            other => Self::BadCommand { reason: other.to_string() },
        }
    }
}

impl From<OwnerError> for NotDone {
    fn from(error: OwnerError) -> Self {
        match error {
            OwnerError::NoNodeAvailable { why } => Self::NoNodeAvailable { why: Some(why) },
            OwnerError::Leaving => Self::Leaving,
            other => Self::BadCommand { reason: other.to_string() },
        }
    }
}

impl From<DrainError> for NotDone {
    fn from(error: DrainError) -> Self {
        match error {
            DrainError::Timeout { left } => Self::NotDrained { left },
            other => Self::BadCommand { reason: other.to_string() },
        }
    }
}
