//! Messages as somebody sends who knows the format and keeps no rule: drawn from a seed, or others' with parts changed.
//!
//! What a message is made of is read off its own encoding, so that no kind, no field and no variant can be forgotten:
//! [`tree`] takes a message apart, [`read`] makes one of such parts or of drawn ones. Numbers and texts are drawn
//! mostly from those that were seen under the same word (`Life`, `Epoch`, the name of a field): what is nearly right is
//! more telling than noise.

mod read;
mod tree;

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use self::read::Reader;
use self::tree::Node;
use super::frame::{Frame, MAX_FRAME};
use super::message::{Message, Relay};
use super::{WIRE_MAX, WIRE_MIN};
use crate::random::Random;

/// So many numbers and texts are remembered under one word.
const WORDS: usize = 64;

/// So many parts at most are drawn for one message: lists are empty from there on.
const PARTS: usize = 12_000;

/// Texts that are good for something, before any were seen.
const TEXTS: [&str; 4] = ["a", "b", "plain", "10.0.0.1:4000"];

/// Draws messages. All of them are well formed: they decode, as their kind.
#[derive(Clone, Debug)]
pub struct Arbitrary {
    random: Random,
    numbers: BTreeMap<&'static str, Vec<u128>>,
    texts: BTreeMap<&'static str, Vec<String>>,
    /// One part in so many is changed; 0 for none that is given.
    rate: u64,
    /// How many parts may still be drawn.
    left: usize,
}

/// What was drawn is no message: an epoch out of range, a list too long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Unfit;

