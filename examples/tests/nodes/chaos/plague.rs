//! Brings a period's faults over the hosts, each at its time, and undoes them.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Instant;

use skep_examples::process::PATIENCE;

use super::client::Word;
use super::plan::{Fault, Step};
use super::stage::{NAMES, Stage};
use super::transcript::Transcript;
use super::{Ended, Violation};

/// Dropping it tells the clients that the period is over.
pub(super) struct Plague<'a> {
    pub(super) stage: &'a mut Stage,
    pub(super) transcript: &'a Transcript,
    /// The lives that ended, as they were told to.
    pub(super) past: &'a mut BTreeSet<u64>,
    /// To the client of each host.
    pub(super) words: Vec<Sender<Word>>,
    pub(super) ended: Receiver<Ended>,
}

impl Plague<'_> {
    /// Does each step at its time.
    pub(super) fn befall(&mut self, steps: &[Step]) -> Result<(), Violation> {
        let began = Instant::now();
        for step in steps {
            self.wait(began + step.at, |_| false)?;
            self.transcript.note(&step.to_string());
            match step.fault {
                Fault::Start(host) => self.start(host)?,
                fault => self.stage.befall(fault).map_err(trouble)?,
            }
        }
        Ok(())
    }

    /// Lets all hear each other and live.
    pub(super) fn undo(&mut self) -> Result<(), Violation> {
        for host in 0..self.stage.hosts() {
            self.stage.befall(Fault::Thaw(host)).map_err(trouble)?;
        }
        self.stage.mend().map_err(trouble)?;
        for host in 0..self.stage.hosts() {
            self.start(host)?;
        }
        Ok(())
    }

    /// Begins the host's next node, if the former one was told to end, once it has.
    fn start(&mut self, host: usize) -> Result<(), Violation> {
        if self.stage.lives(host) {
            return Ok(());
        }
        if !self.stage.is_vacant(host) {
            self.wait(Instant::now() + PATIENCE, |stage| stage.is_vacant(host))?;
        }
        let node = self.stage.start(host).map_err(trouble)?;
        // A client that has failed says so when it is joined.
        let _ = self.words[host].send(Word::Node(Box::new(node)));
        Ok(())
    }

    /// Until this time, or earlier if it is so after a node has ended.
    fn wait(&mut self, until: Instant, is_so: impl Fn(&Stage) -> bool) -> Result<(), Violation> {
        while !is_so(self.stage) {
            match self.ended.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(ended) => self.bury(ended)?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
        Ok(())
    }

    fn bury(&mut self, Ended { host, mut node }: Ended) -> Result<(), Violation> {
        let life = node.incarnation();
        let status = node.wait().map_err(trouble)?;
        self.transcript.note(&format!("{} has ended: {status}", NAMES[host]));
        if !self.stage.bury(host, status) {
            let words = format!("{} ended, and not as it was told to: {status}", NAMES[host]);
            return Err(Violation { invariant: 4, words });
        }
        self.past.insert(life);
        Ok(())
    }
}

pub(super) fn trouble(error: impl Display) -> Violation {
    Violation { invariant: 4, words: error.to_string() }
}
