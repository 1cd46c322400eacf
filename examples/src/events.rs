//! What a node tells without being asked.

use std::fmt;

use serde::Serialize;
use skep_core::event::{EndReason, Event, Evidence, Exit, StartReason, StopReason, Stopped};
use skep_core::supervisor::PastIntensity;

use crate::options::Format;

/// One event of the contract.
#[derive(Serialize, Clone, PartialEq, Eq, Debug)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the contract names them")]
pub enum News {
    Ready {
        name: String,
        incarnation: u64,
        listen: String,
    },
    MemberUp {
        node: String,
        incarnation: u64,
    },
    MemberSuspect {
        node: String,
        incarnation: u64,
    },
    MemberDown {
        node: String,
        incarnation: u64,
        evidence: &'static str,
    },
    Started {
        name: String,
        epoch: u64,
        why: &'static str,
    },
    Stopped {
        name: String,
        epoch: u64,
        why: &'static str,
        /// What the worker or its panic said.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Whether an ordered stop needed force; a stuck one runs on.
        #[serde(skip_serializing_if = "Option::is_none")]
        how: Option<&'static str>,
    },
    Moved {
        name: String,
        from: String,
        to: String,
        epoch: u64,
    },
    GaveUp {
        name: String,
        epoch: u64,
        restarts: usize,
        /// What becomes of the name: `freed` or `moved`.
        name_is: &'static str,
    },
    QuorumLost {
        present: usize,
        needed: usize,
    },
    QuorumReached {
        present: usize,
    },
    LinkRefused {
        addr: String,
        reason: String,
    },
    Conflict {
        name: String,
        winner: String,
        loser: String,
    },
    Missed {
        count: u64,
    },
}

impl News {
    /// In one line, without its end.
    pub fn line(&self, format: Format) -> String {
        match format {
            Format::Json => serde_json::to_string(self).expect("an event has only strings for keys"),
            Format::Text => self.to_string(),
        }
    }

    /// What of the core's news belongs to the contract; the rest is in the log.
    pub fn of(event: Event) -> Option<Self> {
        Some(match event {
            Event::MemberUp { node, life } => Self::MemberUp { node: node.to_string(), incarnation: life.0 },
            Event::MemberSuspect { node, life } => {
                Self::MemberSuspect { node: node.to_string(), incarnation: life.0 }
            }
            Event::MemberDown { node, life, evidence } => Self::MemberDown {
                node: node.to_string(),
                incarnation: life.0,
                evidence: match evidence {
                    Evidence::Silent => "silent",
                    Evidence::Refused => "refused",
                    Evidence::Replaced => "replaced",
                    Evidence::Left => "left",
                },
            },
            Event::Started { name, epoch, why } => Self::Started {
                name: name.to_string(),
                epoch: epoch.0,
                why: match why {
                    StartReason::Registered => "registered",
                    StartReason::Takeover => "takeover",
                    StartReason::Restart => "restart",
                    StartReason::HandedOver => "handed_over",
                },
            },
            Event::Stopped { name, epoch, why } => {
                let (why, reason, how) = ended(why);
                Self::Stopped { name: name.to_string(), epoch: epoch.0, why, reason, how }
            }
            Event::Moved { name, from, to, epoch } => Self::Moved {
                name: name.to_string(),
                from: from.to_string(),
                to: to.to_string(),
                epoch: epoch.0,
            },
            Event::GaveUp { name, epoch, restarts, past } => Self::GaveUp {
                name: name.to_string(),
                epoch: epoch.0,
                restarts,
                name_is: match past {
                    PastIntensity::GiveUp => "freed",
                    PastIntensity::Move => "moved",
                },
            },
            Event::QuorumLost { lack } => Self::QuorumLost { present: lack.present, needed: lack.needed },
            Event::QuorumReached { present } => Self::QuorumReached { present },
            Event::LinkRefused { address, refusal } => {
                Self::LinkRefused { addr: address.to_string(), reason: refusal.to_string() }
            }
            Event::Conflict { name, winner, loser } => Self::Conflict {
                name: name.to_string(),
                winner: winner.to_string(),
                loser: loser.to_string(),
            },
            _ => return None,
        })
    }
}

