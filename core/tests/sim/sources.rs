//! What discovery sources say in a random run: now and then nothing, or nonsense.

use std::time::Duration;

use skep_core::event::Observation;
use skep_core::id::Address;

use crate::random::Random;
use crate::world::ProcessId;

/// The `turn`th observation of a process: the truth at turn 0, so that it meets somebody. Drawn apart from the
/// world's own chance, so that one more source shifts nothing else.
pub fn say(truth: Vec<Address>, seed: u64, process: ProcessId, turn: u64) -> Observation {
    let mut random = Random::new(seed ^ (process.0 as u64) << 32 ^ turn << 48);
    let is_truth = turn == 0 || random.percent(50);
    if is_truth || truth.is_empty() {
        return Observation::all(truth);
    }
    let one = truth[random.below(truth.len())].clone();
    let ttl = Duration::from_millis(100 + random.next() % 10_000);
    match random.below(6) {
        0 => Observation::all([]),
        1 => Observation::transient("the server does not answer"),
        2 => Observation::Resync,
        3 => Observation::Gone(one),
        4 => Observation::Seen { peer: one, ttl },
        _ => {
            let peers = truth.into_iter().filter(|peer| *peer != one).collect();
            Observation::Snapshot { peers, complete: false, ttl: Some(ttl) }
        }
    }
}
