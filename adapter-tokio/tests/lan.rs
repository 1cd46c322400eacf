//! Beacons on real sockets: found, withdrawn by silence, and not impressed by garbage. All on loopback, where
//! multicast does not leave the machine.

use std::net::UdpSocket;
use std::time::Duration;

use futures::StreamExt;
use skep_tokio::TokioRuntime;
use skep_tokio::core::event::Observation;
use skep_tokio::core::id::{Address, ClusterName, Life, NodeName};
use skep_tokio::discovery::{Announced, Discovery, Observations, observations};
use skep_tokio::secret::{KeyRing, Secret};
use skep_tokio::sources::{BeaconTally, Lan};
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(20);

fn secrets(text: &str) -> KeyRing {
    let secret = Secret::new(format!("{text}-0123456789abcdef0123456789abcdef")).expect("good");
    KeyRing::new([secret]).expect("one")
}

/// A free port: nobody else's beacons are to be heard in a test.
fn port() -> u16 {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a free port");
    socket.local_addr().expect("bound").port()
}

fn address(life: u64) -> Address {
    Address::new(format!("10.0.0.{life}:7000")).expect("a good address")
}

/// A node that only looks for others.
struct Looking {
    observed: Observations,
    tally: BeaconTally,
    task: JoinHandle<()>,
}

impl Looking {
    fn begin(life: u64, lan: Lan) -> Self {
        let me = Announced {
            cluster: ClusterName::new("orders").expect("a good name"),
            node: NodeName::new(life.to_string()).expect("a good name"),
            life: Life(life),
            address: address(life),
        };
        let runtime = TokioRuntime::current().expect("inside tokio");
        let (sink, observed) = observations();
        let mut lan = lan.interfaces(["lo"]).every(Duration::from_millis(50));
        let tally = lan.tally();
        let task = tokio::spawn(async move { lan.run(runtime, me, sink).await });
        Self { observed, tally, task }
    }

    /// The next address that it sees.
    async fn sees(&mut self) -> Address {
        let next = tokio::time::timeout(PATIENCE, self.observed.next()).await.expect("in time");
        match next.expect("it goes on") {
            Observation::Seen { peer, ttl } => {
                assert_eq!(ttl, Duration::from_millis(250));
                peer
            }
            other => panic!("a beacon was to be seen: {other:?}"),
        }
    }
}

#[tokio::test]
async fn nodes_of_one_secret_see_each_other_and_no_others() {
    let port = port();
    let mut one = Looking::begin(1, Lan::new(secrets("one")).port(port));
    let mut two = Looking::begin(2, Lan::new(secrets("one")).port(port));
    let other = Looking::begin(3, Lan::new(secrets("other")).port(port));
    for _ in 0..20 {
        assert_eq!((one.sees().await, two.sees().await), (address(2), address(1)));
    }
    assert!(one.tally.read().forged > 0, "the other's were heard, and dropped: {:?}", one.tally.read());
    assert_eq!(other.tally.read().heard, 0);
    two.task.abort();
    assert!(two.task.await.is_err(), "it was ended");
}

#[tokio::test]
async fn ten_thousand_pieces_of_garbage_are_counted_and_dropped() {
    let port = port();
    let mut one = Looking::begin(1, Lan::new(secrets("one")).port(port));
    let two = Looking::begin(2, Lan::new(secrets("one")).port(port));
    assert_eq!(one.sees().await, address(2));
    two.task.abort();
    assert!(two.task.await.is_err(), "it was ended, and its socket closed");
    // No other socket listens there now: what is sent to the address itself comes to this one.
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let good = b"skb1";
    let counted = |figures: skep_tokio::sources::BeaconFigures| figures.garbage + figures.forged;
    for number in 0..10_000_u64 {
        let length = (number.wrapping_mul(2_654_435_761) >> 7) as usize % 700;
        let mut packet = vec![(number >> 3) as u8; length];
        if number % 2 == 0 && length > good.len() {
            packet[..good.len()].copy_from_slice(good);
        }
        stranger.send_to(&packet, ("127.0.0.1", port)).expect("loopback takes it");
        if number % 32 == 31 {
            // The system drops what finds no room, so wait for it to be heard.
            let wait = async {
                while counted(one.tally.read()) <= number {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(PATIENCE, wait).await.expect("each is counted");
        }
    }
    let figures = one.tally.read();
    assert!(figures.garbage > 4000 && figures.forged > 2000, "{figures:?}");
    let back = Looking::begin(4, Lan::new(secrets("one")).port(port));
    while one.sees().await != address(4) {}
    drop(back);
}
