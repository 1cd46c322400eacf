//! A node as a child process, spoken to in lines of JSON: for the demo, the bench and the tests.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

#[cfg(unix)]
use rustix::process::{WaitId, WaitIdOptions};
use serde_json::Value;

/// How long a node may take to say anything that a caller waits for, unless told otherwise.
pub const PATIENCE: Duration = Duration::from_secs(20);

const UNREAD: usize = 65_536; // lines; a node that says more waits

/// A running node. Dropping it kills the process.
#[derive(Debug)]
pub struct NodeProcess {
    /// What it is called.
    pub name: String,
    /// When its process was made.
    pub spawned: Instant,
    /// The first line it said, once it did.
    pub ready: Value,
    child: Child,
    stdin: Option<ChildStdin>,
    said: Receiver<Said>,
    events: VecDeque<Told>,
    answers: VecDeque<Told>,
}

/// A line that a node said, and when it was read.
#[derive(Clone, PartialEq, Debug)]
pub struct Told {
    /// The whole line.
    pub line: Value,
    /// When it was read here.
    pub at: Instant,
}

type Said = Result<Told, String>;

/// What a node did not do.
#[derive(Debug)]
#[non_exhaustive]
pub enum Trouble {
    /// It could not be started, or written to.
    Io(io::Error),
    /// It did not say what was waited for.
    Silent {
        /// Which node.
        node: String,
        /// What was waited for.
        wanted: String,
        /// What it said instead.
        heard: Vec<Value>,
    },
    /// It said something that is not JSON.
    NotJson {
        /// Which node.
        node: String,
        /// The line.
        line: String,
    },
    /// It ended before it said what was waited for.
    Ended {
        /// Which node.
        node: String,
        /// What was waited for.
        wanted: String,
    },
    /// It answered with something else.
    Unexpected {
        /// Which node.
        node: String,
        /// What was asked.
        asked: String,
        /// What it said.
        answer: Value,
    },
}

impl NodeProcess {
    /// Starts `command`, which has to be a node with `--output json`, without waiting for it.
    ///
    /// # Errors
    /// [`Trouble::Io`] if there is no process.
    pub fn spawn(name: &str, command: &mut Command) -> Result<Self, Trouble> {
        let spawned = Instant::now();
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("standard output was asked for");
        let (sender, said) = sync_channel(UNREAD);
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let at = Instant::now();
                let said = serde_json::from_str(&line).map(|line| Told { line, at }).map_err(|_| line);
                if sender.send(said).is_err() {
                    return;
                }
            }
        });
        let (events, answers) = (VecDeque::new(), VecDeque::new());
        Ok(Self { name: name.into(), spawned, ready: Value::Null, child, stdin, said, events, answers })
    }

    /// Waits for its first line.
    ///
    /// # Errors
    /// [`Trouble`] if it does not come.
    pub fn ready(&mut self) -> Result<&Value, Trouble> {
        self.ready = self.event("ready", |_| true)?.line;
        Ok(&self.ready)
    }

    /// Where it listens, once it is ready.
    pub fn address(&self) -> &str {
        self.ready["listen"].as_str().unwrap_or_default()
    }

    /// Its life, once it is ready.
    pub fn incarnation(&self) -> u64 {
        self.ready["incarnation"].as_u64().unwrap_or_default()
    }

    /// What it logs, if its command has a pipe for that; once.
    pub fn log(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a line without waiting for its answer.
    ///
    /// # Errors
    /// [`Trouble::Io`] if the process reads no more.
    pub fn tell(&mut self, line: &str) -> Result<(), Trouble> {
        let stdin = self.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        stdin.write_all(format!("{line}\n").as_bytes())?;
        Ok(stdin.flush()?)
    }

    /// Sends a line and waits for its answer, whole.
    ///
    /// # Errors
    /// [`Trouble`] if there is none.
    pub fn ask(&mut self, line: &str) -> Result<Value, Trouble> {
        self.tell(line)?;
        self.answer(line)
    }

    /// Waits for the next answer.
    ///
    /// # Errors
    /// [`Trouble`] if there is none.
    pub fn answer(&mut self, to: &str) -> Result<Value, Trouble> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(told) = self.answers.pop_front() {
                return Ok(told.line);
            }
            self.read(deadline, to)?;
        }
    }

    /// Sends a line and waits for what its answer has under `ok`.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] if it has none.
    pub fn ok(&mut self, line: &str) -> Result<Value, Trouble> {
        let answer = self.ask(line)?;
        match answer.get("ok") {
            Some(ok) => Ok(ok.clone()),
            None => Err(self.unexpected(line, answer)),
        }
    }

    /// Sends a line and waits for what its answer has under `error`.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] if it has none.
    pub fn error(&mut self, line: &str) -> Result<Value, Trouble> {
        let answer = self.ask(line)?;
        match answer.get("error") {
            Some(error) => Ok(error.clone()),
            None => Err(self.unexpected(line, answer)),
        }
    }

    /// Waits for an event of this name that `matches`; others before it are passed over, and lost.
    ///
    /// # Errors
    /// [`Trouble`] if there is none within [`PATIENCE`].
    pub fn event(&mut self, event: &str, matches: impl Fn(&Value) -> bool) -> Result<Told, Trouble> {
        let deadline = Instant::now() + PATIENCE;
        let mut passed = Vec::new();
        loop {
            while let Some(told) = self.events.pop_front() {
                if told.line["event"] == event && matches(&told.line) {
                    return Ok(told);
                }
                passed.push(told.line);
            }
            self.read(deadline, event).map_err(|trouble| trouble.after(&passed))?;
        }
    }

    /// The events that were read while other things were waited for, and not taken.
    pub fn events(&self) -> Vec<&Value> {
        self.events.iter().map(|told| &told.line).collect()
    }

    /// The same, taken: they are not waited for any more.
    pub fn take_events(&mut self) -> Vec<Value> {
        self.events.drain(..).map(|told| told.line).collect()
    }

    /// Waits until it says that `other` is up, and says when it did.
    ///
    /// # Errors
    /// [`Trouble`] if it does not.
    pub fn member_up(&mut self, other: &str) -> Result<Instant, Trouble> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let is_it = |told: &Told| told.line["event"] == "member_up" && told.line["node"] == other;
            if let Some(at) = self.events.iter().position(is_it) {
                return Ok(self.events.remove(at).expect("it was found there").at);
            }
            self.read(deadline, &format!("member_up {other}"))?;
        }
    }

    /// Takes one more line, or says what is wrong.
    fn read(&mut self, deadline: Instant, wanted: &str) -> Result<(), Trouble> {
        let node = || self.name.clone();
        match self.said.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Ok(told)) if told.line.get("event").is_some() => self.events.push_back(told),
            Ok(Ok(told)) => self.answers.push_back(told),
            Ok(Err(line)) => return Err(Trouble::NotJson { node: node(), line }),
            Err(RecvTimeoutError::Timeout) => {
                return Err(Trouble::Silent { node: node(), wanted: wanted.into(), heard: Vec::new() });
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Trouble::Ended { node: node(), wanted: wanted.into() });
            }
        }
        Ok(())
    }

    fn unexpected(&self, asked: &str, answer: Value) -> Trouble {
        Trouble::Unexpected { node: self.name.clone(), asked: asked.into(), answer }
    }

    /// Ends its input, which asks it to drain and end.
    pub fn close_input(&mut self) {
        self.stdin = None;
    }

    /// SIGKILL. Returns when it was sent; the kernel's part follows.
    ///
    /// # Errors
    /// [`Trouble::Io`] if the process could not be signalled.
    pub fn kill(&mut self) -> Result<Instant, Trouble> {
        let at = Instant::now();
        self.child.kill()?;
        Ok(at)
    }

    /// Waits until the process has ended.
    ///
    /// # Errors
    /// [`Trouble::Silent`] if it goes on after [`PATIENCE`].
    pub fn wait(&mut self) -> Result<ExitStatus, Trouble> {
        // Its output ends when the process does, so this waits for an event and not for a while.
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.read(deadline, "its end") {
                Ok(()) | Err(Trouble::NotJson { .. }) => {}
                Err(Trouble::Ended { .. }) => return Ok(self.child.wait()?),
                Err(trouble) => return Err(trouble),
            }
        }
    }
}

