//! How long `register` takes when another process owns the name, beside the floor: a TCP ping-pong.

use std::time::{Duration, Instant};

use skep::{NodeBuilder, RegisterError, StartError};
use skep_tcp::{Tcp, TcpSockets};

use super::flavour::Flavour;
use super::summary::{Row, quantile};
use super::{Bench, nodes, ping_pong};
use crate::kinds::Singleton;
use crate::process::Trouble;
use crate::runtime::OnRuntime;

const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>, Trouble> {
    let mut rows = Vec::new();
    for flavour in Flavour::ALL {
        let (mut registers, mut floors) = (Vec::new(), Vec::new());
        let (mut ratios, mut p99_ratios) = (Vec::new(), Vec::new());
        for run in 0..bench.runs {
            // Next to each other, so that both see the same machine.
            let mut floor = ping_pong::measure(&bench.program, flavour, bench.names)?;
            let mut register = registrations(bench, flavour, run)?;
            floor.sort_unstable();
            register.sort_unstable();
            let ratio = |part| quantile(&register, part).as_secs_f64() / quantile(&floor, part).as_secs_f64();
            ratios.push(ratio(0.5));
            p99_ratios.push(ratio(0.99));
            registers.append(&mut register);
            floors.append(&mut floor);
        }
        let goal = if flavour == Flavour::TokioMultiThread { "2.5" } else { "2" };
        let [p50, p99] = [&mut ratios, &mut p99_ratios].map(|ratios| median(ratios));
        let goal = format!("p50 {p50:.2} x the ping-pong (goal {goal}), p99 {p99:.2} x (goal 4)");
        let name = flavour.as_str();
        rows.push(Row::new(format!("TCP ping-pong on {name}"), floors, "the floor"));
        rows.push(Row::new(format!("register, remote owner, one caller on {name}"), registers, goal));
    }
    Ok(rows)
}

fn median(ratios: &mut [f64]) -> f64 {
    ratios.sort_unstable_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

/// One caller, in sequence, against a node process of the default flavour that owns nearly all of the ring.
fn registrations(bench: &Bench, flavour: Flavour, run: u32) -> Result<Vec<Duration>, Trouble> {
    let cluster = nodes::cluster();
    let mut owner =
        nodes::start(bench, &cluster, "owner", &["--weight", "65535", "--runtime", flavour.runtime()])?;
    owner.ready()?;
    let caller = Caller { cluster, join: owner.address().into(), names: bench.names, run };
    flavour.block_on(caller)?.map_err(|failure| Trouble::Io(std::io::Error::other(failure)))
}

struct Caller {
    cluster: String,
    join: String,
    names: u32,
    run: u32,
}

/// What went wrong with a measurement.
#[derive(Debug)]
enum Failure {
    Start(StartError),
    Register(RegisterError),
}

impl OnRuntime for Caller {
    type Output = Result<Vec<Duration>, Failure>;

    async fn run<R: TcpSockets>(self, runtime: R) -> Self::Output {
        let node = NodeBuilder::new("caller", runtime, Tcp::on_loopback())
            .cluster(self.cluster)
            .join(self.join)
            .worker::<Singleton>()
            .start()
            .await
            .map_err(Failure::Start)?;
        let mut samples = Vec::new();
        for number in 0..self.names {
            let name = format!("name-{}-{number}", self.run);
            let began = Instant::now();
            let registered = node.register::<Singleton>(&name, String::new(), TIMEOUT).await;
            let took = began.elapsed();
            let registration = registered.map_err(Failure::Register)?;
            if registration.life != node.life() {
                samples.push(took); // one name in 65,536 is our own
            }
        }
        node.leave(TIMEOUT).await;
        Ok(samples)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Start(error) => write!(f, "the caller's node did not start: {error}"),
            Self::Register(error) => write!(f, "a name was not registered: {error}"),
        }
    }
}

impl std::error::Error for Failure {}
