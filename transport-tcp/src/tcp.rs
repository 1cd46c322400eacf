//! The transport itself: bind, serve, dial.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use futures::channel::oneshot;
use skep::core::id::Address;
use skep::core::wire::Hello;
use skep::link::Hub;
use skep::transport::{BindError, Dialer, Listener, Transport};

use crate::accept::accept;
use crate::config::TcpConfig;
use crate::dial::dial;
use crate::log_pace::LogPace;
use crate::session::Sessions;
use crate::sockets::TcpSockets;

/// Links over TCP, before it is bound.
#[derive(Clone, Debug)]
pub struct Tcp {
    config: TcpConfig,
}

impl Tcp {
    /// With these settings.
    pub fn new(config: TcpConfig) -> Self {
        Self { config }
    }

    /// With the default settings on a free port of loopback: for nodes of one machine, which share a secret.
    pub fn on_loopback() -> Self {
        Self::new(TcpConfig::new("127.0.0.1:0"))
    }
}

impl<R: TcpSockets> Transport<R> for Tcp {
    type Listener = TcpListener<R>;

    async fn bind(self, runtime: R) -> Result<TcpListener<R>, BindError> {
        let sessions = self.config.protection.sessions()?;
        let listen = &self.config.listen;
        let wanted: SocketAddr = listen.parse().map_err(|_| BindError::Malformed(listen.clone()))?;
        let taken = |error: io::Error| match error.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse(listen.clone()),
            _ => BindError::NotAvailable(listen.clone()),
        };
        let socket = std::net::TcpListener::bind(wanted).map_err(taken)?;
        socket.set_nonblocking(true).map_err(taken)?;
        let bound = socket.local_addr().map_err(taken)?;
        let address = reachable(&self.config, bound)?;
        let socket = runtime.listen(socket).map_err(taken)?;
        Ok(TcpListener { runtime, config: self.config, sessions, socket, address })
    }
}

/// What peers dial: the bound address, or what the settings advertise.
fn reachable(config: &TcpConfig, bound: SocketAddr) -> Result<Address, BindError> {
    let text = match &config.advertise {
        None if bound.ip().is_unspecified() => return Err(BindError::NothingToAdvertise(bound.to_string())),
        None => bound.to_string(),
        Some(advertise) => match advertise.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() => match port.parse::<u16>() {
                Ok(0) => format!("{host}:{}", bound.port()),
                Ok(_) => advertise.clone(),
                Err(_) => return Err(BindError::Malformed(advertise.clone())),
            },
            _ => return Err(BindError::Malformed(advertise.clone())),
        },
    };
    Address::new(&text).map_err(|_| BindError::Malformed(text))
}

/// A bound socket. The kernel queues those who connect.
pub struct TcpListener<R: TcpSockets> {
    runtime: R,
    config: TcpConfig,
    sessions: Arc<dyn Sessions>,
    socket: R::Listener,
    address: Address,
}

impl<R: TcpSockets> Listener for TcpListener<R> {
    type Dialer = TcpDialer<R>;

    fn address(&self) -> Address {
        self.address.clone()
    }

    fn serve(self, hello: Hello, hub: Hub) -> TcpDialer<R> {
        let Self { runtime, config, sessions, .. } = self;
        let shared = Arc::new(Shared {
            runtime,
            config,
            sessions,
            hub,
            hello: Mutex::new(hello),
            refusals: LogPace::default(),
        });
        let (listening, closed) = oneshot::channel();
        shared.runtime.spawn(accept(shared.clone(), self.socket, closed));
        TcpDialer { shared, _listening: listening }
    }
}

/// The open transport. Dropping it closes the listener, and whatever is not through its handshake there.
pub struct TcpDialer<R: TcpSockets> {
    shared: Arc<Shared<R>>,
    _listening: oneshot::Sender<()>,
}

impl<R: TcpSockets> Dialer for TcpDialer<R> {
    fn dial(&mut self, address: Address) {
        self.shared.runtime.spawn(dial(self.shared.clone(), address));
    }

    fn introduce_as(&mut self, hello: Hello) {
        *self.shared.hello.lock().unwrap_or_else(PoisonError::into_inner) = hello;
    }
}

/// What all connections of a node need.
pub(crate) struct Shared<R> {
    pub(crate) runtime: R,
    pub(crate) config: TcpConfig,
    pub(crate) sessions: Arc<dyn Sessions>,
    pub(crate) hub: Hub,
    hello: Mutex<Hello>,
    /// The lines about who was refused.
    pub(crate) refusals: LogPace,
}

impl<R> Shared<R> {
    /// Who we are now.
    pub(crate) fn hello(&self) -> Hello {
        self.hello.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<R: TcpSockets> fmt::Debug for TcpListener<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener").field("address", &self.address).finish_non_exhaustive()
    }
}

impl<R: TcpSockets> fmt::Debug for TcpDialer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpDialer").finish_non_exhaustive()
    }
}
