//! How long many names run nowhere after their node is killed: until the look-ups of a survivor all show them.

use std::time::{Duration, Instant};

use skep::{Node, Runtime};
use skep_core::id::Life;
use skep_tcp::TcpSockets;

use super::beside::{self, Failure, OnNode, TIMEOUT};
use super::flavour::Flavour;
use super::summary::Row;
use super::{Bench, nodes};
use crate::kinds::{Singleton, Text};
use crate::process::{NodeProcess, Trouble};

/// Between two looks at what is missing.
const PAUSE: Duration = Duration::from_micros(200);

pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>, Trouble> {
    let mut rows = Vec::new();
    for (others, names, goal) in [
        (1, 1, "3 ms"),
        (1, 1_000, ""),
        (1, 10_000, "40 ms"),
        (2, 1, "3 ms"),
        (2, 1_000, ""),
        (2, 10_000, "40 ms"),
    ] {
        let mut samples = Vec::new();
        for _ in 0..bench.runs {
            let cluster = nodes::cluster();
            // One name has to be where the killing is; many are shared.
            let weight = if names == 1 { "65535" } else { "1" };
            let victim = nodes::start(bench, &cluster, "victim", &["--weight", weight])?;
            let mut processes = vec![victim];
            if others == 2 {
                processes.push(nodes::start(bench, &cluster, "other", &[])?);
            }
            nodes::form(&mut processes)?;
            let others = processes.split_off(1);
            let victim = processes.pop().expect("it was just started");
            let address = victim.address().to_owned();
            let kill = Kill { victim, names, members: others.len() + 2 };
            samples.push(beside::run(Flavour::TokioMultiThread, &cluster, &[&address], kill)?);
        }
        let what = format!("kill -9 of one of {} nodes, {names} names: until all run", others + 1);
        rows.push(Row::new(what, samples, goal));
    }
    Ok(rows)
}

struct Kill {
    victim: NodeProcess,
    names: usize,
    members: usize,
}

impl OnNode for Kill {
    type Output = Duration;

    async fn run<R: TcpSockets>(mut self, runtime: R, node: Node) -> Result<Duration, Failure> {
        let deadline = runtime.now() + TIMEOUT;
        let up = async || node.members().await.is_ok_and(|members| members.len() == self.members);
        while !up().await {
            wait(&runtime, deadline, "all nodes know each other").await?;
        }
        let names: Vec<String> = (0..self.names).map(|number| format!("name-{number}")).collect();
        let workers = names.iter().map(|name| (name.clone(), String::new())).collect::<Vec<_>>();
        for answer in node.register_many::<Singleton>(workers, TIMEOUT).await {
            answer?;
        }
        let dead = Life(self.victim.incarnation());
        let is_elsewhere = |name: &String| node.whereis(name).is_some_and(|located| located.life != dead);
        let mut missing: Vec<&String> = names.iter().filter(|name| !is_elsewhere(name)).collect();
        let began = Instant::now();
        self.victim.kill().map_err(|_| Failure::Late("the kill"))?;
        loop {
            missing.retain(|name| !is_elsewhere(name));
            if missing.is_empty() {
                break;
            }
            wait(&runtime, deadline, "all names run elsewhere").await?;
        }
        let took = began.elapsed();
        for name in &names {
            node.call(name, Text("still there".into()), TIMEOUT).await?;
        }
        Ok(took)
    }
}

async fn wait<R: Runtime>(
    runtime: &R,
    deadline: skep_core::Instant,
    what: &'static str,
) -> Result<(), Failure> {
    if runtime.now() >= deadline {
        return Err(Failure::Late(what));
    }
    runtime.sleep_until(runtime.now() + PAUSE).await;
    Ok(())
}
