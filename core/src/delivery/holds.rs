//! What a sender holds for a name that moves, until what it sent before has come to the new holder.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::Token;
use crate::id::{Life, Name};
use crate::time::Instant;

/// How long a name is held at most. After that its messages go on, and may overtake earlier ones: their way has been
/// broken for longer than a broken link takes to be noticed.
const PATIENCE: Duration = Duration::from_secs(5);

/// All that one sender holds: messages of the type `M`.
#[derive(Debug)]
pub struct Holds<M> {
    held: BTreeMap<String, Hold<M>>, // by text, which is what callers have
    /// Questions that were not asked yet, one for each former holder.
    unasked: BTreeMap<Life, Token>,
    questions: BTreeMap<Token, Question>,
    last_token: u64,
    /// Names that may go on.
    free: VecDeque<Name>,
    /// Names that might, but had no way on when that was tried.
    stalled: Vec<Name>,
    /// When each began, for the deadline. Names that were released are still here.
    begun: VecDeque<(Instant, Name)>,
    weight: usize,
    max_weight: usize,
}

#[derive(Debug)]
struct Hold<M> {
    since: Instant,
    /// Whose answers are missing.
    missing: Vec<Token>,
    messages: Vec<(M, usize)>,
}

#[derive(Debug)]
struct Question {
    since: Instant,
    to: Life,
    names: Vec<Name>,
}

/// Why a message was not held. It is given back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NotHeld<M> {
    /// The name does not move, as far as this sender knows: send it.
    Free(M),
    /// So much is held that there is no room.
    Full(M),
}

impl<M> Holds<M> {
    /// Holds at most `max_weight`, in whatever [`Holds::hold`] is given as weight.
    pub fn new(max_weight: usize) -> Self {
        Self {
            held: BTreeMap::new(),
            unasked: BTreeMap::new(),
            questions: BTreeMap::new(),
            last_token: 0,
            free: VecDeque::new(),
            stalled: Vec::new(),
            begun: VecDeque::new(),
            weight: 0,
            max_weight,
        }
    }

    /// Whether no name is held.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether this name is held.
    pub fn holds(&self, name: &str) -> bool {
        self.held.contains_key(name)
    }

    /// Something was sent to this life for the name, which goes on elsewhere: the name is held until that life has
    /// said that it came there.
    pub fn moved(&mut self, now: Instant, name: Name, from: Life) {
        let token = *self.unasked.entry(from).or_insert_with(|| {
            self.last_token += 1;
            Token(self.last_token)
        });
        let question =
            self.questions.entry(token).or_insert(Question { since: now, to: from, names: Vec::new() });
        let hold = self.held.entry(name.as_str().into()).or_insert_with(|| {
            self.begun.push_back((now, name.clone()));
            Hold { since: now, missing: Vec::new(), messages: Vec::new() }
        });
        if !hold.missing.contains(&token) {
            hold.missing.push(token);
            question.names.push(name);
        }
    }

    /// The name has no way just now, and nobody needs to be asked: it is held until [`Holds::try_again`].
    pub fn wait(&mut self, now: Instant, name: &Name) {
        if !self.holds(name.as_str()) {
            self.begun.push_back((now, name.clone()));
            let hold = Hold { since: now, missing: Vec::new(), messages: Vec::new() };
            self.held.insert(name.as_str().into(), hold);
            self.stalled.push(name.clone());
        }
    }

    /// Whom to ask what. One question for all names that came since the last time.
    pub fn ask(&mut self) -> Vec<(Life, Token)> {
        core::mem::take(&mut self.unasked).into_iter().collect()
    }

    /// Holds a message behind all that is held for its name.
    ///
    /// # Errors
    /// [`NotHeld`], with the message.
    pub fn hold(&mut self, name: &str, message: M, weight: usize) -> Result<(), NotHeld<M>> {
        let Some(hold) = self.held.get_mut(name) else { return Err(NotHeld::Free(message)) };
        if self.weight + weight > self.max_weight {
            return Err(NotHeld::Full(message));
        }
        self.weight += weight;
        hold.messages.push((message, weight));
        Ok(())
    }

    /// That life answered. An answer that was not asked for concerns nobody.
    pub fn flushed(&mut self, from: Life, token: Token) {
        if self.questions.get(&token).is_none_or(|question| question.to != from) {
            return;
        }
        let Some(question) = self.questions.remove(&token) else { return };
        for name in question.names {
            let Some(hold) = self.held.get_mut(name.as_str()) else { continue };
            let was_held = !hold.missing.is_empty();
            hold.missing.retain(|missing| *missing != token);
            if was_held && hold.missing.is_empty() {
                self.free.push_back(name);
            }
        }
    }

