//! A source at work, and what it says, with deadlines.

use std::future::Future;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::channel::oneshot;
use futures::executor::block_on;
use futures::future::{Either, pending, select};
use skep::discovery::{Announced, Discovery, observations};
use skep::{Runtime, std_clock};
use skep_core::event::{Observation, SourceFault};
use skep_core::id::{Address, ClusterName, Life, NodeName};

const PATIENCE: Duration = Duration::from_secs(30);

/// The sources that ask servers need nothing of a runtime but its name.
#[derive(Clone)]
pub(crate) struct Nothing;

impl Runtime for Nothing {
    fn now(&self) -> skep_core::Instant {
        std_clock::now()
    }

    fn unix_micros(&self) -> u64 {
        std_clock::unix_micros()
    }

    fn sleep_until(&self, _: skep_core::Instant) -> impl Future<Output = ()> + Send + 'static {
        pending()
    }

    fn spawn(&self, _: impl Future<Output = ()> + Send + 'static) {
        unreachable!("no source spawns")
    }

    fn entropy(&self, buffer: &mut [u8]) {
        std_clock::entropy(buffer);
    }
}

/// A source that runs until this is dropped.
pub(crate) struct Looking {
    said: Receiver<Observation>,
    _stop: oneshot::Sender<()>,
}

impl Looking {
    pub(crate) fn begin(source: impl Discovery<Nothing>) -> Self {
        Self::of(source, 1)
    }

    /// The node of this life looks.
    pub(crate) fn of(mut source: impl Discovery<Nothing>, life: u64) -> Self {
        let me = Announced {
            cluster: ClusterName::new("orders").expect("a good name"),
            node: NodeName::new(format!("node-{life}")).expect("a good name"),
            life: Life(life),
            address: address(&format!("10.9.0.{life}:7000")),
        };
        let (sink, mut observed) = observations();
        let (sender, said) = channel();
        let (stop, stopped) = oneshot::channel::<()>();
        thread::spawn(move || {
            let running = std::pin::pin!(source.run(Nothing, me, sink));
            if let Either::Left(((), stopped)) = block_on(select(running, stopped)) {
                let _ = block_on(stopped); // it has said all; the test reads on
            }
        });
        thread::spawn(move || {
            while let Some(observation) = block_on(observed.next()) {
                if sender.send(observation).is_err() {
                    return;
                }
            }
        });
        Self { said, _stop: stop }
    }

    /// The next that it says.
    pub(crate) fn next(&self) -> Observation {
        self.said.recv_timeout(PATIENCE).expect("it says something in time")
    }

    /// Passes over what it says until it is this.
    pub(crate) fn until(&self, what: &str, is_it: impl Fn(&Observation) -> bool) -> Observation {
        let deadline = Instant::now() + PATIENCE;
        let mut heard = Vec::new();
        while let Ok(said) = self.said.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if is_it(&said) {
                return said;
            }
            if heard.last() != Some(&said) {
                heard.push(said);
            }
        }
        panic!("{what} within {PATIENCE:?}; it said {heard:?}");
    }

    /// Passes over what it says until all peers are these.
    pub(crate) fn until_peers(&self, texts: &[&str]) {
        let mut wanted: Vec<Address> = texts.iter().map(|text| address(text)).collect();
        wanted.sort();
        self.until(&format!("{texts:?}"), |said| match said {
            Observation::Snapshot { peers, .. } => {
                let mut peers = peers.clone();
                peers.sort();
                peers == wanted
            }
            _ => false,
        });
    }

    /// Passes over what it says until it fails so, in these words.
    pub(crate) fn until_failed(&self, fault: SourceFault, words: &str) {
        self.until(&format!("{fault:?} with '{words}'"), |said| match said {
            Observation::Failed(failure) => failure.fault == fault && failure.reason.as_str().contains(words),
            _ => false,
        });
    }
}

pub(crate) fn address(text: &str) -> Address {
    Address::new(text).expect("a good address")
}
