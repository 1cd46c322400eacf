//! The one machine: its fields, and the way from an input to its outputs.

use alloc::collections::VecDeque;

use crate::config::Config;
use crate::error::ConfigError;
use crate::event::{Input, Output};
use crate::time::Instant;

/// A node's whole mind.
pub struct Machine {
    outputs: VecDeque<Output>,
}

impl Machine {
    /// # Errors
    /// The first mistake in `config`.
    pub fn new(config: Config, _now: Instant) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self { outputs: VecDeque::new() })
    }

    /// Takes what happened. Infallible: what is wrong with an input is answered by an output.
    pub fn handle(&mut self, _now: Instant, _input: Input) {}

    /// The next order or piece of news. Drain after every `handle`, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to feed [`Input::Timeout`] unless something else happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}