    /// That life cannot be asked: what was on its way there is lost, or comes back to its sender.
    pub fn lost(&mut self, from: Life) {
        self.unasked.remove(&from);
        let asked = |question: &Question| question.to == from;
        let tokens: Vec<Token> =
            self.questions.iter().filter(|(_, question)| asked(question)).map(|(token, _)| *token).collect();
        tokens.into_iter().for_each(|token| self.flushed(from, token));
    }

    /// When [`Holds::on_time`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.begun.front().map(|(since, _)| *since + PATIENCE)
    }

    /// Frees what was held for too long.
    pub fn on_time(&mut self, now: Instant) {
        while self.deadline().is_some_and(|at| at <= now) {
            let Some((since, name)) = self.begun.pop_front() else { return };
            if let Some(hold) = self.held.get_mut(name.as_str())
                && hold.since == since
                && !hold.missing.is_empty()
            {
                hold.missing.clear();
                self.free.push_back(name);
            }
        }
        self.questions.retain(|_, question| now < question.since + PATIENCE);
    }

    /// The next name that may go on, with what is held for it and its weight, in order. The name is held on as long
    /// as there is something, so that what comes meanwhile queues up behind: send all of it, or put it back, before
    /// this is called again. A name of which nothing is left is free.
    pub fn release(&mut self) -> Option<(Name, Vec<(M, usize)>)> {
        loop {
            let name = self.free.front()?.clone();
            let Some(hold) = self.held.get_mut(name.as_str()).filter(|hold| hold.missing.is_empty()) else {
                self.free.pop_front(); // it moved again
                continue;
            };
            let messages = core::mem::take(&mut hold.messages);
            if messages.is_empty() {
                self.held.remove(name.as_str());
                self.free.pop_front();
                if self.held.is_empty() {
                    self.begun.clear();
                }
            }
            self.weight -= messages.iter().map(|(_, weight)| weight).sum::<usize>();
            return Some((name, messages));
        }
    }

    /// These cannot be sent yet: they are held on, before what came meanwhile, until [`Holds::try_again`]. Other
    /// names do not wait for that.
    pub fn put_back(&mut self, name: Name, mut messages: Vec<(M, usize)>) {
        let Some(hold) = self.held.get_mut(name.as_str()) else { return };
        self.weight += messages.iter().map(|(_, weight)| weight).sum::<usize>();
        messages.append(&mut hold.messages);
        hold.messages = messages;
        if self.free.front() == Some(&name) {
            self.free.pop_front();
        }
        self.stalled.push(name);
    }

    /// What had no way on may have one now.
    pub fn try_again(&mut self) {
        self.free.extend(self.stalled.drain(..));
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    const A: Life = Life(1);
    const B: Life = Life(2);
    const NOW: Instant = Instant::ZERO;

    fn name(text: &str) -> Name {
        Name::new(text).expect("a good name")
    }

    /// Holds these names, which were at A, and its question.
    fn holding(names: &[&str]) -> (Holds<u32>, Token) {
        let mut holds = Holds::new(100);
        names.iter().for_each(|text| holds.moved(NOW, name(text), A));
        let [(A, token)] = holds.ask()[..] else { panic!("one question for all") };
        (holds, token)
    }

    /// All that may go on, in order.
    fn released(holds: &mut Holds<u32>) -> Vec<(Name, Vec<(u32, usize)>)> {
        core::iter::from_fn(|| holds.release()).collect()
    }

    #[test]
    fn a_name_is_held_until_its_former_holder_has_answered() {
        let (mut holds, token) = holding(&["n", "m"]);
        assert_eq!(holds.hold("n", 1, 1), Ok(()));
        assert_eq!(holds.hold("n", 2, 1), Ok(()));
        assert_eq!(holds.hold("other", 3, 1), Err(NotHeld::Free(3)));
        assert_eq!(released(&mut holds), []);
        holds.flushed(B, token);
        holds.flushed(A, Token(99));
        assert_eq!(released(&mut holds), [], "only who was asked can answer, and only what it was asked");
        holds.flushed(A, token);
        let all = [(name("n"), vec![(1, 1), (2, 1)]), (name("n"), vec![]), (name("m"), vec![])];
        assert_eq!(released(&mut holds), all);
        assert!(holds.is_empty());
        assert_eq!(holds.hold("n", 4, 1), Err(NotHeld::Free(4)));
    }

    #[test]
    fn what_comes_while_a_name_is_released_queues_up_behind() {
        let (mut holds, token) = holding(&["n"]);
        assert_eq!(holds.hold("n", 1, 1), Ok(()));
        holds.flushed(A, token);
        assert_eq!(holds.release(), Some((name("n"), vec![(1, 1)])));
        assert_eq!(holds.hold("n", 2, 1), Ok(()), "the first may still be on its way to the link");
        holds.put_back(name("n"), vec![(1, 1)]);
        assert_eq!(released(&mut holds), []);
        holds.try_again();
        let all = [(name("n"), vec![(1, 1), (2, 1)]), (name("n"), vec![])];
        assert_eq!(released(&mut holds), all);
    }

    #[test]
    fn a_name_without_a_way_delays_no_other() {
        let (mut holds, token) = holding(&["n", "m"]);
        assert_eq!(holds.hold("n", 1, 1), Ok(()));
        assert_eq!(holds.hold("m", 2, 1), Ok(()));
        holds.flushed(A, token);
        assert_eq!(holds.release(), Some((name("n"), vec![(1, 1)])));
        holds.put_back(name("n"), vec![(1, 1)]);
        assert_eq!(released(&mut holds), [(name("m"), vec![(2, 1)]), (name("m"), vec![])]);
        assert_eq!(holds.weight, 1);
        holds.try_again();
        assert_eq!(released(&mut holds), [(name("n"), vec![(1, 1)]), (name("n"), vec![])]);
    }

    #[test]
    fn what_is_sent_before_there_is_a_way_waits_for_it_and_for_those_who_are_asked_meanwhile() {
        let mut holds = Holds::new(100);
        holds.wait(NOW, &name("n"));
        holds.wait(NOW, &name("n"));
        assert_eq!(holds.hold("n", 1, 1), Ok(()));
        assert_eq!(released(&mut holds), []);
        holds.moved(NOW, name("n"), A);
        let [(A, token)] = holds.ask()[..] else { panic!("one question") };
        holds.try_again();
        assert_eq!(released(&mut holds), []);
        holds.flushed(A, token);
        assert_eq!(released(&mut holds), [(name("n"), vec![(1, 1)]), (name("n"), vec![])]);
        assert!(holds.is_empty());
    }

    #[test]
    fn a_name_that_moves_again_waits_for_both_and_for_what_slipped_through() {
        let (mut holds, first) = holding(&["n"]);
        holds.moved(NOW, name("n"), A); // sent to A after the question was
        holds.moved(NOW, name("n"), B);
        let questions = holds.ask();
        let [(A, again), (B, second)] = questions[..] else { panic!("one for each: {questions:?}") };
        holds.flushed(A, first);
        holds.flushed(B, second);
        assert_eq!(released(&mut holds), []);
        holds.flushed(A, again);
        assert_eq!(released(&mut holds), [(name("n"), vec![])]);
    }

    #[test]
    fn the_loss_of_the_former_holder_frees_at_once() {
        let (mut holds, _) = holding(&["n"]);
        holds.moved(NOW, name("m"), B);
        holds.lost(A);
        assert_eq!(released(&mut holds), [(name("n"), vec![])]);
        holds.lost(B);
        assert_eq!((released(&mut holds), holds.ask()), (vec![(name("m"), vec![])], vec![]));
    }

    #[test]
    fn nothing_is_held_for_longer_than_it_helps_and_late_answers_free_nothing_else() {
        let (mut holds, late) = holding(&["n"]);
        let end = NOW + PATIENCE;
        assert_eq!(holds.deadline(), Some(end));
        assert_eq!(holds.hold("n", 1, 1), Ok(()));
        holds.on_time(end);
        assert_eq!(released(&mut holds), [(name("n"), vec![(1, 1)]), (name("n"), vec![])]);
        assert_eq!(holds.deadline(), None);
        holds.moved(end, name("n"), A);
        holds.ask();
        holds.flushed(A, late);
        assert_eq!(released(&mut holds), []);
        assert!(holds.holds("n"));
    }

    #[test]
    fn so_much_is_held_and_no_more() {
        let (mut holds, token) = holding(&["n"]);
        assert_eq!(holds.hold("n", 1, 60), Ok(()));
        assert_eq!(holds.hold("n", 2, 41), Err(NotHeld::Full(2)));
        assert_eq!(holds.hold("n", 3, 40), Ok(()));
        holds.flushed(A, token);
        released(&mut holds);
        assert_eq!((holds.weight, holds.questions.len()), (0, 0));
    }
}