fn ended(why: EndReason) -> (&'static str, Option<String>, Option<&'static str>) {
    match why {
        EndReason::Exited(Exit::Finished) => ("finished", None, None),
        EndReason::Exited(Exit::Failed(reason)) => ("failed", Some(reason.to_string()), None),
        EndReason::Ordered(reason, stopped) => {
            let why = match reason {
                StopReason::Unregistered => "unregistered",
                StopReason::Cancelled => "cancelled",
                StopReason::Superseded => "superseded",
                StopReason::Conflict => "conflict",
                StopReason::Draining => "draining",
                StopReason::QuorumLost => "quorum_lost",
                StopReason::Companion => "companion",
                StopReason::HandedOver => "handed_over",
            };
            let how = match stopped {
                Stopped::Kindly => None,
                Stopped::ByForce => Some("by_force"),
                Stopped::Stuck => Some("stuck"),
            };
            (why, None, how)
        }
    }
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready { name, listen, .. } => write!(f, "{name} is ready at {listen}"),
            Self::MemberUp { node, .. } => write!(f, "{node} is up"),
            Self::MemberSuspect { node, .. } => write!(f, "{node} is silent"),
            Self::MemberDown { node, evidence, .. } => write!(f, "{node} is down ({evidence})"),
            Self::Started { name, why, .. } => write!(f, "{name} was started here ({why})"),
            Self::Stopped { name, why, reason, how, .. } => {
                write!(f, "{name} ended here ({why}")?;
                for more in [reason.as_deref(), *how].into_iter().flatten() {
                    write!(f, ", {more}")?;
                }
                f.write_str(")")
            }
            Self::Moved { name, from, to, .. } => write!(f, "{name} moved from {from} to {to}"),
            Self::Conflict { name, winner, loser } => {
                write!(f, "{name} ran twice: {winner} keeps it, {loser} stops it")
            }
            Self::QuorumLost { present, needed } => {
                write!(f, "no quorum: {present} of {needed} members are here, nothing runs")
            }
            Self::GaveUp { name, restarts, name_is, .. } => {
                write!(f, "{name} failed once more after {restarts} restarts: it is {name_is}")
            }
            Self::QuorumReached { present } => write!(f, "quorum reached with {present} members"),
            Self::LinkRefused { addr, reason } => write!(f, "no link with {addr}: {reason}"),
            Self::Missed { count } => write!(f, "{count} events were missed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use skep_core::error::{NoQuorum, Refusal};
    use skep_core::id::{Address, Epoch, Life, Name, NodeName, Reason};

    use super::*;

    #[test]
    fn events_are_those_of_the_contract() {
        let ready = News::Ready { name: "a".into(), incarnation: 17, listen: "127.0.0.1:41234".into() };
        let node = || NodeName::new("b").expect("a good name");
        let name = || Name::new("n").expect("a good name");
        let of = |event| News::of(event).expect("part of the contract");
        for (news, expected) in [
            (ready, r#"{"event":"ready","name":"a","incarnation":17,"listen":"127.0.0.1:41234"}"#),
            (
                of(Event::MemberUp { node: node(), life: Life(18) }),
                r#"{"event":"member_up","node":"b","incarnation":18}"#,
            ),
            (
                of(Event::MemberDown { node: node(), life: Life(18), evidence: Evidence::Refused }),
                r#"{"event":"member_down","node":"b","incarnation":18,"evidence":"refused"}"#,
            ),
            (
                of(Event::Started { name: name(), epoch: Epoch(5), why: StartReason::Takeover }),
                r#"{"event":"started","name":"n","epoch":5,"why":"takeover"}"#,
            ),
            (
                of(Event::Stopped {
                    name: name(),
                    epoch: Epoch(5),
                    why: EndReason::Ordered(StopReason::Draining, Stopped::ByForce),
                }),
                r#"{"event":"stopped","name":"n","epoch":5,"why":"draining","how":"by_force"}"#,
            ),
            (
                of(Event::Stopped {
                    name: name(),
                    epoch: Epoch(5),
                    why: EndReason::Exited(Exit::Failed(Reason::new("boom"))),
                }),
                r#"{"event":"stopped","name":"n","epoch":5,"why":"failed","reason":"boom"}"#,
            ),
            (
                of(Event::QuorumLost { lack: NoQuorum { present: 1, needed: 2 } }),
                r#"{"event":"quorum_lost","present":1,"needed":2}"#,
            ),
            (of(Event::QuorumReached { present: 2 }), r#"{"event":"quorum_reached","present":2}"#),
            (
                of(Event::LinkRefused {
                    address: Address::new("h:1").expect("a good address"),
                    refusal: Refusal::NotAllowed,
                }),
                r#"{"event":"link_refused","addr":"h:1","reason":"nodes of its name are not allowed"}"#,
            ),
            (News::Missed { count: 3 }, r#"{"event":"missed","count":3}"#),
        ] {
            assert_eq!(news.line(Format::Json), expected);
        }
    }
}
