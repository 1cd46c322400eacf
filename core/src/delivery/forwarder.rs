//! What a former holder forwards, and to whom it owes word of that.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use super::Token;
use crate::id::{Epoch, Life, Name};

/// So many names that have left are remembered. Who sends to one that was forgotten is told that it is not here.
const MAX_DEPARTED: usize = 1 << 17;

/// So many messages are on their way to one life before its acknowledgements are waited for.
const MAX_UNDERWAY: usize = 1024;

/// So many questions are kept until they can be answered. Who asks more is not answered, and waits no longer than it
/// would have.
const MAX_QUESTIONS: usize = 1 << 16;

/// So many of one asker: it asks one for all names that move in the same moment.
const MAX_QUESTIONS_OF_ONE: usize = 1024;

/// All that one node forwards: messages of the type `M` to names that were here.
#[derive(Debug)]
pub struct Forwarder<M> {
    boxes: BTreeMap<Life, Outbox<M>>,
    /// How many messages of each name are in them.
    names: BTreeMap<String, usize>,
    last_number: u64,
    /// Where names went that were here, and as which start they go on there: each time since nothing of them was on
    /// its way.
    departed: BTreeMap<String, Vec<(Life, Epoch)>>, // by text, which is what callers have
    departed_order: VecDeque<(Name, Epoch)>,
    forgotten: u64,
    questions: Vec<Question>,
}

/// What goes to one life, in the order of its numbers.
#[derive(Debug)]
struct Outbox<M> {
    waiting: VecDeque<Forwarded<M>>,
    /// So many of them, from the front, are on the present link.
    underway: usize,
}

#[derive(Debug)]
struct Forwarded<M> {
    number: u64,
    name: Name,
    message: M,
    /// It came as this number from this life, which is told when it has arrived.
    owed: Option<(Life, u64)>,
}

/// Somebody who waits until all numbers up to this one have arrived.
#[derive(Debug)]
struct Question {
    asker: Life,
    token: Token,
    up_to: u64,
    missing: usize,
}

/// What follows from an arrival.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Then {
    /// Tell this life that the message has arrived that it forwarded under this number.
    Acknowledge(Life, u64),
    /// Tell this life that all has arrived that came before its question.
    Flushed(Life, Token),
}

impl<M> Default for Forwarder<M> {
    fn default() -> Self {
        Self {
            boxes: BTreeMap::new(),
            names: BTreeMap::new(),
            last_number: 0,
            departed: BTreeMap::new(),
            departed_order: VecDeque::new(),
            forgotten: 0,
            questions: Vec::new(),
        }
    }
}

impl<M> Forwarder<M> {
    /// The name goes on at this life: what arrives for it later is to be forwarded there.
    pub fn depart(&mut self, name: Name, to: Life, under: Epoch) {
        let is_first = !self.forwards(name.as_str());
        let ways = self.departed.entry(name.as_str().into()).or_default();
        if is_first {
            ways.clear(); // nothing went there that is not there
        }
        ways.push((to, under));
        self.departed_order.push_back((name, under));
        while self.departed_order.len() > MAX_DEPARTED
            && let Some((oldest, under)) = self.departed_order.pop_front()
            && let Some(ways) = self.departed.get_mut(oldest.as_str())
        {
            ways.retain(|(_, latest)| *latest != under);
            if ways.is_empty() {
                self.departed.remove(oldest.as_str());
                self.forgotten += 1;
            }
        }
    }

    /// How many names that had left were forgotten, too many having left since, since the last call.
    pub fn take_forgotten(&mut self) -> u64 {
        core::mem::take(&mut self.forgotten)
    }

    /// The name is here again. As long as anything of it is on its way ([`Forwarder::forwards`]), what comes for an
    /// earlier start has to go the same way all the same: taken here it would overtake.
    pub fn settle(&mut self, name: &Name) {
        if !self.forwards(name.as_str()) {
            self.departed.remove(name.as_str());
        }
    }

    /// Where a message goes that arrived for a start of a name that is not here: to a later start only, so that none
    /// goes round in circles, and the way that those before it went, so that none overtakes.
    pub fn way(&self, name: &str, epoch: Epoch) -> Option<(Life, Epoch)> {
        self.departed.get(name)?.iter().find(|(_, under)| *under > epoch).copied()
    }

