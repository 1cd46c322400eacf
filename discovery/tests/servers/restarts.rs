//! Nodes over TCP whose only source is a server that stops and comes back: they stay members, and one that starts
//! afterwards is found.

use std::future::Future;
use std::time::Duration;

use futures::future::join;
use skep::discovery::Discovery;
use skep_core::event::Event;
use skep_tokio::tcp::{Tcp, TcpConfig};
use skep_tokio::{Events, News, Node, NodeBuilder, TokioRuntime};

const PATIENCE: Duration = Duration::from_secs(30);

/// Who is to run, and where.
pub(crate) struct Place {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
}

impl Place {
    /// At any free port.
    pub(crate) fn anywhere(name: &'static str) -> Self {
        Self { name, port: 0 }
    }

    async fn start(&self, source: impl Discovery<TokioRuntime>) -> Node {
        let runtime = TokioRuntime::current().expect("inside tokio");
        let listen = format!("127.0.0.1:{}", self.port);
        let transport = Tcp::new(TcpConfig::new(listen).insecure_plaintext());
        let node =
            NodeBuilder::new(self.name, runtime, transport).cluster("orders").topology("server", source);
        node.start().await.expect("it starts")
    }
}

/// Starts two nodes, stops the server that they found each other by, starts it again, and a third node. `make` makes a
/// node's source.
pub(crate) fn outlive<S, D: Discovery<TokioRuntime>>(
    places: [Place; 3],
    make: impl Fn() -> D,
    first: S,
    stop: impl FnOnce(S),
    restart: impl FnOnce() -> S,
) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let [early, other, late] = places;
        let (a, b) = join(early.start(make()), other.start(make())).await;
        until_ready(&[&a, &b], 2).await;
        let mut lives = [a, b].map(|node| {
            let events = node.events_from_start();
            (node, events)
        });
        both(&mut lives, "the source names somebody", |event| matches!(event, Event::Discovered { .. }))
            .await;
        tokio::task::block_in_place(|| stop(first));
        both(&mut lives, "the source fails", |event| matches!(event, Event::SourceDegraded { .. })).await;
        let _second = tokio::task::block_in_place(restart);
        both(&mut lives, "the source answers", |event| matches!(event, Event::SourceHealthy { .. })).await;
        let c = late.start(make()).await;
        until_ready(&[&lives[0].0, &lives[1].0, &c], 3).await;
        both(
            &mut lives,
            "c is up",
            |event| matches!(event, Event::MemberUp { node, .. } if node == c.name()),
        )
        .await;
        for (node, _) in lives {
            node.leave(PATIENCE).await;
        }
        c.leave(PATIENCE).await;
    });
}

/// Both read on until it is so.
async fn both(lives: &mut [(Node, Events); 2], what: &str, is_so: impl Fn(&Event) -> bool) {
    let [(_, of_a), (_, of_b)] = lives;
    join(until(of_a, what, &is_so), until(of_b, what, &is_so)).await;
}

async fn until_ready(nodes: &[&Node], members: usize) {
    for node in nodes {
        assert_eq!(node.ready(members, Duration::ZERO, PATIENCE).await, Ok(members), "{}", node.name());
    }
}

/// Reads on until it is so; nobody may be counted down before.
async fn until(events: &mut Events, what: &str, is_so: impl Fn(&Event) -> bool) {
    let reading = async {
        while let Some(news) = events.next().await {
            let News::Event(event) = news else { panic!("{what}: events were missed") };
            assert!(!matches!(event, Event::MemberDown { .. }), "nobody ends here: {event:?}");
            if is_so(&event) {
                return;
            }
        }
        panic!("{what}: the node ended");
    };
    in_time(what, reading).await;
}

async fn in_time(what: &str, done: impl Future<Output = ()>) {
    assert!(tokio::time::timeout(PATIENCE, done).await.is_ok(), "{what} within {PATIENCE:?}");
}
