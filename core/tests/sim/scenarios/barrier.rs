//! One machine alone, asked by bytes: what it says to the barrier of a peer whose ring is another.

use std::time::Duration;

use skep_core::event::{Input, Output, Way};
use skep_core::id::{Address, ClusterName, Life, LinkId, NodeName};
use skep_core::wire::{Frame, Hello};
use skep_core::{Config, Instant, Machine};

use crate::mutants::of_this_thread;

/// The kinds of `Barrier` and `BarrierAck` on the wire; their bytes are pinned beside their types.
const BARRIER: u16 = 0x0030;
const BARRIER_ACK: u16 = 0x0031;

#[test]
pub fn a_barrier_is_acknowledged_only_by_an_equal_ring() {
    let node = |text| NodeName::new(text).expect("a good name");
    let address = |text| Address::new(text).expect("a good address");
    let cluster = ClusterName::new("sim").expect("a good name");
    let mut config = Config::new(cluster.clone(), node("a"), Life(1_000_000), address("a:1"));
    config.slot_bits = 8;
    config.mutant = of_this_thread();
    let peer = Hello::of(&Config::new(cluster, node("b"), Life(2_000_000), address("b:1")));

    let mut now = Instant::from_nanos(1);
    let mut machine = Machine::new(config, now).expect("a good config");
    let link = LinkId(1);
    machine.handle(now, Input::LinkUp { link, way: Way::Accepted, peer });
    now += Duration::from_millis(1);
    // Generation 4, and 5 for the hash of the ring: no ring has it but by a miracle.
    machine.handle(now, Input::Message { link, frame: Frame { kind: BARRIER, body: vec![4, 5] } });
    while let Some(output) = machine.poll_output() {
        let acknowledged = matches!(&output, Output::Send { frame, .. } if frame.kind == BARRIER_ACK);
        assert!(!acknowledged, "it agreed to a ring that is not its own: {output:?}");
    }
}
