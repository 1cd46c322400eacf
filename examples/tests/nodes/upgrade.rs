//! A rolling upgrade: nodes that speak an old wire version become nodes that speak the new one, one by one, under load.
//!
//! What is old is this program, told to speak the old version. `SKEP_OLD_NODE=/path/to/node` takes that program instead,
//! as it was built of an earlier release.

use std::env;

use serde_json::Value;
use skep::core::wire::{WIRE_MAX, WIRE_MIN};

use super::cluster::{Cluster, NodeProcess, Outcome, Trouble};
use super::moving::{HEAVY, replace_under_load, restart};

/// A node of the old version.
fn start_old(cluster: &Cluster, name: &str, options: &[&str]) -> Result<NodeProcess, Trouble> {
    let Some(program) = env::var_os("SKEP_OLD_NODE") else {
        return cluster.start(name, &[options, &["--wire", &WIRE_MIN.to_string()]].concat());
    };
    let mut node = cluster.begin_of(&program, name, options)?;
    node.ready()?;
    Ok(node)
}

#[test]
fn a_rolling_upgrade_under_load_loses_no_count_and_fails_no_call_of_a_node_that_stays() -> Outcome {
    let cluster = Cluster::new();
    let mut client = start_old(&cluster, "client", &["--weight", "1"])?;
    let mut nodes = Vec::new();
    for name in ["a", "b", "c"] {
        nodes.push(start_old(&cluster, name, &HEAVY)?);
        client.member_up(name)?;
    }
    let (added, _nodes) = replace_under_load(&mut client, nodes, |nodes| upgrade_each(&cluster, nodes))?;
    let mut client = restart(&cluster, client, &["--weight", "1"])?;
    assert_eq!(versions(&mut client)?, [WIRE_MAX; 4], "all are new");
    assert_eq!(client.ok("call n-0 get")?["reply"], added.to_string(), "the newcomer finds them");
    Ok(())
}

/// Ends each in order and starts it anew, one after the other; between old and new ones all goes on.
fn upgrade_each(cluster: &Cluster, nodes: Vec<NodeProcess>) -> Result<Vec<NodeProcess>, Trouble> {
    let mut upgraded = Vec::new();
    for node in nodes {
        let mut node = restart(cluster, node, &HEAVY)?;
        for other in ["client", "a", "b", "c"] {
            if other != node.name {
                node.member_up(other)?;
            }
        }
        let known = versions(&mut node)?;
        upgraded.push(node);
        let new = known.iter().filter(|&&version| version == WIRE_MAX).count();
        assert_eq!((new, known.len()), (upgraded.len(), 4), "{known:?}");
    }
    Ok(upgraded)
}

/// The newest wire version of each member that is up, as this node knows it; it tells of those that are old.
fn versions(node: &mut NodeProcess) -> Result<Vec<u16>, Trouble> {
    let known = node.ok("nodes")?;
    let up = known["nodes"].as_array().into_iter().flatten().filter(|member| member["status"] == "up");
    let version =
        |member: &Value| member["wire"].as_u64().map_or(Some(WIRE_MAX), |version| version.try_into().ok());
    Ok(up.filter_map(version).collect())
}
