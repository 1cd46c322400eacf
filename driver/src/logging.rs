//! What the operator reads: events and orders as `tracing` lines, in words that a user of Swarm recognises.

use skep_core::error::RetireReason;
use skep_core::event::{
    EndReason, Event, Evidence, Exit, Input, Output, Reply, Request, StartReason, StopReason, Stopped,
    TopologyChange,
};
use skep_core::id::NodeName;
use skep_core::supervisor::PastIntensity;
use tracing::{debug, error, info, trace, warn};

/// One line for each event, on the target `skep`.
pub(crate) fn event(me: &NodeName, event: &Event) {
    match event {
        Event::Formed { up } => info!(target: "skep", node = %me, up, "{me} is up, with {up} members up"),
        Event::MemberUp { node, life } => info!(target: "skep", %node, %life, "nodeup {node}"),
        Event::MemberSuspect { node, life } => {
            warn!(target: "skep", %node, %life, "{node} is silent, suspected")
        }
        Event::MemberLeaving { node, life } => info!(target: "skep", %node, %life, "{node} is leaving"),
        Event::MemberDown { node, life, evidence } => {
            info!(target: "skep", %node, %life, evidence = proof(*evidence), "nodedown {node}");
        }
        Event::TopologyChanged { change, node } => {
            let word = match change {
                TopologyChange::NodeUp => "nodeup",
                TopologyChange::NodeDown => "nodedown",
                TopologyChange::NodeLeaving => "nodeleaving",
            };
            info!(target: "skep", %node, "topology change ({word} for {node})");
        }
        Event::TopologySettled => info!(target: "skep", "topology change complete"),
        Event::QuorumLost { lack } => {
            warn!(target: "skep", node = %me, present = lack.present, needed = lack.needed, "{lack}: nothing runs on {me}");
        }
        Event::QuorumReached { present } => {
            info!(target: "skep", node = %me, present, "quorum reached with {present} members");
        }
        Event::Registering { name } => info!(target: "skep", %name, "registering {name}"),
        Event::AlreadyRegistered { name, node } => {
            info!(target: "skep", %name, %node, "found {name} already registered on {node}");
        }
        Event::Starting { name, epoch, why } => {
            let word = match why {
                StartReason::Registered | StartReason::HandedOver => "starting",
                StartReason::Takeover | StartReason::Restart => "restarting",
            };
            info!(target: "skep", %name, node = %me, %epoch, why = cause(*why), "{word} {name} on {me}");
        }
        Event::Started { name, epoch, why } => {
            info!(target: "skep", %name, node = %me, %epoch, why = cause(*why), "started {name} on {me}");
        }
        Event::StartFailed { name, epoch, reason } => {
            warn!(target: "skep", %name, node = %me, %epoch, %reason, "{name} did not start on {me}");
        }
        Event::Stopped { name, epoch, why } => match why {
            EndReason::Ordered(why, Stopped::Stuck) => {
                warn!(target: "skep", %name, node = %me, %epoch, why = reason(*why), "{name} is stuck on {me}: it blocks its thread");
            }
            EndReason::Ordered(why, how) => {
                info!(target: "skep", %name, node = %me, %epoch, why = reason(*why), how = manner(*how), "stopped {name} on {me}");
            }
            EndReason::Exited(Exit::Finished) => {
                info!(target: "skep", %name, node = %me, %epoch, "{name} finished on {me}");
            }
            EndReason::Exited(Exit::Failed(reason)) => {
                warn!(target: "skep", %name, node = %me, %epoch, %reason, "{name} failed on {me}");
            }
        },
        Event::Moved { name, from, to, epoch } => {
            info!(target: "skep", %name, %from, %to, %epoch, "{name} moved from {from} to {to}");
        }
        Event::GaveUp { name, epoch, restarts, past } => {
            let then = match past {
                PastIntensity::GiveUp => "its name is freed",
                PastIntensity::Move => "it goes on elsewhere",
            };
            error!(target: "skep", %name, %epoch, restarts, "{name} failed too often on {me}: {then}");
        }
        Event::MoveFailed { name, to, reason } => {
            warn!(target: "skep", %name, %to, %reason, "{name} stays on {me}: it could not be started on {to}");
        }
        Event::Moving { moved, of } => info!(target: "skep", node = %me, moved, of, "moved {moved} of {of}"),
        Event::Conflict { name, winner, loser } => {
            warn!(target: "skep", %name, %winner, %loser, "{name} ran on {winner} and {loser}; {winner} keeps it");
        }
        Event::JoinedGroup { group, name } => debug!(target: "skep", %name, %group, "{name} is in {group}"),
        Event::LeftGroup { group, name } => debug!(target: "skep", %name, %group, "{name} left {group}"),
        Event::LinkRefused { address, refusal } => {
            warn!(target: "skep", %address, %refusal, "no link with {address}");
        }
        Event::PeerMisbehaved { node, life, what } => {
            warn!(target: "skep", %node, %life, %what, "no link with {node}: {what}");
        }
        Event::Reproached { by, what: Some(what) } => {
            warn!(target: "skep", %by, %what, "{by} ends its link with {me}: {what}");
        }
        Event::Reproached { by, what: None } => {
            warn!(target: "skep", %by, "{by} ends its link with {me} for a reason that this version does not know");
        }
        Event::Discovered { address, source } => {
            debug!(target: "skep", %address, %source, "[discovery:{source}] found {address}");
        }
        Event::Withdrawn { address, source } => {
            debug!(target: "skep", %address, %source, "[discovery:{source}] withdrew {address}");
        }
        Event::LetGo { address, life } => {
            info!(target: "skep", %address, %life, "no more dials of {address}: its node is down and named no more");
        }
        Event::LettingGoHeld { wanted, members } => {
            warn!(target: "skep", node = %me, wanted, members, "{wanted} of {members} members are down and named no more: too many at once, all are dialled on");
        }
        Event::DialFailed { address, failure, failures, again_in } => {
            debug!(target: "skep", %address, %failure, failures, ?again_in, "dial of {address} failed");
        }
        Event::SourceHealthy { source } => {
            info!(target: "skep", %source, "[discovery:{source}] answers again");
        }
        Event::SourceDegraded { source, failure } => {
            warn!(target: "skep", %source, fault = failure.fault.as_str(), reason = %failure.reason, "[discovery:{source}] degraded: {failure}");
        }
        Event::Ready { up } => {
            info!(target: "skep", node = %me, up, "the cluster is ready, with {up} members up")
        }
        Event::Thawed { gap } => {
            warn!(target: "skep", node = %me, ?gap, "this process did not run for a while")
        }
        other => debug!(target: "skep", node = %me, event = ?other, "news of a newer core"),
    }
}

