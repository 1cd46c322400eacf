//! Honest nodes that have much to say at once, to nodes whose work takes time.

use std::time::Duration;

use futures::future::join;
use skep::link::LinkBounds;
use skep::{Limit, NodeBuilder};

use super::laborious::Laborious;
use super::support::{Begin, Echo, PATIENCE, World, address};
use super::three::{is_up, limit};

/// What one look at the clock costs: a frame costs some of them, and with that more than it takes a slow machine.
const COST: Duration = Duration::from_micros(20);
const NAMES: usize = 20_000;
/// In so many bursts they are registered. Together these last for longer than a flood may.
const BURSTS: usize = 20;

#[test]
fn twenty_thousand_names_are_no_flood_when_they_are_registered_met_again_and_learnt() {
    let world = World::new(1);
    // Sixteen times less room than by default, so that they press, and ten times less patience.
    let bounds =
        LinkBounds { unhandled: 256 << 10, flood_after: Duration::from_secs(1), ..LinkBounds::default() };
    let node = |name: &str| {
        let runtime = Laborious::new(world.runtime.clone(), COST);
        let node = NodeBuilder::new(name, runtime, world.network.at(address(name)));
        let node = node.worker::<Echo>().link_bounds(bounds.clone());
        ["a", "b", "c"].into_iter().filter(|peer| *peer != name).fold(node, NodeBuilder::join)
    };
    world.runtime.run(async {
        let (a, b) = join(node("a").start(), node("b").start()).await;
        let [a, b] = [a, b].map(|node| node.expect("the node starts"));
        for burst in 0..BURSTS {
            let names = (0..NAMES / BURSTS).map(|number| (format!("n{burst}-{number}"), Begin::Well));
            let answers = b.register_many::<Echo>(names, PATIENCE).await;
            assert_eq!(answers.iter().find(|answer| answer.is_err()), None);
            world.sleep(Duration::from_secs(1)).await;
        }
        for node in [&a, &b] {
            assert!(limit(node, Limit::Unhandled) > 0, "{}: it is not pressed at all", node.name());
        }

        world.network.cut(&address("a"), &address("b"));
        let falls_silent = async || !is_up(&a, "b").await && !is_up(&b, "a").await;
        world.until("each is down to the other", falls_silent).await;
        world.network.heal();
        let meet = async || is_up(&a, "b").await && is_up(&b, "a").await;
        world.until("they meet again", meet).await;
        world.sleep(Duration::from_secs(10)).await; // in which they settle who has which name

        let c = node("c").start().await.expect("the node starts");
        let knows = async || c.registered().await.expect("the node runs").len() == NAMES;
        world.until("c knows all names", knows).await;
        for node in [&a, &b, &c] {
            assert_eq!(limit(node, Limit::Flood), 0, "on {}", node.name());
            assert_eq!(limit(node, Limit::KeptAway), 0, "on {}", node.name());
        }
    });
}
