//! A name moves round three nodes, again and again, while all of them send to it: nothing is lost, doubled or out of
//! order, whatever of it all who learns when.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::future::{Either, select};
use serde::{Deserialize, Serialize};
use skep_core::Instant;
use skep_core::event::{Input, MoveReason, Placement, StopReason};
use skep_core::id::{Epoch, Life, Payload};

use super::{MINUTE, Side, kind, name};
use crate::host::{Copy, Host};
use crate::lookup::Known;
use crate::mail::Mail;
use crate::memory::MemoryNetwork;
use crate::node::{Node, Shared};
use crate::runtime::Runtime;
use crate::sim::SimRuntime;
use crate::transport::Dialer;
use crate::worker::{
    Code, Context, Failure, Handle, Handoff, Message, State, Stopping, Typed, Worker, encode_args, yield_now,
};

const SENDERS: u64 = 9;
const MESSAGES: u64 = 300;

/// All that waits here waits for a multiple of this, so that much happens in one instant, in any order.
const BEAT: Duration = Duration::from_micros(200);

/// Writes down what it is told, and by whom.
struct Journal(Vec<(u64, u64)>);

/// The sender, and its how-manieth message this is.
#[derive(Clone, Serialize, Deserialize)]
struct Note(u64, u64);

impl Message for Note {
    const NAME: &'static str = "test.note";
    type Reply = ();
}

#[derive(Serialize, Deserialize)]
struct Read;

impl Message for Read {
    const NAME: &'static str = "test.read";
    type Reply = Vec<(u64, u64)>;
}

impl Worker for Journal {
    const KIND: &'static str = "journal";
    type Args = ();
    type Messages = (Note, Read);

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, Failure> {
        Ok(Self(Vec::new()))
    }

    async fn begin_handoff(&mut self, _: &mut Context<Self>) -> Handoff {
        Handoff::resume(&self.0)
    }

    async fn end_handoff(&mut self, state: State, _: &mut Context<Self>) -> Result<(), Failure> {
        self.0 = state.read()?;
        Ok(())
    }

    async fn stopping(&mut self, _: Stopping, _: &mut Context<Self>) {}
}

impl Handle<Note> for Journal {
    async fn handle(&mut self, Note(sender, number): Note, context: &mut Context<Self>) {
        if number.is_multiple_of(7) {
            context.sleep(BEAT).await;
        }
        self.0.push((sender, number));
    }
}

impl Handle<Read> for Journal {
    async fn handle(&mut self, _: Read, _: &mut Context<Self>) -> Vec<(u64, u64)> {
        self.0.clone()
    }
}

fn no_args() -> Payload {
    encode_args(Journal::VERSION, &()).expect("it is short")
}

type Order = Box<dyn FnOnce(&mut Host) + Send>;

/// A node whose machine is the test: orders go in, reports come out.
struct Mini {
    shared: Arc<Shared>,
    orders: UnboundedSender<Order>,
    reports: UnboundedReceiver<Input>,
}

impl Mini {
    fn order(&self, order: impl FnOnce(&mut Host) + Send + 'static) {
        self.orders.unbounded_send(Box::new(order)).expect("its engine runs");
    }

    fn learn(&self, holder: Life, epoch: Epoch) {
        let shared = self.shared.clone();
        let placement = Placement { holder: Some(holder), epoch, kind: kind("journal"), attached: false };
        self.order(move |_| shared.router.place(name(), Some(placement)));
    }

    async fn report(&mut self) -> Input {
        self.reports.next().await.expect("its engine runs")
    }
}

async fn engine(mut side: Side, mut orders: UnboundedReceiver<Order>, reports: UnboundedSender<Input>) {
    loop {
        let platform = side.shared.platform.clone();
        let alarm = platform.sleep_until(side.shared.router.deadline().unwrap_or(Instant::FAR));
        let happened = {
            let next = pin!(side.next());
            match select(select(next, orders.next()), alarm).await {
                Either::Left((happened, _)) => Some(match happened {
                    Either::Left((mail, _)) => Either::Left(mail),
                    Either::Right((order, _)) => Either::Right(order),
                }),
                Either::Right(_) => None,
            }
        };
        match happened {
            None => {}
            Some(Either::Left(Mail::LinkUp { link, .. })) => side.shared.router.link_up(link),
            Some(Either::Left(mail)) => side.read(mail),
            Some(Either::Right(None)) => return,
            Some(Either::Right(Some(order))) => order(&mut side.host),
        }
        while let Some(input) = side.host.report() {
            reports.unbounded_send(input).expect("the test runs");
        }
        side.shared.router.attend(platform.now());
    }
}

/// Three nodes, all of them linked.
async fn three(runtime: &SimRuntime) -> Vec<Mini> {
    let network = MemoryNetwork::new();
    let mut sides = Vec::new();
    for number in 1..=3 {
        let mut side = Side::new(runtime, &network, number).await;
        let code: Arc<dyn Code> = Arc::new(Typed::<Journal>::new());
        side.host.codes = HashMap::from([(kind("journal"), code)]);
        sides.push(side);
    }
    let addresses: Vec<_> = sides.iter().map(|side| side.shared.address.clone()).collect();
    for (from, to) in [(0, 1), (0, 2), (1, 2)] {
        sides[from].dialer.dial(addresses[to].clone());
    }
    let minis = sides.into_iter().map(|side| {
        let (orders, ordered) = unbounded();
        let (reported, reports) = unbounded();
        let mini = Mini { shared: side.shared.clone(), orders, reports };
        runtime.spawn(engine(side, ordered, reported));
        mini
    });
    let minis: Vec<Mini> = minis.collect();
    while minis.iter().any(|mini| mini.shared.router.links.lives().len() < 2) {
        runtime.sleep_until(runtime.now() + Duration::from_micros(100)).await;
    }
    minis
}

