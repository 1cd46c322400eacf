//! Messages that a worker sends itself later: when they come, in which order, and when they do not.
#![cfg(feature = "sim")]

mod support;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use skep::core::event::{EndReason, Event, Exit};
use skep::core::id::Reason;
use skep::{Context, Failure, Handle, Handoff, Message, Node, Runtime, State, Timer, Worker};
use support::{MILLI, PATIENCE, World, event};

/// Writes down when what came.
struct Diary {
    entries: Vec<(u64, String)>,
    timers: Vec<Timer>,
}

/// A thing to write down, and how long that takes, in milliseconds.
#[derive(Clone, Serialize, Deserialize)]
struct Note(String, u64);

impl Message for Note {
    const NAME: &'static str = "test.note";
    type Reply = ();
}

/// Notes to make after so many milliseconds each, again and again if so asked.
#[derive(Serialize, Deserialize)]
struct Plan(Vec<(u64, Note, bool)>);

impl Message for Plan {
    const NAME: &'static str = "test.plan";
    type Reply = ();
}

/// Takes back the timer of that number. Whether there was one.
#[derive(Serialize, Deserialize)]
struct Cancel(usize);

impl Message for Cancel {
    const NAME: &'static str = "test.cancel";
    type Reply = bool;
}

/// What came so far, at which milliseconds since the world's beginning.
#[derive(Serialize, Deserialize)]
struct Read;

impl Message for Read {
    const NAME: &'static str = "test.read";
    type Reply = Vec<(u64, String)>;
}

/// It is not among its messages.
#[derive(Clone, Serialize, Deserialize)]
struct Unlisted;

impl Message for Unlisted {
    const NAME: &'static str = "test.unlisted";
    type Reply = ();
}

#[derive(Serialize, Deserialize)]
enum Odd {
    Panic,
    Unlisted,
}

impl Message for Odd {
    const NAME: &'static str = "test.odd";
    type Reply = ();
}

impl Worker for Diary {
    const KIND: &'static str = "diary";
    type Args = Vec<(u64, Note)>;
    type Messages = (Note, Plan, Cancel, Read, Odd);

    async fn start(first: Self::Args, context: &mut Context<Self>) -> Result<Self, Failure> {
        for (after, note) in first {
            context.send_after(MILLI * after as u32, note);
        }
        Ok(Self { entries: Vec::new(), timers: Vec::new() })
    }

    async fn begin_handoff(&mut self, _: &mut Context<Self>) -> Handoff {
        Handoff::resume(&self.entries)
    }

    async fn end_handoff(&mut self, state: State, _: &mut Context<Self>) -> Result<(), Failure> {
        self.entries = state.read()?;
        Ok(())
    }
}

impl Handle<Note> for Diary {
    async fn handle(&mut self, Note(text, millis): Note, context: &mut Context<Self>) {
        self.entries.push((context.now().as_nanos() / 1_000_000, text));
        context.sleep(MILLI * millis as u32).await;
    }
}

impl Handle<Plan> for Diary {
    async fn handle(&mut self, Plan(notes): Plan, context: &mut Context<Self>) {
        for (millis, note, is_repeated) in notes {
            let time = MILLI * millis as u32;
            let timer =
                if is_repeated { context.send_every(time, note) } else { context.send_after(time, note) };
            self.timers.push(timer);
        }
    }
}

impl Handle<Cancel> for Diary {
    async fn handle(&mut self, Cancel(number): Cancel, context: &mut Context<Self>) -> bool {
        context.cancel(self.timers[number])
    }
}

impl Handle<Read> for Diary {
    async fn handle(&mut self, _: Read, _: &mut Context<Self>) -> Vec<(u64, String)> {
        self.entries.clone()
    }
}

impl Handle<Unlisted> for Diary {
    async fn handle(&mut self, _: Unlisted, _: &mut Context<Self>) {}
}

impl Handle<Odd> for Diary {
    async fn handle(&mut self, odd: Odd, context: &mut Context<Self>) {
        match odd {
            Odd::Panic => panic!("this panic is part of a test"),
            Odd::Unlisted => drop(context.send_after(MILLI, Unlisted)),
        }
    }
}

async fn start(world: &World, name: &str) -> Node {
    world.builder(name).worker::<Diary>().start().await.expect("the node starts")
}

fn note(text: &str, millis: u64) -> Note {
    Note(text.to_owned(), millis)
}

/// What came, at which milliseconds after `begin`.
async fn read(node: &Node, begin: u64) -> Vec<(u64, String)> {
    let entries = node.call("n", Read, PATIENCE).await.expect("it runs");
    entries.into_iter().map(|(at, text)| (at - begin, text)).collect()
}

fn entries(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
    expected.iter().map(|&(at, text)| (at, text.to_owned())).collect()
}

