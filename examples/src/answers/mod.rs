//! What a node answers to a command: typed, then one line of JSON or words.

mod text;

use serde::Serialize;
use skep::{Registered, Running};
use skep_core::error::{DrainError, LookupError, OwnerError, RegisterError, UnregisterError};
use skep_core::event::{Counters, MemberView, Ownership, Registration, Status};

use crate::commands::{Mistake, NotACommand};
use crate::options::Format;

/// The answer to one line.
#[derive(Serialize, Clone, PartialEq, Debug)]
pub struct Answer {
    /// The line's first word.
    pub command: String,
    /// How it went.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// How a command went.
#[derive(Serialize, Clone, PartialEq, Debug)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "it worked, or it did not")]
pub enum Outcome {
    Ok(Done),
    Error(NotDone),
}

/// What a command has to show. The fields are those of the contract.
#[derive(Serialize, Clone, PartialEq, Debug)]
#[serde(untagged)]
#[expect(missing_docs, reason = "the contract names them")]
pub enum Done {
    Nothing {},
    Registered {
        node: String,
        incarnation: u64,
        epoch: u64,
        kind: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        started: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        attached: Option<bool>,
    },
    Many {
        registered: usize,
        already: usize,
        failed: usize,
        ms: f64,
    },
    Names {
        names: Vec<RegisteredName>,
    },
    Workers {
        workers: Vec<RunningWorker>,
    },
    Reply {
        reply: String,
    },
    Nodes {
        me: String,
        nodes: Vec<KnownNode>,
    },
    Owner {
        node: String,
        slot: u32,
        why: String,
    },
    Moved {
        moved: usize,
    },
    Stats(Figures),
    Help {
        help: &'static str,
    },
}

/// A name, and who runs it. Nobody does between two holders.
#[derive(Serialize, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[expect(missing_docs, reason = "the contract names them")]
pub struct RegisteredName {
    pub name: String,
    pub node: Option<String>,
    pub epoch: u64,
    pub kind: String,
    pub attached: bool,
}

/// A worker in this process.
#[derive(Serialize, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[expect(missing_docs, reason = "the contract names them")]
pub struct RunningWorker {
    pub name: String,
    pub kind: String,
    pub epoch: u64,
}

/// A member, as this node sees it.
#[derive(Serialize, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[expect(missing_docs, reason = "the contract names them")]
pub struct KnownNode {
    pub name: String,
    pub incarnation: u64,
    pub status: &'static str,
    pub addr: String,
}

/// Counters of this node since its start.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "see `skep_core::event::Counters`")]
pub struct Figures {
    pub names: u64,
    pub members: u64,
    pub links: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    pub messages_sent: u64,
    pub messages_received: u64,
    pub unknown_frames: u64,
    pub malformed_frames: u64,
}

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
    NoNodeAvailable,
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
    /// What it asks for is not built yet.
    NotSupported,
    UnknownCommand,
    BadCommand {
        reason: String,
    },
}

impl Answer {
    /// In one line, without its end.
    pub fn line(&self, format: Format) -> String {
        match format {
            Format::Json => serde_json::to_string(self).expect("an answer has only strings for keys"),
            Format::Text => self.to_string(),
        }
    }
}

impl<E: Into<NotDone>> From<Result<Done, E>> for Outcome {
    fn from(result: Result<Done, E>) -> Self {
        match result {
            Ok(done) => Self::Ok(done),
            Err(error) => Self::Error(error.into()),
        }
    }
}

impl From<NotACommand> for Answer {
    fn from(line: NotACommand) -> Self {
        Self { command: line.word, outcome: Outcome::Error(line.mistake.into()) }
    }
}

impl From<Registration> for Done {
    fn from(found: Registration) -> Self {
        Self::Registered {
            node: found.node.to_string(),
            incarnation: found.life.0,
            epoch: found.epoch.0,
            kind: found.kind.to_string(),
            started: None,
            attached: found.attached.then_some(true),
        }
    }
}

impl Done {
    /// The same, saying whether this request started it.
    pub fn with_started(self, now: bool) -> Self {
        match self {
            Self::Registered { node, incarnation, epoch, kind, attached, .. } => {
                Self::Registered { node, incarnation, epoch, kind, started: Some(now), attached }
            }
            other => other,
        }
    }
}

impl From<Registered> for RegisteredName {
    fn from(found: Registered) -> Self {
        Self {
            name: found.name.to_string(),
            node: found.node.map(|node| node.to_string()),
            epoch: found.epoch.0,
            kind: found.kind.to_string(),
            attached: found.attached,
        }
    }
}

impl From<Running> for RunningWorker {
    fn from(worker: Running) -> Self {
        Self { name: worker.name.to_string(), kind: worker.kind.to_string(), epoch: worker.epoch.0 }
    }
}

impl From<Ownership> for Done {
    fn from(owner: Ownership) -> Self {
        Self::Owner { node: owner.node.to_string(), slot: owner.slot.0, why: owner.why }
    }
}

impl From<MemberView> for KnownNode {
    fn from(member: MemberView) -> Self {
        Self {
            name: member.node.to_string(),
            incarnation: member.life.0,
            status: match member.status {
                Status::Joining => "joining",
                Status::Up => "up",
                Status::Suspect => "suspect",
                Status::Leaving => "leaving",
                Status::Down => "down",
            },
            addr: member.address.to_string(),
        }
    }
}

