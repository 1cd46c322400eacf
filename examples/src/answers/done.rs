//! What a command has to show when it worked: the contract's fields.

use std::collections::BTreeMap;

use serde::Serialize;
use skep::{CallError, Limit, Member, Registered, Running};
use skep_core::event::{Counters, MemberView, Ownership, Registration, Status};
use skep_core::wire::WIRE_MAX;

use super::NotDone;

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
    Members {
        members: Vec<GroupMember>,
    },
    Published {
        members: usize,
    },
    Replies {
        replies: Vec<MemberReply>,
    },
    Nodes {
        me: String,
        nodes: Vec<KnownNode>,
    },
    Owner {
        node: String,
        slot: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        passed_over: Option<String>,
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

/// A name in a group, and who runs it. Nobody does between two holders.
#[derive(Serialize, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[expect(missing_docs, reason = "the contract names them")]
pub struct GroupMember {
    pub name: String,
    pub node: Option<String>,
}

/// What a member of a group answered, or why it did not.
#[derive(Serialize, Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "the contract names them")]
pub struct MemberReply {
    #[serde(flatten)]
    pub member: GroupMember,
    #[serde(flatten)]
    pub outcome: Replied,
}

/// How a call to a member of a group went.
#[derive(Serialize, Clone, PartialEq, Debug)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "it answered, or it did not")]
pub enum Replied {
    Ok(String),
    Error(NotDone),
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
    /// Of a member that does not speak the newest wire version that this node knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wire: Option<u16>,
}

/// Counters of this node since its start.
#[derive(Serialize, Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "see `skep_core::event::Counters`")]
pub struct Figures {
    pub names: u64,
    pub enrolments: u64,
    pub members: u64,
    pub links: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    pub messages_sent: u64,
    pub messages_received: u64,
    pub unknown_frames: u64,
    pub malformed_frames: u64,
    pub addresses: u64,
    pub discovered: u64,
    pub withdrawn: u64,
    pub dials: u64,
    pub dials_failed: u64,
    pub sources: u64,
    pub sources_degraded: u64,
    /// How often each limit was reached.
    pub limits: BTreeMap<&'static str, u64>,
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

impl From<Member> for GroupMember {
    fn from(member: Member) -> Self {
        Self { name: member.name.to_string(), node: member.node.map(|node| node.to_string()) }
    }
}

impl From<(Member, Result<String, CallError>)> for MemberReply {
    fn from((member, result): (Member, Result<String, CallError>)) -> Self {
        let outcome = match result {
            Ok(reply) => Replied::Ok(reply),
            Err(error) => Replied::Error(error.into()),
        };
        Self { member: member.into(), outcome }
    }
}

impl From<Running> for RunningWorker {
    fn from(worker: Running) -> Self {
        Self { name: worker.name.to_string(), kind: worker.kind.to_string(), epoch: worker.epoch.0 }
    }
}

impl From<Ownership> for Done {
    fn from(owner: Ownership) -> Self {
        let passed_over = owner.passed_over.map(|node| node.to_string());
        Self::Owner { node: owner.node.to_string(), slot: owner.slot.0, passed_over, why: owner.why }
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
            wire: Some(member.wire_version).filter(|version| *version < WIRE_MAX),
        }
    }
}

impl Figures {
    /// These, and how often each limit was reached.
    pub fn new(counters: Counters, limits: impl Iterator<Item = (Limit, u64)>) -> Self {
        Self {
            limits: limits.map(|(limit, times)| (limit.name(), times)).collect(),
            names: counters.names,
            enrolments: counters.enrolments,
            members: counters.members,
            links: counters.links,
            bytes_sent: counters.bytes_sent,
            bytes_received: counters.bytes_received,
            messages_sent: counters.messages_sent,
            messages_received: counters.messages_received,
            unknown_frames: counters.unknown_frames,
            malformed_frames: counters.malformed_frames,
            addresses: counters.addresses,
            discovered: counters.discovered,
            withdrawn: counters.withdrawn,
            dials: counters.dials,
            dials_failed: counters.dials_failed,
            sources: counters.sources,
            sources_degraded: counters.sources_degraded,
        }
    }
}
