//! Floods of messages, by a real member that sends them without end: they cost bounded memory, and the others no call.

use futures::future::join;
use serde::{Deserialize, Serialize};
use skep::core::wire::{FIRST_CALL_KIND, Frame};
use skep::link::LinkBounds;
use skep::{CallBounds, Context, Failure, Handle, Limit, Message, MessageId, Node, Worker};

use super::support::{Begin, Echo, MILLI, PATIENCE, World, name_owned_by};
use super::three::{Three, joined, limit, three};

const ONE_WAY: u16 = FIRST_CALL_KIND + 2;
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

/// Hoards on a that sleep, and of each the frame in which m puts something there.
async fn asleep(three: &Three, hoards: usize) -> Vec<(String, Frame)> {
    let Three { world, a, m, meddler, .. } = three;
    let mut frames = Vec::new();
    for number in 0.. {
        let name = format!("hoard-{number}");
        let owner = a.owner(skep::core::id::Name::new(&name).expect("a good name")).await;
        if owner.expect("a node is up").node != *a.name() {
            continue;
        }
        a.register::<Hoard>(&name, (), PATIENCE).await.expect("it starts");
        world.until("m knows", async || m.whereis(&name).is_some()).await;
        m.send(&name, Put(vec![7; LENGTH])).expect("the link has room");
        world.until("it came", async || count(a, &name).await == 1).await;
        frames.push((name.clone(), meddler.said("a", ONE_WAY)));
        a.send(&name, Sleep).expect("it runs");
        if frames.len() == hoards {
            break;
        }
    }
    world.sleep(MILLI).await;
    frames
}

async fn count(a: &Node, hoard: &str) -> usize {
    a.call(hoard, Count, PATIENCE).await.expect("it runs")
}

/// Says all this to a, whose workers are called meanwhile.
async fn say_all(three: &Three, frames: impl Iterator<Item = &Frame>) {
    let Three { world, a, b, meddler, .. } = three;
    let name = name_owned_by(a).await;
    a.register::<Echo>(&name, Begin::Well, PATIENCE).await.expect("it starts");
    world.until("b knows", async || b.whereis(&name).is_some()).await;
    let all = async {
        for frame in frames {
            meddler.say("a", frame.clone()).await;
        }
        world.sleep(MILLI * 100).await;
    };
    three.served_during(&name, all).await;
    a.unregister(&name, PATIENCE).await.expect("it is registered");
}

/// Floods them all in turn, while calls are answered. How many messages waited there then.
async fn flood(three: &Three, hoards: &[(String, Frame)]) -> usize {
    say_all(three, hoards.iter().map(|(_, frame)| frame).cycle().take(MESSAGES)).await;
    let mut waited = 0;
    for (name, _) in hoards {
        waited += count(&three.a, name).await - 1;
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
        let waited = flood(&three, &hoards).await;
        assert_eq!(waited, fit_into(BYTES));
        assert_eq!(limit(&three.a, Limit::MailboxBytes), (MESSAGES - waited) as u64);
        assert_eq!([Limit::Mailbox, Limit::Parked].map(|other| limit(&three.a, other)), [0, 0]);
        let [(name, frame)] = hoards.as_slice() else { unreachable!("one was asked for") };
        say_all(&three, std::iter::repeat_n(frame, waited)).await;
        assert_eq!(count(&three.a, name).await, 1 + 2 * waited, "there is room again");
    });
}

#[test]
fn messages_for_many_workers_have_one_share_of_what_may_wait() {
    const BYTES: usize = 8 << 20;
    let world = World::new(1);
    let runtime = world.runtime.clone();
    runtime.run(async {
        let bounds = LinkBounds { parked: BYTES, ..LinkBounds::default() };
        let three = three(world, |node| node.worker::<Hoard>().link_bounds(bounds.clone())).await;
        let hoards = asleep(&three, 40).await;
        let waited = flood(&three, &hoards).await;
        assert_eq!(waited, fit_into(BYTES));
        assert_eq!(limit(&three.a, Limit::Parked), (MESSAGES - waited) as u64);
        assert_eq!([Limit::Mailbox, Limit::MailboxBytes].map(|other| limit(&three.a, other)), [0, 0]);
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
        let header = (0u64, 0u64, was.epoch, MessageId::of::<Put>().0, name.as_str());
        let mut body = postcard::to_allocvec(&header).expect("plain data");
        body.extend(postcard::to_allocvec(&Put(vec![7; LENGTH])).expect("plain data"));
        let frame = Frame { kind: ONE_WAY, body };
        say_all(&three, std::iter::repeat_n(&frame, MESSAGES)).await;
        let waits = MESSAGES - usize::try_from(limit(a, Limit::Parked)).expect("no more than were sent");
        assert!((fit_into(BYTES) - 1..=fit_into(BYTES)).contains(&waits), "{waits} wait");
        assert_eq!(m.call(name, Count, PATIENCE).await, Ok(0), "none came");
    });
}
