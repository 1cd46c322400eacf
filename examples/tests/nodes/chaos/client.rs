//! Who asks a node, one command after the other, while its host is plagued; and what of it the answer settles.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::cluster::{NodeProcess, Trouble};
use super::model::Model;
use super::random::Random;
use super::stage::NAMES;
use super::transcript::Transcript;
use super::{Ended, Violation};

/// What a command may take, if its line says nothing; `call` is also asked with less.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How much later than its timeout an answer may be read here, where many processes share few cores.
const LATE: Duration = Duration::from_secs(3);

/// Between an answer and the next command.
const PAUSE: Duration = Duration::from_millis(10);

const KINDS: [&str; 5] = ["counter", "restart", "stay", "singleton", "slow"];
const SINGLE: usize = 12;
const BATCH: usize = 20;
const ATTACHED: usize = 3;
const CONTESTED: usize = 4;

/// What a client hears from the plague; that the period is over when there is nobody to hear from any more.
pub(super) enum Word {
    /// Its node is this process now.
    Node(Box<NodeProcess>),
}

pub(super) struct Client<'a> {
    pub(super) host: usize,
    pub(super) hosts: usize,
    pub(super) random: Random,
    pub(super) model: &'a Mutex<Model>,
    pub(super) transcript: &'a Transcript,
    /// For how long its host was frozen so far, in milliseconds.
    pub(super) stood: Arc<AtomicU64>,
    pub(super) words: Receiver<Word>,
    pub(super) ended: Sender<Ended>,
}

/// Whose outcome decides what the caller may believe.
enum Change {
    Register(String),
    Attach(String),
    Many(Vec<String>),
    Unregister(String),
    /// Others change it too: nobody can know how it ends.
    Contested(String),
    Nothing,
}

