//! Floods of control frames, by a real member that answers, is greeted and says each of its pings hundreds of times.

use std::time::Duration;

use futures::future::join;
use skep::core::Instant;
use skep::core::error::Refusal;
use skep::link::LinkBounds;
use skep::{Event, Limit, Runtime};

use super::support::{Begin, Echo, PATIENCE, Say, World, event, name_owned_by};
use super::three::{Three, is_up, limit, three};

const SECOND: Duration = Duration::from_secs(1);
const PING: u16 = 0x0010;

/// More than half of these 256 KiB wait while a burst of 200 frames does, each of which weighs 1 KiB and some bytes.
const UNHANDLED: usize = 256 << 10;
const BURST: usize = 200;
const PAUSE: Duration = Duration::from_millis(50);

async fn until_dropped(three: &Three, times: u64) -> Instant {
    three.world.until("the flooder is dropped", async || limit(&three.a, Limit::Flood) == times).await;
    three.world.runtime.now()
}

#[test]
fn a_member_that_floods_is_dropped_and_kept_away_for_longer_each_time_while_the_rest_goes_on() {
    for seed in 1..=5 {
        let world = World::new(seed);
        let runtime = world.runtime.clone();
        let bounds = LinkBounds { unhandled: UNHANDLED, ..LinkBounds::default() };
        runtime.run(floods_and_comes_back(three(world, |node| node.link_bounds(bounds.clone()))));
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
            let at = until_dropped(&three, times).await;
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