/// Moves the name from its holder to another node, as two machines would; the others learn of it when they do.
async fn go(runtime: &SimRuntime, minis: &mut [Mini], from: usize, to: usize, epochs: (Epoch, Epoch)) {
    let (old, new) = epochs;
    let (source, target) = (Life(from as u64 + 1), Life(to as u64 + 1));
    minis[from].order(move |host| host.begin_handoff(name(), old, MoveReason::Balance));
    let Input::HandoffBegun { handoff: skep_core::event::Handoff::Resume { bytes }, .. } =
        minis[from].report().await
    else {
        panic!("it resumes")
    };
    minis[to].order(move |host| {
        let copy = Copy { state: Some(bytes), from: source };
        host.prepare(name(), new, kind("journal"), no_args(), &copy);
    });
    minis[from].order(move |host| host.send_state(name(), old, target, new));
    let prepared = Input::WorkerPrepared { name: name(), epoch: new, result: Ok(()) };
    assert_eq!(minis[to].report().await, prepared);
    minis[from].order(move |host| host.freeze(&name(), old, target, new));
    minis[from].learn(target, new);
    for step in (0..minis.len()).filter(|place| *place != from) {
        let mut wait = [0u8];
        runtime.entropy(&mut wait);
        runtime.sleep_until(runtime.now() + BEAT * u32::from(wait[0] % 4)).await;
        minis[step].learn(target, new);
        if step == to {
            minis[to].order(move |host| host.activate(name(), new, new));
        }
    }
    let now = runtime.now();
    minis[from].order(move |host| host.stop(now, name(), old, MINUTE, StopReason::HandedOver));
    let Input::WorkerStopped { .. } = minis[from].report().await else { panic!("it is released") };
}

/// Sends in a row, now and then waits for an answer, and lets others run in between.
async fn send_all(runtime: SimRuntime, node: Node, sender: u64, done: Arc<AtomicU64>) {
    for number in 1..=MESSAGES {
        if (number + sender).is_multiple_of(11) {
            let called = node.call("n", Note(sender, number), MINUTE).await;
            assert_eq!(called, Ok(()), "call {number} of {sender}");
        } else {
            node.send("n", Note(sender, number)).expect("it is held, or on its way");
        }
        if number.is_multiple_of(5) {
            runtime.sleep_until(runtime.now() + BEAT).await;
        }
        yield_now().await;
    }
    done.fetch_add(1, Ordering::SeqCst);
}

#[test]
fn moves_lose_nothing_double_nothing_and_keep_each_senders_order() {
    for seed in 1..=20 {
        let runtime = SimRuntime::new(seed);
        runtime.run(async {
            let mut minis = three(&runtime).await;
            minis[0].order(|host| host.start(name(), Epoch(1), kind("journal"), no_args()));
            minis[0].report().await;
            minis.iter().for_each(|mini| mini.learn(Life(1), Epoch(1)));
            let knows = |mini: &Mini| mini.shared.router.lookup.get("n") != Known::Free;
            while !minis.iter().all(knows) {
                runtime.sleep_until(runtime.now() + Duration::from_micros(100)).await;
            }
            let done = Arc::new(AtomicU64::new(0));
            for sender in 0..SENDERS {
                let node = minis[sender as usize % 3].shared.node();
                runtime.spawn(send_all(runtime.clone(), node, sender, done.clone()));
            }
            let moving = async {
                let (mut at, mut epoch) = (0, 1);
                while done.load(Ordering::SeqCst) < SENDERS {
                    let mut dice = [0u8; 1];
                    runtime.entropy(&mut dice);
                    let to = (at + 1 + usize::from(dice[0]) % 2) % 3;
                    go(&runtime, &mut minis, at, to, (Epoch(epoch), Epoch(epoch + 1))).await;
                    (at, epoch) = (to, epoch + 1);
                }
                epoch
            };
            let moves = moving.await;
            assert_eq!(runtime.panics(), 0, "seed {seed}: no call failed");
            assert!(moves > 3, "seed {seed}: {moves} moves");
            runtime.sleep_until(runtime.now() + Duration::from_secs(1)).await; // the last ones arrive
            let journal = minis[0].shared.node().call("n", Read, MINUTE).await.expect("it runs");
            for sender in 0..SENDERS {
                let mine = journal.iter().filter(|(by, _)| *by == sender).map(|(_, number)| *number);
                let expected: Vec<u64> = (1..=MESSAGES).collect();
                assert_eq!(mine.collect::<Vec<_>>(), expected, "seed {seed}, sender {sender}, {moves} moves");
            }
            for mini in &minis {
                assert!(mini.shared.router.is_quiet(), "seed {seed}: nothing is left on its way");
            }
        });
    }
}
