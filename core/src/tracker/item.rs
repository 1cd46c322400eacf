//! What stands in a log at one position, and what it is about: a later item of the same key replaces it.

use serde::{Deserialize, Serialize};

use super::enrolment::Enrolment;
use super::entry::Entry;
use crate::id::{Dot, Epoch, Group};

/// One record of a log.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) enum Item {
    /// A registration's latest state.
    Entry(Entry),
    /// A registration's place in a group, or that it has none.
    Enrolment(Enrolment),
}

/// What an item is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Key {
    /// A registration.
    Registration(Dot),
    /// A registration in a group.
    Enrolment(Dot, Group),
}

impl Key {
    /// The registration that it is about.
    pub(crate) fn dot(&self) -> Dot {
        match self {
            Self::Registration(dot) | Self::Enrolment(dot, _) => *dot,
        }
    }
}

impl Item {
    /// The registration that it is about.
    pub(crate) fn dot(&self) -> Dot {
        match self {
            Self::Entry(entry) => entry.dot,
            Self::Enrolment(enrolment) => enrolment.dot,
        }
    }

    /// The same, for another log. `None` past the last copy that can be counted, which no honest life ever makes.
    pub(crate) fn handed_on(&self) -> Option<Self> {
        match self {
            Self::Entry(entry) => entry.handed_on().map(Self::Entry),
            Self::Enrolment(enrolment) => enrolment.handed_on().map(Self::Enrolment),
        }
    }

    /// The same, as of a later epoch: what goes on after the last copy that can be counted.
    pub(crate) fn restated(&self, epoch: Epoch) -> Self {
        match self.clone() {
            Self::Entry(entry) => Self::Entry(Entry { epoch, handed_on: 0, ..entry }),
            Self::Enrolment(enrolment) => {
                Self::Enrolment(Enrolment { stamp: epoch, handed_on: 0, ..enrolment })
            }
        }
    }

    /// About how many bytes it is on the wire.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Entry(entry) => entry.size(),
            Self::Enrolment(enrolment) => enrolment.size(),
        }
    }
}

impl From<Entry> for Item {
    fn from(entry: Entry) -> Self {
        Self::Entry(entry)
    }
}

impl From<Enrolment> for Item {
    fn from(enrolment: Enrolment) -> Self {
        Self::Enrolment(enrolment)
    }
}
