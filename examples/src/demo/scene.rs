//! The scene itself: two nodes find each other, one runs a worker, is killed, and the other takes over.

use std::path::Path;
use std::process::{self, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::NODE;
use super::teller::Teller;
use crate::process::{NodeProcess, Trouble};

/// The worker's name, as in the original scene.
const NAME: &str = "SingletonName";

/// How long each step took.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Figures {
    /// From the start of the first process until both nodes count both as up.
    pub formation: Duration,
    /// From the command to its answer.
    pub registration: Duration,
    /// From SIGKILL until the survivor counts the other as down.
    pub detected: Duration,
    /// From SIGKILL until the worker runs on the survivor.
    pub running_again: Duration,
}

pub(super) fn play(program: &Path, teller: &Teller) -> Result<Figures, Trouble> {
    teller.say("two node processes, a and b, who know no more than the name of their cluster");
    // The ring is drawn from the two processes' lives, which differ each time. So that this scene can say in
    // advance who runs the worker, a has the largest weight there is: it owns all but one slot in 65,536.
    let mut a = start(program, "a", &["--weight", "65535"], teller)?;
    let mut b = start(program, "b", &[], teller)?;
    let formed = form(&mut a, &mut b)?;
    let formation = formed.duration_since(a.spawned);
    teller.say(format!("they found each other: {} from process start to both up", ms(formation)));
    for node in [&mut a, &mut b] {
        expect_node(node, &format!("owner {NAME}"), "a")?;
    }
    teller.say(format!("both say that the ring gives {NAME} to a"));

    let asked = Instant::now();
    expect_node(&mut a, &format!("register {NAME}"), "a")?;
    let registration = asked.elapsed();
    teller.say(format!("registered {NAME} on a, where it runs: {}", ms(registration)));
    for node in [&mut a, &mut b] {
        let line = format!("register {NAME}");
        let error = node.error(&line)?;
        if error["kind"] != "already_registered" || error["node"] != "a" {
            return Err(unexpected(node, &line, error));
        }
        teller.say(format!("registering it again on {}: already registered on a", node.name));
    }
    expect_whoami(&mut b, "a")?;
    teller.say("b calls it: it runs on a");

    teller.await_log("a", &format!("found {NAME} already registered on a"))?;
    teller.say("a is killed (SIGKILL)");
    let killed = a.kill()?;
    let detected = b.event("member_down", |event| event["node"] == "a")?.at.duration_since(killed);
    let running_again = b.event("started", |event| event["name"] == NAME)?.at.duration_since(killed);
    expect_node(&mut b, &format!("whereis-consistent {NAME}"), "b")?;
    expect_whoami(&mut b, "b")?;
    teller.say(format!("b noticed after {} and ran {NAME} after {}", ms(detected), ms(running_again)));

    b.tell("quit")?;
    let status = b.wait()?;
    if !status.success() {
        return Err(unexpected(&b, "quit", Value::from(status.to_string())));
    }
    let figures = Figures { formation, registration, detected, running_again };
    teller.say("done:");
    for (step, took) in [
        ("formation (process start to both up)", figures.formation),
        ("registration", figures.registration),
        ("kill to detected", figures.detected),
        ("kill to running again", figures.running_again),
    ] {
        teller.say(format!("  {step:<38}{:>10}", ms(took)));
    }
    Ok(figures)
}

fn start(program: &Path, name: &str, more: &[&str], teller: &Teller) -> Result<NodeProcess, Trouble> {
    let cluster = format!("demo-{}", process::id()); // so that two demos do not meet
    let mut command = Command::new(program);
    command.args([NODE, "--name", name, "--cluster", &cluster, "--output", "json", "--log-format", "json"]);
    command.args(more).stderr(Stdio::piped());
    let mut node = NodeProcess::spawn(name, &mut command)?;
    if let Some(log) = node.log() {
        teller.overhear(name, log);
    }
    Ok(node)
}

/// Waits until both count both as up.
fn form(a: &mut NodeProcess, b: &mut NodeProcess) -> Result<Instant, Trouble> {
    a.ready()?;
    b.ready()?;
    let seen_by_a = a.event("member_up", |event| event["node"] == "b")?.at;
    let seen_by_b = b.event("member_up", |event| event["node"] == "a")?.at;
    for node in [a, b] {
        let nodes = node.ok("nodes")?;
        let all_up =
            nodes["nodes"].as_array().is_some_and(|nodes| nodes.iter().all(|it| it["status"] == "up"));
        if !all_up {
            return Err(unexpected(node, "nodes", nodes));
        }
    }
    Ok(seen_by_a.max(seen_by_b))
}

fn expect_node(node: &mut NodeProcess, line: &str, expected: &str) -> Result<(), Trouble> {
    let ok = node.ok(line)?;
    if ok["node"] == expected { Ok(()) } else { Err(unexpected(node, line, ok)) }
}

fn expect_whoami(node: &mut NodeProcess, expected: &str) -> Result<(), Trouble> {
    let line = format!("call {NAME} whoami");
    let ok = node.ok(&line)?;
    let who: Value =
        ok["reply"].as_str().and_then(|reply| serde_json::from_str(reply).ok()).unwrap_or_default();
    if who["node"] == expected { Ok(()) } else { Err(unexpected(node, &line, ok)) }
}

fn unexpected(node: &NodeProcess, asked: &str, answer: Value) -> Trouble {
    Trouble::Unexpected { node: node.name.clone(), asked: asked.into(), answer }
}

fn ms(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}