impl Arbitrary {
    /// All that it draws follows from the seed and from what it learns.
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            numbers: BTreeMap::new(),
            texts: BTreeMap::new(),
            rate: 0,
            left: PARTS,
        }
    }

    /// The kinds of all messages of the newest version.
    pub fn kinds() -> &'static [u16] {
        Message::KINDS
    }

    /// Remembers the numbers and texts of a message that somebody sent. Nothing of what is none.
    pub fn learn(&mut self, frame: &Frame) {
        if let Ok(Some(message)) = Message::decode(frame, WIRE_MAX) {
            self.remember(&tree::of(&message));
        }
    }

    /// A message of any kind, now and then in the words of the oldest version.
    pub fn any(&mut self) -> Frame {
        let kind = Message::KINDS[self.below(Message::KINDS.len())];
        let version = if self.below(8) == 0 { WIRE_MIN } else { WIRE_MAX };
        self.drawn(kind, version)
    }

    /// A message of this kind.
    ///
    /// # Panics
    /// If no message has this kind.
    pub fn of_kind(&mut self, kind: u16) -> Frame {
        self.drawn(kind, WIRE_MAX)
    }

    fn drawn(&mut self, kind: u16, version: u16) -> Frame {
        assert!(Message::KINDS.contains(&kind), "no message is of the kind {kind:#06x}");
        self.rate = 1;
        loop {
            if let Some(frame) = self.make(kind, None, version) {
                return frame;
            }
        }
    }

    /// The same message with one part or a few changed; as it is, if it is none or if nothing fitting was found.
    pub fn changed(&mut self, frame: &Frame) -> Frame {
        let Ok(Some(message)) = Message::decode(frame, WIRE_MAX) else {
            return frame.clone();
        };
        let node = tree::of(&message);
        let version = if Message::FORMER.contains(&frame.kind) { WIRE_MIN } else { WIRE_MAX };
        let kind = message.encode(WIRE_MAX).kind;
        for _ in 0..16 {
            self.rate = [2, 4, 8, 16, 32][self.below(5)];
            if let Some(changed) = self.make(kind, Some(&node), version).filter(|changed| changed != frame) {
                return changed;
            }
        }
        frame.clone()
    }

    /// `None` if what was drawn is unfit.
    fn make(&mut self, kind: u16, node: Option<&Node>, version: u16) -> Option<Frame> {
        self.left = PARTS;
        let message = Message::read(kind, Reader::new(self, node)).ok()?;
        let message = match message {
            // A letter that nobody could read tells little: another message is put in, now and then a strange one.
            Message::Relay(relay) if node.is_none() || self.below(2) == 0 => self.with_letter(*relay),
            message => message,
        };
        let frame = message.encode(version);
        (frame.body.len() <= MAX_FRAME as usize / 2).then_some(frame)
    }

    fn with_letter(&mut self, relay: Relay) -> Message {
        let letter = match Message::decode(&Frame { kind: relay.kind, body: relay.body.0.clone() }, WIRE_MAX)
        {
            Ok(Some(known)) if !matches!(known, Message::Relay(_)) => {
                let known = known.encode(WIRE_MAX);
                self.changed(&known)
            }
            Ok(_) | Err(_) => loop {
                let kind = Message::KINDS[self.below(Message::KINDS.len())];
                if kind != Message::RELAY || self.below(8) == 0 {
                    break self.of_kind(kind);
                }
            },
        };
        Relay { kind: letter.kind, body: letter.body.into(), ..relay }.into()
    }

    fn remember(&mut self, node: &Node) {
        match node {
            Node::Number(word, number) => {
                let at = self.below(WORDS);
                keep(self.numbers.entry(word).or_default(), *number, at);
            }
            Node::Text(word, text) => {
                let at = self.below(WORDS);
                keep(self.texts.entry(word).or_default(), text.clone(), at);
            }
            Node::Optional(inner) => inner.iter().for_each(|inner| self.remember(inner)),
            Node::Many(_, parts) | Node::Variant(_, parts) => {
                parts.iter().for_each(|part| self.remember(part));
            }
            Node::Truth(_) | Node::Bytes(_) => {}
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.random.next() % bound.max(1) as u64) as usize
    }

    /// Whether this part is to be another than the given one.
    fn changes(&mut self) -> bool {
        self.random.next().is_multiple_of(self.rate.max(1))
    }

    /// A number as it stands under this word: one that was seen, one beside it, or one that is an end of something.
    fn number(&mut self, word: &'static str, given: Option<u128>) -> u128 {
        let seen = |numbers: &Vec<u128>, pick: u64| {
            numbers.get((pick % numbers.len().max(1) as u64) as usize).copied()
        };
        let pick = self.random.next();
        let same = self.numbers.get(word).and_then(|numbers| seen(numbers, pick));
        let other = (pick >> 32) as usize % self.numbers.len().max(1);
        let other = self.numbers.values().nth(other).and_then(|numbers| seen(numbers, pick));
        match self.below(16) {
            0 => 0,
            1 => 1,
            2 => u128::MAX - (pick % 3) as u128,
            3 => (u64::MAX >> 1) as u128 - (pick % 3) as u128,
            4 => u128::from(pick) >> (pick % 64),
            5 => given.or(same).unwrap_or_default().wrapping_add(1),
            6 => given.or(same).unwrap_or_default().wrapping_sub(1),
            7 => given.or(same).unwrap_or_default().wrapping_add(u128::from(pick % 5000)),
            8 => other.unwrap_or_default(),
            _ => same.or(other).unwrap_or(u128::from(pick % 8)),
        }
    }

    fn text(&mut self, word: &'static str) -> String {
        let pick = self.below(WORDS * 4);
        let seen = self.texts.get(word).and_then(|texts| texts.get(pick % texts.len().max(1)));
        match seen.filter(|_| pick < WORDS * 4 - 8) {
            Some(text) => text.clone(),
            None => TEXTS[pick % TEXTS.len()].to_owned(),
        }
    }

    /// How long a list is: short, as a rule, and now and then longer than any.
    fn length(&mut self) -> usize {
        let length = match self.below(200) {
            0 => 4096,
            1..4 => self.below(300),
            _ => self.below(4),
        };
        length.min(self.left)
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = if self.below(100) == 0 { 64 << 10 } else { self.below(40) };
        (0..length).map(|_| self.random.next() as u8).collect()
    }
}

