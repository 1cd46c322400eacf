//! Nodes on one network find each other by beacons: small sealed datagrams, by multicast and by broadcast.
//!
//! A beacon says a life and where it listens, is sealed with the cluster's secret, and counts only while it is
//! fresh and only once. What comes from others is counted and dropped, whatever it is: a forged or replayed packet
//! costs a few microseconds, and the truth of an address is settled by the handshake at it.

mod figures;
mod interfaces;
mod packet;
mod sockets;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing {
    use super::packet::fuzzing::{opened, sealed};

    /// A packet that anybody may have sent: nobody without a secret makes a beacon.
    pub fn forged_beacon(bytes: &[u8]) {
        assert!(!opened(bytes), "a beacon that nobody sealed");
    }

    /// A packet that a node with the secret sealed, whatever it says in it.
    pub fn sealed_beacon(body: &[u8]) {
        opened(&sealed(body));
    }
}

#[cfg(test)]
mod tests;
mod window;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::pin::pin;
use std::time::Duration;

use futures::channel::mpsc;
use futures::future::{Either, select, select_all};
use futures::{FutureExt, SinkExt, StreamExt};
use skep::discovery::{Announced, Discovery, ObservationSink};
use skep::secret::KeyRing;
use skep::{Limit, Runtime};
use skep_core::Instant;
use skep_core::event::{Observation, SourceFault};
use skep_core::id::Source;
use tracing::debug;

pub use figures::{BeaconFigures, BeaconTally};
pub use interfaces::address_on_lan;
pub use sockets::UdpSockets;

use crate::pause::jittered;
use figures::Counted;
use interfaces::Interface;
use packet::{BadBeacon, Beacon, MAX_BEACON, PURPOSE};
use sockets::{Groups, Senders};
use window::{Verdict, Window};

/// Datagrams that wait to be judged; others of the same moment are dropped by the system.
const WAITING: usize = 64;

/// So many beacons at first follow each other quickly.
const QUICK_BEACONS: u32 = 5;
const QUICK: Duration = Duration::from_millis(100);

/// How often the interfaces are looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// The source: beacons to the group 239.255.76.83 and the broadcast addresses, and to `ff02::736b:6570`, UDP port
/// 45893, on all interfaces but loopback, once a second.
///
/// All nodes of a cluster share a secret: without one there is no beacon. Clocks may differ by
/// [`Lan::freshness`].
#[derive(Clone, Debug)]
pub struct Lan {
    secrets: KeyRing,
    interfaces: Vec<String>,
    groups: Groups,
    every: Duration,
    freshness: Duration,
    figures: BeaconTally,
}

impl Lan {
    /// Beacons sealed with the first of these secrets, and opened with any of them.
    pub fn new(secrets: KeyRing) -> Self {
        Self {
            secrets,
            interfaces: Vec::new(),
            groups: Groups {
                v4: Ipv4Addr::new(239, 255, 76, 83),
                v6: Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0x736b, 0x6570),
                port: 45893,
            },
            every: Duration::from_secs(1),
            freshness: Duration::from_secs(30),
            figures: BeaconTally::default(),
        }
    }

    /// Only on these interfaces, by their names, as `eth0`; loopback counts if it is named.
    #[must_use]
    pub fn interfaces<T: Into<String>>(self, names: impl IntoIterator<Item = T>) -> Self {
        Self { interfaces: names.into_iter().map(Into::into).collect(), ..self }
    }

    /// Another port; the same on all nodes.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.groups.port = port;
        self
    }

    /// How often a beacon is sent, a quarter more or less. Who is silent for five times as long is withdrawn.
    #[must_use]
    pub fn every(self, every: Duration) -> Self {
        Self { every: every.max(Duration::from_millis(10)), ..self }
    }

    /// How far the time in a beacon may be from ours; 30 s by default.
    #[must_use]
    pub fn freshness(self, freshness: Duration) -> Self {
        Self { freshness, ..self }
    }

    /// The counters of this source and of its clones, while it runs and after.
    pub fn tally(&self) -> BeaconTally {
        self.figures.clone()
    }
}

impl<R: UdpSockets> Discovery<R> for Lan {
    fn source(&self) -> Source {
        Source::new("lan").expect("a good name")
    }

    async fn run(&mut self, runtime: R, me: Announced, sink: ObservationSink) {
        let window = Window::new(self.freshness);
        let mut station = Station { lan: self, runtime, me, sink, window, last_sent: 0, degraded: false };
        loop {
            station.on_these_interfaces().await;
        }
    }
}

/// The source at work.
struct Station<'a, R> {
    lan: &'a Lan,
    runtime: R,
    me: Announced,
    sink: ObservationSink,
    window: Window,
    last_sent: u64,
    degraded: bool,
}

