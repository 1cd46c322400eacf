//! Nodes without an engine on real sockets, and the same test on every runtime.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use skep::core::error::DialFailure;
use skep::core::event::Way;
use skep::core::id::{Address, ClusterName, Life, NodeName};
use skep::core::placement::StrategyId;
use skep::core::wire::{Frame, Hello};
use skep::link::{Link, Report, Reports, hub};
use skep::transport::{BindError, Dialer, Listener, Transport};
use skep_tcp::session::plaintext::Plaintext;
use skep_tcp::session::{Progress, Sessions, Side};
use skep_tcp::{Tcp, TcpConfig, TcpDialer, TcpListener, TcpSockets};

/// Longer than anything here takes, even on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Makes a test on every runtime of each `async fn claim<R: TcpSockets>(runtime: R)`.
macro_rules! on_every_runtime {
    ($($claim:ident),* $(,)?) => {
        mod tokio_multi_thread {
            $(#[test] fn $claim() {
                let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
                let runtime = runtime.expect("tokio starts");
                let ours = skep_tokio::TokioRuntime::new(runtime.handle().clone());
                runtime.block_on(super::$claim(ours));
            })*
        }
        mod tokio_current_thread {
            $(#[test] fn $claim() {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime = runtime.expect("tokio starts");
                let ours = skep_tokio::TokioRuntime::new(runtime.handle().clone());
                runtime.block_on(super::$claim(ours));
            })*
        }
        mod smol {
            $(#[test] fn $claim() {
                ::smol::block_on(super::$claim(skep_smol::SmolRuntime::global()));
            })*
        }
        mod async_std {
            $(#[test] fn $claim() {
                ::async_std::task::block_on(super::$claim(skep_smol::SmolRuntime::async_std()));
            })*
        }
    };
}

pub(crate) fn hello(node: &str, life: u64, address: &Address) -> Hello {
    Hello {
        wire_min: 1,
        wire_max: 1,
        cluster: ClusterName::new("orders").expect("a good name"),
        slot_bits: 19,
        strategy: StrategyId::Ring,
        node: NodeName::new(node).expect("a good name"),
        life: Life(life),
        address: address.clone(),
    }
}

/// A transport, and what it reports.
pub(crate) struct Node<R: TcpSockets> {
    pub(crate) runtime: R,
    pub(crate) hello: Hello,
    pub(crate) dialer: TcpDialer<R>,
    pub(crate) reports: Reports,
}

pub(crate) async fn bind<R: TcpSockets>(runtime: &R, config: TcpConfig) -> Result<TcpListener<R>, BindError> {
    Tcp::new(config).bind(runtime.clone()).await
}

/// A node on a free loopback port.
pub(crate) async fn node<R: TcpSockets>(runtime: &R, name: &str, life: u64) -> Node<R> {
    node_with(runtime, name, life, |_, _| {}).await
}

pub(crate) async fn node_with<R: TcpSockets>(
    runtime: &R,
    name: &str,
    life: u64,
    change: impl FnOnce(&mut TcpConfig, &mut Hello),
) -> Node<R> {
    let mut config = TcpConfig::new("127.0.0.1:0").insecure_plaintext(); // a test can say its bytes by hand
    // A busy machine is no failure; tests of a timeout set their own.
    (config.dial_timeout, config.handshake_timeout) = (LONG, LONG);
    let mut hello = hello(name, life, &Address::new("unbound").expect("a good address"));
    change(&mut config, &mut hello);
    let listener = bind(runtime, config).await.expect("a free port");
    hello.address = listener.address();
    let (hub, reports) = hub();
    let dialer = listener.serve(hello.clone(), hub);
    Node { runtime: runtime.clone(), hello, dialer, reports }
}

impl<R: TcpSockets> Node<R> {
    pub(crate) fn address(&self) -> Address {
        self.hello.address.clone()
    }

    pub(crate) fn dial(&mut self, address: &str) {
        self.dialer.dial(Address::new(address).expect("a good address"));
    }

    pub(crate) async fn next(&mut self) -> Report {
        soon(&self.runtime, self.reports.next()).await
    }

    pub(crate) async fn next_link(&mut self) -> (Way, Hello, Link) {
        match self.next().await {
            Report::LinkUp { way, peer, link } => (way, peer, link),
            other => panic!("expected a link, got {other:?}"),
        }
    }

    pub(crate) async fn next_frame(&mut self) -> Frame {
        match self.next().await {
            Report::Frame { frame, .. } => frame,
            other => panic!("expected a frame, got {other:?}"),
        }
    }

    pub(crate) async fn next_failure(&mut self) -> DialFailure {
        match self.next().await {
            Report::DialFailed { failure, .. } => failure,
            other => panic!("expected a failed dial, got {other:?}"),
        }
    }

    pub(crate) async fn is_down_next(&mut self) {
        match self.next().await {
            Report::Down { .. } => {}
            other => panic!("expected a link to go down, got {other:?}"),
        }
    }
}

/// One link between two nodes.
pub(crate) async fn linked<R: TcpSockets>(a: &mut Node<R>, b: &mut Node<R>) -> (Link, Link) {
    a.dialer.dial(b.address());
    let (_, _, from_a) = a.next_link().await;
    let (_, _, from_b) = b.next_link().await;
    (from_a, from_b)
}

/// What the work gives, which must not take long.
pub(crate) async fn soon<R: TcpSockets, T>(runtime: &R, work: impl Future<Output = T>) -> T {
    match select(pin!(work), pin!(runtime.sleep_until(runtime.now() + LONG))).await {
        Either::Left((done, _)) => done,
        Either::Right(((), _)) => panic!("nothing happened for {LONG:?}"),
    }
}

/// Runs blocking code beside the runtime, and waits for it.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = futures::channel::oneshot::channel();
    std::thread::spawn(move || {
        let _ = sender.send(work()); // a test that failed meanwhile waits no more
    });
    receiver.await.expect("the blocking part did not fail")
}

/// A peer by hand, on a blocking socket that gives up after [`LONG`].
pub(crate) fn connect(address: &Address) -> TcpStream {
    let stream = TcpStream::connect(address.as_str()).expect("the node listens");
    stream.set_read_timeout(Some(LONG)).expect("a long time");
    stream
}

/// The same, through its handshake.
pub(crate) fn connect_as(hello: &Hello, address: &Address) -> TcpStream {
    let mut stream = connect(address);
    let mut out = Vec::new();
    let mut session = Plaintext.begin(Side::Dialler, hello, &mut out);
    let mut buffer = [0; 1024];
    loop {
        stream.write_all(&out).expect("the node reads");
        out.clear();
        let length = stream.read(&mut buffer).expect("the node answers");
        assert!(length > 0, "the node closed the connection");
        if let Progress::Established(_) = session.receive(&buffer[..length], &mut out).expect("no refusal") {
            stream.write_all(&out).expect("the node reads");
            return stream;
        }
    }
}

/// All that comes until the other side closes or resets the connection.
pub(crate) fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Ok(_) => all,
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => all,
        Err(error) => panic!("the connection stays open: {error}"),
    }
}