    /// Puts a message behind all that goes to that life. Whoever forwarded it here, under a number of its own, is
    /// owed an acknowledgement.
    pub fn forward(&mut self, to: Life, name: Name, message: M, owed: Option<(Life, u64)>) {
        self.last_number += 1;
        *self.names.entry(name.as_str().into()).or_default() += 1;
        let outbox = self.boxes.entry(to).or_insert(Outbox { waiting: VecDeque::new(), underway: 0 });
        outbox.waiting.push_back(Forwarded { number: self.last_number, name, message, owed });
    }

    /// The next to put on the link to that life; [`Forwarder::sent`] says that it is there.
    pub fn next(&self, to: Life) -> Option<(u64, &Name, &M)> {
        let outbox = self.boxes.get(&to)?;
        if outbox.underway >= MAX_UNDERWAY {
            return None;
        }
        let next = outbox.waiting.get(outbox.underway)?;
        Some((next.number, &next.name, &next.message))
    }

    /// What [`Forwarder::next`] said is on the link.
    pub fn sent(&mut self, to: Life) {
        if let Some(outbox) = self.boxes.get_mut(&to) {
            outbox.underway = outbox.waiting.len().min(outbox.underway + 1);
        }
    }

    /// There is another link to that life: all that has not arrived goes there again.
    pub fn relink(&mut self, to: Life) {
        if let Some(outbox) = self.boxes.get_mut(&to) {
            outbox.underway = 0;
        }
    }

    /// That life has the message of this number.
    pub fn arrived(&mut self, at: Life, number: u64) -> Vec<Then> {
        let Some(outbox) = self.boxes.get_mut(&at) else { return Vec::new() };
        let Ok(place) = outbox.waiting.binary_search_by_key(&number, |forwarded| forwarded.number) else {
            return Vec::new();
        };
        if place >= outbox.underway {
            return Vec::new(); // it was not sent on this link: a peer's word alone loses nothing
        }
        let forwarded = outbox.waiting.remove(place).expect("it was just found");
        outbox.underway -= 1;
        if outbox.waiting.is_empty() {
            self.boxes.remove(&at);
        }
        let mut then = Vec::new();
        self.is_over(&forwarded, &mut then);
        self.answer(&mut then);
        then
    }

    /// Whether an acknowledgement of this number is owed to this life later: its message was forwarded again.
    pub fn is_owed(&self, to: Life, number: u64) -> bool {
        self.boxes.values().any(|outbox| outbox.waiting.iter().any(|one| one.owed == Some((to, number))))
    }

    /// Somebody asks to be told when all has arrived that came before. Told at once if nothing is on its way.
    pub fn flush(&mut self, asker: Life, token: Token) -> Option<Then> {
        let missing = self.boxes.values().map(|outbox| outbox.waiting.len()).sum();
        if missing == 0 {
            return Some(Then::Flushed(asker, token));
        }
        if self.hears(asker) {
            self.questions.push(Question { asker, token, up_to: self.last_number, missing });
        }
        None
    }

    /// Whether another question of this asker is kept, should it have to wait.
    pub fn hears(&self, asker: Life) -> bool {
        let of_it = self.questions.iter().filter(|question| question.asker == asker);
        self.questions.len() < MAX_QUESTIONS && of_it.count() < MAX_QUESTIONS_OF_ONE
    }

