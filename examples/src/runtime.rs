//! The same code on whichever runtime was asked for.

use std::future::Future;
use std::io;

use skep_discovery::UdpSockets;
use skep_smol::SmolRuntime;
use skep_tcp::TcpSockets;
use skep_tokio::TokioRuntime;

use crate::options::Runtime;

/// Something to do on any runtime.
pub trait OnRuntime: Send + 'static {
    /// What comes of it.
    type Output: Send + 'static;

    /// Does it.
    fn run<R: TcpSockets + UdpSockets>(self, runtime: R) -> impl Future<Output = Self::Output> + Send;
}

/// Does it on this runtime, waiting in the calling thread. A blocking wait in `what` itself, as for a terminal,
/// blocks none of the threads that run its node.
///
/// # Errors
/// The OS's, if the runtime cannot be made.
pub fn block_on<T: OnRuntime>(runtime: Runtime, what: T) -> io::Result<T::Output> {
    Ok(match runtime {
        Runtime::Tokio => {
            let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            let output = tokio.block_on(what.run(TokioRuntime::new(tokio.handle().clone())));
            tokio.shutdown_background(); // a worker that blocks its thread does not keep the process
            output
        }
        Runtime::Smol => smol::block_on(what.run(SmolRuntime::global())),
        Runtime::AsyncStd => smol::block_on(what.run(SmolRuntime::async_std())),
    })
}
