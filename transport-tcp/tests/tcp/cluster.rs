//! Whole nodes on real sockets: on each runtime alone, and on all of them in one cluster.

use std::future::ready;
use std::time::{Duration, Instant};

use futures::executor::block_on;
use skep::core::event::Status;
use skep::{Context, Failure, Handle, Message, Node, NodeBuilder, RegisterError, Worker};
use skep_smol::SmolRuntime;
use skep_tcp::{Tcp, TcpSockets};
use skep_tokio::TokioRuntime;

use crate::common::*;

on_every_runtime!(nodes_of_one_runtime_share_their_names);

/// How long a call may take.
const CALL: Duration = Duration::from_secs(5);

/// Says where it runs.
struct Here;

#[derive(serde::Serialize, serde::Deserialize)]
struct Where;

impl Message for Where {
    const NAME: &'static str = "where";
    type Reply = String;
}

impl Worker for Here {
    const KIND: &'static str = "here";
    type Args = ();
    type Messages = (Where,);

    fn start((): (), _: &mut Context<Self>) -> impl Future<Output = Result<Self, Failure>> + Send {
        ready(Ok(Self))
    }
}

impl Handle<Where> for Here {
    async fn handle(&mut self, _: Where, context: &mut Context<Self>) -> String {
        context.node_name().to_string()
    }
}

/// A node that knows of the others.
async fn start<R: TcpSockets>(runtime: &R, name: &str, others: &[Node]) -> Node {
    let node = NodeBuilder::new(name, runtime.clone(), Tcp::on_loopback()).cluster("mixed").worker::<Here>();
    let node = others.iter().fold(node, |node, other| node.join(other.address().as_str()));
    node.start().await.expect("the node starts")
}

async fn nodes_of_one_runtime_share_their_names<R: TcpSockets>(runtime: R) {
    let mut nodes = Vec::new();
    for name in ["a", "b", "c"] {
        nodes.push(start(&runtime, name, &nodes).await);
    }
    share_names(&runtime, nodes).await;
}

#[test]
fn nodes_of_all_runtimes_share_their_names() {
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let tokio = tokio.expect("tokio starts");
    let (on_tokio, smol, async_std) =
        (TokioRuntime::new(tokio.handle().clone()), SmolRuntime::global(), SmolRuntime::async_std());
    block_on(async {
        let mut nodes = vec![start(&on_tokio, "on-tokio", &[]).await];
        nodes.push(start(&smol, "on-smol", &nodes).await);
        nodes.push(start(&async_std, "on-async-std", &nodes).await);
        share_names(&smol, nodes).await;
    });
}

/// Each node registers, all know and reach every name, none can be registered twice; the first node leaves.
async fn share_names<R: TcpSockets>(runtime: &R, mut nodes: Vec<Node>) {
    const EACH: usize = 10;
    for node in &nodes {
        eventually(runtime, "all are up everywhere", async || count_up(node).await == nodes.len()).await;
    }
    let mut names = Vec::new();
    for (number, node) in nodes.iter().enumerate() {
        for name in (0..EACH).map(|each| format!("name-{number}-{each}")) {
            node.register::<Here>(&name, (), CALL).await.expect("the name is free");
            names.push(name);
        }
    }
    for name in &names {
        for node in &nodes {
            let again = node.register::<Here>(name, (), CALL).await;
            assert!(matches!(again, Err(RegisterError::AlreadyRegistered { .. })), "{name}: {again:?}");
        }
    }
    all_reach(runtime, &nodes, &names).await;

    let first = nodes.remove(0);
    first.leave(CALL).await;
    let left = Some(first.name().clone());
    eventually(runtime, "its names are elsewhere", async || {
        let registered = nodes[0].registered().await.expect("the node runs");
        registered.len() == names.len()
            && registered.iter().all(|name| name.node.is_some() && name.node != left)
            && count_up(&nodes[0]).await == nodes.len()
    })
    .await;
    all_reach(runtime, &nodes, &names).await;
    for node in nodes {
        node.leave(CALL).await;
    }
}

async fn count_up(node: &Node) -> usize {
    let members = node.members().await.expect("the node runs");
    members.iter().filter(|member| member.status == Status::Up).count()
}

async fn all_reach<R: TcpSockets>(runtime: &R, nodes: &[Node], names: &[String]) {
    let mut homes = std::collections::BTreeSet::new();
    for name in names {
        let mut answers = Vec::new();
        for node in nodes {
            eventually(runtime, "the name is known everywhere", async || node.whereis(name).is_some()).await;
            answers.push(node.call(name, Where, CALL).await.expect("the worker answers"));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{name} is at {answers:?}");
        homes.extend(answers);
    }
    let members = nodes[0].members().await;
    assert_eq!(homes.len(), nodes.len(), "names live on every node, not on {homes:?} alone: {members:?}");
}

/// Looks again and again, a few milliseconds apart, until it is so.
async fn eventually<R: TcpSockets>(runtime: &R, what: &str, so: impl AsyncFn() -> bool) {
    let give_up = Instant::now() + LONG;
    while !so().await {
        assert!(Instant::now() < give_up, "it never came to be that {what}");
        runtime.sleep_until(runtime.now() + Duration::from_millis(5)).await;
    }
}
