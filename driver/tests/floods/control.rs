//! Floods of control frames, by a real member that answers, is greeted and says each of its pings hundreds of times.

use std::time::Duration;

use futures::future::{Either, join, join3, select};
use skep::core::Instant;
use skep::core::error::Refusal;
use skep::core::event::Status;
use skep::link::LinkBounds;
use skep::{Event, Limit, Node, NodeBuilder, Runtime};

use super::meddling::{Meddler, Meddling};
use super::support::{Begin, Echo, MILLI, PATIENCE, Say, World, address, event, name_owned_by};

const SECOND: Duration = Duration::from_secs(1);
const PING: u16 = 0x0010;

/// More than half of these 256 KiB wait while a burst of 200 frames does, each of which weighs 1 KiB and some bytes.
const UNHANDLED: usize = 256 << 10;
const BURST: usize = 200;
const PAUSE: Duration = Duration::from_millis(50);

pub(crate) fn limit(node: &Node, wanted: Limit) -> u64 {
    node.limits_reached().find(|(limit, _)| *limit == wanted).expect("each limit has its count").1
}

pub(crate) async fn is_up(at: &Node, peer: &str) -> bool {
    let members = at.members().await.expect("the node runs");
    members.iter().any(|member| member.node.as_str() == peer && member.status == Status::Up)
}

/// Two honest nodes, and a third whose links a meddler has.
struct Three {
    world: World,
    a: Node,
    b: Node,
    m: Node,
    meddler: Meddler,
}

async fn three(world: World) -> Three {
    let bounds = LinkBounds { unhandled: UNHANDLED, ..LinkBounds::default() };
    let honest = |name| world.builder(name).worker::<Echo>().link_bounds(bounds.clone()).start();
    let meddler = Meddler::default();
    let transport = Meddling {
        inner: world.network.at(address("m")),
        runtime: world.runtime.clone(),
        meddler: meddler.clone(),
    };
    let m = NodeBuilder::new("m", world.runtime.clone(), transport).join("a").join("b").worker::<Echo>();
    let (a, b, m) = join3(honest("a"), honest("b"), m.start()).await;
    let [a, b, m] = [a, b, m].map(|node| node.expect("the node starts"));
    for (node, peer) in [(&a, "b"), (&a, "m"), (&b, "a"), (&b, "m"), (&m, "a"), (&m, "b")] {
        world.until("all are up", async || is_up(node, peer).await).await;
    }
    Three { world, a, b, m, meddler }
}

impl Three {
    /// Calls a worker of a from b again and again while `what` is done.
    async fn served_during<T>(&self, name: &str, what: impl Future<Output = T>) -> T {
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
        let calls = std::pin::pin!(calls);
        match select(std::pin::pin!(what), calls).await {
            Either::Left((output, _)) => output,
            Either::Right(((), _)) => unreachable!("calls are made for ever"),
        }
    }

    async fn until_dropped(&self, times: u64) -> Instant {
        let so = async || limit(&self.a, Limit::Flood) == times;
        self.world.until("the flooder is dropped", so).await;
        self.world.runtime.now()
    }
}

#[test]
fn a_member_that_floods_is_dropped_and_kept_away_for_longer_each_time_while_the_rest_goes_on() {
    for seed in 1..=5 {
        let world = World::new(seed);
        let runtime = world.runtime.clone();
        runtime.run(floods_and_comes_back(three(world)));
    }
}

async fn floods_and_comes_back(three: impl Future<Output = Three>) {
    let three = three.await;
    let Three { world, a, b, m, meddler } = &three;
    let name = name_owned_by(a).await;
    b.register::<Echo>(&name, Begin::Well, PATIENCE).await.expect("it starts");
    let mut told = m.events();
    for (times, away) in [(1, SECOND), (2, SECOND * 2)] {
        let begun = world.runtime.now();
        let kept_away = limit(a, Limit::KeptAway);
        let flood = meddler.repeat(&world.runtime, "a", PING, BURST, PAUSE);
        let dropped = async {
            let at = three.until_dropped(times).await;
            meddler.stop();
            at
        };
        let ((), at) = three.served_during(&name, join(flood, dropped)).await;
        let patience = LinkBounds::default().flood_after;
        assert!((patience..patience + SECOND).contains(&(at - begun)), "dropped after {:?}", at - begun);
        let back =
            async { world.until("it is back", async || meddler.last_greeting("a") > Some(begun)).await };
        three.served_during(&name, back).await;
        let back = meddler.last_greeting("a").expect("it is back").since(at);
        assert!((away..away * 2 + SECOND).contains(&back), "back after {back:?}, not {away:?}");
        assert!(limit(a, Limit::KeptAway) > kept_away, "it tried before");
    }
    let refused = event(&mut told, |event| match event {
        Event::LinkRefused { address, refusal } => Some((address.clone(), refusal.clone())),
        _ => None,
    });
    assert_eq!(refused.await, (a.address().clone(), Refusal::Malformed), "its operator hears of it");
    for (node, peer) in [(a, "m"), (b, "m"), (m, "a")] {
        world.until("all are up again", async || is_up(node, peer).await).await;
    }
    assert_eq!(m.call(&name, Say("hello".into()), PATIENCE).await, Ok("a says hello".to_owned()));
    assert_eq!([a, b, m].map(|node| limit(node, Limit::Flood)), [2, 0, 0]);
}
