//! What the OS answers instead of a connection, scripted: only one answer means that nobody is there, and none
//! ends the listener.

use std::future::pending;
use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::channel::oneshot;
use skep::Runtime;
use skep::core::Instant;
use skep::core::error::DialFailure;
use skep::core::wire::Frame;
use skep::link::Report;
use skep::transport::Dialer;
use skep_tcp::{Connection, TcpSockets};

use crate::common::*;

on_every_runtime!(
    only_a_refused_connection_counts_as_refused,
    a_connect_without_an_answer_is_unreachable,
    a_name_is_refused_only_by_all_its_addresses,
    a_socket_that_met_itself_found_nobody,
    accepting_goes_on_after_every_error,
    what_a_peer_said_before_we_could_not_write_arrives,
);

/// Another runtime, whose `connect` and `accept` fail as scripted.
#[derive(Clone)]
struct Faulty<R> {
    inner: R,
    /// How a dial of this port goes wrong, if not by itself.
    connect: fn(u16) -> Option<Fault>,
    /// What `accept` says before it works.
    accept: &'static [ErrorKind],
    /// What a name stands for.
    names: &'static [&'static str],
    /// What the writers of connections that it dialled look at.
    cut: Cut,
}

/// Once there is somebody to tell, the next write fails and tells.
type Cut = Arc<Mutex<Option<oneshot::Sender<()>>>>;

enum Fault {
    Error(ErrorKind),
    Silence,
    /// The kernel connects the socket with itself.
    Itself,
}

fn faulty<R>(inner: R) -> Faulty<R> {
    Faulty { inner, connect: |_| None, accept: &[], names: &[], cut: Cut::default() }
}

impl<R: Runtime> Runtime for Faulty<R> {
    fn now(&self) -> Instant {
        self.inner.now()
    }

    fn unix_micros(&self) -> u64 {
        self.inner.unix_micros()
    }

    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> + Send + 'static {
        self.inner.sleep_until(deadline)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.inner.spawn(task);
    }

    fn entropy(&self, buffer: &mut [u8]) {
        self.inner.entropy(buffer);
    }
}

