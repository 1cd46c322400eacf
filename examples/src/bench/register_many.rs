//! How many names are registered in a second: by many callers, and with one call; beside tasks on one link.

use std::time::Instant;

use futures::future::try_join_all;
use skep::Node;
use skep_tcp::TcpSockets;

use super::beside::{self, Failure, OnNode, TIMEOUT};
use super::flavour::Flavour;
use super::summary::{Row, Unit, median, ratio};
use super::{Bench, nodes, ping_pong};
use crate::kinds::Singleton;
use crate::process::Trouble;

const CALLERS: usize = 64;

/// Swarm's with 64 callers on this class of machine.
const SWARM: f64 = 36_000.0;

pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>, Trouble> {
    let each = (bench.names as usize).div_ceil(CALLERS);
    let mut rows = Vec::new();
    for flavour in Flavour::ALL {
        let (mut floors, mut callers, mut at_once) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..bench.runs {
            floors.push(ping_pong::multiplexed(&bench.program, flavour, CALLERS, each * 10)?);
            let (cluster, owner) = nodes::owner(bench, flavour)?;
            callers.push(beside::run(flavour, &cluster, &[owner.address()], Callers { each })?);
            let (cluster, owner) = nodes::owner(bench, flavour)?;
            at_once.push(beside::run(flavour, &cluster, &[owner.address()], OneCall { names: bench.names })?);
        }
        let name = flavour.as_str();
        let goal = format!(
            "{:.2} x the floor (goal 0.25), {:.1} x Swarm (goal 5)",
            ratio(&callers, &floors),
            median(&callers) / SWARM
        );
        let unit = Unit::PerSecond;
        rows.push(Row::of(unit, format!("{CALLERS} tasks on one TCP link on {name}"), floors, "the floor"));
        rows.push(Row::of(unit, format!("register, {CALLERS} callers on {name}"), callers, goal));
        let what = format!("register_many of {} on {name}", bench.names);
        rows.push(Row::of(unit, what, at_once, "500k/s"));
    }
    Ok(rows)
}

/// Tasks of which each registers so many names, one after the other. Names in a second.
struct Callers {
    each: usize,
}

impl OnNode for Callers {
    type Output = f64;

    async fn run<R: TcpSockets>(self, runtime: R, node: Node) -> Result<f64, Failure> {
        let began = Instant::now();
        let callers = (0..CALLERS).map(|caller| {
            let (node, each) = (node.clone(), self.each);
            spawned(&runtime, async move {
                for number in 0..each {
                    let name = format!("name-{caller}-{number}");
                    node.register::<Singleton>(&name, String::new(), TIMEOUT).await?;
                }
                Ok(())
            })
        });
        try_join_all(callers.collect::<Vec<_>>()).await?;
        Ok((CALLERS * self.each) as f64 / began.elapsed().as_secs_f64())
    }
}

/// Runs as a task of its own, as a caller in a program does.
pub(super) fn spawned<R: TcpSockets, T: Send + 'static>(
    runtime: &R,
    what: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> impl Future<Output = Result<T, Failure>> + Send {
    let (done, result) = futures::channel::oneshot::channel();
    runtime.spawn(async move {
        let _ = done.send(what.await); // nobody asks any more
    });
    async move { result.await.unwrap_or(Err(Failure::Late("a caller's task"))) }
}

/// All with one call. Names in a second.
struct OneCall {
    names: u32,
}

impl OnNode for OneCall {
    type Output = f64;

    async fn run<R: TcpSockets>(self, _: R, node: Node) -> Result<f64, Failure> {
        let workers = (0..self.names).map(|number| (format!("name-{number}"), String::new()));
        let workers = workers.collect::<Vec<_>>();
        let began = Instant::now();
        for answer in node.register_many::<Singleton>(workers, TIMEOUT).await {
            answer?;
        }
        Ok(f64::from(self.names) / began.elapsed().as_secs_f64())
    }
}
