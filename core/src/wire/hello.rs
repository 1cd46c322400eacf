//! What two nodes tell each other before anything else, and when one refuses the other.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::Refusal;
use crate::id::{Address, ClusterName, Life, NodeName};
use crate::placement::StrategyId;
use crate::wire::WIRE_MIN;

/// The longest encoded hello, in bytes.
pub const MAX_HELLO: usize = 1024;

/// Who a node is. The first thing it sends on every link; sessions bind it into their handshake.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// The oldest wire version that it speaks.
    pub wire_min: u16,
    /// The newest.
    pub wire_max: u16,
    /// Its cluster.
    pub cluster: ClusterName,
    /// The size of its ring.
    pub slot_bits: u8,
    /// Where names run.
    pub strategy: StrategyId,
    /// Its name.
    pub node: NodeName,
    /// Its life.
    pub life: Life,
    /// Where it listens.
    pub address: Address,
}

impl Hello {
    /// What the node of this config says.
    pub fn of(config: &Config) -> Self {
        Self {
            wire_min: WIRE_MIN,
            wire_max: config.wire_version,
            cluster: config.cluster.clone(),
            slot_bits: config.slot_bits,
            strategy: config.strategy,
            node: config.node.clone(),
            life: config.life,
            address: config.address.clone(),
        }
    }

    /// The wire version to speak with this peer: the newest that both know.
    ///
    /// # Errors
    /// The [`Refusal`] to tell the peer. Nothing else is shared with it.
    pub fn admit(&self, peer: &Self) -> Result<u16, Refusal> {
        if self.cluster != peer.cluster {
            return Err(Refusal::OtherCluster);
        }
        if (self.life, &self.node, &self.address) == (peer.life, &peer.node, &peer.address) {
            return Err(Refusal::Ourselves);
        }
        let newest = self.wire_max.min(peer.wire_max);
        if newest < self.wire_min.max(peer.wire_min) {
            return Err(Refusal::WireVersion { min: self.wire_min, max: self.wire_max });
        }
        if self.slot_bits != peer.slot_bits {
            return Err(Refusal::OtherSlots);
        }
        if self.strategy != peer.strategy {
            return Err(Refusal::OtherStrategy);
        }
        Ok(newest)
    }

    /// At most [`MAX_HELLO`] bytes.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("a hello is plain data")
    }

    /// # Errors
    /// [`Refusal::Malformed`] unless the bytes are one hello and nothing more.
    pub fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        match postcard::take_from_bytes(bytes) {
            Ok((hello, [])) => Ok(hello),
            Ok(_) | Err(_) => Err(Refusal::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use core::num::NonZeroU16;

    use super::*;

    fn hello() -> Hello {
        Hello {
            wire_min: 1,
            wire_max: 1,
            cluster: ClusterName::new("orders").expect("a good name"),
            slot_bits: 19,
            strategy: StrategyId::StaticQuorum(NonZeroU16::MIN),
            node: NodeName::new("a").expect("a good name"),
            life: Life(17),
            address: Address::new("127.0.0.1:1").expect("a good address"),
        }
    }

    #[test]
    fn its_bytes_are_pinned() {
        let bytes = hello().encode();
        assert_eq!(bytes, b"\x01\x01\x06orders\x13\x01\x01\x01a\x11\x0b127.0.0.1:1");
        assert_eq!(Hello::decode(&bytes), Ok(hello()));
    }

    #[test]
    fn every_truncation_and_every_extension_is_refused() {
        let mut bytes = hello().encode();
        for end in 0..bytes.len() {
            assert_eq!(Hello::decode(&bytes[..end]), Err(Refusal::Malformed), "cut at {end}");
        }
        bytes.push(0);
        assert_eq!(Hello::decode(&bytes), Err(Refusal::Malformed));
    }

    #[test]
    fn each_difference_is_refused_by_its_name() {
        let other = Hello { life: Life(18), ..hello() };
        assert_eq!(hello().admit(&other), Ok(1));
        assert_eq!(hello().admit(&hello()), Err(Refusal::Ourselves));
        let twin = Hello { address: Address::new("127.0.0.1:2").expect("a good address"), ..hello() };
        assert_eq!(hello().admit(&twin), Ok(1), "a life that was drawn twice is for the machine to settle");
        let cluster = ClusterName::new("other").expect("a good name");
        assert_eq!(hello().admit(&Hello { cluster, ..other.clone() }), Err(Refusal::OtherCluster));
        assert_eq!(hello().admit(&Hello { slot_bits: 8, ..other.clone() }), Err(Refusal::OtherSlots));
        let other_quorum = Hello { strategy: StrategyId::Ring, ..other.clone() };
        assert_eq!(hello().admit(&other_quorum), Err(Refusal::OtherStrategy));
        let newer = Hello { wire_min: 2, wire_max: 3, ..other };
        assert_eq!(hello().admit(&newer), Err(Refusal::WireVersion { min: 1, max: 1 }));
    }
}
