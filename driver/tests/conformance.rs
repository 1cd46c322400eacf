//! The simulated runtime and the in-memory transport pass the suite that the adapters have to pass.
#![cfg(all(feature = "sim", feature = "conformance"))]
#![expect(clippy::print_stdout, reason = "a failed test prints its seed")]

use std::cell::Cell;

use skep::core::id::Address;
use skep::{MemoryNetwork, SimRuntime, conformance};

/// As many seeds as `SKEP_SEEDS` says, or twenty.
fn seeds() -> std::ops::Range<u64> {
    let said = std::env::var("SKEP_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    0..said.unwrap_or(20)
}

#[test]
fn the_simulated_runtime_conforms() {
    for seed in seeds() {
        let runtime = SimRuntime::new(seed);
        runtime.run(conformance::runtime(&runtime));
    }
}

#[test]
fn a_cluster_in_memory_conforms() {
    for seed in seeds() {
        let runtime = SimRuntime::new(seed);
        let network = MemoryNetwork::new();
        let next = Cell::new(0);
        let transport = || {
            next.set(next.get() + 1);
            network.at(Address::new(format!("memory-{}", next.get())).expect("a good address"))
        };
        println!("seed {seed}"); // printed when the seed fails
        runtime.run(conformance::cluster(&runtime, transport));
    }
}
