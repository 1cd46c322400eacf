//! The in-memory transport: nodes of one process linked by pumps instead of sockets.

mod cuts;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::{AbortHandle, Abortable, select};
use skep_core::error::{DialFailure, Refusal};
use skep_core::event::Way;
use skep_core::id::Address;
use skep_core::wire::{Deframer, Hello};

use cuts::Cuts;

use crate::link::{Hub, Incoming, LinkEnds, Outgoing};
use crate::runtime::{Platform, Runtime};
use crate::transport::{BindError, Dialer, Listener, Transport};

/// How long a dial waits for the other side of a cut.
const DIAL: Duration = Duration::from_secs(1);

/// A network inside one process. Cloning it is cheap; all clones are the same network.
///
/// What it carries is whole encoded frames, cut again on the other side, as a socket would do.
#[derive(Clone, Default)]
pub struct MemoryNetwork {
    ports: Arc<Mutex<HashMap<Address, Port>>>,
    cuts: Arc<Cuts>,
}

/// A place in a [`MemoryNetwork`] that no node has taken yet.
#[derive(Clone, Debug)]
pub struct MemoryTransport {
    network: MemoryNetwork,
    address: Address,
}

/// A taken place.
pub struct MemoryListener {
    place: Place,
}

/// An open place. Dropping it frees the address; links live on.
pub struct MemoryDialer {
    place: Place,
}

struct Place {
    network: MemoryNetwork,
    address: Address,
    platform: Platform,
    token: Arc<()>, // another node may take the address after a kill
}

struct Port {
    token: Arc<()>,
    /// Who answers here; `None` until the node serves.
    answers: Option<(Hello, Hub)>,
    /// Dials that came before.
    waiting: Vec<oneshot::Sender<()>>,
    /// The pumps of the links that touch this port.
    pumps: Vec<AbortHandle>,
}

impl MemoryNetwork {
    /// An empty network.
    pub fn new() -> Self {
        Self::default()
    }

    /// The place at this address.
    pub fn at(&self, address: Address) -> MemoryTransport {
        MemoryTransport { network: self.clone(), address }
    }

    /// As if the process there had been killed: nobody listens any more, and all its links end at once.
    pub fn kill(&self, address: &Address) {
        if let Some(port) = self.ports().remove(address) {
            port.pumps.iter().for_each(AbortHandle::abort);
        }
    }

    /// From now on the two do not hear each other: nothing arrives, nobody is told, dials end by their patience.
    pub fn cut(&self, one: &Address, other: &Address) {
        self.cuts.cut(one, other);
    }

    /// All hear each other again. What was under way arrives, unless its link was given up.
    pub fn heal(&self) {
        self.cuts.heal();
    }

    fn ports(&self) -> MutexGuard<'_, HashMap<Address, Port>> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner) // each use is one step
    }

    /// Who answers at `to`, once somebody does.
    async fn find(&self, to: &Address) -> Result<(Hello, Hub), DialFailure> {
        loop {
            let served = {
                let mut ports = self.ports();
                let Some(port) = ports.get_mut(to) else { return Err(DialFailure::Refused) };
                if let Some(answers) = &port.answers {
                    return Ok(answers.clone());
                }
                let (sender, served) = oneshot::channel();
                port.waiting.push(sender);
                served
            };
            if served.await.is_err() {
                return Err(DialFailure::Refused); // the listener went without ever serving
            }
        }
    }

    /// Links the two as a handshake would.
    async fn connect(&self, from: &Address, to: &Address, platform: &Platform) -> Result<(), DialFailure> {
        let deadline = platform.now() + DIAL;
        platform.by(deadline, self.cuts.healed(from, to)).await.ok_or(DialFailure::Unreachable)?;
        let (theirs, their_hub) = self.find(to).await?;
        let mut ports = self.ports();
        let Some((ours, our_hub)) = ports.get(from).and_then(|port| port.answers.clone()) else {
            return Err(DialFailure::Unreachable); // we were killed
        };
        ours.admit(&theirs).and_then(|_| theirs.admit(&ours)).map_err(DialFailure::Handshake)?;
        let (handle, registration) = AbortHandle::new_pair();
        for address in [from, to] {
            let port = ports.get_mut(address).ok_or(DialFailure::Refused)?;
            port.pumps.retain(|pump| !pump.is_aborted());
            port.pumps.push(handle.clone());
        }
        drop(ports);
        let here = our_hub.link_up(Way::Dialled(to.clone()), ours.life, theirs.clone());
        let there = their_hub.link_up(Way::Accepted, theirs.life, ours);
        let (cuts, from, to) = (self.cuts.clone(), from.clone(), to.clone());
        let pumps = async move { carry(here, there, async || cuts.healed(&from, &to).await).await };
        platform.spawn(async move {
            // Aborted by `kill`. Either way all ends are dropped, which ends the link on both sides.
            let _ = Abortable::new(pumps, registration).await;
            handle.abort(); // marks the pumps as gone
        });
        Ok(())
    }
}

