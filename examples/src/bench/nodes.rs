//! Clusters of real node processes for the measurements.

use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::flavour::Flavour;
use super::{Bench, NODE};
use crate::process::{NodeProcess, Trouble};

/// A cluster name that no other measurement has.
pub(super) fn cluster() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("bench-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Starts a node, without waiting for it. Dropping it kills it.
pub(super) fn start(bench: &Bench, cluster: &str, name: &str, more: &[&str]) -> Result<NodeProcess, Trouble> {
    let mut command = Command::new(&bench.program);
    command.args([NODE, "--name", name, "--cluster", cluster, "--output", "json"]).args(more);
    command.stderr(Stdio::null());
    NodeProcess::spawn(name, &mut command)
}

/// Waits until each counts all as up, and says how long after the first one's start the last of them did.
pub(super) fn form(nodes: &mut [NodeProcess]) -> Result<Duration, Trouble> {
    let names = nodes.iter().map(|node| node.name.clone()).collect::<Vec<_>>();
    let mut formed = nodes[0].spawned;
    for node in &mut *nodes {
        node.ready()?;
        for other in &names {
            if *other != node.name {
                formed = formed.max(node.member_up(other)?);
            }
        }
    }
    for node in &mut *nodes {
        let known = node.ok("nodes")?;
        if !known["nodes"].as_array().is_some_and(|nodes| nodes.iter().all(|it| it["status"] == "up")) {
            return Err(Trouble::Unexpected {
                node: node.name.clone(),
                asked: "nodes".into(),
                answer: known,
            });
        }
    }
    Ok(formed.duration_since(nodes[0].spawned))
}

/// A cluster, and a node in it that owns nearly all of the ring, ready.
pub(super) fn owner(bench: &Bench, flavour: Flavour) -> Result<(String, NodeProcess), Trouble> {
    let cluster = cluster();
    let options = ["--weight", "65535", "--runtime", flavour.runtime()];
    let mut owner = start(bench, &cluster, "owner", &options)?;
    owner.ready()?;
    Ok((cluster, owner))
}
