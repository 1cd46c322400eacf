//! How long two processes need until each counts both as up.

use super::summary::Row;
use super::{Bench, nodes};
use crate::process::Trouble;

pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>, Trouble> {
    let mut samples = Vec::new();
    for _ in 0..bench.runs {
        let cluster = nodes::cluster();
        let a = nodes::start(bench, &cluster, "a", &[])?;
        samples.push(nodes::form(&mut [a, nodes::start(bench, &cluster, "b", &[])?])?);
    }
    Ok(vec![Row::new("formation: 2 nodes, process start to both up", samples, "100 ms")])
}
