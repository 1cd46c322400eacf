//! A node in the bench's own process, beside node processes: what a program's tasks see.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use skep::{CallError, Node, NodeBuilder, RegisterError, SendError, StartError};
use skep_tcp::{Tcp, TcpConfig, TcpSockets};

use super::flavour::Flavour;
use crate::kinds::Singleton;
use crate::process::Trouble;
use crate::runtime::OnRuntime;

/// How long anything that is measured may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(60);

/// What a node of our own is used for.
pub(super) trait OnNode: Send + 'static {
    /// What comes of it.
    type Output: Send + 'static;

    /// Does it.
    fn run<R: TcpSockets>(
        self,
        runtime: R,
        node: Node,
    ) -> impl Future<Output = Result<Self::Output, Failure>> + Send;
}

/// What went wrong with a measurement.
#[derive(Debug)]
pub(super) enum Failure {
    Start(StartError),
    Register(RegisterError),
    Call(CallError),
    Send(SendError),
    Late(&'static str),
}

/// Starts a node of this cluster, which joins at these addresses, and does it there.
pub(super) fn run<T: OnNode>(
    flavour: Flavour,
    cluster: &str,
    join: &[&str],
    what: T,
) -> Result<T::Output, Trouble> {
    run_as("beside", TcpConfig::new("127.0.0.1:0"), flavour, cluster, join, what)
}

/// The same with a name and a transport of the caller's.
pub(super) fn run_as<T: OnNode>(
    name: &'static str,
    transport: TcpConfig,
    flavour: Flavour,
    cluster: &str,
    join: &[&str],
    what: T,
) -> Result<T::Output, Trouble> {
    let join = join.iter().map(|&address| address.to_owned()).collect();
    let beside = Beside { name, transport, cluster: cluster.to_owned(), join, what };
    flavour.block_on(beside)?.map_err(|failure| Trouble::Io(std::io::Error::other(failure)))
}

struct Beside<T> {
    name: &'static str,
    transport: TcpConfig,
    cluster: String,
    join: Vec<String>,
    what: T,
}

impl<T: OnNode> OnRuntime for Beside<T> {
    type Output = Result<T::Output, Failure>;

    async fn run<R: TcpSockets>(self, runtime: R) -> Self::Output {
        let builder = NodeBuilder::new(self.name, runtime.clone(), Tcp::new(self.transport))
            .cluster(self.cluster)
            .worker::<Singleton>();
        let node = self.join.into_iter().fold(builder, NodeBuilder::join).start().await;
        let node = node.map_err(Failure::Start)?;
        let output = self.what.run(runtime, node.clone()).await;
        node.leave(TIMEOUT).await;
        output
    }
}

impl From<RegisterError> for Failure {
    fn from(error: RegisterError) -> Self {
        Self::Register(error)
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => write!(f, "the bench's own node did not start: {error}"),
            Self::Register(error) => write!(f, "a name was not registered: {error}"),
            Self::Call(error) => write!(f, "a call failed: {error}"),
            Self::Send(error) => write!(f, "a message was not sent: {error}"),
            Self::Late(what) => write!(f, "not within {TIMEOUT:?}: {what}"),
        }
    }
}

impl std::error::Error for Failure {}
