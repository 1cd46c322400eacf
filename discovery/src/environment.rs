//! A list of addresses in an environment variable.

use std::env;

use skep::Runtime;
use skep::discovery::{Announced, Discovery, ObservationSink};
use skep_core::event::{Observation, SourceFault};
use skep_core::id::Source;

use crate::list;

/// The addresses in an environment variable, between commas or spaces. Read once at the start; announces nothing.
/// A variable that is not set, or has a mistake in it, is a failure of the source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Environment {
    variable: String,
}

impl Environment {
    /// The addresses in this variable, as in `SKEP_PEERS=10.0.0.1:7000,10.0.0.2:7000`.
    pub fn new(variable: impl Into<String>) -> Self {
        Self { variable: variable.into() }
    }

    fn read(&self, value: Option<String>) -> Observation {
        let variable = &self.variable;
        match value.as_deref().map(list::parse) {
            Some(Ok(peers)) => Observation::all(peers),
            Some(Err((_, mistake))) => {
                Observation::failed(SourceFault::Config, format!("{variable}: {mistake}"))
            }
            None => Observation::failed(SourceFault::Config, format!("{variable} is not set")),
        }
    }
}

impl<R: Runtime> Discovery<R> for Environment {
    fn source(&self) -> Source {
        Source::new("environment").expect("a good name")
    }

    async fn run(&mut self, _runtime: R, _me: Announced, mut sink: ObservationSink) {
        let value = env::var_os(&self.variable).map(|value| value.to_string_lossy().into_owned());
        sink.observe(self.read(value)).await;
    }
}

#[cfg(test)]
mod tests {
    use skep_core::id::Address;

    use super::*;

    #[test]
    fn a_variable_that_is_missing_or_wrong_is_a_failure_and_no_empty_list() {
        let source = Environment::new("PEERS");
        let peers = ["a:1", "b:2"].map(|text| Address::new(text).expect("a good address"));
        assert_eq!(source.read(Some("a:1,b:2".into())), Observation::all(peers));
        let failed = |words: &str| Observation::failed(SourceFault::Config, words);
        assert_eq!(source.read(None), failed("PEERS is not set"));
        let mistake = "PEERS: 'nowhere' is no address of a peer: HOST:PORT";
        assert_eq!(source.read(Some("a:1 nowhere".into())), failed(mistake));
    }
}
