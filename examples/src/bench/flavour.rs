//! The runtimes that callers are measured on, one process each time.

use std::io;

use clap::ValueEnum;
use skep_smol::SmolRuntime;
use skep_tokio::TokioRuntime;

use crate::runtime::OnRuntime;

/// What a caller runs on.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flavour {
    TokioMultiThread,
    TokioCurrentThread,
    Smol,
}

impl Flavour {
    pub(super) const ALL: [Self; 3] = [Self::TokioMultiThread, Self::TokioCurrentThread, Self::Smol];

    /// As on the command line.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::TokioMultiThread => "tokio-multi-thread",
            Self::TokioCurrentThread => "tokio-current-thread",
            Self::Smol => "smol",
        }
    }

    /// The node's `--runtime` for its peer.
    pub(super) fn runtime(self) -> &'static str {
        match self {
            Self::TokioMultiThread | Self::TokioCurrentThread => "tokio",
            Self::Smol => "smol",
        }
    }

    /// Runs `what` as a spawned task: a caller in a program is one.
    pub(super) fn block_on<T: OnRuntime>(self, what: T) -> io::Result<T::Output> {
        let tokio = match self {
            Self::Smol => return Ok(smol::block_on(smol::spawn(what.run(SmolRuntime::global())))),
            Self::TokioMultiThread => tokio::runtime::Builder::new_multi_thread().enable_all().build()?,
            Self::TokioCurrentThread => tokio::runtime::Builder::new_current_thread().enable_all().build()?,
        };
        let runtime = TokioRuntime::new(tokio.handle().clone());
        tokio.block_on(tokio.spawn(what.run(runtime))).map_err(io::Error::other)
    }
}