/// An answer that nobody waits for: only a no is worth a line.
pub(crate) fn unheard(request: &Request, reply: &Reply) {
    let (Request::JoinGroup { group, name } | Request::LeaveGroup { group, name }) = request else { return };
    if let Reply::Grouped(Err(error)) = reply {
        warn!(target: "skep", %name, %group, %error, "what {name} asked for of the group {group} was not done");
    }
}

/// The end of a node or of one of its lives.
pub(crate) fn retired(me: &NodeName, reason: &RetireReason) {
    match reason {
        RetireReason::NameInUse { node, address } => {
            error!(target: "skep", %node, %address, "the name {node} is in use by a live node at {address}");
        }
        RetireReason::TagClash => {
            debug!(target: "skep", node = %me, "this life's tag is a member's: taking a new life")
        }
        RetireReason::Forgotten { again } => {
            let names = again.len();
            warn!(target: "skep", node = %me, names, "{me} was cut off for so long that the others forgot it: it begins anew");
        }
        RetireReason::Left => info!(target: "skep", node = %me, "{me} has left"),
        other => error!(target: "skep", node = %me, reason = ?other, "retired for a reason of a newer core"),
    }
}

/// Everything that goes in, without what users or peers wrote.
pub(crate) fn input(input: &Input) {
    match input {
        Input::Message { link, frame } => {
            trace!(target: "skep::input", link = link.0, kind = frame.kind, bytes = frame.body.len(), "message");
        }
        other => trace!(target: "skep::input", input = ?other),
    }
}

/// Everything that comes out, without what users or peers wrote.
pub(crate) fn output(output: &Output) {
    match output {
        Output::Send { link, frame } => {
            trace!(target: "skep::output", link = link.0, kind = frame.kind, bytes = frame.body.len(), "send");
        }
        Output::Close { link, reason } => debug!(target: "skep", link = link.0, %reason, "closing a link"),
        Output::Event(_) => {}
        other => trace!(target: "skep::output", output = ?other),
    }
}

fn cause(why: StartReason) -> &'static str {
    match why {
        StartReason::Registered => "registered",
        StartReason::Takeover => "takeover",
        StartReason::Restart => "restart",
        StartReason::HandedOver => "handed over",
    }
}

fn reason(why: StopReason) -> &'static str {
    match why {
        StopReason::Unregistered => "unregistered",
        StopReason::Cancelled => "cancelled",
        StopReason::Superseded => "superseded",
        StopReason::Conflict => "conflict",
        StopReason::Draining => "draining",
        StopReason::QuorumLost => "quorum lost",
        StopReason::Companion => "with a companion",
        StopReason::HandedOver => "handed over",
    }
}

fn manner(how: Stopped) -> &'static str {
    match how {
        Stopped::Kindly => "kindly",
        Stopped::ByForce => "by force",
        Stopped::Stuck => "stuck",
    }
}

fn proof(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Silent => "silent",
        Evidence::Refused => "refused",
        Evidence::Replaced => "replaced",
        Evidence::Left => "left",
    }
}
