//! What a worker logs stands in a span with its name and its epoch, also when that changes.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use skep_core::id::{Epoch, Life};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Metadata, Subscriber, subscriber};

use super::{NEW, OLD, Side, Way, name};
use crate::sim::SimRuntime;

/// Keeps each event with the span that it stands in.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Lines>>);

#[derive(Default)]
struct Lines {
    spans: HashMap<u64, Fields>,
    entered: Vec<u64>,
    events: Vec<(String, Fields)>,
}

#[derive(Clone, Default, PartialEq, Eq, Debug)]
struct Fields(HashMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut lines = self.0.lock().expect("no test panics in here");
        let id = lines.spans.len() as u64 + 1;
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        lines.spans.insert(id, fields);
        Id::from_u64(id)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut lines = self.0.lock().expect("no test panics in here");
        values.record(lines.spans.get_mut(&span.into_u64()).expect("it was made here"));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut lines = self.0.lock().expect("no test panics in here");
        let span = lines.entered.last().map(|span| lines.spans[span].clone()).unwrap_or_default();
        lines.events.push((fields.0.remove("message").unwrap_or_default(), span));
    }

    fn enter(&self, span: &Id) {
        self.0.lock().expect("no test panics in here").entered.push(span.into_u64());
    }

    fn exit(&self, _: &Id) {
        self.0.lock().expect("no test panics in here").entered.pop();
    }
}

#[test]
fn what_a_worker_logs_stands_under_its_name_and_its_present_epoch() {
    // While there is one subscriber alone, tracing asks that of the thread on which a line is first met, and other tests'
    // threads have none: then nobody would hear that line.
    let _second = Dispatch::new(Log::default());
    let log = Log::default();
    subscriber::with_default(log.clone(), || {
        let runtime = SimRuntime::new(1);
        runtime.run(async {
            let [mut a, b] = Side::pair(&runtime).await;
            a.run(Way::Resume).await;
            a.add(1).await.expect("it runs");
            a.begin_handoff().await;
            a.host.freeze(&name(), OLD, Life(2), NEW);
            a.place(&b, NEW);
            a.host.activate(name(), OLD, Epoch(30));
            a.place(&a, Epoch(30));
            a.add(1).await.expect("it goes on");
        });
    });
    let lines = log.0.lock().expect("no test panics in here");
    let added = lines.events.iter().filter(|(message, _)| message == "added").map(|(_, span)| span.clone());
    let expected = [OLD, Epoch(30)]
        .map(|epoch| Fields(HashMap::from([("name", "n".to_owned()), ("epoch", epoch.0.to_string())])));
    assert_eq!(added.collect::<Vec<_>>(), expected);
}
