//! The names of a node's closures, registered at its start, or once there is a quorum.

use std::sync::Arc;
use std::time::Duration;

use skep_core::error::RegisterError;
use skep_core::id::{Name, Payload};
use tracing::warn;

use super::start::UP_WITHIN;
use crate::node::{Node, Shared};

/// After this time a singleton that was refused for want of a quorum is registered again.
const SINGLETON_AGAIN: Duration = Duration::from_millis(200);

/// Registered by whoever comes first; the others hear that it is.
pub(super) async fn register_singleton(node: &Node, name: &Name) -> Result<(), RegisterError> {
    let found = node.whereis_or_register_raw(name.as_str(), name.as_str(), Payload::empty(), UP_WITHIN);
    found.await.map(drop)
}

/// Registers the singletons of a node that started below the quorum, once it is reached.
pub(super) async fn register_later(shared: Arc<Shared>, mut waiting: Vec<Name>) {
    while let Some(name) = waiting.last() {
        let goes_on = shared.status.until(|state| match &state.ended {
            Some(_) => Some(false),
            None => state.has_quorum.then_some(true),
        });
        if !goes_on.await {
            return;
        }
        match register_singleton(&shared.node(), name).await {
            Err(RegisterError::NoQuorum(_) | RegisterError::Timeout) => {
                // Lost again, or its arbiter sees it later than we.
                shared.platform.sleep_until(shared.platform.now() + SINGLETON_AGAIN).await;
            }
            Err(error) => {
                warn!(target: "skep", node = %shared.name, %name, %error, "a singleton is not registered");
                waiting.pop();
            }
            Ok(()) => drop(waiting.pop()),
        }
    }
}
