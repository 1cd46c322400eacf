//! How long processes that start together need until each counts all as up.

use super::summary::Row;
use super::{Bench, nodes};
use crate::process::Trouble;

pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>, Trouble> {
    let mut rows = Vec::new();
    for (count, goal) in [(2, "100 ms"), (3, ""), (10, "500 ms")] {
        let mut samples = Vec::new();
        for _ in 0..bench.runs {
            let cluster = nodes::cluster();
            let start = |number| nodes::start(bench, &cluster, &format!("n{number}"), &[]);
            samples.push(nodes::form(&mut (0..count).map(start).collect::<Result<Vec<_>, _>>()?)?);
        }
        rows.push(Row::new(format!("formation: {count} nodes, process start to all up"), samples, goal));
    }
    Ok(rows)
}
