//! Why a name is where it is: the wanted host in words.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::error::OwnerError;
use crate::event::{Ownership, WorkerSpec};
use crate::id::Name;
use crate::machine::Machine;

impl Machine {
    /// Who should run a name and why; of a free name, who would be its arbiter.
    pub(crate) fn ownership(&self, name: &Name) -> Result<Ownership, OwnerError> {
        let slot = self.ring.slot_of(name);
        let arbiter = self.ring.owner(slot).ok_or(OwnerError::NoNodeAvailable)?;
        let standing = self.registry.winner(name).and_then(|entry| Some((entry.spec()?, entry.holder())));
        let mut why = format!("slot {} belongs to {}", slot.0, self.table.node_of(arbiter));
        let life = match standing {
            None => arbiter,
            Some((WorkerSpec::Attached, holder)) => {
                why.push_str(", the worker is attached and stays where it is");
                holder.unwrap_or(arbiter)
            }
            Some((spec, _)) => {
                why.push_str(&self.excluded(spec));
                self.choose_host(name, spec, &BTreeSet::new()).ok_or(OwnerError::NoNodeAvailable)?
            }
        };
        Ok(Ownership { node: self.table.node_of(life), life, slot, why })
    }

    fn excluded(&self, spec: &WorkerSpec) -> String {
        let kind = spec.kind();
        let (able, unable): (Vec<_>, Vec<_>) = self
            .table
            .iter()
            .filter(|record| !record.is_down())
            .partition(|record| record.is_in_ring() && record.kinds.contains(&kind));
        let names: Vec<&str> = able.iter().map(|record| record.node.as_str()).collect();
        let mut words = format!(", candidates for kind {kind}: {}", names.join(" "));
        for record in unable {
            let fault = if record.is_in_ring() { "has no code for it" } else { "is not up" };
            words.push_str(&format!(", {} {fault}", record.node));
        }
        words
    }
}
