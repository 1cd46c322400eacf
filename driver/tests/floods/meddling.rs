//! A member whose process does more than its node: whatever the node sends goes out, and besides it what a test wants.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use skep::core::Instant;
use skep::core::id::{Address, LinkId};
use skep::core::wire::{Deframer, Frame, Hello};
use skep::link::{Hub, Incoming, Link, Outgoing, Report, Reports, hub};
use skep::transport::{BindError, Dialer, Listener, Transport};
use skep::{MemoryDialer, MemoryListener, MemoryTransport, Runtime, SimRuntime};

const GREET: u16 = 0x0007;

/// A frame of this kind: a header, encoded, and what follows it.
pub(crate) fn behind(header: &impl Serialize, kind: u16, rest: &[u8]) -> Frame {
    let mut body = postcard::to_allocvec(header).expect("plain data");
    body.extend(rest);
    Frame { kind, body }
}

/// A transport in memory, between whose links and whose node somebody meddles.
pub(crate) struct Meddling {
    pub(crate) inner: MemoryTransport,
    pub(crate) runtime: SimRuntime,
    pub(crate) meddler: Meddler,
}

pub(crate) struct MeddlingListener {
    inner: MemoryListener,
    runtime: SimRuntime,
    meddler: Meddler,
}

pub(crate) struct MeddlingDialer(MemoryDialer);

/// Who meddles with all links of one node. Cloning it is cheap.
#[derive(Clone, Default)]
pub(crate) struct Meddler {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    links: BTreeMap<LinkId, Tapped>,
    /// When which peer greeted the node: it was let in.
    greeted: Vec<(Instant, String)>,
    is_holding: bool,
    /// Frames of this kind do not come to the node.
    deaf_to: Option<u16>,
}

struct Tapped {
    link: Link,
    /// The last frame of each kind that the node itself sent.
    said: HashMap<u16, Frame>,
    /// What it sent while its frames are held.
    held: Vec<Frame>,
}

impl Meddler {
    /// Says the node's last frame of this kind so many times more to the peer, each time when a `pause` is over, from
    /// now until [`Meddler::stop`]. What the node says meanwhile goes together with that, so that the peer has no
    /// moment in between.
    pub(crate) async fn repeat(
        &self,
        runtime: &SimRuntime,
        to: &str,
        kind: u16,
        times: usize,
        pause: Duration,
    ) {
        self.state().is_holding = true;
        while self.state().is_holding {
            self.burst(to, kind, times);
            runtime.sleep_until(runtime.now() + pause).await;
        }
    }

    fn burst(&self, to: &str, kind: u16, times: usize) {
        for tapped in self.state().links.values_mut() {
            let held = std::mem::take(&mut tapped.held);
            let more = tapped.said.get(&kind).filter(|_| tapped.link.node().as_str() == to);
            let more = more.into_iter().flat_map(|frame| std::iter::repeat_n(frame, times));
            for frame in held.iter().chain(more) {
                let _ = tapped.link.push(frame.clone()); // it may just have ended
            }
        }
    }

    /// From now on frames of this kind are lost on their way to the node.
    pub(crate) fn turn_deaf(&self, to: u16) {
        self.state().deaf_to = Some(to);
    }

    /// The node is alone with its links again.
    pub(crate) fn stop(&self) {
        self.state().is_holding = false;
        self.burst("", 0, 0);
    }

    /// Puts a frame on the link to that peer as soon as there is room.
    pub(crate) async fn say(&self, to: &str, frame: Frame) {
        let link = self.state().of(to).expect("there is a link").link.clone();
        link.push_when_room(frame).await.expect("the link lives on");
    }

    /// When this peer last greeted the node, as it does on each link that it takes.
    pub(crate) fn last_greeting(&self, peer: &str) -> Option<Instant> {
        self.state().greeted.iter().rev().find(|(_, by)| by == peer).map(|(at, _)| *at)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner) // each use is one step
    }
}

impl State {
    fn of(&self, peer: &str) -> Option<&Tapped> {
        self.links.values().rfind(|tapped| tapped.link.node().as_str() == peer)
    }

    fn hear(&mut self, link: LinkId, kind: u16, now: Instant) {
        if let Some(tapped) = self.links.get(&link)
            && kind == GREET
        {
            self.greeted.push((now, tapped.link.node().to_string()));
        }
    }
}

impl Transport<SimRuntime> for Meddling {
    type Listener = MeddlingListener;

    async fn bind(self, runtime: SimRuntime) -> Result<MeddlingListener, BindError> {
        let inner = self.inner.bind(runtime).await?;
        Ok(MeddlingListener { inner, runtime: self.runtime, meddler: self.meddler })
    }
}

impl Listener for MeddlingListener {
    type Dialer = MeddlingDialer;

    fn address(&self) -> Address {
        Listener::address(&self.inner)
    }

    fn serve(self, hello: Hello, node: Hub) -> MeddlingDialer {
        let (outside, reports) = hub();
        self.runtime.spawn(carry(reports, node, self.runtime.clone(), self.meddler));
        MeddlingDialer(self.inner.serve(hello, outside))
    }
}

impl Dialer for MeddlingDialer {
    fn dial(&mut self, address: Address) {
        self.0.dial(address);
    }

    fn introduce_as(&mut self, hello: Hello) {
        self.0.introduce_as(hello);
    }
}

/// What comes in goes to the node.
async fn carry(mut reports: Reports, node: Hub, runtime: SimRuntime, meddler: Meddler) {
    let mut incoming: HashMap<LinkId, Incoming> = HashMap::new();
    loop {
        match reports.next().await {
            Report::LinkUp { way, peer, link } => {
                let ends = node.link_up(way, link.ours(), peer);
                incoming.insert(link.id(), ends.incoming);
                let tapped = Tapped { link: link.clone(), said: HashMap::new(), held: Vec::new() };
                meddler.state().links.insert(link.id(), tapped);
                runtime.spawn(write(ends.outgoing, link, meddler.clone()));
            }
            Report::Frame { link, frame } => {
                meddler.state().hear(link, frame.kind, runtime.now());
                if meddler.state().deaf_to == Some(frame.kind) {
                    continue;
                }
                if let Some(end) = incoming.get_mut(&link)
                    && end.frame(frame).await.is_err()
                {
                    incoming.remove(&link);
                }
            }
            Report::Down { link } => {
                meddler.state().links.remove(&link);
                incoming.remove(&link);
            }
            Report::DialFailed { address, failure } => node.dial_failed(address, failure),
        }
    }
}

/// What the node says goes out, at once or with the next burst.
async fn write(mut outgoing: Outgoing, link: Link, meddler: Meddler) {
    let mut deframer = Deframer::default();
    let mut bytes = Vec::new();
    while outgoing.take(&mut bytes, 64 << 10).await.is_ok() {
        deframer.push(&bytes);
        bytes.clear();
        while let Ok(Some(frame)) = deframer.next_frame() {
            let mut state = meddler.state();
            let is_holding = state.is_holding;
            if let Some(tapped) = state.links.get_mut(&link.id()) {
                tapped.said.insert(frame.kind, frame.clone());
                if is_holding {
                    tapped.held.push(frame);
                    continue;
                }
            }
            drop(state);
            let _ = link.push(frame); // it may just have ended
        }
    }
    meddler.state().links.remove(&link.id());
    link.close();
}
