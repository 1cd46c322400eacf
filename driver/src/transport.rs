//! What skep asks of a transport: links between nodes, and an answer to each dial.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;

use skep_core::id::Address;
use skep_core::wire::Hello;

use crate::link::Hub;
use crate::runtime::Runtime;
use crate::secret::SecretError;

/// A way to reach other nodes, before it is opened.
pub trait Transport<R: Runtime>: Send + 'static {
    /// What it becomes.
    type Listener: Listener;

    /// Takes its address. Peers that connect wait until [`Listener::serve`].
    fn bind(self, runtime: R) -> impl Future<Output = Result<Self::Listener, BindError>> + Send;
}

/// A bound transport that does not know yet who we are.
pub trait Listener: Send + 'static {
    /// What it becomes.
    type Dialer: Dialer;

    /// Where peers reach us: what goes into our hello.
    fn address(&self) -> Address;

    /// Begins to accept. Every link whose handshake both sides admit (`Hello::admit`) is given to `hub`.
    fn serve(self, hello: Hello, hub: Hub) -> Self::Dialer;
}

/// An open transport. Dropping it closes the listener; links live on.
pub trait Dialer: Send + 'static {
    /// Connects once, in the background. Answers through the hub, exactly once: `Hub::link_up` with
    /// `Way::Dialled(address)`, or `Hub::dial_failed`.
    fn dial(&mut self, address: Address);

    /// Later handshakes say this instead.
    fn introduce_as(&mut self, hello: Hello);
}

/// Why a transport could not take its address.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum BindError {
    /// Another process listens there.
    InUse(String),
    /// It is not an address of this machine, or we may not use it.
    NotAvailable(String),
    /// It is no address at all.
    Malformed(String),
    /// It stands for all interfaces, which no peer can dial: say what to advertise.
    NothingToAdvertise(String),
    /// There is no secret to protect links with.
    Secret(SecretError),
    /// There are no certificates to protect links with.
    Certificates(CertificateError),
}

/// Why certificates are of no use.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[expect(missing_docs, reason = "`path` is where")]
pub enum CertificateError {
    /// The file is not there, cannot be read, or, with a key in it, is open to others.
    File(SecretError),
    /// There is no certificate in it, as PEM.
    NoCertificate { path: PathBuf },
    /// There is no private key in it, as PEM.
    NoKey { path: PathBuf },
    /// A certificate in it cannot be trusted to sign others.
    NoAuthority { path: PathBuf },
    /// The key is not that of the certificate, or of a kind that is not known.
    OtherKey { path: PathBuf },
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::NoCertificate { path } => write!(f, "{} has no certificate in it", path.display()),
            Self::NoKey { path } => write!(f, "{} has no private key in it", path.display()),
            Self::NoAuthority { path } => write!(f, "{} has no authority in it", path.display()),
            Self::OtherKey { path } => write!(f, "{} is not the key of the certificate", path.display()),
        }
    }
}

impl std::error::Error for CertificateError {}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(address) => write!(f, "{address} is in use"),
            Self::NotAvailable(address) => write!(f, "{address} is not an address that can be bound here"),
            Self::Malformed(address) => write!(f, "{address} is not an address"),
            Self::NothingToAdvertise(address) => {
                write!(f, "{address} stands for all interfaces: an address to advertise is needed")
            }
            Self::Secret(error) => write!(f, "links cannot be protected: {error}"),
            Self::Certificates(error) => write!(f, "links cannot be protected: {error}"),
        }
    }
}

impl std::error::Error for BindError {}
