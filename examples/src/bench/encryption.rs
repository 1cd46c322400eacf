//! What protecting the links costs: formation, calls and messages without answers, beside plaintext in the same run.

use std::time::{Duration, Instant};

use futures::future::try_join_all;
use skep::Node;
use skep_tcp::TcpSockets;

use super::beside::{self, Failure, OnNode, TIMEOUT};
use super::calls::{CALLERS, Called, Calls, name, text};
use super::flavour::Flavour;
use super::protection::{Keys, Protection};
use super::register_many::spawned;
use super::summary::{Row, Unit, quantile, ratio};
use super::{Bench, nodes};
use crate::process::Trouble;

/// So many messages that want no answer are sent before a call waits for them: fewer than a mailbox holds.
const BURST: u32 = 16;

/// All that is measured of one way, run by run.
#[derive(Default)]
struct Measured {
    formed: Vec<f64>,
    called: Vec<f64>,
    calls: Vec<f64>,
    messages: Vec<f64>,
}

pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>, Trouble> {
    let keys = Keys::copy()?;
    let mut rows = Vec::new();
    for flavour in [Flavour::TokioMultiThread, Flavour::TokioCurrentThread] {
        let mut measured = [(); Protection::ALL.len()].map(|()| Measured::default());
        for run in 0..bench.runs as usize {
            // Whoever begins finds the machine otherwise than who comes last.
            for place in 0..Protection::ALL.len() {
                let place = (run + place) % Protection::ALL.len();
                measured[place].once(bench, &keys, flavour, Protection::ALL[place])?;
            }
        }
        let [plain, ..] = &measured;
        for (protection, it) in Protection::ALL.into_iter().zip(&measured) {
            let name = |what: &str| format!("{what}, {} on {}", protection.as_str(), flavour.as_str());
            let beside = |ours: &[f64], others: &[f64]| format!("{:.2} x plaintext", ratio(ours, others));
            for (unit, what, ours, others) in [
                (Unit::Seconds, "formation: 2 nodes", &it.formed, &plain.formed),
                (Unit::Seconds, "call, p50 of one caller", &it.called, &plain.called),
                (Unit::PerSecond, "call, 64 callers", &it.calls, &plain.calls),
                (Unit::PerSecond, "send, 64 senders", &it.messages, &plain.messages),
            ] {
                rows.push(Row::of(unit, name(what), ours.clone(), beside(ours, others)));
            }
        }
    }
    Ok(rows)
}

impl Measured {
    fn once(
        &mut self,
        bench: &Bench,
        keys: &Keys,
        flavour: Flavour,
        protection: Protection,
    ) -> Result<(), Trouble> {
        let start = |cluster: &str, node: &str, more: &[&str]| {
            let options = protection.options(keys, node);
            let options: Vec<_> = options.iter().map(String::as_str).chain(more.iter().copied()).collect();
            nodes::start(bench, cluster, node, &options)
        };
        let cluster = nodes::cluster();
        let mut pair = [start(&cluster, "a", &[])?, start(&cluster, "b", &[])?];
        self.formed.push(nodes::form(&mut pair)?.as_secs_f64());
        drop(pair);

        let cluster = nodes::cluster();
        let mut owner = start(&cluster, "a", &["--weight", "65535", "--runtime", flavour.runtime()])?;
        owner.ready()?;
        let transport = protection.transport(keys, "b");
        let traffic = Traffic { count: bench.names };
        let (mut called, messages) =
            beside::run_as("b", transport, flavour, &cluster, &[owner.address()], traffic)?;
        called.remote.sort_unstable();
        self.called.push(quantile(&called.remote, 0.5).as_secs_f64());
        self.calls.push(called.rate);
        self.messages.push(messages);
        Ok(())
    }
}

struct Traffic {
    count: u32,
}

impl OnNode for Traffic {
    /// The calls, and how many messages without answers arrive in a second.
    type Output = (Called, f64);

    async fn run<R: TcpSockets>(self, runtime: R, node: Node) -> Result<Self::Output, Failure> {
        let called = Calls { count: self.count }.run(runtime.clone(), node.clone()).await?;
        let bursts = (self.count / BURST).max(1);
        let began = Instant::now();
        let senders = (0..CALLERS).map(|sender| {
            let node = node.clone();
            spawned(&runtime, async move {
                for _ in 0..bursts {
                    for _ in 1..BURST {
                        node.send(name(sender), text())?;
                    }
                    node.call(name(sender), text(), TIMEOUT).await?; // comes after them
                }
                Ok(())
            })
        });
        try_join_all(senders.collect::<Vec<_>>()).await?;
        let took: Duration = began.elapsed();
        Ok((called, f64::from(bursts * BURST) * CALLERS as f64 / took.as_secs_f64()))
    }
}
