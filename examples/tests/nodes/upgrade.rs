//! A rolling upgrade: nodes that speak an old wire version become nodes that speak the new one, one by one, under load.
//!
//! What is old is this program, told to speak the old version. `SKEP_OLD_NODE=/path/to/node` takes that program instead,
//! as it was built of an earlier release.

use std::env;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::Value;
use skep::core::wire::{WIRE_MAX, WIRE_MIN};

use super::cluster::{Cluster, NodeProcess, Outcome, Trouble};
use super::moving::{COUNTERS, HEAVY, count_on};

/// A node of the old version.
fn start_old(cluster: &Cluster, name: &str, options: &[&str]) -> Result<NodeProcess, Trouble> {
    let version = WIRE_MIN.to_string();
    let mut all = vec!["--name", name, "--output", "json"];
    all.extend(options);
    let mut command = match env::var_os("SKEP_OLD_NODE") {
        Some(program) => cluster.command_of(&program, &all),
        None => {
            all.extend(["--wire", &version]);
            cluster.command(&all)
        }
    };
    let mut node = NodeProcess::spawn(name, &mut command)?;
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
    client.ok(&format!("register-many n {COUNTERS} counter"))?;
    let over = AtomicBool::new(false);
    let (added, mut nodes) = thread::scope(|scope| {
        let load = scope.spawn(|| count_on(&mut client, &over));
        let upgraded = upgrade_each(&cluster, nodes);
        over.store(true, Ordering::SeqCst);
        let added = load.join().expect("the load does not panic")?;
        Ok::<_, Trouble>((added, upgraded?))
    })?;
    for number in 0..COUNTERS {
        let counted = nodes[0].ok(&format!("call n-{number} get"))?;
        assert_eq!(counted["reply"], added.to_string(), "what was added to n-{number} is there, once");
    }
    let mut client = upgrade(&cluster, client, &["--weight", "1"])?;
    assert_eq!(versions(&mut client)?, [WIRE_MAX; 4], "all are new");
    assert_eq!(client.ok("call n-0 get")?["reply"], added.to_string(), "the newcomer finds them");
    Ok(())
}

/// Ends each in order and starts it anew, one after the other; between old and new ones all goes on.
fn upgrade_each(cluster: &Cluster, nodes: Vec<NodeProcess>) -> Result<Vec<NodeProcess>, Trouble> {
    let mut upgraded = Vec::new();
    for node in nodes {
        let mut node = upgrade(cluster, node, &HEAVY)?;
        for other in ["client", "a", "b", "c"] {
            if other != node.name {
                node.member_up(other)?;
            }
        }
        upgraded.push(node);
        let known = versions(upgraded.last_mut().expect("one was just added"))?;
        let new = known.iter().filter(|&&version| version == WIRE_MAX).count();
        assert_eq!((new, known.len()), (upgraded.len(), 4), "{known:?}");
    }
    Ok(upgraded)
}

fn upgrade(cluster: &Cluster, mut node: NodeProcess, options: &[&str]) -> Result<NodeProcess, Trouble> {
    node.tell("quit")?;
    assert!(node.wait()?.success(), "{} ends in order", node.name);
    cluster.start(&node.name, options)
}

/// The newest wire version of each member that is up, as this node knows it; it tells of those that are old.
fn versions(node: &mut NodeProcess) -> Result<Vec<u16>, Trouble> {
    let known = node.ok("nodes")?;
    let up = known["nodes"].as_array().into_iter().flatten().filter(|member| member["status"] == "up");
    let version =
        |member: &Value| member["wire"].as_u64().map_or(Some(WIRE_MAX), |version| version.try_into().ok());
    Ok(up.filter_map(version).collect())
}
