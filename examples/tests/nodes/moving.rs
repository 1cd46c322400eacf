//! Workers that move: to a node that joins, and away from one that leaves, with their numbers and without a lost call.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::cluster::{Cluster, NodeProcess, Outcome, Trouble};

const COUNTERS: usize = 20;

/// Of a node that owns its part of nearly all of the ring.
pub(crate) const HEAVY: [&str; 2] = ["--weight", "1000"];

/// How long all that has to move may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn counters_go_on_counting_on_a_node_that_joins() -> Outcome {
    let cluster = Cluster::new();
    let mut a = cluster.start("a", &["--weight", "1"])?;
    assert_eq!(a.ok(&format!("register-many n {COUNTERS} counter"))?["registered"], COUNTERS);
    for number in 0..COUNTERS {
        assert_eq!(a.ok(&format!("call n-{number} add {number}"))?["reply"], number.to_string());
    }
    let mut b = cluster.start("b", &["--weight", "65535"])?;
    let deadline = Instant::now() + PATIENCE;
    while running(&mut b)? < COUNTERS {
        assert!(Instant::now() < deadline, "{} of {COUNTERS} on b", running(&mut b)?);
        b.event("started", |event| event["why"] == "handed_over")?;
    }
    assert_eq!(running(&mut a)?, 0, "each runs once");
    for number in 0..COUNTERS {
        let one = a.ok(&format!("call n-{number} add 1"))?["reply"].clone();
        assert_eq!(one, (number + 1).to_string(), "asked on a");
        assert_eq!(b.ok(&format!("call n-{number} get"))?["reply"], one, "asked on b");
    }
    Ok(())
}

#[test]
fn a_worker_that_stays_stays_until_its_node_drains() -> Outcome {
    let cluster = Cluster::new();
    let mut a = cluster.start("a", &["--weight", "1"])?;
    a.ok("register s stay")?;
    a.ok("register n counter")?;
    a.ok("call n add 7")?;
    let mut b = cluster.start("b", &["--weight", "65535"])?;
    let moved = a.event("moved", |event| event["name"] == "n")?.line;
    assert_eq!((&moved["from"], &moved["to"]), (&json!("a"), &json!("b")));
    assert_eq!(names(&mut a)?, json!(["s"]));
    assert_eq!(a.ok("drain")?["moved"], 1);
    assert_eq!(names(&mut b)?, json!(["n", "s"]));
    assert_eq!(b.ok("call n get")?["reply"], "7");
    Ok(())
}

#[test]
fn a_rolling_restart_under_load_loses_no_count_and_fails_no_call_of_a_node_that_stays() -> Outcome {
    let cluster = Cluster::new();
    let mut client = cluster.start("client", &["--weight", "1"])?;
    let mut nodes = Vec::new();
    for name in ["a", "b", "c"] {
        nodes.push(cluster.start(name, &HEAVY)?);
        client.member_up(name)?;
    }
    replace_under_load(&mut client, nodes, |nodes| restart_each(&cluster, nodes))?;
    Ok(())
}

/// Has a client count on all nodes while these are replaced by others, which then have all that was counted, once. How
/// much that is, for each counter, and those others.
pub(crate) fn replace_under_load(
    client: &mut NodeProcess,
    nodes: Vec<NodeProcess>,
    replace: impl FnOnce(Vec<NodeProcess>) -> Result<Vec<NodeProcess>, Trouble>,
) -> Result<(u64, Vec<NodeProcess>), Trouble> {
    client.ok(&format!("register-many n {COUNTERS} counter"))?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let load = scope.spawn(|| count_on(client, &over));
        let replaced = replace(nodes);
        over.store(true, Ordering::SeqCst);
        let added = load.join().expect("the load does not panic")?;
        let mut nodes = replaced?;
        for number in 0..COUNTERS {
            let counted = nodes[0].ok(&format!("call n-{number} get"))?;
            assert_eq!(counted["reply"], added.to_string(), "what was added to n-{number} is there, once");
        }
        Ok((added, nodes))
    })
}

/// Adds by calls and by messages without an answer, until it is over. Says how much to each.
fn count_on(client: &mut NodeProcess, over: &AtomicBool) -> Result<u64, Trouble> {
    let mut added = 0;
    while !over.load(Ordering::SeqCst) {
        for number in 0..COUNTERS {
            client.ok(&format!("send n-{number} add 1"))?;
            client.ok(&format!("call n-{number} add 1 --timeout 20000"))?;
        }
        added += 2;
    }
    Ok(added)
}

/// Ends each in order and starts it again, one after the other.
fn restart_each(cluster: &Cluster, nodes: Vec<NodeProcess>) -> Result<Vec<NodeProcess>, Trouble> {
    let mut again = Vec::new();
    for node in nodes {
        let mut node = restart(cluster, node, &HEAVY)?;
        node.member_up("client")?;
        again.push(node);
    }
    Ok(again)
}

/// Ends it in order and starts it again, by the program of this build.
pub(crate) fn restart(
    cluster: &Cluster,
    mut node: NodeProcess,
    options: &[&str],
) -> Result<NodeProcess, Trouble> {
    node.tell("quit")?;
    assert!(node.wait()?.success(), "{} ends in order", node.name);
    cluster.start(&node.name, options)
}

fn running(node: &mut NodeProcess) -> Result<usize, Trouble> {
    Ok(node.ok("workers")?["workers"].as_array().map_or(0, Vec::len))
}

fn names(node: &mut NodeProcess) -> Result<Value, Trouble> {
    let workers = node.ok("workers")?;
    let names =
        workers["workers"].as_array().map(|workers| workers.iter().map(|worker| worker["name"].clone()));
    Ok(names.map(Iterator::collect).unwrap_or_default())
}
