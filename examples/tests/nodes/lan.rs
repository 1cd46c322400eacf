//! Nodes on hosts of one network find each other without an address, given a secret; over IPv4, by broadcast alone, and
//! over IPv6 alone.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;

use super::cluster::{Cluster, NodeProcess, Outcome};
use super::network::{Family, Network};

const NODES: [(&str, &str); 3] = [("a", "tokio"), ("b", "smol"), ("c", "async-std")];

#[test]
#[ignore = "makes network namespaces: needs root and iproute2"]
fn nodes_of_one_network_and_secret_meet_without_an_address() -> Outcome {
    meet(Family::V4, Multicast::On)
}

#[test]
#[ignore = "makes network namespaces: needs root and iproute2"]
fn nodes_meet_where_there_is_only_ipv6() -> Outcome {
    meet(Family::V6, Multicast::On)
}

#[test]
#[ignore = "makes network namespaces: needs root and iproute2"]
fn nodes_meet_where_multicast_is_switched_off() -> Outcome {
    meet(Family::V4, Multicast::Off)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Multicast {
    On,
    Off,
}

fn meet(family: Family, multicast: Multicast) -> Outcome {
    let network = match Network::of(family, NODES.len() + 1) {
        Ok(network) => network,
        Err(reason) => {
            // Not by a macro that tests capture: ci.sh shows it.
            return Ok(writeln!(io::stderr(), "skipped, there is no network here: {reason}")?);
        }
    };
    if multicast == Multicast::Off {
        network.without_multicast()?;
    }
    let clusters = [(); NODES.len() + 1].map(|()| Cluster::new()); // hosts share no run directory
    let mut nodes = Vec::new();
    let others = [("d", "tokio")]; // whose secret is another
    for (host, ((name, runtime), cluster)) in NODES.into_iter().chain(others).zip(&clusters).enumerate() {
        let secret = cluster.path("secret");
        let number = if name == "d" { 2 } else { 1 };
        fs::write(&secret, format!("{number}-0123456789abcdef0123456789abcdef"))?;
        fs::set_permissions(&secret, Permissions::from_mode(0o600))?;
        let secret = secret.to_str().expect("a path of ours is text");
        let options =
            ["--name", name, "--output", "json", "--runtime", runtime, "--lan", "--secret-file", secret];
        nodes.push(NodeProcess::spawn(name, &mut network.on(host, &cluster.command(&options)))?);
    }
    let mut stranger = nodes.pop().expect("there are four");
    for node in &mut nodes {
        node.ready()?;
        for (other, _) in NODES {
            if other != node.name {
                node.member_up(other)?;
            }
        }
    }
    stranger.ready()?;
    let known = stranger.ok("nodes")?;
    assert_eq!(known["nodes"].as_array().map(Vec::len), Some(1), "it meets nobody: {known}");
    Ok(())
}
