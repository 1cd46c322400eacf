//! Which side of a cut this node is on, as far as it knows.

use serde::{Deserialize, Serialize};

use super::{Announced, Health, Record};
use crate::id::Life;
use crate::machine::Machine;
use crate::mutant::Mutant;

/// A part of a cluster whose other part may be out of reach.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub(crate) enum Side {
    /// Fewer than half of those who would be here if nobody had fallen silent, or exactly half without the lowest.
    Minor,
    /// The others; and a whole cluster.
    #[default]
    Major,
}

impl Machine {
    /// Looks at the table anew. A member that fell silent may be on another side until it is forgotten; one that left
    /// or is proved dead is on none.
    pub(crate) fn choose_side(&mut self) {
        let is_missing =
            |record: &Record| record.announced == Announced::Up && record.health == Health::Silent;
        let counts = |record: &&Record| record.is_in_ring() || is_missing(record);
        let (mut up, mut all) = (0, 0);
        let mut lowest: Option<(Life, bool)> = None; // and whether it is here
        for record in self.table.iter().filter(counts) {
            let is_here = record.is_in_ring();
            all += 1;
            up += usize::from(is_here);
            lowest.get_or_insert((record.life, is_here)); // they come in order
        }
        if self.broken(Mutant::AllSidesMajor) {
            return;
        }
        let has_lowest = lowest.is_none_or(|(_, is_here)| is_here);
        self.side = if up * 2 > all || (up * 2 == all && has_lowest) { Side::Major } else { Side::Minor };
    }
}
