//! Three nodes started at the same moment, again and again: every boot has to form one cluster.

use std::io::{self, Write};

use super::summary::Row;
use super::{Bench, nodes};
use crate::process::Trouble;

pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>, Trouble> {
    let mut samples = Vec::new();
    for _ in 0..bench.boots {
        let cluster = nodes::cluster();
        let start = |name| nodes::start(bench, &cluster, name, &[]);
        match nodes::form(&mut [start("a")?, start("b")?, start("c")?]) {
            Ok(formed) => samples.push(formed),
            Err(trouble) => writeln!(io::stderr(), "a boot that did not form: {trouble}")?,
        }
    }
    let what = format!("simultaneous boots of 3 nodes: {} of {} formed", samples.len(), bench.boots);
    Ok(vec![Row::new(what, samples, "all")])
}