    /// Whether anything for this name is still on its way.
    pub fn forwards(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// Whether nothing is on its way.
    pub fn is_empty(&self) -> bool {
        self.boxes.is_empty()
    }

    /// That life is dead: what was on its way there, in order, and what follows for those who waited for it.
    pub fn lost(&mut self, to: Life) -> (Vec<(Name, M)>, Vec<Then>) {
        self.departed.retain(|_, ways| {
            ways.retain(|(life, _)| *life != to);
            !ways.is_empty()
        });
        self.questions.retain(|question| question.asker != to);
        let Some(outbox) = self.boxes.remove(&to) else { return (Vec::new(), Vec::new()) };
        let mut then = Vec::new();
        outbox.waiting.iter().for_each(|forwarded| self.is_over(forwarded, &mut then));
        self.answer(&mut then);
        (outbox.waiting.into_iter().map(|one| (one.name, one.message)).collect(), then)
    }

    /// That message has arrived, or never will.
    fn is_over(&mut self, forwarded: &Forwarded<M>, then: &mut Vec<Then>) {
        if let Some(count) = self.names.get_mut(forwarded.name.as_str()) {
            *count -= 1;
            if *count == 0 {
                self.names.remove(forwarded.name.as_str());
                // Nothing is before what comes now: it goes straight to where the name went last.
                if let Some(ways) = self.departed.get_mut(forwarded.name.as_str()) {
                    ways.drain(..ways.len() - 1);
                }
            }
        }
        then.extend(forwarded.owed.map(|(life, number)| Then::Acknowledge(life, number)));
        for question in self.questions.iter_mut().filter(|question| forwarded.number <= question.up_to) {
            question.missing -= 1;
        }
    }

    fn answer(&mut self, then: &mut Vec<Then>) {
        self.questions.retain(|question| {
            if question.missing == 0 {
                then.push(Then::Flushed(question.asker, question.token));
            }
            question.missing > 0
        });
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    const B: Life = Life(2);
    const C: Life = Life(3);
    const ASKER: Life = Life(9);

    fn name(text: &str) -> Name {
        Name::new(text).expect("a good name")
    }

    /// One that has messages of these names on its way to B, numbered from 1.
    fn forwarding(names: &[&str]) -> Forwarder<usize> {
        let mut forwarder = Forwarder::default();
        for (place, text) in names.iter().enumerate() {
            forwarder.forward(B, name(text), place, None);
        }
        forwarder
    }

    fn send_all(forwarder: &mut Forwarder<usize>, to: Life) -> Vec<u64> {
        let mut numbers = Vec::new();
        while let Some((number, ..)) = forwarder.next(to) {
            numbers.push(number);
            forwarder.sent(to);
        }
        numbers
    }

    #[test]
    fn all_is_sent_in_order_and_again_on_a_new_link_until_it_has_arrived() {
        let mut forwarder = forwarding(&["n", "m", "n"]);
        assert_eq!(send_all(&mut forwarder, B), [1, 2, 3]);
        assert_eq!(send_all(&mut forwarder, B), [], "once on each link");
        assert_eq!(forwarder.arrived(B, 2), []);
        assert!(!forwarder.forwards("m") && forwarder.forwards("n"));
        forwarder.relink(B);
        assert_eq!(send_all(&mut forwarder, B), [1, 3]);
        for number in [3, 1, 1, 7] {
            assert_eq!(forwarder.arrived(B, number), []);
        }
        assert!(forwarder.is_empty());
        assert_eq!(forwarder.next(B), None);
    }

    #[test]
    fn a_question_is_answered_when_all_that_came_before_has_arrived() {
        let mut forwarder = forwarding(&["n", "n"]);
        forwarder.forward(C, name("m"), 2, None);
        let (first, second) = (Token(1), Token(2));
        assert_eq!(forwarder.flush(ASKER, first), None);
        forwarder.forward(B, name("n"), 3, None);
        assert_eq!(forwarder.flush(ASKER, second), None);
        send_all(&mut forwarder, B);
        send_all(&mut forwarder, C);
        assert_eq!(forwarder.arrived(B, 1), []);
        assert_eq!(forwarder.arrived(C, 3), []);
        assert_eq!(forwarder.arrived(B, 2), [Then::Flushed(ASKER, first)]);
        assert_eq!(forwarder.arrived(B, 4), [Then::Flushed(ASKER, second)]);
        assert_eq!(forwarder.flush(ASKER, first), Some(Then::Flushed(ASKER, first)), "nothing is on its way");
    }

    #[test]
    fn who_asks_too_much_is_not_answered_and_others_are() {
        let mut forwarder = forwarding(&["n"]);
        for token in 0..2 * MAX_QUESTIONS_OF_ONE as u64 {
            assert_eq!(forwarder.hears(C), token < MAX_QUESTIONS_OF_ONE as u64);
            assert_eq!(forwarder.flush(C, Token(token)), None);
        }
        assert!(forwarder.hears(ASKER));
        assert_eq!(forwarder.flush(ASKER, Token(1)), None);
        send_all(&mut forwarder, B);
        let then = forwarder.arrived(B, 1);
        assert_eq!(then.len(), MAX_QUESTIONS_OF_ONE + 1);
        assert_eq!(then.last(), Some(&Then::Flushed(ASKER, Token(1))));
    }

    #[test]
    fn what_is_forwarded_again_is_acknowledged_when_it_has_arrived_in_the_end() {
        let mut forwarder = Forwarder::default();
        forwarder.forward(C, name("n"), 0, Some((B, 77)));
        assert!(forwarder.is_owed(B, 77) && !forwarder.is_owed(B, 78));
        send_all(&mut forwarder, C);
        assert_eq!(forwarder.arrived(C, 1), [Then::Acknowledge(B, 77)]);
        assert!(!forwarder.is_owed(B, 77));
    }

    #[test]
    fn a_peers_word_alone_loses_nothing() {
        let mut forwarder = forwarding(&["n"]);
        assert_eq!(forwarder.arrived(B, 1), [], "it was not sent yet");
        assert_eq!(forwarder.arrived(C, 1), [], "nor to that one");
        assert_eq!(send_all(&mut forwarder, B), [1]);
        assert_eq!(forwarder.arrived(C, 1), []);
        assert!(forwarder.forwards("n"));
    }

    #[test]
    fn the_death_of_the_new_holder_gives_all_back_in_order_and_answers_who_waited() {
        let mut forwarder = forwarding(&["n", "m", "n"]);
        forwarder.depart(name("n"), B, Epoch(5));
        forwarder.flush(ASKER, Token(1));
        send_all(&mut forwarder, B);
        forwarder.arrived(B, 1);
        let (left, then) = forwarder.lost(B);
        assert_eq!(left, [(name("m"), 1), (name("n"), 2)]);
        assert_eq!(then, [Then::Flushed(ASKER, Token(1))]);
        assert!(forwarder.is_empty() && !forwarder.forwards("n"));
        assert_eq!(forwarder.way("n", Epoch(0)), None);
        assert_eq!(forwarder.lost(B), (vec![], vec![]));
    }

    #[test]
    fn a_message_goes_on_to_later_starts_only() {
        let mut forwarder = Forwarder::<()>::default();
        forwarder.depart(name("n"), B, Epoch(5));
        assert_eq!(forwarder.way("n", Epoch(4)), Some((B, Epoch(5))));
        assert_eq!(forwarder.way("n", Epoch(5)), None);
        assert_eq!(forwarder.way("m", Epoch(4)), None);
        forwarder.depart(name("n"), C, Epoch(7));
        assert_eq!(forwarder.way("n", Epoch(5)), Some((C, Epoch(7))));
        forwarder.settle(&name("n"));
        assert_eq!(forwarder.way("n", Epoch(5)), None);
    }

    #[test]
    fn a_message_goes_the_way_that_those_before_it_went_while_they_are_on_it() {
        let mut forwarder = forwarding(&["n"]);
        forwarder.depart(name("n"), B, Epoch(5));
        forwarder.settle(&name("n"));
        forwarder.depart(name("n"), C, Epoch(7));
        assert_eq!(forwarder.way("n", Epoch(4)), Some((B, Epoch(5))));
        assert_eq!(forwarder.way("n", Epoch(5)), Some((C, Epoch(7))));
        send_all(&mut forwarder, B);
        forwarder.arrived(B, 1);
        assert_eq!(
            forwarder.way("n", Epoch(4)),
            Some((C, Epoch(7))),
            "straight, now that nothing is before it"
        );
    }

    #[test]
    fn names_that_left_long_ago_are_forgotten() {
        let mut forwarder = Forwarder::<()>::default();
        for round in 0..3 {
            for n in 0..MAX_DEPARTED {
                forwarder.depart(name(&alloc::format!("n{n}")), B, Epoch(round * 2 + 1));
            }
        }
        assert_eq!((forwarder.departed.len(), forwarder.departed_order.len()), (MAX_DEPARTED, MAX_DEPARTED));
        forwarder.depart(name("new"), B, Epoch(1));
        assert_eq!(
            (forwarder.way("n0", Epoch(0)), forwarder.way("new", Epoch(0))),
            (None, Some((B, Epoch(1))))
        );
        assert_eq!((forwarder.take_forgotten(), forwarder.take_forgotten()), (1, 0), "each is counted once");
    }

    #[test]
    fn so_many_are_underway_and_no_more() {
        let mut forwarder = forwarding(&["n"; MAX_UNDERWAY + 5]);
        assert_eq!(send_all(&mut forwarder, B).len(), MAX_UNDERWAY);
        forwarder.arrived(B, 3);
        assert_eq!(send_all(&mut forwarder, B), [MAX_UNDERWAY as u64 + 1]);
    }
}