fn keep<T: PartialEq>(known: &mut Vec<T>, value: T, at: usize) {
    if known.contains(&value) {
        return;
    }
    match known.get_mut(at) {
        Some(former) => *former = value,
        None => known.push(value),
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no message is like this")
    }
}

impl core::error::Error for Unfit {}

impl serde::ser::Error for Unfit {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

impl serde::de::Error for Unfit {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The greeting of the pinned bytes, in the words of version 1: a record, a position, a forgotten life.
    const GREETING: [u8; 29] = [
        1, 0xac, 2, 1, 0x61, 3, 0x68, 0x3a, 0x31, 1, 1, 1, 0x72, 1, 1, 0x6b, 3, 1, 1, 1, 0xac, 2, 9, 1, 0xad,
        2, 1, 0x62, 0,
    ];

    fn greeting() -> Frame {
        Frame { kind: 0x0001, body: GREETING.to_vec() }
    }

    #[test]
    fn whatever_is_drawn_is_a_message_of_its_kind() {
        let mut arbitrary = Arbitrary::new(1);
        arbitrary.learn(&greeting());
        for &kind in Arbitrary::kinds() {
            for _ in 0..200 {
                let frame = arbitrary.of_kind(kind);
                assert_eq!(frame.kind, kind);
                assert!(
                    matches!(Message::decode(&frame, WIRE_MAX), Ok(Some(_))),
                    "{kind:#06x}: {:?}",
                    frame.body
                );
                let changed = arbitrary.changed(&frame);
                assert!(
                    matches!(Message::decode(&changed, WIRE_MAX), Ok(Some(_))),
                    "{kind:#06x}: {:?}",
                    changed.body
                );
            }
        }
    }

    #[test]
    fn what_is_taken_apart_and_not_changed_is_what_it_was() {
        let mut arbitrary = Arbitrary::new(2);
        for &kind in Arbitrary::kinds() {
            for _ in 0..50 {
                let frame = arbitrary.of_kind(kind);
                let message =
                    Message::decode(&frame, WIRE_MAX).expect("it decodes").expect("it is of a known kind");
                arbitrary.rate = 0;
                let node = tree::of(&message);
                let again = Message::read(kind, Reader::new(&mut arbitrary, Some(&node)));
                assert_eq!(again, Ok(message), "{kind:#06x}");
            }
        }
    }

    #[test]
    fn every_field_of_a_message_is_changed_sooner_or_later() {
        let mut arbitrary = Arbitrary::new(3);
        let mut lives = Vec::new();
        for _ in 0..2000 {
            let changed = arbitrary.changed(&greeting());
            let Ok(Some(Message::Greet(greet))) = Message::decode(&changed, WIRE_MAX) else {
                panic!("{changed:?}")
            };
            lives.extend(greet.records.iter().map(|record| {
                (
                    record.life.0 != 300,
                    record.weight != 1,
                    record.revision.0 != 3,
                    record.address.as_str() != "h:1",
                )
            }));
        }
        for (number, is_changed) in [
            lives.iter().any(|changed| changed.0),
            lives.iter().any(|changed| changed.1),
            lives.iter().any(|changed| changed.2),
            lives.iter().any(|changed| changed.3),
        ]
        .into_iter()
        .enumerate()
        {
            assert!(is_changed, "field {number} stays what it is");
        }
    }

    #[test]
    fn one_seed_draws_the_same_messages() {
        let (mut first, mut second) = (Arbitrary::new(7), Arbitrary::new(7));
        let drawn = |arbitrary: &mut Arbitrary| (0..500).map(|_| arbitrary.any()).collect::<Vec<_>>();
        assert_eq!(drawn(&mut first), drawn(&mut second));
    }
}