impl Client<'_> {
    /// Asks until it has heard that it is over; its node then.
    pub(super) fn run(mut self, mut node: NodeProcess) -> Result<NodeProcess, Violation> {
        loop {
            match self.words.recv_timeout(PAUSE) {
                Err(RecvTimeoutError::Disconnected) => return Ok(node),
                Ok(Word::Node(_)) => unreachable!("the former one lives"),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let (line, timeout, change) = self.draw();
            match self.ask(&mut node, &line, timeout)? {
                Some(answer) => self.settle(change, &answer),
                None => {
                    self.lose(change);
                    // Who plays the faults waits for it, or is gone already.
                    let _ = self.ended.send(Ended { host: self.host, node: Box::new(node) });
                    match self.words.recv() {
                        Ok(Word::Node(next)) => node = *next,
                        Err(_) => {
                            return Err(self.violation("its node ended, and no other one came".into()));
                        }
                    }
                    node.ready().map_err(|trouble| self.violation(trouble.to_string()))?;
                }
            }
        }
    }

    /// The answer; none if the node ended before it.
    fn ask(&self, node: &mut NodeProcess, line: &str, timeout: Duration) -> Result<Option<Value>, Violation> {
        let (asked, stood) = (Instant::now(), self.stood.load(Ordering::SeqCst));
        self.transcript.ask(self.host, line);
        let answer = match node.ask(line) {
            Ok(answer) => answer,
            Err(Trouble::Ended { .. } | Trouble::Io(_)) => return Ok(None),
            Err(trouble) => return Err(self.violation(format!("to '{line}': {trouble}"))),
        };
        self.transcript.tell(self.host, &format!("  {answer}"));
        let frozen = Duration::from_millis(self.stood.load(Ordering::SeqCst) - stood);
        let took = asked.elapsed().saturating_sub(frozen);
        if took > timeout + LATE {
            return Err(self.violation(format!("'{line}' was answered after {took:?}")));
        }
        if answer["command"] != line.split(' ').next().unwrap_or_default() {
            return Err(self.violation(format!("'{line}' was answered by {answer}")));
        }
        if answer.get("ok").is_some() == answer.get("error").is_some() {
            return Err(self.violation(format!("'{line}' has no answer, or two: {answer}")));
        }
        Ok(Some(answer))
    }

    fn violation(&self, words: String) -> Violation {
        Violation { invariant: 4, words: format!("on {}: {words}", NAMES[self.host]) }
    }

    fn settle(&self, change: Change, answer: &Value) {
        let mut model = self.model.lock().expect("no client panics with it");
        match change {
            Change::Register(name) => model.on_registered(&name, answer),
            Change::Attach(name) => model.on_attached(&name, answer),
            Change::Many(names) => model.on_many(&names, answer),
            Change::Unregister(name) => model.on_unregistered(&name, answer),
            Change::Contested(name) => model.on_unknown(&name),
            Change::Nothing => {}
        }
    }

    /// The node ended before it answered; with it ended what was attached to it.
    fn lose(&self, change: Change) {
        let unknown = match change {
            Change::Register(name) | Change::Attach(name) | Change::Unregister(name) => vec![name],
            Change::Contested(name) => vec![name],
            Change::Many(names) => names,
            Change::Nothing => Vec::new(),
        };
        let attached = (0..ATTACHED).map(|number| self.attached(number));
        let mut model = self.model.lock().expect("no client panics with it");
        unknown.into_iter().chain(attached).for_each(|name| model.on_unknown(&name));
    }

    fn attached(&self, number: usize) -> String {
        format!("{}-attached-{number}", NAMES[self.host])
    }

    fn batch(&self) -> Vec<String> {
        (0..BATCH).map(|number| format!("{}-batch-{number}", NAMES[self.host])).collect()
    }

    /// The next line, what it may take, and what it changes.
    fn draw(&mut self) -> (String, Duration, Change) {
        let mine = self.random.below(SINGLE);
        let name = format!("{}-{mine}", NAMES[self.host]);
        let guest = self.attached(mine % ATTACHED);
        let theirs = format!("{}-{mine}", NAMES[self.random.below(self.hosts)]);
        let line = match self.random.below(100) {
            0..22 => {
                let kind = KINDS[mine % KINDS.len()];
                let args = if kind == "slow" { " 100" } else { "" };
                return (format!("register {name} {kind}{args}"), TIMEOUT, Change::Register(name));
            }
            22..34 => return (format!("unregister {name}"), TIMEOUT, Change::Unregister(name)),
            34..36 => {
                let line = format!("register-many {}-batch {BATCH} counter", NAMES[self.host]);
                return (line, TIMEOUT, Change::Many(self.batch()));
            }
            36..42 => {
                let name = format!("{}-batch-{}", NAMES[self.host], self.random.below(BATCH));
                return (format!("unregister {name}"), TIMEOUT, Change::Unregister(name));
            }
            42..46 => return (format!("attach {guest}"), TIMEOUT, Change::Attach(guest)),
            46..48 => return (format!("unregister {guest}"), TIMEOUT, Change::Unregister(guest)),
            48..50 => {
                let name = format!("all-{}", mine % CONTESTED);
                return (format!("register {name} counter"), TIMEOUT, Change::Contested(name));
            }
            50 => {
                let name = format!("all-{}", mine % CONTESTED);
                return (format!("unregister {name}"), TIMEOUT, Change::Contested(name));
            }
            51..66 => {
                let timeout = Duration::from_millis(*self.random.one_of(&[200, 1_000, 4_000]));
                let line = format!("call {theirs} add 1 --timeout {}", timeout.as_millis());
                return (line, timeout, Change::Nothing);
            }
            66..76 => format!("send {theirs} add 1"),
            76..82 => format!("whereis {theirs}"),
            82..88 => format!("whereis-consistent {theirs}"),
            88..92 => format!("join group {name}"),
            92..94 => format!("leave group {name}"),
            94..96 => "members group".into(),
            96..98 => "publish group add 1".into(),
            _ => "multi-call group get".into(),
        };
        (line, TIMEOUT, Change::Nothing)
    }
}
