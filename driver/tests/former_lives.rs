//! Links that were agreed on by a life which is over when its node hears of them.
#![cfg(feature = "sim")]

mod support;

use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::join;
use skep::core::error::DialFailure;
use skep::core::event::Way;
use skep::core::id::{Address, Life, NodeName};
use skep::core::wire::Hello;
use skep::link::{Hub, LinkEnds};
use skep::transport::{BindError, Dialer, Listener, Transport};
use skep::{NodeBuilder, SimRuntime};
use support::{MILLI, World, address};

/// A transport of which a test makes each link.
#[derive(Clone, Default)]
struct ByHand(Arc<Mutex<Option<(Hello, Hub)>>>);

impl ByHand {
    /// Who the node says it is, once it serves.
    fn node(&self) -> Option<(Hello, Hub)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Transport<SimRuntime> for ByHand {
    type Listener = Self;

    async fn bind(self, _: SimRuntime) -> Result<Self, BindError> {
        Ok(self)
    }
}

impl Listener for ByHand {
    type Dialer = Self;

    fn address(&self) -> Address {
        address("b")
    }

    fn serve(self, hello: Hello, hub: Hub) -> Self {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((hello, hub));
        self
    }
}

impl Dialer for ByHand {
    fn dial(&mut self, address: Address) {
        self.node().expect("it serves").1.dial_failed(address, DialFailure::Unreachable);
    }

    fn introduce_as(&mut self, hello: Hello) {
        let mut node = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        node.as_mut().expect("it serves").0 = hello;
    }
}

fn peer(of: &Hello, name: &str, life: Life) -> Hello {
    Hello { node: NodeName::new(name).expect("a good name"), address: address(name), life, ..of.clone() }
}

/// How many bytes wait to be written; `None` if the link was ended.
fn said(link: &mut LinkEnds) -> Option<usize> {
    let mut bytes = Vec::new();
    let taken = link.outgoing.take(&mut bytes, 1 << 20).now_or_never()?;
    taken.ok().map(|()| bytes.len())
}

#[test]
fn a_link_that_was_agreed_on_by_a_former_life_ends_without_a_word() {
    let world = World::new(1);
    world.runtime.run(async {
        let transport = ByHand::default();
        let start = NodeBuilder::new("b", world.runtime.clone(), transport.clone()).start();
        let script = async {
            world.until("it serves", async || transport.node().is_some()).await;
            let (former, hub) = transport.node().expect("it serves");
            // a drew the same life, and has the earlier name: b makes way. The handshake with c was over before.
            let _a = hub.link_up(Way::Accepted, former.life, peer(&former, "a", former.life));
            let mut c = hub.link_up(Way::Accepted, former.life, peer(&former, "c", Life(former.life.0 + 1)));
            world.sleep(MILLI).await;
            let (present, _) = transport.node().expect("it serves");
            assert_ne!(present.life, former.life, "it has a life of its own");
            assert_eq!(said(&mut c), None, "c would take it for a liar");
            let mut again =
                hub.link_up(Way::Accepted, present.life, peer(&former, "c", Life(former.life.0 + 1)));
            world.sleep(MILLI).await;
            assert!(said(&mut again).is_some_and(|length| length > 0), "it greets by its present life");
        };
        let (node, ()) = join(start, script).await;
        node.expect("the node starts");
    });
}