/// Carries frames both ways until one side has written its last.
async fn carry<F: Future<Output = ()>>(here: LinkEnds, there: LinkEnds, healed: impl Fn() -> F) {
    let forth = pump(here.outgoing, there.incoming, &healed);
    let back = pump(there.outgoing, here.incoming, &healed);
    select(pin!(forth), pin!(back)).await;
}

/// Carries frames while the two hear each other. That a side has ended does not arrive either while they do not.
async fn pump<F: Future<Output = ()>>(
    mut outgoing: Outgoing,
    mut incoming: Incoming,
    healed: &impl Fn() -> F,
) {
    let mut deframer = Deframer::default();
    let mut bytes = Vec::new();
    while outgoing.take(&mut bytes, 64 << 10).await.is_ok() {
        healed().await;
        deframer.push(&bytes);
        bytes.clear();
        while let Ok(Some(frame)) = deframer.next_frame() {
            // One that reads no more may still write its last frames: the other pump decides when it is over.
            let _ = incoming.frame(frame).await;
        }
    }
    healed().await;
}

impl<R: Runtime> Transport<R> for MemoryTransport {
    type Listener = MemoryListener;

    fn bind(self, runtime: R) -> impl Future<Output = Result<MemoryListener, BindError>> + Send {
        let token = Arc::new(());
        let free = match self.network.ports().entry(self.address.clone()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(port) => {
                port.insert(Port {
                    token: token.clone(),
                    answers: None,
                    waiting: Vec::new(),
                    pumps: Vec::new(),
                });
                true
            }
        };
        let place = free.then(|| Place {
            network: self.network,
            address: self.address.clone(),
            platform: Platform::new(runtime),
            token,
        });
        async move {
            let Some(place) = place else {
                return Err(BindError::InUse(self.address.as_str().to_owned()));
            };
            Ok(MemoryListener { place })
        }
    }
}

impl Listener for MemoryListener {
    type Dialer = MemoryDialer;

    fn address(&self) -> Address {
        self.place.address.clone()
    }

    fn serve(self, hello: Hello, hub: Hub) -> MemoryDialer {
        let waiting = self.place.port(|port| {
            port.answers = Some((hello, hub));
            std::mem::take(&mut port.waiting)
        });
        for dial in waiting.into_iter().flatten() {
            // A dial that was given up needs no answer.
            let _ = dial.send(());
        }
        MemoryDialer { place: self.place }
    }
}

impl Dialer for MemoryDialer {
    fn dial(&mut self, address: Address) {
        let Some(Some((_, hub))) = self.place.port(|port| port.answers.clone()) else {
            return; // killed: nobody is told anything any more
        };
        let (network, from) = (self.place.network.clone(), self.place.address.clone());
        let platform = self.place.platform.clone();
        self.place.platform.spawn(async move {
            let connected = if from == address {
                Err(DialFailure::Handshake(Refusal::Ourselves))
            } else {
                network.connect(&from, &address, &platform).await
            };
            if let Err(failure) = connected {
                hub.dial_failed(address, failure);
            }
        });
    }

    fn introduce_as(&mut self, hello: Hello) {
        self.place.port(|port| {
            if let Some((ours, _)) = &mut port.answers {
                *ours = hello;
            }
        });
    }
}

impl Place {
    /// Our port, unless we were killed.
    fn port<T>(&self, use_it: impl FnOnce(&mut Port) -> T) -> Option<T> {
        let mut ports = self.network.ports();
        let port = ports.get_mut(&self.address)?;
        Arc::ptr_eq(&port.token, &self.token).then(|| use_it(port))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.port(|_| ()).is_some() {
            self.network.ports().remove(&self.address);
        }
    }
}

impl fmt::Debug for MemoryNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryNetwork").field("addresses", &self.ports().keys()).finish()
    }
}
