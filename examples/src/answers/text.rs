//! Answers in words, for people at the prompt.

use std::fmt::{Display, Formatter, Result};

use super::{Answer, Done, Figures, NotDone, Outcome, Replied};

impl Display for Answer {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.outcome {
            Outcome::Ok(done) => done.fmt(f),
            Outcome::Error(error) => write!(f, "{}: {error}", self.command),
        }
    }
}

impl Display for Done {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Nothing {} => f.write_str("ok"),
            Self::Registered { node, epoch, kind, started, attached, .. } => {
                let how = match (started, attached) {
                    (Some(true), _) => "was started",
                    (_, Some(true)) => "is attached",
                    _ => "runs",
                };
                write!(f, "{kind} {how} on {node} (epoch {epoch})")
            }
            Self::Many { registered, already, failed, ms } => {
                write!(f, "{registered} registered, {already} already, {failed} failed, in {ms:.1} ms")
            }
            Self::Names { names } => lines(f, names, "no names", |f, it| {
                let node = it.node.as_deref().unwrap_or("nowhere");
                let attached = if it.attached { ", attached" } else { "" };
                write!(f, "{} on {node} ({}{attached}, epoch {})", it.name, it.kind, it.epoch)
            }),
            Self::Workers { workers } => lines(f, workers, "no workers here", |f, it| {
                write!(f, "{} ({}, epoch {})", it.name, it.kind, it.epoch)
            }),
            Self::Reply { reply } => f.write_str(reply),
            Self::Members { members } => lines(f, members, "nobody is there", |f, it| {
                write!(f, "{} on {}", it.name, it.node.as_deref().unwrap_or("nowhere"))
            }),
            Self::Published { members } => write!(f, "sent to {members}"),
            Self::Replies { replies } => lines(f, replies, "nobody is there", |f, it| {
                let node = it.member.node.as_deref().unwrap_or("nowhere");
                write!(f, "{} on {node}: ", it.member.name)?;
                match &it.outcome {
                    Replied::Ok(reply) => f.write_str(reply),
                    Replied::Error(error) => write!(f, "no answer: {error}"),
                }
            }),
            Self::Nodes { me, nodes } => lines(f, nodes, "no nodes", |f, it| {
                let mark = if it.name == *me { " (this node)" } else { "" };
                write!(f, "{} {} at {}, incarnation {}{mark}", it.name, it.status, it.addr, it.incarnation)?;
                it.wire.map_or(Ok(()), |version| write!(f, ", wire version {version}"))
            }),
            Self::Owner { node, slot, why, .. } => write!(f, "{node} (slot {slot}): {why}"),
            Self::Moved { moved } => write!(f, "{moved} moved; this node owns nothing now"),
            Self::Stats(figures) => figures.fmt(f),
            Self::Help { help } => f.write_str(help),
        }
    }
}

fn lines<T>(
    f: &mut Formatter<'_>,
    items: &[T],
    none: &str,
    one: impl Fn(&mut Formatter<'_>, &T) -> Result,
) -> Result {
    if items.is_empty() {
        return f.write_str(none);
    }
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            f.write_str("\n")?;
        }
        one(f, item)?;
    }
    Ok(())
}

impl Display for Figures {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(
            f,
            "{} names, {} places in groups, {} members, {} links; sent {} messages ({} bytes), received {} ({} bytes); \
             {} unknown and {} malformed frames",
            self.names,
            self.enrolments,
            self.members,
            self.links,
            self.messages_sent,
            self.bytes_sent,
            self.messages_received,
            self.bytes_received,
            self.unknown_frames,
            self.malformed_frames
        )
    }
}

impl Display for NotDone {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::AlreadyRegistered { node, .. } => write!(f, "already registered on {node}"),
            Self::UnknownKind => f.write_str("no member knows this kind"),
            Self::NoNodeAvailable { why } => {
                f.write_str("no member that could run it is up")?;
                why.as_ref().map_or(Ok(()), |why| write!(f, ": {why}"))
            }
            Self::NoQuorum { present, needed } => {
                write!(f, "no quorum: {present} of {needed} members are here")
            }
            Self::StartFailed { reason } => write!(f, "the worker did not start: {reason}"),
            Self::BadName { reason } => write!(f, "the name {reason}"),
            Self::NotFound => f.write_str("not registered"),
            Self::WorkerFailed { handled, reason } => {
                write!(f, "the worker failed: {reason} (handled: {handled})")
            }
            Self::MailboxFull => f.write_str("the worker's mailbox is full"),
            Self::Timeout => f.write_str("no answer by the deadline"),
            Self::NotDrained { left } => write!(f, "{left} workers are still here"),
            Self::Busy => f.write_str("too many calls wait already"),
            Self::Leaving => f.write_str("this node is leaving"),
            Self::TooManyNames { max } => {
                write!(
                    f,
                    "{max} names are registered, more are not allowed: unregister some, or raise max_names"
                )
            }
            Self::TooManyGroups { max } => write!(f, "it is in {max} groups already"),
            Self::UnknownCommand => f.write_str("no such command; try help"),
            Self::BadRole { reason }
            | Self::BadCommand { reason }
            | Self::TooLarge { reason }
            | Self::NotReachable { reason } => f.write_str(reason),
        }
    }
}
