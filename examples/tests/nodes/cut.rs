//! Nodes on hosts between which the network is cut: each side goes on, and after the cut all agree again.

use std::io::{self, Write};
use std::time::Instant;

use skep_examples::process::PATIENCE;

use super::cluster::{Cluster, NodeProcess, Outcome};
use super::network::{Cut, Network, address};
use super::security::write_secrets;
use super::settle::settle;

const NODES: [&str; 3] = ["a", "b", "c"];
const CUT_OFF: usize = 2;

#[test]
#[ignore = "makes network namespaces: needs root and iproute2"]
fn both_sides_of_a_cut_go_on_and_agree_after_it() -> Outcome {
    both_sides_go_on_and_agree_after(Cut::BothWays)
}

#[test]
#[ignore = "makes network namespaces: needs root and iproute2"]
fn a_node_that_hears_all_and_is_heard_by_nobody_is_cut_off_and_agrees_after_it() -> Outcome {
    both_sides_go_on_and_agree_after(Cut::Mute)
}

fn both_sides_go_on_and_agree_after(cut: Cut) -> Outcome {
    let network = match Network::new(NODES.len()) {
        Ok(network) => network,
        Err(reason) => {
            // Not by a macro that tests capture: ci.sh shows it.
            return Ok(writeln!(io::stderr(), "skipped, there is no network to cut here: {reason}")?);
        }
    };
    let clusters = NODES.map(|_| Cluster::new()); // hosts share no run directory
    let mut nodes = Vec::new();
    for (host, (name, cluster)) in NODES.into_iter().zip(&clusters).enumerate() {
        let (listen, first) = (format!("{}:7000", address(host)), format!("{}:7000", address(0)));
        let secret = write_secrets(cluster, "secret", &[1]);
        let secret = secret.to_str().expect("a path of ours is text");
        let options = ["--name", name, "--output", "json", "--listen", &listen, "--join", &first];
        let options = [&options[..], &["--secret-file", secret]].concat();
        let mut node = NodeProcess::spawn(name, &mut network.on(host, &cluster.command(&options)))?;
        node.ready()?;
        nodes.push(node);
    }
    for node in &mut nodes {
        for other in NODES {
            if other != node.name {
                node.member_up(other)?;
            }
        }
    }
    nodes[0].ok("register-many early 20")?;

    network.cut(CUT_OFF, cut)?;
    for (node, lost) in [(0, 1), (1, 1), (CUT_OFF, 2)] {
        for _ in 0..lost {
            nodes[node].event("member_down", |_| true)?;
        }
    }
    let holders = [0, CUT_OFF].map(|node| nodes[node].ok("register late"));
    for (holder, side) in holders.into_iter().zip([&["a", "b"][..], &["c"]]) {
        let holder = holder?["node"].clone();
        assert!(side.iter().any(|node| holder == *node), "{holder} runs what is registered at {side:?}");
    }
    assert_eq!(nodes[CUT_OFF].error("register late")?["kind"], "already_registered");

    network.heal(CUT_OFF, cut)?;
    let names = settle(&mut nodes)?;
    assert_eq!(names.len(), 21, "no name is lost, and none appears: {names:?}");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let holders = nodes.iter_mut().map(|node| node.ok("whereis-consistent late"));
        let holders = holders.collect::<Result<Vec<_>, _>>()?;
        if holders.windows(2).all(|two| two[0] == two[1]) {
            return Ok(());
        }
        // It may be moving home between two of the questions.
        assert!(Instant::now() < deadline, "all name one holder: {holders:?}");
    }
}
