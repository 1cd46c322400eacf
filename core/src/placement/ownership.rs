//! Why a name is where it is: the wanted host, in words that a reader can check.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Exclusion;
use crate::error::OwnerError;
use crate::event::{Ownership, Status, WorkerSpec};
use crate::id::{Kind, Life, Name};
use crate::machine::Machine;
use crate::tracker::{Entry, State};

impl Machine {
    /// Who should run a name and why; of a free name, who would be its arbiter.
    pub(crate) fn ownership(&self, name: &Name) -> Result<Ownership, OwnerError> {
        let slot = self.ring.slot_of(name);
        let Some(arbiter) = self.ring.owner(slot) else {
            return Err(OwnerError::NoNodeAvailable { why: "no member is up".to_string() });
        };
        let mut words = Vec::from([format!("slot {} belongs to {}", slot.0, self.called(arbiter))]);
        let mut passed_over = None;
        let wanted = match self.registry.winner(name).map(|entry| (entry, &entry.state)) {
            None | Some((_, State::Removed { .. })) => {
                words.push("nobody has registered it".to_string());
                let heirs = self.strategy.ranking(&self.ring, slot, arbiter, &self.members_in_ring());
                words.push(format!("next in line: {}", self.list(&heirs)));
                Some(arbiter)
            }
            Some((_, State::Live { holder, spec: WorkerSpec::Attached, .. })) => {
                let holder = holder.unwrap_or(arbiter);
                words.push(format!("attached on {}, where it stays", self.called(holder)));
                Some(holder)
            }
            Some((entry, State::Live { spec, .. })) => {
                words.push(self.who_may(name, spec));
                words.extend(self.who_may_not(spec));
                if let Some((left, others)) = self.who_had_enough(entry, spec) {
                    let node = self.table.node_of(left);
                    words.push(format!("{node} restarted it too often, {}", others.words()));
                    passed_over = (others == Others::May).then_some(node);
                }
                let wanted = self.choose_host(name, spec, &BTreeSet::new());
                words.push(self.whereabouts(entry, wanted));
                wanted
            }
        };
        words.extend(self.quorum().err().map(|lack| format!("{lack}, so nothing runs")));
        let why = words.join("; ");
        match wanted {
            Some(life) => Ok(Ownership { node: self.table.node_of(life), life, slot, passed_over, why }),
            None => Err(OwnerError::NoNodeAvailable { why }),
        }
    }

    fn members_in_ring(&self) -> Vec<(Life, u16)> {
        self.ring.members().collect()
    }

    fn who_may(&self, name: &Name, spec: &WorkerSpec) -> String {
        let slot = self.slot_for(name, spec);
        let owner = self.ring.owner(slot);
        let candidates = self.candidates(spec);
        let ranking = owner
            .map(|owner| self.strategy.ranking(&self.ring, slot, owner, &candidates))
            .unwrap_or_default();
        let place = spec.place();
        let with = place.companions().map(|together| format!("placed with {}, ", together.key));
        let with = with.unwrap_or_default();
        if ranking.is_empty() {
            format!("{with}may run nowhere")
        } else {
            format!("{with}may run on, best first: {}", self.list(&ranking))
        }
    }

    fn who_may_not(&self, spec: &WorkerSpec) -> Option<String> {
        let kind = spec.kind();
        let excluded: Vec<String> = (self.table.iter())
            .filter_map(|record| Some(format!("{} {}", record.node, fault(&record.exclusion(spec)?, &kind)?)))
            .collect();
        (!excluded.is_empty()).then(|| format!("not on: {}", excluded.join(", ")))
    }

    /// The candidate that restarted it too often, if one did, and whether others can have it.
    fn who_had_enough(&self, entry: &Entry, spec: &WorkerSpec) -> Option<(Life, Others)> {
        let left = entry.left()?;
        let candidates = self.candidates(spec);
        let others = if candidates.len() > 1 { Others::May } else { Others::None };
        candidates.iter().any(|&(life, _)| life == left).then_some((left, others))
    }

    fn whereabouts(&self, entry: &Entry, wanted: Option<Life>) -> String {
        let Some(holder) = entry.holder() else {
            return "waits for a host".to_string();
        };
        let node = self.table.node_of(holder);
        match self.table.status(holder) {
            Some(Status::Down) if self.standing.lingers(holder) => {
                format!("was on {node}, which fell silent and may still be stopping it")
            }
            Some(Status::Down) => format!("was on {node}, which is down"),
            Some(_) | None if self.quorum().is_err() => format!("was on {node}"),
            Some(_) | None if Some(holder) == wanted => format!("runs on {node}, as wanted"),
            Some(_) | None => format!("runs on {node}, and is to move unless it asked to stay"),
        }
    }

    fn list(&self, lives: &[Life]) -> String {
        lives.iter().map(|&life| self.called(life)).collect::<Vec<_>>().join(" ")
    }

    fn called(&self, life: Life) -> String {
        let node = self.table.node_of(life);
        match self.table.status(life) {
            Some(Status::Suspect) => format!("{node} (suspected)"),
            Some(Status::Joining | Status::Up | Status::Leaving | Status::Down) | None => node.to_string(),
        }
    }
}

/// Whether anybody may run a worker but the member that restarted it too often.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Others {
    May,
    None,
}

impl Others {
    fn words(self) -> &'static str {
        match self {
            Self::May => "and is passed over",
            Self::None => "but nobody else may run it",
        }
    }
}

/// Of members that are gone there is nothing to say.
fn fault(exclusion: &Exclusion, kind: &Kind) -> Option<String> {
    match exclusion {
        Exclusion::Down => None,
        Exclusion::Joining => Some("is joining".to_string()),
        Exclusion::Leaving => Some("is leaving".to_string()),
        Exclusion::NoKind => Some(format!("has no code for kind {kind}")),
        Exclusion::NoRole(role) => Some(format!("lacks role {role}")),
    }
}
