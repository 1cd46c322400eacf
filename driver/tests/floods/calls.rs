//! Floods of messages, by a real member that sends them without end: they cost bounded memory, and the others no call.

use std::pin::pin;

use futures::future::{Either, join, select};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use serde::{Deserialize, Serialize};
use skep::core::id::{Epoch, Name};
use skep::core::wire::{FIRST_CALL_KIND, Frame};
use skep::link::LinkBounds;
use skep::{CallBounds, Context, Failure, Handle, Limit, Message, MessageId, Node, OneOf1, Worker};

use super::meddling::behind;
use super::support::{Echo, MILLI, PATIENCE, World};
use super::three::{Three, joined, limit, three};

const ONE_WAY: u16 = FIRST_CALL_KIND + 2;
const PUBLISHED: u16 = FIRST_CALL_KIND + 3;
const FORWARD: u16 = FIRST_CALL_KIND + 16;

/// How long each message of a flood is, in bytes, and how many there are: 125 MiB.
const LENGTH: usize = 64 << 10;
const MESSAGES: usize = 2000;

/// Counts what it takes, and takes nothing while it sleeps.
struct Hoard {
    taken: usize,
}

#[derive(Serialize, Deserialize)]
struct Put(Vec<u8>);

impl Message for Put {
    const NAME: &'static str = "test.put";
    type Reply = ();
}

#[derive(Serialize, Deserialize)]
struct Sleep;

impl Message for Sleep {
    const NAME: &'static str = "test.sleep";
    type Reply = ();
}

/// How many were put there before.
#[derive(Serialize, Deserialize)]
struct Count;

impl Message for Count {
    const NAME: &'static str = "test.count";
    type Reply = usize;
}

impl Worker for Hoard {
    const KIND: &'static str = "hoard";
    type Args = ();
    type Messages = (Put, Sleep, Count);

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, Failure> {
        Ok(Self { taken: 0 })
    }
}

impl Handle<Put> for Hoard {
    async fn handle(&mut self, _: Put, _: &mut Context<Self>) {
        self.taken += 1;
    }
}

impl Handle<Sleep> for Hoard {
    async fn handle(&mut self, Sleep: Sleep, context: &mut Context<Self>) {
        context.sleep(PATIENCE / 2).await;
    }
}

impl Handle<Count> for Hoard {
    async fn handle(&mut self, Count: Count, _: &mut Context<Self>) -> usize {
        self.taken
    }
}

/// Hoards on a that sleep, and the starts of them.
async fn asleep(three: &Three, hoards: usize) -> Vec<(String, Epoch)> {
    let Three { world, a, .. } = three;
    let mut all = Vec::new();
    for number in 0.. {
        let name = format!("hoard-{number}");
        let owner = a.owner(Name::new(&name).expect("a good name")).await;
        if owner.expect("a node is up").node != *a.name() {
            continue;
        }
        let epoch = a.register::<Hoard>(&name, (), PATIENCE).await.expect("it starts").epoch;
        a.send(&name, Sleep).expect("it runs");
        all.push((name, epoch));
        if all.len() == hoards {
            break;
        }
    }
    world.sleep(MILLI).await;
    all
}

/// What m puts there, encoded, as in `driver/src/calls/wire.rs`.
fn put() -> Vec<u8> {
    postcard::to_allocvec(&Put(vec![7; LENGTH])).expect("plain data")
}

fn one_way((name, epoch): &(String, Epoch)) -> Frame {
    behind(&(0u64, 0u64, epoch, MessageId::of::<Put>().0, name), ONE_WAY, &put())
}

/// Without a caller, and without workers that wait.
fn forward((name, epoch): &(String, Epoch), number: u64) -> Frame {
    behind(&(number, 0u64, epoch, MessageId::of::<Put>().0, 0u8, 0u8, name), FORWARD, &put())
}

fn published(to: &[(String, Epoch)]) -> Frame {
    let receivers = to.iter().map(|(name, epoch)| (epoch, name));
    let receivers: Vec<u8> =
        receivers.flat_map(|receiver| postcard::to_allocvec(&receiver).expect("plain data")).collect();
    let message = put();
    let length = u32::try_from(message.len()).expect("it is short");
    let head = [postcard::to_allocvec(&(MessageId::of::<Put>().0, length)).expect("plain data"), message];
    Frame { kind: PUBLISHED, body: [head.concat(), receivers].concat() }
}

async fn count(a: &Node, hoard: &str) -> usize {
    a.call(hoard, Count, PATIENCE).await.expect("it runs")
}

/// Says all this to a, whose workers are called meanwhile.
async fn say_all(three: &Three, frames: impl Iterator<Item = Frame>) {
    let Three { world, a, meddler, .. } = three;
    let name = three.echo().await;
    let all = async {
        for frame in frames {
            meddler.say("a", frame).await;
        }
        world.sleep(MILLI * 100).await;
    };
    three.served_during(&name, all).await;
    a.unregister(&name, PATIENCE).await.expect("it is registered");
}

/// Says all this, and wakes them. How many messages waited there then.
async fn flood(three: &Three, hoards: &[(String, Epoch)], frames: impl Iterator<Item = Frame>) -> usize {
    say_all(three, frames).await;
    let mut waited = 0;
    for (name, _) in hoards {
        waited += count(&three.a, name).await;
    }
    waited
}

/// So many of them have less than so many bytes.
fn fit_into(bytes: usize) -> usize {
    bytes.div_ceil(LENGTH + 256)
}

