//! What a node costs while nothing happens: bytes that it sends and times that it is woken, in a second.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use super::summary::{Row, Unit};
use super::{Bench, nodes};
use crate::process::{NodeProcess, Trouble};

/// How long is looked on.
const WATCHED: Duration = Duration::from_secs(5);

/// After a registration, until what it set in motion is over.
const SETTLED: Duration = Duration::from_secs(3);

const NAMES: u32 = 100_000;

pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>, Trouble> {
    let mut rows = Vec::new();
    for count in [2, 10] {
        let cluster = nodes::cluster();
        let start = |number| nodes::start(bench, &cluster, &format!("n{number}"), &[]);
        let mut all = (0..count).map(start).collect::<Result<Vec<_>, _>>()?;
        nodes::form(&mut all)?;
        for names in [0, NAMES] {
            if names > 0 {
                all[0].ok(&format!("register-many name {names} singleton --timeout 15000"))?;
            }
            thread::sleep(SETTLED);
            let began = Instant::now();
            let before = all.iter_mut().map(Spent::by).collect::<Result<Vec<_>, _>>()?;
            thread::sleep(WATCHED);
            let after = all.iter_mut().map(Spent::by).collect::<Result<Vec<_>, _>>()?;
            let seconds = began.elapsed().as_secs_f64();
            let each = |of: fn(&Spent) -> u64| -> Vec<f64> {
                after
                    .iter()
                    .zip(&before)
                    .map(|(after, before)| (of(after) - of(before)) as f64 / seconds)
                    .collect()
            };
            let what = format!("{count} nodes, {names} names");
            let (bytes, wakes) = (each(|spent| spent.bytes), each(|spent| spent.wakes));
            rows.push(Row::of(
                Unit::BytesPerSecond,
                format!("at rest, {what}: sent by a node"),
                bytes,
                "2000 B/s",
            ));
            rows.push(Row::of(Unit::PerSecond, format!("at rest, {what}: wake-ups of a node"), wakes, ""));
        }
    }
    Ok(rows)
}

struct Spent {
    bytes: u64,
    wakes: u64,
}

impl Spent {
    /// So far, by this node. Asking wakes it a few times.
    fn by(node: &mut NodeProcess) -> Result<Self, Trouble> {
        let stats = node.ok("stats")?;
        let bytes = stats["bytes_sent"].as_u64().unwrap_or_default();
        let mut wakes = 0;
        for task in fs::read_dir(format!("/proc/{}/task", node.id()))? {
            let status = fs::read_to_string(task?.path().join("status")).unwrap_or_default(); // a thread that ended
            let switches = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            wakes += switches.and_then(|count| count.trim().parse::<u64>().ok()).unwrap_or_default();
        }
        Ok(Self { bytes, wakes })
    }
}
