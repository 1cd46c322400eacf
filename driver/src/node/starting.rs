//! Calls that start whom they are for.

use std::fmt;
use std::time::Duration;

use skep_core::error::RegisterError;
use skep_core::id::Name;

use super::Node;
use super::registering::encode;
use crate::calls::{CallError, Handled};
use crate::worker::{Handle, Message};

/// How often a worker is started for one call: it may end before the call reaches it.
const STARTS: usize = 3;

/// Why a call that starts its worker has no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CallOrStartError {
    /// Nothing was registered under the name, nor could be. Not handled.
    Start(RegisterError),
    /// A worker was there, and this came of the call.
    Call(CallError),
}

impl Node {
    pub(crate) async fn call_or_start<W: Handle<M>, M: Message>(
        &self,
        name: &Name,
        args: W::Args,
        mut message: M,
        timeout: Duration,
    ) -> Result<M::Reply, CallOrStartError> {
        let (router, platform) = (&self.shared.router, &self.shared.platform);
        let (name, waiting) = (name.as_str(), self.waiting_for(timeout));
        let args = encode::<W>(&args)?;
        router.check_chain(name, &waiting)?;
        for _ in 0..STARTS {
            message = match router.call_registered(name, message, &waiting).await {
                Ok(answered) => return Ok(answered?),
                Err(message) => message,
            };
            let left = waiting.until.since(platform.now());
            self.whereis_or_register_raw(name, W::KIND, args.clone(), left).await?;
            if platform.by(waiting.until, router.lookup.known(name)).await.is_none() {
                return Err(CallError::Timeout { handled: Handled::No }.into());
            }
        }
        router.call(name, message, &waiting).await.map_err(CallOrStartError::Call)
    }
}

impl CallOrStartError {
    /// Whether the message may have been handled. `No` is always true.
    pub fn handled(&self) -> Handled {
        match self {
            Self::Start(_) => Handled::No,
            Self::Call(error) => error.handled(),
        }
    }
}

impl From<RegisterError> for CallOrStartError {
    fn from(error: RegisterError) -> Self {
        Self::Start(error)
    }
}

impl From<CallError> for CallOrStartError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl fmt::Display for CallOrStartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => write!(f, "the worker was not there, and was not started: {error}"),
            Self::Call(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CallOrStartError {}
