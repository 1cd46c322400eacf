//! A worker with a state, which it takes along when it moves: a number.

use skep::{Context, Failure, Handle, Handoff, State, Worker};

use super::{Text, Who};

/// `add N` adds, `get` does not; both answer the number. It starts at 0, or at the number in its arguments.
#[derive(Debug)]
pub struct Counter {
    who: Who,
    total: i64,
}

impl Worker for Counter {
    const KIND: &'static str = "counter";
    type Args = String;
    type Messages = (Text,);

    async fn start(first: String, context: &mut Context<Self>) -> Result<Self, Failure> {
        let total = if first.is_empty() { 0 } else { first.parse()? };
        Ok(Self { who: Who::started(context), total })
    }

    async fn begin_handoff(&mut self, _: &mut Context<Self>) -> Handoff {
        Handoff::resume(&self.total)
    }

    async fn end_handoff(&mut self, state: State, _: &mut Context<Self>) -> Result<(), Failure> {
        self.total = state.read()?;
        Ok(())
    }

    async fn resolve_conflict(&mut self, state: State, _: &mut Context<Self>) {
        self.total = self.total.saturating_add(state.read().unwrap_or(0)); // what no counter wrote counts nothing
    }
}

impl Handle<Text> for Counter {
    async fn handle(&mut self, Text(text): Text, context: &mut Context<Self>) -> String {
        let Some(change) = change(&text) else { return self.who.answer(&text, context.epoch()) };
        self.total = self.total.saturating_add(change);
        self.total.to_string()
    }
}

fn change(text: &str) -> Option<i64> {
    match text.split_once(' ') {
        None if text == "get" => Some(0),
        Some(("add", number)) => number.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::change;

    #[test]
    fn only_whole_numbers_are_added() {
        for (text, expected) in [
            ("get", Some(0)),
            ("add 5", Some(5)),
            ("add -5", Some(-5)),
            ("add", None),
            ("add x", None),
            ("add 1 2", None),
            ("whoami", None),
        ] {
            assert_eq!(change(text), expected, "of '{text}'");
        }
    }
}