impl<R: UdpSockets> Station<'_, R> {
    /// Sends and hears until the interfaces change.
    async fn on_these_interfaces(&mut self) {
        let interfaces = self.find();
        let opened = sockets::open(&interfaces, self.lan.groups);
        let heard =
            opened.hearing.into_iter().map(|socket| self.runtime.udp(socket)).collect::<Result<_, _>>();
        let (hearing, fault): (Vec<R::Udp>, _) = match heard {
            Ok(hearing) => (hearing, opened.fault),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        if hearing.is_empty() || opened.senders.is_empty() {
            let fault = fault.unwrap_or_else(|| "there is no interface to send beacons on".to_owned());
            self.fail(fault).await;
            return self.pause(LOOK_AGAIN).await;
        }
        let names: BTreeSet<&str> = interfaces.iter().map(Interface::name).collect();
        debug!(target: "skep", ?names, ?fault, "beacons go out");
        let (packets, mut arrived) = mpsc::channel(WAITING);
        let mut hearing =
            select_all(hearing.into_iter().map(|socket| hear::<R>(socket, packets.clone()).boxed()));
        let mut next = self.runtime.now();
        let (mut sent, mut look) = (0, self.runtime.now() + LOOK_AGAIN);
        loop {
            let now = self.runtime.now();
            if look <= now {
                look = now + LOOK_AGAIN;
                if self.find() != interfaces {
                    return;
                }
            }
            if next <= now {
                self.send(&opened.senders).await;
                sent += 1;
                let pause = if sent < QUICK_BEACONS { QUICK.min(self.lan.every) } else { self.lan.every };
                next = now + jittered(pause, &self.runtime);
            }
            let alarm = pin!(self.runtime.sleep_until(next.min(look)));
            match select(select(arrived.next(), alarm), &mut hearing).await {
                Either::Left((Either::Left((Some(packet), _)), _)) => {
                    if self.on_packet(&packet).await == Some(Verdict::New) {
                        next = next.min(self.soon()); // it may be new here, and waits for ours
                    }
                }
                Either::Left(_) => {}
                Either::Right(((error, ..), _)) => {
                    self.fail(error).await;
                    return self.pause(self.lan.every).await;
                }
            }
        }
    }

    fn find(&self) -> BTreeSet<Interface> {
        interfaces::find(&self.lan.interfaces).unwrap_or_default() // none: that is told, and looked at again
    }

    fn soon(&self) -> Instant {
        self.runtime.now() + jittered(QUICK.min(self.lan.every), &self.runtime)
    }

    async fn pause(&self, pause: Duration) {
        self.runtime.sleep_until(self.runtime.now() + jittered(pause, &self.runtime)).await;
    }

    async fn fail(&mut self, reason: String) {
        self.degraded = true;
        self.sink.observe(Observation::failed(SourceFault::Transient, reason)).await;
    }

    async fn send(&mut self, senders: &Senders) {
        self.last_sent = self.runtime.unix_micros().max(self.last_sent + 1);
        let mut nonce = [0; 12];
        self.runtime.entropy(&mut nonce);
        let keys = self.lan.secrets.keys(PURPOSE);
        let beacon = Beacon {
            cluster: self.me.cluster.clone(),
            life: self.me.life,
            address: self.me.address.clone(),
            sent: self.last_sent,
        };
        let key = keys.first().expect("a ring of secrets is never empty");
        match senders.send(&beacon.seal(key, nonce)) {
            Ok(()) => {
                self.lan.figures.count(Counted::Sent);
                if std::mem::take(&mut self.degraded) {
                    let nothing = Observation::Snapshot { peers: Vec::new(), complete: false, ttl: None };
                    self.sink.observe(nothing).await;
                }
            }
            Err(error) => self.fail(format!("no interface takes a beacon: {error}")).await,
        }
    }
}

impl<R: Runtime> Station<'_, R> {
    /// Judges what came in, and passes on where a peer is.
    async fn on_packet(&mut self, packet: &[u8]) -> Option<Verdict> {
        let figures = &self.lan.figures;
        let beacon = match Beacon::open(packet, &self.lan.secrets.keys(PURPOSE)) {
            Ok(beacon) => beacon,
            Err(BadBeacon::Garbage) => {
                figures.count(Counted::Garbage);
                return None;
            }
            Err(BadBeacon::Forged) => {
                figures.count(Counted::Forged);
                return None;
            }
        };
        if beacon.cluster != self.me.cluster || beacon.life == self.me.life {
            return None; // its own come back to it
        }
        let verdict = self.window.judge(beacon.life, beacon.sent, self.runtime.unix_micros());
        match verdict {
            Verdict::New | Verdict::Known => {
                figures.count(Counted::Heard);
                for _ in 0..self.window.take_forgotten() {
                    figures.count(Counted::Forgotten);
                    self.sink.reached(Limit::BeaconSenders);
                }
                let ttl = self.lan.every * 5;
                self.sink.observe(Observation::Seen { peer: beacon.address, ttl }).await;
            }
            Verdict::Stale => figures.count(Counted::Stale),
            Verdict::Replayed => figures.count(Counted::Replayed),
        }
        Some(verdict)
    }
}

/// Passes datagrams on until the socket breaks.
async fn hear<R: UdpSockets>(mut socket: R::Udp, mut packets: mpsc::Sender<Vec<u8>>) -> String {
    let mut buffer = [0; MAX_BEACON + 1]; // one more, so that a longer one is seen to be longer
    loop {
        match R::receive(&mut socket, &mut buffer).await {
            // The station outlives this future, and so does its end.
            Ok((length, _)) => drop(packets.send(buffer[..length].to_vec()).await),
            // What an earlier datagram met on its way says nothing of this socket.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {}
            Err(error) => return error.to_string(),
        }
    }
}
