//! What the tests of sources share.

use skep::discovery::Announced;
use skep_core::id::{Address, ClusterName, Life, NodeName};

/// A node that looks for peers.
pub(crate) fn me() -> Announced {
    Announced {
        cluster: ClusterName::new("orders").expect("a good name"),
        node: NodeName::new("me").expect("a good name"),
        life: Life(1),
        address: Address::new("10.0.0.2:7000").expect("a good address"),
    }
}
