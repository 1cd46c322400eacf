//! A worker moves while it runs: its node asks it how, another prepares a copy, one log record says where it goes on.
//!
//! The holder finds by itself that the strategy wants a worker of its own elsewhere (`wanted`), after a change of the
//! ring or when it leaves. It asks the worker, which from then on handles nothing, and offers it to the other node.
//! That one starts a copy that does nothing yet. Once this is ready the holder writes the record: next epoch, new
//! holder. Before the record only the source acts, after it only the target, which acts by nothing but the record,
//! or by an arbiter's order once the source is gone. The source keeps its worker frozen until the target has the
//! record, and takes it back should the target die before.
//!
//! Everything else calls the move off: a refusal, a failure, a lost link, a stop, an exit, another wish of the
//! strategy. Then the worker goes on where it is, and the move is tried again after a pause that grows.

mod source;
mod target;

use alloc::collections::{BTreeMap, BTreeSet};

use crate::id::{Epoch, Life, Name};
use crate::time::Instant;

/// The moves away from this node.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    /// Names of ours that are wanted elsewhere and have not had their turn.
    queue: BTreeSet<Name>,
    under_way: BTreeMap<Name, Move>,
    /// Those whose record is written and that their target may not know of, by it and the record's place in our log.
    frozen: BTreeMap<(Life, u64), Name>,
    /// The next may not begin before.
    next_at: Instant,
    tally: Tally,
}

/// One move that is not committed.
#[derive(Clone, Debug)]
struct Move {
    to: Life,
    step: Step,
    deadline: Instant,
    /// When to say again what was not answered.
    again: Instant,
}

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// The worker was asked how it moves.
    Asking,
    /// The target was asked to prepare the start `under`, with so many bytes of state.
    Offered { under: Epoch, state: Option<u64> },
    /// The state is on its way.
    Sending { under: Epoch, state: Option<u64> },
}

/// How many moves are done since nothing moved.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    done: usize,
    /// What was told last, in tenths of all.
    told: usize,
}

impl Move {
    /// Which start was offered, if one was.
    fn under(&self) -> Option<Epoch> {
        match self.step {
            Step::Asking => None,
            Step::Offered { under, .. } | Step::Sending { under, .. } => Some(under),
        }
    }
}

impl Moves {
    /// Whether nothing moves, nor waits for its turn.
    pub(crate) fn are_done(&self) -> bool {
        self.queue.is_empty() && self.under_way.is_empty() && self.frozen.is_empty()
    }
}