impl<R: TcpSockets> TcpSockets for Faulty<R> {
    type Listener = (R::Listener, std::slice::Iter<'static, ErrorKind>);
    /// And the local address, if it is not the inner one.
    type Reader = (R::Reader, Option<SocketAddr>);
    type Writer = (R::Writer, Cut);

    fn listen(&self, socket: std::net::TcpListener) -> Result<Self::Listener, Error> {
        Ok((self.inner.listen(socket)?, self.accept.iter()))
    }

    async fn accept(listener: &mut Self::Listener) -> Result<(Connection<Self>, SocketAddr), Error> {
        if let Some(error) = listener.1.next() {
            return Err((*error).into());
        }
        let (Connection { reader, writer }, address) = R::accept(&mut listener.0).await?;
        Ok((Connection { reader: (reader, None), writer: (writer, Cut::default()) }, address))
    }

    async fn connect(&self, address: SocketAddr) -> Result<Connection<Self>, Error> {
        match (self.connect)(address.port()) {
            Some(Fault::Error(error)) => Err(error.into()),
            Some(Fault::Silence) => pending().await,
            Some(Fault::Itself) => {
                let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
                let Connection { reader, writer } = self.inner.connect(listener.local_addr()?).await?;
                Ok(Connection { reader: (reader, Some(address)), writer: (writer, self.cut.clone()) })
            }
            None => {
                let Connection { reader, writer } = self.inner.connect(address).await?;
                Ok(Connection { reader: (reader, None), writer: (writer, self.cut.clone()) })
            }
        }
    }

    fn local_addr(reader: &Self::Reader) -> Result<SocketAddr, Error> {
        reader.1.map_or_else(|| R::local_addr(&reader.0), Ok)
    }

    async fn read(reader: &mut Self::Reader, buffer: &mut [u8]) -> Result<usize, Error> {
        R::read(&mut reader.0, buffer).await
    }

    async fn write(writer: &mut Self::Writer, bytes: &[u8]) -> Result<usize, Error> {
        let told = writer.1.lock().expect("no test panics here").take();
        if let Some(told) = told {
            let _ = told.send(()); // a test that is over
            return Err(ErrorKind::BrokenPipe.into());
        }
        R::write(&mut writer.0, bytes).await
    }

    async fn shutdown(writer: &mut Self::Writer) -> Result<(), Error> {
        R::shutdown(&mut writer.0).await
    }

    async fn resolve(&self, _name: &str) -> Result<Vec<SocketAddr>, Error> {
        Ok(self.names.iter().map(|address| address.parse().expect("written as an address")).collect())
    }
}

const ERRORS: [ErrorKind; 8] = [
    ErrorKind::ConnectionRefused,
    ErrorKind::ConnectionReset,
    ErrorKind::ConnectionAborted,
    ErrorKind::HostUnreachable,
    ErrorKind::NetworkUnreachable,
    ErrorKind::TimedOut,
    ErrorKind::PermissionDenied,
    ErrorKind::AddrNotAvailable,
];

async fn only_a_refused_connection_counts_as_refused<R: TcpSockets>(runtime: R) {
    let runtime =
        Faulty { connect: |port| Some(Fault::Error(ERRORS[usize::from(port) - 1])), ..faulty(runtime) };
    let mut a = node(&runtime, "a", 1).await;
    for (port, error) in (1..).zip(ERRORS) {
        a.dial(&format!("127.0.0.1:{port}"));
        let expected = match error {
            ErrorKind::ConnectionRefused => DialFailure::Refused,
            _ => DialFailure::Unreachable,
        };
        assert_eq!(a.next_failure().await, expected, "{error}");
    }
}

async fn a_connect_without_an_answer_is_unreachable<R: TcpSockets>(runtime: R) {
    let runtime = Faulty { connect: |_| Some(Fault::Silence), ..faulty(runtime) };
    let mut a =
        node_with(&runtime, "a", 1, |config, _| config.dial_timeout = Duration::from_millis(50)).await;
    a.dial("127.0.0.1:1");
    assert_eq!(a.next_failure().await, DialFailure::Unreachable);
}

async fn a_name_is_refused_only_by_all_its_addresses<R: TcpSockets>(runtime: R) {
    let connect = |port| match port {
        1 => Some(Fault::Error(ErrorKind::ConnectionRefused)),
        2 => Some(Fault::Error(ErrorKind::HostUnreachable)),
        _ => None,
    };
    for (names, failure) in [
        (&["127.0.0.1:1", "127.0.0.2:1"][..], DialFailure::Refused),
        (&["127.0.0.1:1", "127.0.0.1:2"], DialFailure::Unreachable),
        (&["127.0.0.1:2", "127.0.0.1:1"], DialFailure::Unreachable),
        (&[], DialFailure::Unreachable),
    ] {
        let runtime = Faulty { connect, names, ..faulty(runtime.clone()) };
        let mut a = node(&runtime, "a", 1).await;
        a.dial("some-name:1");
        assert_eq!(a.next_failure().await, failure, "{names:?}");
    }
}

async fn a_socket_that_met_itself_found_nobody<R: TcpSockets>(runtime: R) {
    let runtime = Faulty { connect: |_| Some(Fault::Itself), ..faulty(runtime) };
    let mut a = node(&runtime, "a", 1).await;
    a.dial("127.0.0.1:1");
    assert_eq!(a.next_failure().await, DialFailure::Refused);
}

async fn accepting_goes_on_after_every_error<R: TcpSockets>(runtime: R) {
    const OURS: ErrorKind = ErrorKind::Other; // EMFILE, ENFILE, ENOBUFS have no kind of their own
    let accept = &[OURS, OURS, OURS, ErrorKind::ConnectionAborted, ErrorKind::OutOfMemory, OURS];
    let runtime = Faulty { accept, ..faulty(runtime) };
    let mut a = node(&runtime, "a", 1).await;
    let mut b = node(&runtime, "b", 2).await;
    a.dialer.dial(b.address());
    a.next_link().await;
    b.next_link().await;
}

async fn what_a_peer_said_before_we_could_not_write_arrives<R: TcpSockets>(runtime: R) {
    const FRAMES: usize = 100;
    let a = faulty(runtime.clone());
    let cut = a.cut.clone();
    let (mut a, mut b) = (node(&a, "a", 1).await, node(&runtime, "b", 2).await);
    a.dialer.dial(b.address());
    let (_, _, from_a) = a.next_link().await;
    let (_, _, from_b) = b.next_link().await;
    // More than waits to be handled: the reader of a still has most of it before it when its writer fails.
    for number in 0..FRAMES {
        from_b.push(Frame { kind: 1, body: vec![number as u8; 100_000] }).expect("room for all of it");
    }
    from_b.close();
    let (tell, told) = oneshot::channel();
    *cut.lock().expect("no test panics here") = Some(tell);
    from_a.push(Frame { kind: 1, body: Vec::new() }).expect("the link is open");
    soon(&runtime, told).await.expect("the writer tells");
    for number in 0..FRAMES {
        match soon(&runtime, a.reports.next()).await {
            Report::Frame { frame, .. } => assert_eq!(frame.body[0], number as u8),
            other => panic!("expected frame {number}, got {other:?}"),
        }
    }
    a.is_down_next().await;
}
