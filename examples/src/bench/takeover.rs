//! How long one name runs nowhere: after its process is killed, and after it is frozen.

use std::time::Instant;

use super::summary::Row;
use super::{Bench, nodes};
use crate::process::{NodeProcess, Trouble};

const NAME: &str = "SingletonName";

pub(super) fn kill(bench: &Bench) -> Result<Vec<Row>, Trouble> {
    takeovers(bench, ["kill -9 of a node", "3 ms"], NodeProcess::kill)
}

pub(super) fn freeze(bench: &Bench) -> Result<Vec<Row>, Trouble> {
    takeovers(bench, ["SIGSTOP of a node, default settings", "1.5 s"], |node| node.freeze())
}

/// Each in a cluster of its own: two nodes, of which the one that is struck owns nearly all of the ring.
fn takeovers(
    bench: &Bench,
    [what, goal]: [&str; 2],
    strike: impl Fn(&mut NodeProcess) -> Result<Instant, Trouble>,
) -> Result<Vec<Row>, Trouble> {
    let (mut detected, mut running) = (Vec::new(), Vec::new());
    for _ in 0..bench.runs {
        let cluster = nodes::cluster();
        let heavy = nodes::start(bench, &cluster, "a", &["--weight", "65535"])?;
        let mut pair = [heavy, nodes::start(bench, &cluster, "b", &[])?];
        nodes::form(&mut pair)?;
        let [a, b] = &mut pair;
        let line = format!("register {NAME}");
        let registered = a.ok(&line)?;
        if registered["node"] != "a" {
            return Err(Trouble::Unexpected { node: "a".into(), asked: line, answer: registered });
        }
        let struck = strike(a)?;
        detected.push(b.event("member_down", |_| true)?.at.duration_since(struck));
        running.push(b.event("started", |event| event["name"] == NAME)?.at.duration_since(struck));
    }
    Ok(vec![
        Row::new(format!("{what}: until detected"), detected, ""),
        Row::new(format!("{what}: until its name runs elsewhere"), running, goal),
    ])
}
