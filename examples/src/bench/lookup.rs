//! What a look-up costs, alone, beside another reader and beside a writer; next to a bare map.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use futures::channel::oneshot;
use skep::{Node, Runtime};
use skep_tcp::TcpSockets;

use super::beside::{self, Failure, OnNode, TIMEOUT};
use super::flavour::Flavour;
use super::summary::{Row, Unit, ratio};
use super::{Bench, nodes};
use crate::kinds::Singleton;
use crate::process::Trouble;

const NAMES: usize = 100_000;
const READS: usize = 1_000_000;

/// Between two writes of the writer.
const PAUSE: Duration = Duration::from_millis(1);

pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>, Trouble> {
    let looks = LookUps { runs: bench.runs };
    let looked = beside::run(Flavour::TokioMultiThread, &nodes::cluster(), &[], looks)?;
    let row = |what: &str, samples: &Vec<f64>, goal: String| {
        Row::of(Unit::Seconds, format!("look-up, {NAMES} names, {what}"), samples.clone(), goal)
    };
    let to = |samples: &Vec<f64>, floor: &Vec<f64>| ratio(samples, floor);
    let Looked { floor, one, two, beside } = looked;
    Ok(vec![
        row("a bare map", &floor, "the floor".into()),
        row("1 reader", &one, format!("{:.2} x the floor (goal 1.5)", to(&one, &floor))),
        row("2 readers", &two, format!("{:.2} x one reader (goal 1.5)", to(&two, &one))),
        row("1 reader beside 1000 writes/s", &beside, format!("{:.2} x one reader", to(&beside, &one))),
    ])
}

struct LookUps {
    runs: u32,
}

/// Seconds for each look-up, run by run.
#[derive(Default)]
struct Looked {
    floor: Vec<f64>,
    one: Vec<f64>,
    two: Vec<f64>,
    beside: Vec<f64>,
}

impl OnNode for LookUps {
    type Output = Looked;

    async fn run<R: TcpSockets>(self, runtime: R, node: Node) -> Result<Looked, Failure> {
        let names: Arc<Vec<String>> = Arc::new((0..NAMES).map(|n| format!("device-{n:08}")).collect());
        let workers = names.iter().map(|name| (name.clone(), String::new())).collect::<Vec<_>>();
        for answer in node.register_many::<Singleton>(workers, TIMEOUT).await {
            answer?;
        }
        let located = |name: &String| Some((name.clone(), node.whereis(name)?));
        let bare: HashMap<_, _, foldhash::fast::RandomState> = names.iter().filter_map(located).collect();
        let bare = Arc::new(bare);
        let mut looked = Looked::default();
        for run in 0..self.runs {
            let bare = bare.clone();
            looked.floor.push(in_thread(&names, move |name| bare.get(name).is_some()).await?);
            looked.one.push(on_node(&names, &node).await?);
            let (one, other) = futures::future::join(on_node(&names, &node), on_node(&names, &node)).await;
            looked.two.push((one? + other?) / 2.0);
            let ends = Arc::new(AtomicBool::new(false));
            let writing = writing(runtime.clone(), node.clone(), run, ends.clone());
            runtime.spawn(writing);
            looked.beside.push(on_node(&names, &node).await?);
            ends.store(true, Ordering::Relaxed);
        }
        Ok(looked)
    }
}

/// Registers a name every millisecond.
async fn writing<R: Runtime>(runtime: R, node: Node, run: u32, ends: Arc<AtomicBool>) {
    for number in 0.. {
        if ends.load(Ordering::Relaxed) {
            return;
        }
        let name = format!("new-{run}-{number}");
        // A name more or less: it is the writing that counts.
        let _ = node.register::<Singleton>(&name, String::new(), TIMEOUT).await;
        runtime.sleep_until(runtime.now() + PAUSE).await;
    }
}

async fn on_node(names: &Arc<Vec<String>>, node: &Node) -> Result<f64, Failure> {
    let node = node.clone();
    in_thread(names, move |name| node.whereis(name).is_some()).await
}

/// Looks names up in a random order, in a thread of its own. Seconds for each.
async fn in_thread(
    names: &Arc<Vec<String>>,
    look: impl Fn(&String) -> bool + Send + 'static,
) -> Result<f64, Failure> {
    let names = names.clone();
    let (done, result) = oneshot::channel();
    thread::spawn(move || {
        let mut place: usize = 0;
        let began = Instant::now();
        for _ in 0..READS {
            // A step that no divisor of the length comes near visits all, far from the one before.
            place = (place + 61_803) % NAMES;
            assert!(black_box(look(&names[place])), "it is registered");
        }
        let _ = done.send(began.elapsed().as_secs_f64() / READS as f64); // nobody asks any more
    });
    result.await.map_err(|oneshot::Canceled| Failure::Late("a reader's thread"))
}