#[test]
fn each_comes_at_its_time_and_of_two_the_one_that_was_sent_first() {
    let world = World::new(1);
    world.runtime.run(async {
        let a = start(&world, "a").await;
        a.register::<Diary>("n", vec![(7, note("first", 0))], PATIENCE).await.expect("it starts");
        let begin = world.runtime.now().as_nanos() / 1_000_000;
        let plan = [(20, "late"), (10, "one"), (10, "two"), (0, "now")];
        let plan = plan.map(|(after, text)| (after, note(text, 0), false));
        a.call("n", Plan(plan.into()), PATIENCE).await.expect("it runs");
        world.sleep(MILLI * 100).await;
        let expected = [(0, "now"), (7, "first"), (10, "one"), (10, "two"), (20, "late")];
        assert_eq!(read(&a, begin).await, entries(&expected));
    });
}

#[test]
fn what_was_cancelled_does_not_come() {
    let world = World::new(1);
    world.runtime.run(async {
        let a = start(&world, "a").await;
        a.register::<Diary>("n", Vec::new(), PATIENCE).await.expect("it starts");
        let begin = world.runtime.now().as_nanos() / 1_000_000;
        let plan =
            [(10, note("once", 0), false), (10, note("often", 0), true), (30, note("never", 0), false)];
        a.call("n", Plan(plan.into()), PATIENCE).await.expect("it runs");
        world.sleep(MILLI * 25).await;
        for (number, was_there) in [(0, false), (1, true), (2, true), (1, false)] {
            assert_eq!(a.call("n", Cancel(number), PATIENCE).await, Ok(was_there), "{number}");
        }
        world.sleep(MILLI * 100).await;
        let expected = [(10, "once"), (10, "often"), (20, "often")];
        assert_eq!(read(&a, begin).await, entries(&expected));
    });
}

#[test]
fn a_busy_worker_is_never_behind_by_more_than_one_and_hears_others_too() {
    let world = World::new(1);
    world.runtime.run(async {
        let a = start(&world, "a").await;
        a.register::<Diary>("n", Vec::new(), PATIENCE).await.expect("it starts");
        let begin = world.runtime.now().as_nanos() / 1_000_000;
        a.call("n", Plan(vec![(10, note("tick", 25), true)]), PATIENCE).await.expect("it runs");
        world.sleep(MILLI * 5).await;
        for number in 0..3 {
            a.send("n", note(&number.to_string(), 25)).expect("it runs");
        }
        world.sleep(MILLI * 195).await;
        let read = read(&a, begin).await;
        let expected =
            [(5, "0"), (30, "tick"), (55, "1"), (80, "tick"), (105, "2"), (130, "tick"), (155, "tick")];
        assert_eq!(read[..7], entries(&expected), "{read:?}");
    });
}

#[test]
fn they_end_with_the_worker_and_begin_with_the_next_start() {
    let world = World::new(1);
    world.runtime.run(async {
        let a = start(&world, "a").await;
        a.register::<Diary>("n", vec![(1, note("started", 0))], PATIENCE).await.expect("it starts");
        a.call("n", Plan(vec![(5, note("old", 0), true)]), PATIENCE).await.expect("it runs");
        assert!(a.call("n", Odd::Panic, PATIENCE).await.is_err());
        assert!(a.call("n", Read, PATIENCE).await.is_ok(), "it is started again");
        world.sleep(MILLI * 100).await;
        let texts: Vec<_> = read(&a, 0).await.into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["started"]);
    });
}

#[test]
fn they_do_not_move_with_the_worker() {
    let world = World::new(1);
    world.runtime.run(async {
        let a = start(&world, "a").await;
        a.register::<Diary>("n", vec![(50, note("started", 0))], PATIENCE).await.expect("it starts");
        let far = (60_000, note("far", 0), false);
        let plan = vec![(5, note("here", 0), true), far];
        a.call("n", Plan(plan), PATIENCE).await.expect("it runs");
        let b = start(&world, "b").await;
        a.drain(PATIENCE).await.expect("b takes it");
        let moved = world.runtime.now().as_nanos() / 1_000_000;
        assert_eq!(b.whereis("n").map(|there| there.life), Some(b.life()));
        world.sleep(Duration::from_secs(120)).await;
        let entries = b.call("n", Read, PATIENCE).await.expect("it runs");
        let later: Vec<_> = entries.into_iter().filter(|(at, _)| *at > moved).map(|(_, text)| text).collect();
        assert_eq!(later, ["started"], "what the new start arranged, and nothing else");
    });
}

#[test]
fn a_message_that_is_not_listed_ends_the_worker() {
    let world = World::new(1);
    world.runtime.run(async {
        let a = start(&world, "a").await;
        let mut events = a.events();
        a.register::<Diary>("n", Vec::new(), PATIENCE).await.expect("it starts");
        a.call("n", Odd::Unlisted, PATIENCE).await.expect("it is handled to the end");
        let why = event(&mut events, |event| match event {
            Event::Stopped { why, .. } => Some(why.clone()),
            _ => None,
        });
        let reason = Reason::new("test.unlisted is not among its messages");
        assert_eq!(why.await, EndReason::Exited(Exit::Failed(reason)));
    });
}
