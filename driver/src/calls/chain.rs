//! Who waits for an answer, and until when: it goes along with a call, so that a call that is made to answer it ends
//! no later, and does not go to a worker that waits for it.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use skep_core::Instant;
use skep_core::id::{Epoch, Name};
use xxhash_rust::xxh3::xxh3_64;

/// So many workers may wait for one another. It bounds what stands before a message, too.
pub(crate) const DEEPEST: usize = 16;

/// Until when somebody waits for the answer to a call, and which workers do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Waiting {
    pub(crate) until: Instant,
    pub(crate) chain: Chain,
}

/// Workers, each of which waits for the next one; the last one waits for the answer itself.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Chain(Vec<Waiter>);

/// One start of a worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Waiter {
    /// The hash of its name: a name may be thirty times as long.
    name: u64,
    epoch: Epoch,
}

/// Why a call would not be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bound {
    /// By who waits for it.
    Cycle,
    /// By a chain that is longer than any should be.
    TooDeep,
}

impl Waiting {
    /// Nobody waits.
    pub(crate) fn nobody() -> Self {
        Self { until: Instant::FAR, chain: Chain::default() }
    }

    /// For how long still, as it stands on the wire.
    pub(crate) fn remaining_micros(&self, now: Instant) -> u64 {
        u64::try_from(self.until.since(now).as_micros()).unwrap_or(u64::MAX)
    }
}

impl Chain {
    /// This worker waits too, and is the last.
    pub(crate) fn add(&mut self, name: &Name, epoch: Epoch) {
        self.0.push(Waiter { name: name.xxh3(), epoch });
    }

    /// Whether a worker of this name can answer, whose start is the one that `known` tells, if it runs. A later start
    /// than the one in the chain waits for nothing.
    pub(crate) fn check(&self, name: &str, known: impl FnOnce() -> Option<Epoch>) -> Result<(), Bound> {
        if self.0.is_empty() {
            return Ok(());
        }
        let hash = xxh3_64(name.as_bytes());
        if let Some(waiter) = self.0.iter().rfind(|waiter| waiter.name == hash)
            && known().is_none_or(|epoch| epoch <= waiter.epoch)
        {
            return Err(Bound::Cycle);
        }
        if self.0.len() > DEEPEST { Err(Bound::TooDeep) } else { Ok(()) }
    }
}

impl Serialize for Chain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Chain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Waiters;
        impl<'de> Visitor<'de> for Waiters {
            type Value = Chain;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {DEEPEST} workers")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Chain, A::Error> {
                let mut waiters = Vec::new(); // no with_capacity: the count is the peer's word
                while let Some(waiter) = seq.next_element()? {
                    if waiters.len() == DEEPEST {
                        return Err(A::Error::invalid_length(DEEPEST + 1, &self));
                    }
                    waiters.push(waiter);
                }
                Ok(Chain(waiters))
            }
        }
        deserializer.deserialize_seq(Waiters)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A chain of so many workers `n0`, `n1`, …, each as the start of its number.
    pub(in crate::calls) fn chain_of(workers: u64) -> Chain {
        let mut chain = Chain::default();
        for n in 0..workers {
            chain.add(&Name::new(format!("n{n}")).expect("a good name"), Epoch(n));
        }
        chain
    }

    #[test]
    fn who_waits_cannot_answer_but_a_later_start_of_it_can() {
        let chain = chain_of(3);
        assert_eq!(
            chain.check("n1", || None),
            Err(Bound::Cycle),
            "it is between two starts, for all we know"
        );
        assert_eq!(chain.check("n1", || Some(Epoch(1))), Err(Bound::Cycle));
        assert_eq!(chain.check("n1", || Some(Epoch(2))), Ok(()));
        assert_eq!(chain.check("n3", || None), Ok(()));
        assert_eq!(Chain::default().check("n1", || None), Ok(()));
    }

    #[test]
    fn a_chain_has_sixteen_workers_at_most_here_and_on_the_wire() {
        assert_eq!(chain_of(16).check("other", || None), Ok(()));
        assert_eq!(chain_of(17).check("other", || None), Err(Bound::TooDeep));
        let read = |workers| {
            let bytes = postcard::to_allocvec(&chain_of(workers)).expect("plain data");
            postcard::from_bytes::<Chain>(&bytes)
        };
        assert_eq!(read(16), Ok(chain_of(16)));
        assert!(read(17).is_err());
        assert!(postcard::from_bytes::<Chain>(&[0xff, 0xff, 0xff, 0xff, 0x0f]).is_err());
    }
}
