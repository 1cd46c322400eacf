//! What callers may believe: which names are there for certain, which are not, and of which nobody can know.
//!
//! Most names have one caller, which asks one thing after the other. What it hears settles what it believes, unless
//! the outcome is unknown: then it believes nothing until all is quiet, and then what all nodes say.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Violation;
use super::plan::Period;

#[derive(Default)]
pub(super) struct Model {
    names: BTreeMap<String, Fact>,
    surprises: Vec<String>,
}

#[derive(Clone, Copy)]
struct Fact {
    belief: Belief,
    /// Whether anyone asked for a change in this period.
    touched: bool,
    /// Whether it is a task's own, which nobody can start again: who counts its node down removes it.
    attached: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Belief {
    Registered,
    Absent,
    Unknown,
}

impl Model {
    fn fact(&mut self, name: &str) -> &mut Fact {
        // All names are fresh at first: nobody else is in the network.
        self.names.entry(name.into()).or_insert(Fact {
            belief: Belief::Absent,
            touched: false,
            attached: false,
        })
    }

    /// The names that occur in these words.
    pub(super) fn named_in(&self, words: &str) -> Vec<String> {
        let words: BTreeSet<_> = words.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect();
        self.names.keys().filter(|name| words.contains(name.as_str())).cloned().collect()
    }

    /// `attach` was answered so.
    pub(super) fn on_attached(&mut self, name: &str, answer: &Value) {
        self.fact(name).attached = true;
        self.on_registered(name, answer);
    }

    /// `register` was answered so.
    pub(super) fn on_registered(&mut self, name: &str, answer: &Value) {
        let fact = self.fact(name);
        fact.touched = true;
        let taken = answer["error"]["kind"] == "already_registered";
        match fact.belief {
            Belief::Absent if taken => self.surprise(name, "was not there", answer),
            Belief::Registered if answer.get("ok").is_some() => self.surprise(name, "was there", answer),
            Belief::Absent if answer.get("ok").is_some() => fact.belief = Belief::Registered,
            Belief::Registered if taken => {}
            Belief::Absent | Belief::Registered | Belief::Unknown => fact.belief = Belief::Unknown,
        }
    }

    /// `register-many` was answered so.
    pub(super) fn on_many(&mut self, names: &[String], answer: &Value) {
        let counted = |key: &str| answer["ok"][key].as_u64().map(|count| count as usize);
        let beliefs: Vec<_> = names.iter().map(|name| self.fact(name).belief).collect();
        let known = |belief| beliefs.iter().filter(|known| **known == belief).count();
        let (there, absent) = (known(Belief::Registered), known(Belief::Absent));
        let clear = there + absent == names.len() && counted("failed") == Some(0);
        let expected = clear && counted("registered") == Some(absent) && counted("already") == Some(there);
        for name in names {
            let belief = if expected { Belief::Registered } else { Belief::Unknown };
            self.touch(name, belief);
        }
        if clear && !expected {
            self.surprises.push(format!("of {names:?} {there} were there, but the answer is {answer}"));
        }
    }

    /// `unregister` was answered so.
    pub(super) fn on_unregistered(&mut self, name: &str, answer: &Value) {
        let fact = self.fact(name);
        fact.touched = true;
        let nothing = answer["error"]["kind"] == "not_found";
        match fact.belief {
            Belief::Registered if nothing => self.surprise(name, "was there", answer),
            Belief::Absent if answer.get("ok").is_some() => self.surprise(name, "was not there", answer),
            Belief::Registered if answer.get("ok").is_some() => fact.belief = Belief::Absent,
            Belief::Absent if nothing => {}
            Belief::Absent | Belief::Registered | Belief::Unknown => fact.belief = Belief::Unknown,
        }
    }

    /// Whoever asked for a change of it, or ran it, is gone.
    pub(super) fn on_unknown(&mut self, name: &str) {
        self.touch(name, Belief::Unknown);
    }

    fn touch(&mut self, name: &str, belief: Belief) {
        let fact = self.fact(name);
        (fact.belief, fact.touched) = (belief, true);
    }

    fn surprise(&mut self, name: &str, known: &str, answer: &Value) {
        self.surprises.push(format!("{name} {known}, but the answer is {answer}"));
        self.on_unknown(name);
    }

    /// All is quiet after a period, and these names are there. `undisturbed`: all living members heard each other.
    pub(super) fn at_rest(
        &mut self,
        there: &BTreeSet<String>,
        period: &Period,
        undisturbed: bool,
    ) -> Result<(), Violation> {
        let surprises = std::mem::take(&mut self.surprises);
        if let (true, false) = (undisturbed, surprises.is_empty()) {
            return Err(Violation { invariant: 5, words: surprises.join("; ") });
        }
        let keeps = period.keeps_what_it_acknowledged();
        let wrong = self.names.iter().filter(|(name, fact)| match fact.belief {
            _ if fact.touched && !keeps => false,
            Belief::Registered if fact.attached && !undisturbed => false,
            Belief::Registered => !there.contains(*name),
            Belief::Absent => there.contains(*name),
            Belief::Unknown => false,
        });
        let wrong: Vec<_> = wrong.map(|(name, fact)| format!("{name} ({:?})", fact.belief)).collect();
        if !wrong.is_empty() {
            let words = format!("callers were told otherwise: {}", wrong.join(", "));
            return Err(Violation { invariant: 5, words });
        }
        if let Some(stray) = there.iter().find(|name| !self.names.contains_key(*name)) {
            return Err(Violation { invariant: 5, words: format!("nobody ever asked for {stray}") });
        }
        for (name, fact) in &mut self.names {
            let belief = if there.contains(name) { Belief::Registered } else { Belief::Absent };
            (fact.belief, fact.touched) = (belief, false);
        }
        Ok(())
    }
}
