//! How long a call takes and how many are answered in a second, beside the floors.

use std::time::{Duration, Instant};

use futures::future::try_join_all;
use skep::{Node, OneOf1};
use skep_tcp::TcpSockets;

use super::beside::{self, Failure, OnNode, TIMEOUT};
use super::flavour::Flavour;
use super::register_many::spawned;
use super::summary::{Row, Unit, median, quantile, ratio};
use super::{Bench, nodes, ping_pong};
use crate::kinds::{Singleton, Text};
use crate::process::Trouble;

pub(super) const CALLERS: usize = 64;

pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>, Trouble> {
    let mut rows = Vec::new();
    for flavour in Flavour::ALL {
        let (mut floors, mut remote, mut local, mut ratios) = <(Vec<_>, Vec<_>, Vec<_>, Vec<_>)>::default();
        let (mut shared, mut rates) = (Vec::new(), Vec::new());
        for _ in 0..bench.runs {
            let mut floor = ping_pong::measure(&bench.program, flavour, bench.names)?;
            shared.push(ping_pong::multiplexed(&bench.program, flavour, CALLERS, bench.names as usize / 8)?);
            let (cluster, owner) = nodes::owner(bench, flavour)?;
            let calls = Calls { count: bench.names };
            let mut called = beside::run(flavour, &cluster, &[owner.address()], calls)?;
            called.remote.sort_unstable();
            ratios.push(quantile(&called.remote, 0.5).as_secs_f64() / quantile(&floor, 0.5).as_secs_f64());
            floors.append(&mut floor);
            remote.append(&mut called.remote);
            local.append(&mut called.local);
            rates.push(called.rate);
        }
        let name = flavour.as_str();
        let one = format!("p50 {:.2} x the ping-pong (goal 1.2)", median(&ratios));
        let many = format!("{:.2} x the floor (goal 0.6)", ratio(&rates, &shared));
        rows.push(Row::new(format!("TCP ping-pong on {name}"), floors, "the floor"));
        rows.push(Row::new(format!("call, remote worker, one caller on {name}"), remote, one));
        rows.push(Row::of(
            Unit::PerSecond,
            format!("{CALLERS} tasks on one TCP link on {name}"),
            shared,
            "the floor",
        ));
        rows.push(Row::of(
            Unit::PerSecond,
            format!("call, remote worker, {CALLERS} callers on {name}"),
            rates,
            many,
        ));
        rows.push(Row::new(format!("call, local worker, one caller on {name}"), local, "0.8 us"));
    }
    Ok(rows)
}

pub(super) struct Calls {
    pub(super) count: u32,
}

pub(super) struct Called {
    pub(super) remote: Vec<Duration>,
    local: Vec<Duration>,
    /// Of many callers of remote workers, in a second.
    pub(super) rate: f64,
}

impl OnNode for Calls {
    type Output = Called;

    async fn run<R: TcpSockets>(self, runtime: R, node: Node) -> Result<Called, Failure> {
        for caller in 0..CALLERS {
            node.register::<Singleton>(name(caller), String::new(), TIMEOUT).await?;
        }
        let remote = one_by_one(&node, &name(0), self.count).await?;
        let each = self.count / 8;
        let began = Instant::now();
        let callers = (0..CALLERS).map(|caller| {
            let node = node.clone();
            spawned(&runtime, async move {
                for _ in 0..each {
                    node.call(&name(caller), text(), TIMEOUT).await?;
                }
                Ok(())
            })
        });
        try_join_all(callers.collect::<Vec<_>>()).await?;
        let rate = f64::from(each) * CALLERS as f64 / began.elapsed().as_secs_f64();
        let mut here = node.attach::<(Text,)>("here", TIMEOUT).await?;
        runtime.spawn(async move {
            while let Some(OneOf1::First(call)) = here.next().await {
                call.answer(|Text(text)| text);
            }
        });
        Ok(Called { remote, local: one_by_one(&node, "here", self.count).await?, rate })
    }
}

pub(super) fn name(number: usize) -> String {
    format!("name-{number}")
}

pub(super) fn text() -> Text {
    Text("hello".into())
}

/// The first tenth is left out: it warms up.
async fn one_by_one(node: &Node, name: &str, count: u32) -> Result<Vec<Duration>, Failure> {
    let mut samples = Vec::new();
    for _ in 0..count + count / 10 {
        let (text, began) = (text(), Instant::now());
        node.call(name, text, TIMEOUT).await?;
        samples.push(began.elapsed());
    }
    Ok(samples.split_off(count as usize / 10))
}
