//! How long `register` takes when another process owns the name, beside the floor: a TCP ping-pong.

use std::time::{Duration, Instant};

use skep::Node;
use skep_tcp::TcpSockets;

use super::beside::{self, Failure, OnNode, TIMEOUT};
use super::flavour::Flavour;
use super::summary::{Row, median, quantile};
use super::{Bench, nodes, ping_pong};
use crate::kinds::Singleton;
use crate::process::Trouble;

pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>, Trouble> {
    let mut rows = Vec::new();
    for flavour in Flavour::ALL {
        let (mut registers, mut floors) = (Vec::new(), Vec::new());
        let (mut ratios, mut p99_ratios) = (Vec::new(), Vec::new());
        for _ in 0..bench.runs {
            // Next to each other, so that both see the same machine.
            let mut floor = ping_pong::measure(&bench.program, flavour, bench.names)?;
            let (cluster, owner) = nodes::owner(bench, flavour)?;
            let mut register =
                beside::run(flavour, &cluster, &[owner.address()], OneByOne { names: bench.names })?;
            floor.sort_unstable();
            register.sort_unstable();
            let ratio = |part| quantile(&register, part).as_secs_f64() / quantile(&floor, part).as_secs_f64();
            ratios.push(ratio(0.5));
            p99_ratios.push(ratio(0.99));
            registers.append(&mut register);
            floors.append(&mut floor);
        }
        let goal = if flavour == Flavour::TokioMultiThread { "2.5" } else { "2" };
        let [p50, p99] = [&ratios, &p99_ratios].map(|ratios| median(ratios));
        let goal = format!("p50 {p50:.2} x the ping-pong (goal {goal}), p99 {p99:.2} x (goal 4)");
        let name = flavour.as_str();
        rows.push(Row::new(format!("TCP ping-pong on {name}"), floors, "the floor"));
        rows.push(Row::new(format!("register, remote owner, one caller on {name}"), registers, goal));
    }
    Ok(rows)
}

/// One caller, in sequence.
struct OneByOne {
    names: u32,
}

impl OnNode for OneByOne {
    type Output = Vec<Duration>;

    async fn run<R: TcpSockets>(self, _: R, node: Node) -> Result<Self::Output, Failure> {
        let mut samples = Vec::new();
        for number in 0..self.names {
            let name = format!("name-{number}");
            let began = Instant::now();
            let registered = node.register::<Singleton>(&name, String::new(), TIMEOUT).await;
            let took = began.elapsed();
            if registered?.life != node.life() {
                samples.push(took); // one name in 65,536 is our own
            }
        }
        Ok(samples)
    }
}