#[cfg(unix)]
impl NodeProcess {
    /// SIGSTOP: the process stands still, and its kernel goes on to acknowledge what others send. Returns when all
    /// its threads stand: on a busy machine some go on for a while after the signal was sent.
    ///
    /// # Errors
    /// [`Trouble::Io`] if the process could not be signalled.
    pub fn freeze(&self) -> Result<Instant, Trouble> {
        let at = self.signal(rustix::process::Signal::STOP)?;
        let stopped = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::waitid(WaitId::Pid(id), stopped).map_err(io::Error::from)?;
        Ok(at)
    }

    /// SIGCONT.
    ///
    /// # Errors
    /// [`Trouble::Io`] if the process could not be signalled.
    pub fn thaw(&self) -> Result<Instant, Trouble> {
        self.signal(rustix::process::Signal::CONT)
    }

    /// SIGTERM.
    ///
    /// # Errors
    /// [`Trouble::Io`] if the process could not be signalled.
    pub fn terminate(&self) -> Result<Instant, Trouble> {
        self.signal(rustix::process::Signal::TERM)
    }

    fn signal(&self, signal: rustix::process::Signal) -> Result<Instant, Trouble> {
        let at = Instant::now();
        // The child is not waited for before it has ended, so its id is still its own.
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).map_err(io::Error::from)?;
        Ok(at)
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        // It may have ended already, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Trouble {
    fn after(self, passed: &[Value]) -> Self {
        match self {
            Self::Silent { node, wanted, .. } => Self::Silent { node, wanted, heard: passed.to_vec() },
            other => other,
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<io::ErrorKind> for Trouble {
    fn from(kind: io::ErrorKind) -> Self {
        Self::Io(kind.into())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the node's process: {error}"),
            Self::Silent { node, wanted, heard } => {
                write!(f, "{node} did not say '{wanted}' in time")?;
                heard.iter().try_for_each(|line| write!(f, "; it said {line}"))
            }
            Self::NotJson { node, line } => write!(f, "{node} said '{line}', which is not JSON"),
            Self::Ended { node, wanted } => write!(f, "{node} ended before '{wanted}'"),
            Self::Unexpected { node, asked, answer } => write!(f, "{node} answered '{asked}' with {answer}"),
        }
    }
}

impl std::error::Error for Trouble {}
