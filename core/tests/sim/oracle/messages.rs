//! What senders may believe of their messages: none is lost, none is handled twice, and each sender's are handled in
//! their order, however often the name moves.
//!
//! Three things excuse a message. The start that it was for ended otherwise than by going on elsewhere, as far as its
//! name went on from there. A link broke on which it was, or by which its sender would have heard where it is. A
//! process ended that had it. What is excused may be handled or not, and at any time.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use skep_core::id::{Epoch, Life, Name};

use crate::world::ProcessId;

/// A message: by whom, and the how-manieth of that sender to that name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Note {
    pub sender: usize,
    pub number: u64,
}

/// All messages of a run.
#[derive(Default)]
pub struct Messages {
    streams: BTreeMap<(usize, Name), Stream>,
    /// Of each name the last start that ended otherwise than by going on elsewhere.
    broken: BTreeMap<Name, Epoch>,
    /// Members may be wrong about each other: nothing is promised.
    is_void: bool,
    pub handled: u64,
    pub forwarded: u64,
    pub excused: u64,
}

/// What one sender sent to one name.
#[derive(Default)]
struct Stream {
    notes: BTreeMap<u64, Fate>,
    /// Numbers that are neither handled nor excused.
    due: BTreeSet<u64>,
}

struct Fate {
    /// The start that it is for, and the life that it went to first.
    epoch: Epoch,
    to: Life,
    is_handled: bool,
    is_excused: bool,
}

impl Messages {
    /// A sender sends; its message has the next number.
    pub fn sent(&mut self, sender: ProcessId, name: &Name, epoch: Epoch, to: Life) -> Note {
        let stream = self.streams.entry((sender.0, name.clone())).or_default();
        let number = stream.notes.len() as u64 + 1;
        stream.notes.insert(number, Fate { epoch, to, is_handled: false, is_excused: false });
        stream.due.insert(number);
        Note { sender: sender.0, number }
    }

    /// What was held is on its way to this start.
    pub fn released(&mut self, name: &Name, note: Note, epoch: Epoch, to: Life) {
        let fate = self.fate(name, note);
        (fate.epoch, fate.to) = (epoch, to);
    }

    /// It goes on to where its name went.
    pub fn forwarded(&mut self, name: &Name, note: Note, under: Epoch) {
        self.forwarded += 1;
        let fate = self.fate(name, note);
        fate.epoch = fate.epoch.max(under);
    }

    /// A worker handles a message.
    ///
    /// # Errors
    /// It did so before, or not all that its sender sent before were handled.
    pub fn handled(&mut self, name: &Name, note: Note) -> Result<(), String> {
        self.handled += 1;
        let Note { sender, number } = note;
        let broken = self.broken.get(name).copied();
        let stream = self.streams.get_mut(&(sender, name.clone())).expect("it was sent");
        let fate = stream.notes.get_mut(&number).expect("it was sent");
        let is_excused = fate.is_excused || Some(fate.epoch) <= broken;
        let was_handled = std::mem::replace(&mut fate.is_handled, true);
        stream.due.remove(&number);
        if is_excused || self.is_void {
            return Ok(());
        }
        if was_handled {
            return Err(format!("{name} handles message {number} of process {sender} twice"));
        }
        let earlier: Vec<u64> = stream.due.range(..number).copied().collect();
        match earlier.into_iter().find(|earlier| !stream.may_excuse(*earlier, broken)) {
            Some(missing) => Err(format!(
                "{name} handles message {number} of process {sender}, and has not handled {missing}"
            )),
            None => Ok(()),
        }
    }

    /// It reached nobody who takes it.
    ///
    /// # Errors
    /// Nothing excuses that.
    pub fn refused(&mut self, name: &Name, note: Note) -> Result<(), String> {
        let broken = self.broken.get(name).copied();
        let stream = self.streams.get_mut(&(note.sender, name.clone())).expect("it was sent");
        if self.is_void || !stream.due.contains(&note.number) || stream.may_excuse(note.number, broken) {
            return Ok(());
        }
        Err(format!("message {} of process {} to {name} is lost", note.number, note.sender))
    }

    /// A link broke that had it, or a process ended.
    pub fn excuse(&mut self, name: &Name, note: Note) {
        self.fate(name, note).is_excused = true;
        self.excused += 1;
        self.stream(name, note).due.remove(&note.number);
    }

    /// The same, of all that this sender sent and `concerns` says so.
    pub fn excuse_all(&mut self, sender: ProcessId, concerns: impl Fn(&Name, Life) -> bool) {
        for ((_, name), stream) in self.streams.iter_mut().filter(|((by, _), _)| *by == sender.0) {
            let notes = &mut stream.notes;
            stream.due.retain(|number| {
                let fate = notes.get_mut(number).expect("it was sent");
                fate.is_excused = concerns(name, fate.to);
                !fate.is_excused
            });
        }
    }

    /// A start ended, and did not go on elsewhere.
    pub fn ended(&mut self, name: &Name, epoch: Epoch) {
        let broken = self.broken.entry(name.clone()).or_insert(epoch);
        *broken = epoch.max(*broken);
    }

    /// From now on nothing is promised.
    pub fn void(&mut self) {
        self.is_void = true;
    }

    /// A message that is neither handled nor excused.
    pub fn missing(&mut self) -> Option<String> {
        if self.is_void {
            return None;
        }
        let broken = &self.broken;
        self.streams.iter_mut().find_map(|((sender, name), stream)| {
            let due: Vec<u64> = stream.due.iter().copied().collect();
            let broken = broken.get(name).copied();
            let number = due.into_iter().find(|number| !stream.may_excuse(*number, broken))?;
            Some(format!("{name} has not handled message {number} of process {sender}"))
        })
    }

    fn stream(&mut self, name: &Name, note: Note) -> &mut Stream {
        self.streams.get_mut(&(note.sender, name.clone())).expect("it was sent")
    }

    fn fate(&mut self, name: &Name, note: Note) -> &mut Fate {
        self.stream(name, note).notes.get_mut(&note.number).expect("it was sent")
    }
}

impl Stream {
    /// Whether the end of the start that it was for excuses that it is not handled.
    fn may_excuse(&mut self, number: u64, broken: Option<Epoch>) -> bool {
        let fate = self.notes.get_mut(&number).expect("it was sent");
        if Some(fate.epoch) <= broken {
            fate.is_excused = true;
            self.due.remove(&number);
        }
        fate.is_excused
    }
}