#[test]
fn messages_that_no_worker_takes_fill_its_mailbox_up_to_a_number_of_bytes() {
    const BYTES: usize = 2 << 20;
    let world = World::new(1);
    let runtime = world.runtime.clone();
    runtime.run(async {
        let bounds = CallBounds { parked_bytes: BYTES, ..CallBounds::default() };
        let three = three(world, |node| node.worker::<Hoard>().call_bounds(bounds.clone())).await;
        let hoards = asleep(&three, 1).await;
        let [hoard] = hoards.as_slice() else { unreachable!("one was asked for") };
        let frames = std::iter::repeat_with(|| one_way(hoard));
        let waited = flood(&three, &hoards, frames.take(MESSAGES)).await;
        assert_eq!(waited, fit_into(BYTES));
        assert_eq!(limit(&three.a, Limit::MailboxBytes), (MESSAGES - waited) as u64);
        assert_eq!([Limit::Mailbox, Limit::Parked].map(|other| limit(&three.a, other)), [0, 0]);
        let again = flood(&three, &hoards, std::iter::repeat_with(|| one_way(hoard)).take(waited)).await;
        assert_eq!(again, 2 * waited, "there is room again");
    });
}

#[test]
fn messages_for_many_workers_have_one_share_of_what_may_wait_however_they_come() {
    const BYTES: usize = 8 << 20;
    const HOARDS: usize = 40;
    for (kind, parked) in [(ONE_WAY, BYTES), (PUBLISHED, BYTES), (FORWARD, BYTES / 4)] {
        let world = World::new(1);
        let runtime = world.runtime.clone();
        runtime.run(async {
            let bounds = LinkBounds { parked, ..LinkBounds::default() };
            let three = three(world, |node| node.worker::<Hoard>().link_bounds(bounds.clone())).await;
            let hoards = asleep(&three, HOARDS).await;
            let frames: Box<dyn Iterator<Item = Frame>> = match kind {
                ONE_WAY => Box::new(hoards.iter().cycle().map(one_way).take(MESSAGES)),
                FORWARD => {
                    Box::new(hoards.iter().cycle().zip(1..).map(|(to, n)| forward(to, n)).take(MESSAGES))
                }
                _ => Box::new(std::iter::repeat_n(published(&hoards), MESSAGES / HOARDS)),
            };
            let waited = flood(&three, &hoards, frames).await;
            assert_eq!(waited, fit_into(BYTES), "{kind:#x}");
            assert_eq!(limit(&three.a, Limit::Parked), (MESSAGES - waited) as u64, "{kind:#x}");
            assert_eq!([Limit::Mailbox, Limit::MailboxBytes].map(|other| limit(&three.a, other)), [0, 0]);
        });
    }
}

#[test]
fn a_message_that_is_taken_waits_no_more_though_its_answer_does() {
    const CALLS: usize = 200;
    let world = World::new(1);
    let runtime = world.runtime.clone();
    runtime.run(async {
        let bounds = LinkBounds { parked: 1 << 20, ..LinkBounds::default() };
        let three = three(world, |node| node.link_bounds(bounds.clone())).await;
        let Three { world, a, m, .. } = &three;
        let mut keeper = a.attach::<(Put,)>("keeper", PATIENCE).await.expect("the name is free");
        world.until("m knows", async || m.whereis("keeper").is_some()).await;
        let mut calls = FuturesUnordered::new();
        let mut replies = Vec::new();
        while replies.len() < CALLS {
            let mut call = Box::pin(m.call("keeper", Put(vec![7; LENGTH]), PATIENCE));
            assert!(call.as_mut().now_or_never().is_none(), "nobody has answered");
            calls.push(call);
            match select(pin!(keeper.next()), pin!(world.sleep(MILLI * 100))).await {
                Either::Left((Some(OneOf1::First(call)), _)) => replies.push(call.split().1),
                _ => panic!("only {} of {CALLS} calls come", replies.len()),
            }
        }
        replies.into_iter().for_each(|reply| reply.send(()));
        while let Some(answer) = calls.next().await {
            assert_eq!(answer, Ok(()));
        }
        assert_eq!([Limit::Parked, Limit::MailboxBytes].map(|other| limit(a, other)), [0, 0]);
    });
}

#[test]
fn messages_for_a_name_that_went_to_who_takes_none_of_them_wait_with_the_same_share() {
    const BYTES: usize = 2 << 20;
    let world = World::new(1);
    let runtime = world.runtime.clone();
    runtime.run(async {
        let (a, b) = join(
            world
                .builder("a")
                .worker::<Hoard>()
                .worker::<Echo>()
                .link_bounds(LinkBounds { parked: BYTES, ..LinkBounds::default() })
                .start(),
            world.start("b"),
        )
        .await;
        let [a, b] = [a.expect("the node starts"), b];
        let mut was = Vec::new();
        for number in 0..20 {
            let name = format!("hoard-{number}");
            was.push((name.clone(), a.register::<Hoard>(&name, (), PATIENCE).await.expect("it starts")));
        }
        let three = joined(world, a, b, |m| m.worker::<Hoard>()).await;
        let Three { world, a, m, meddler, .. } = &three;
        let moved = || {
            let there = |name: &str| a.whereis(name).is_some_and(|at| at.life == m.life());
            was.iter().find(|(name, _)| there(name))
        };
        world.until("one moved", async || moved().is_some()).await;
        let (name, was) = moved().expect("one moved");
        meddler.turn_deaf(FORWARD);
        let was = (name.clone(), was.epoch);
        say_all(&three, std::iter::repeat_with(|| one_way(&was)).take(MESSAGES)).await;
        let waits = MESSAGES - usize::try_from(limit(a, Limit::Parked)).expect("no more than were sent");
        assert!((fit_into(BYTES) - 1..=fit_into(BYTES)).contains(&waits), "{waits} wait");
        assert_eq!(m.call(name, Count, PATIENCE).await, Ok(0), "none came");
    });
}
