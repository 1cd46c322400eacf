//! Two honest nodes, a and b, and a third, m, whose links a meddler has.

use std::pin::pin;

use futures::future::{Either, join, select};
use skep::core::event::Status;
use skep::testing::SimulatedNode;
use skep::{Limit, Node, NodeBuilder, Runtime, SimRuntime};

use super::meddling::{Meddler, Meddling};
use super::support::{Begin, Echo, MILLI, PATIENCE, Say, World, address, name_owned_by};

pub(crate) fn limit(node: &Node, wanted: Limit) -> u64 {
    node.limits_reached().find(|(limit, _)| *limit == wanted).expect("each limit has its count").1
}

pub(crate) async fn is_up(at: &Node, peer: &str) -> bool {
    let members = at.members().await.expect("the node runs");
    members.iter().any(|member| member.node.as_str() == peer && member.status == Status::Up)
}

/// Two honest nodes, and a third whose links a meddler has.
pub(crate) struct Three {
    pub(crate) world: World,
    pub(crate) a: Node,
    pub(crate) b: Node,
    pub(crate) m: Node,
    pub(crate) meddler: Meddler,
}

/// All up to one another; the honest ones by this recipe.
pub(crate) async fn three(world: World, recipe: impl Fn(SimulatedNode) -> SimulatedNode) -> Three {
    let honest = |name| recipe(world.builder(name).worker::<Echo>()).start();
    let (a, b) = join(honest("a"), honest("b")).await;
    let [a, b] = [a, b].map(|node| node.expect("the node starts"));
    joined(world, a, b, |m| m).await
}

/// The third joins the two, by a recipe of its own.
pub(crate) async fn joined(world: World, a: Node, b: Node, recipe: impl Fn(Third) -> Third) -> Three {
    let meddler = Meddler::default();
    let transport = Meddling {
        inner: world.network.at(address("m")),
        runtime: world.runtime.clone(),
        meddler: meddler.clone(),
    };
    let m = NodeBuilder::new("m", world.runtime.clone(), transport).join("a").join("b");
    let m = recipe(m).start().await.expect("the node starts");
    for (node, peer) in [(&a, "b"), (&a, "m"), (&b, "a"), (&b, "m"), (&m, "a"), (&m, "b")] {
        world.until("all are up", async || is_up(node, peer).await).await;
    }
    Three { world, a, b, m, meddler }
}

type Third = NodeBuilder<SimRuntime, Meddling>;

impl Three {
    /// A worker of a, of which b knows.
    pub(crate) async fn echo(&self) -> String {
        let name = name_owned_by(&self.a).await;
        self.a.register::<Echo>(&name, Begin::Well, PATIENCE).await.expect("it starts");
        self.world.until("b knows", async || self.b.whereis(&name).is_some()).await;
        name
    }

    /// Calls a worker of a from b again and again while `what` is done.
    pub(crate) async fn served_during<T>(&self, name: &str, what: impl Future<Output = T>) -> T {
        let calls = async {
            loop {
                let asked = self.world.runtime.now();
                let answer = self.b.call(name, Say("hello".into()), PATIENCE).await;
                assert_eq!(answer, Ok("a says hello".to_owned()));
                let took = self.world.runtime.now() - asked;
                assert!(took < MILLI * 20, "a call took {took:?}");
                self.world.sleep(MILLI * 10).await;
            }
        };
        match select(pin!(what), pin!(calls)).await {
            Either::Left((output, _)) => output,
            Either::Right(((), _)) => unreachable!("calls are made for ever"),
        }
    }
}
