//! A registration in a group: whoever is asked writes it to its own log, and the later stamp counts everywhere.

use serde::{Deserialize, Serialize};

use crate::id::{Dot, Epoch, Group};

/// A registration's place in one group as of one stamp. It counts only while the registration stands: removal beats
/// all that is said of its dot.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Enrolment {
    /// Whose. Of a dot and not of a name, so that it moves with the worker, and ends with the registration.
    pub(crate) dot: Dot,
    /// Which group.
    pub(crate) group: Group,
    /// Above all epochs that its writer had seen: who leaves after a join that he knows of, leaves.
    pub(crate) stamp: Epoch,
    /// What is so since.
    pub(crate) presence: Presence,
    /// How often it went on, as it is, in the log of another life because that of its writer ended.
    pub(crate) handed_on: u32,
}

/// Whether a registration is in a group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(crate) enum Presence {
    In,
    Out,
}

impl Enrolment {
    /// The same, for another log. `None` past the last copy that can be counted.
    pub(crate) fn handed_on(&self) -> Option<Self> {
        Some(Self { handed_on: self.handed_on.checked_add(1)?, ..self.clone() })
    }

    /// About how many bytes it is on the wire.
    pub(crate) fn size(&self) -> usize {
        36 + self.group.as_str().len()
    }
}
