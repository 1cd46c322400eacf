//! What every kind answers: who it is to `whoami`, and an echo to all else.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use skep::{Context, Worker};
use skep_core::event::Registration;
use skep_core::id::{Epoch, Name, NodeName};

/// One start of a worker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Who {
    node: NodeName,
    starts: u64,
}

/// The answer to `whoami`.
#[derive(Serialize)]
struct Answer<'a> {
    node: &'a NodeName,
    epoch: Epoch,
    starts: u64,
}

impl Who {
    /// Of the worker that is being started: counts how often its name was started in this process.
    pub fn started<W: Worker>(context: &Context<W>) -> Self {
        static STARTS: Mutex<BTreeMap<Name, u64>> = Mutex::new(BTreeMap::new());
        let mut starts = STARTS.lock().unwrap_or_else(PoisonError::into_inner); // each use is one step
        let starts = starts.entry(context.name().clone()).or_default();
        *starts += 1;
        Self { node: context.node_name().clone(), starts: *starts }
    }

    /// Of a task that runs under a name, which was started once.
    pub fn attached(registration: &Registration) -> Self {
        Self { node: registration.node.clone(), starts: 1 }
    }

    /// `{"node":"a","epoch":1795400000001,"starts":1}` to `whoami`, else the text after `echo`. The epoch is the
    /// present one: that of a worker changes when a move is taken back.
    pub fn answer(&self, text: &str, epoch: Epoch) -> String {
        match text {
            "whoami" => {
                let answer = Answer { node: &self.node, epoch, starts: self.starts };
                serde_json::to_string(&answer).expect("its keys are strings")
            }
            text => format!("echo {text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_who_it_is_and_echoes_all_else() {
        let who = Who { node: NodeName::new("a").expect("a good name"), starts: 2 };
        assert_eq!(who.answer("whoami", Epoch(5)), r#"{"node":"a","epoch":5,"starts":2}"#);
        assert_eq!(who.answer("who am i", Epoch(5)), "echo who am i");
    }
}