impl From<Counters> for Figures {
    fn from(counters: Counters) -> Self {
        Self {
            names: counters.names,
            members: counters.members,
            links: counters.links,
            bytes_sent: counters.bytes_sent,
            bytes_received: counters.bytes_received,
            messages_sent: counters.messages_sent,
            messages_received: counters.messages_received,
            unknown_frames: counters.unknown_frames,
            malformed_frames: counters.malformed_frames,
        }
    }
}

impl From<Mistake> for NotDone {
    fn from(mistake: Mistake) -> Self {
        match mistake {
            Mistake::UnknownCommand => Self::UnknownCommand,
            Mistake::BadName(bad) => Self::BadName { reason: bad.to_string() },
            Mistake::BadKind(_) => Self::UnknownKind,
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
            RegisterError::NoNodeAvailable => Self::NoNodeAvailable,
            RegisterError::StartFailed { reason } => Self::StartFailed { reason: reason.to_string() },
            RegisterError::Busy => Self::Busy,
            RegisterError::Timeout => Self::Timeout,
            RegisterError::Leaving => Self::Leaving,
            other => Self::BadCommand { reason: other.to_string() },
        }
    }
}

impl From<UnregisterError> for NotDone {
    fn from(error: UnregisterError) -> Self {
        match error {
            UnregisterError::NotFound => Self::NotFound,
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

impl From<OwnerError> for NotDone {
    fn from(error: OwnerError) -> Self {
        match error {
            OwnerError::NoNodeAvailable => Self::NoNodeAvailable,
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

#[cfg(test)]
mod tests {
    use skep_core::error::BadText;
    use skep_core::id::{Epoch, Kind, Life, NodeName};

    use super::*;

    fn json(command: &str, outcome: Outcome) -> String {
        Answer { command: command.into(), outcome }.line(Format::Json)
    }

    fn registration() -> Registration {
        Registration {
            node: NodeName::new("a").expect("a good name"),
            life: Life(17),
            epoch: Epoch(1_795_400_000_001),
            kind: Kind::new("singleton").expect("a good kind"),
            attached: false,
        }
    }

    #[test]
    fn answers_are_those_of_the_contract() {
        for (command, outcome, expected) in [
            (
                "register",
                Outcome::Ok(registration().into()),
                r#"{"command":"register","ok":{"node":"a","incarnation":17,"epoch":1795400000001,"kind":"singleton"}}"#,
            ),
            (
                "attach",
                Outcome::Ok(Registration { attached: true, ..registration() }.into()),
                r#"{"command":"attach","ok":{"node":"a","incarnation":17,"epoch":1795400000001,"kind":"singleton","attached":true}}"#,
            ),
            ("unregister", Outcome::Ok(Done::Nothing {}), r#"{"command":"unregister","ok":{}}"#),
            (
                "call",
                Outcome::Ok(Done::Reply { reply: "echo \"ü\"".into() }),
                r#"{"command":"call","ok":{"reply":"echo \"ü\""}}"#,
            ),
            (
                "register",
                Outcome::Error(RegisterError::AlreadyRegistered { holder: registration() }.into()),
                r#"{"command":"register","error":{"kind":"already_registered","node":"a","incarnation":17,"epoch":1795400000001}}"#,
            ),
            (
                "register",
                Outcome::Error(Mistake::BadName(BadText::Empty).into()),
                r#"{"command":"register","error":{"kind":"bad_name","reason":"is empty"}}"#,
            ),
            (
                "whereis",
                Outcome::Error(NotDone::NotFound),
                r#"{"command":"whereis","error":{"kind":"not_found"}}"#,
            ),
            (
                "join",
                Outcome::Error(NotDone::NotSupported),
                r#"{"command":"join","error":{"kind":"not_supported"}}"#,
            ),
            (
                "drain",
                Outcome::Error(DrainError::Timeout { left: 3 }.into()),
                r#"{"command":"drain","error":{"kind":"timeout","left":3}}"#,
            ),
            (
                "call",
                Outcome::Error(NotDone::WorkerFailed { handled: "maybe", reason: "it panicked".into() }),
                r#"{"command":"call","error":{"kind":"worker_failed","handled":"maybe","reason":"it panicked"}}"#,
            ),
            (
                "registered",
                Outcome::Ok(Done::Names { names: vec![] }),
                r#"{"command":"registered","ok":{"names":[]}}"#,
            ),
        ] {
            assert_eq!(json(command, outcome), expected);
        }
    }

    #[test]
    fn what_is_no_command_is_answered_with_its_word() {
        let answer =
            Answer::from(NotACommand { word: "frobnicate".into(), mistake: Mistake::UnknownCommand });
        assert_eq!(
            answer.line(Format::Json),
            r#"{"command":"frobnicate","error":{"kind":"unknown_command"}}"#
        );
    }

    #[test]
    fn an_answer_never_breaks_its_line() {
        let answer = Outcome::Ok(Done::Reply { reply: "two\nlines\r\n".into() });
        assert_eq!(json("call", answer).lines().count(), 1);
    }

    #[test]
    fn epochs_of_64_bits_are_written_whole() {
        let answer = Outcome::Ok(Registration { epoch: Epoch(u64::MAX), ..registration() }.into());
        assert!(json("whereis", answer).contains("18446744073709551615"));
    }
}
