//! What a host does with the orders of a move, without a machine: two hosts, a link, virtual time.

mod delivery;
mod spans;

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{Either, select};
use serde::{Deserialize, Serialize};
use skep_core::Config;
use skep_core::event::{Exit, Handoff, Input, MoveReason, Placement, StopReason, Stopped};
use skep_core::id::{Address, ClusterName, Epoch, Kind, Life, Name, NodeName, Payload, Reason};
use skep_core::wire::Hello;

use super::{Copy, Host};
use crate::link::{Hub, LinkBounds};
use crate::mail::{Entrance, Mail};
use crate::memory::{MemoryDialer, MemoryNetwork};
use crate::node::Shared;
use crate::runtime::{Platform, Runtime};
use crate::sim::SimRuntime;
use crate::transport::{Dialer, Listener, Transport};
use crate::worker::{
    self, Beaten, Closure, Code, Context, Failure, Handle, Message, State, Typed, Worker, encode_args,
};

const OLD: Epoch = Epoch(10);
const NEW: Epoch = Epoch(20);
const MAX_STATE: usize = 1 << 20;
const MINUTE: Duration = Duration::from_secs(60);

/// Adds up. Its argument says how it moves.
struct Tally {
    total: u64,
    way: Way,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Way {
    Stay,
    StayUnlessBeaten,
    Restart,
    Resume,
    /// With a state of so many bytes.
    Long(usize),
    Panic,
}

#[derive(Serialize, Deserialize)]
struct Add(u64);

impl Message for Add {
    const NAME: &'static str = "test.add";
    type Reply = (u64, Epoch);
}

impl Worker for Tally {
    const KIND: &'static str = "tally";
    const VERSION: u16 = 2;
    type Args = Way;
    type Messages = (Add,);

    async fn start(way: Way, _: &mut Context<Self>) -> Result<Self, Failure> {
        Ok(Self { total: 0, way })
    }

    async fn begin_handoff(&mut self, context: &mut Context<Self>) -> worker::Handoff {
        match self.way {
            Way::StayUnlessBeaten if context.moving() == Some(MoveReason::Conflict) => {
                worker::Handoff::resume(&self.total)
            }
            Way::Stay | Way::StayUnlessBeaten => worker::Handoff::Stay,
            Way::Restart => worker::Handoff::Restart,
            Way::Resume => worker::Handoff::resume(&self.total),
            Way::Long(bytes) => worker::Handoff::Resume(State::from_bytes(vec![7; bytes])),
            Way::Panic => panic!("this panic is part of a test"),
        }
    }

    async fn end_handoff(&mut self, state: State, _: &mut Context<Self>) -> Result<(), Failure> {
        self.total = match self.way {
            Way::Long(bytes) => u64::from(state.as_bytes() == vec![7; bytes]),
            Way::Stay | Way::StayUnlessBeaten | Way::Restart | Way::Resume | Way::Panic => state.read()?,
        };
        Ok(())
    }

    async fn resolve_conflict(&mut self, state: State, _: &mut Context<Self>) {
        self.total += state.read::<u64>().unwrap_or(0);
    }
}

impl Handle<Add> for Tally {
    async fn handle(&mut self, Add(n): Add, context: &mut Context<Self>) -> (u64, Epoch) {
        self.total += n;
        tracing::info!("added");
        (self.total, context.epoch())
    }
}

/// A node that has no machine: the test orders.
struct Side {
    shared: Arc<Shared>,
    host: Host,
    dialer: MemoryDialer,
    mail: VecDeque<Mail>,
}

impl Side {
    async fn new(runtime: &SimRuntime, network: &MemoryNetwork, number: u64) -> Self {
        let platform = Platform::new(runtime.clone());
        let (address, node) = (Address::new(number.to_string()), NodeName::new(number.to_string()));
        let (address, node) = (address.expect("an address"), node.expect("a name"));
        let cluster = ClusterName::new("test").expect("a name");
        let listener = network.at(address.clone()).bind(runtime.clone()).await.expect("it is free");
        let hello = Hello::of(&Config::new(cluster.clone(), node.clone(), Life(number), address.clone()));
        let shared = Arc::new(Shared::new(node, cluster, address, platform, Life(number), MAX_STATE));
        let wheel = shared.router.pending.clone();
        shared.platform.spawn(wheel.turn(shared.platform.clone()));
        let entrance = Entrance { inbox: shared.inbox.clone(), router: shared.router.clone() };
        let dialer = listener.serve(hello, Hub::new(Arc::new(entrance), LinkBounds::default()));
        let cron = Closure::new(|context: Context<worker::Singleton>| async move {
            context.node().send("beat", Add(context.epoch().0)).expect("it runs");
            context.sleep(MINUTE).await;
            context.node().send("beat", Add(context.epoch().0)).expect("it runs");
        });
        let codes: [(_, Arc<dyn Code>); 2] =
            [(kind("tally"), Arc::new(Typed::<Tally>::new())), (kind("cron"), Arc::new(cron))];
        let host = Host::new(shared.clone(), HashMap::from(codes));
        Self { shared, host, dialer, mail: VecDeque::new() }
    }

    /// Two that are linked.
    async fn pair(runtime: &SimRuntime) -> [Self; 2] {
        let network = MemoryNetwork::new();
        let mut sides = [Self::new(runtime, &network, 1).await, Self::new(runtime, &network, 2).await];
        let address = sides[1].shared.address.clone();
        sides[0].dialer.dial(address);
        for side in &mut sides {
            let Mail::LinkUp { link, .. } = side.next().await else { panic!("a link comes first") };
            side.shared.router.link_up(link);
        }
        sides
    }

    async fn next(&mut self) -> Mail {
        if self.mail.is_empty() {
            poll_fn(|task| self.shared.inbox.poll_take(task, &mut self.mail)).await;
        }
        self.mail.pop_front().expect("some was taken")
    }

    /// What the machine would hear next.
    async fn report(&mut self) -> Input {
        loop {
            if let Some(input) = self.host.report() {
                return input;
            }
            let mail = self.next().await;
            self.read(mail);
        }
    }

    fn read(&mut self, mail: Mail) {
        match mail {
            Mail::Started { seat, result } => self.host.on_started(seat, result),
            Mail::Ended { seat, verdict } => self.host.on_ended(seat, verdict),
            Mail::HandoffBegun { seat, number, handoff } => self.host.on_handoff_begun(seat, number, handoff),
            Mail::StateLost { seat } => self.host.on_state_lost(seat),
            Mail::ConflictResolved { seat, beaten, result } => {
                self.host.on_conflict_resolved(seat, beaten, result);
            }
            Mail::Question { asker, token } => self.shared.router.on_question(asker, token),
            Mail::Flushed { from, token } => self.shared.router.on_flushed(from, token),
            Mail::Attend => {}
            _ => panic!("nothing else happens here"),
        }
    }

    fn place(&self, on: &Self, epoch: Epoch) {
        let holder = Some(on.shared.router.life());
        let placement = Placement { holder, epoch, kind: kind("tally"), attached: false };
        self.shared.router.lookup.place(name(), Some(placement));
    }

    async fn run(&mut self, way: Way) {
        self.host.start(name(), OLD, kind("tally"), args(way));
        assert_eq!(self.report().await, Input::WorkerStarted { name: name(), epoch: OLD, result: Ok(()) });
        self.place(self, OLD);
    }

    async fn begin_handoff(&mut self) -> Handoff {
        self.begin_handoff_for(MoveReason::Balance).await
    }

    async fn begin_handoff_for(&mut self, why: MoveReason) -> Handoff {
        self.host.begin_handoff(name(), OLD, why);
        match self.report().await {
            Input::HandoffBegun { epoch: OLD, handoff, .. } => handoff,
            other => panic!("it was asked how it moves: {other:?}"),
        }
    }

    async fn add(&self, n: u64) -> Option<(u64, Epoch)> {
        self.shared.node().call("n", Add(n), Duration::from_secs(1)).await.ok()
    }
}

fn name() -> Name {
    Name::new("n").expect("a name")
}

fn kind(text: &str) -> Kind {
    Kind::new(text).expect("a kind")
}

fn args(way: Way) -> Payload {
    encode_args(Tally::VERSION, &way).expect("it is short")
}

fn prepared(result: Result<(), Reason>) -> Input {
    Input::WorkerPrepared { name: name(), epoch: NEW, result }
}

#[test]
fn a_worker_goes_on_elsewhere_with_its_state() {
    let runtime = SimRuntime::new(1);
    runtime.run(async {
        for (way, total) in
            [(Way::Resume, 5), (Way::Long(0), 1), (Way::Long(65_537), 1), (Way::Long(MAX_STATE), 1)]
        {
            let [mut a, mut b] = Side::pair(&runtime).await;
            a.run(way).await;
            assert_eq!(a.add(5).await, Some((5, OLD)));
            let Handoff::Resume { bytes } = a.begin_handoff().await else { panic!("{way:?} resumes") };
            let copy = Copy { state: Some(bytes), from: Life(1) };
            b.host.prepare(name(), NEW, kind("tally"), args(way), &copy);
            a.host.send_state(name(), OLD, Life(2), NEW);
            assert_eq!(b.report().await, prepared(Ok(())));
            assert_eq!((a.host.workers().len(), b.host.workers().len()), (1, 0), "only the source is active");
            a.host.freeze(&name(), OLD, Life(2), NEW);
            b.host.activate(name(), NEW, NEW);
            assert_eq!((a.host.workers().len(), b.host.workers().len()), (0, 1), "only the target is active");
            a.place(&b, NEW);
            assert_eq!(a.add(3).await, Some((total + 3, NEW)), "{way:?}");
            a.host.stop(runtime.now(), name(), OLD, MINUTE, StopReason::HandedOver);
            let stopped = Input::WorkerStopped { name: name(), epoch: OLD, outcome: Stopped::Kindly };
            assert_eq!(a.report().await, stopped);
        }
    });
}

#[test]
fn a_worker_says_how_it_moves() {
    let runtime = SimRuntime::new(1);
    runtime.run(async {
        for (way, handoff) in [
            (Way::Stay, Handoff::Stay),
            (Way::Restart, Handoff::Restart),
            (Way::Resume, Handoff::Resume { bytes: 1 }),
            (Way::Long(MAX_STATE + 1), Handoff::Stay),
        ] {
            let [mut a, _b] = Side::pair(&runtime).await;
            a.run(way).await;
            assert_eq!(a.begin_handoff().await, handoff, "{way:?}");
            let is_held = handoff != Handoff::Stay;
            assert_eq!(a.add(1).await.is_none(), is_held, "{way:?}: what may move is held, and nothing else");
        }
    });
}

#[test]
fn a_worker_that_would_rather_stay_can_say_what_it_knows_to_the_copy_that_beat_it() {
    let runtime = SimRuntime::new(1);
    runtime.run(async {
        let [mut a, _b] = Side::pair(&runtime).await;
        a.run(Way::StayUnlessBeaten).await;
        assert_eq!(a.begin_handoff_for(MoveReason::Balance).await, Handoff::Stay);
        assert_eq!(a.begin_handoff_for(MoveReason::Draining).await, Handoff::Restart);
        a.host.go_on(&name(), OLD);
        assert_eq!(a.begin_handoff_for(MoveReason::Conflict).await, Handoff::Resume { bytes: 1 });
    });
}

#[test]
fn what_is_not_there_or_was_stopped_stays() {
    let runtime = SimRuntime::new(1);
    runtime.run(async {
        let [mut a, _b] = Side::pair(&runtime).await;
        assert_eq!(a.begin_handoff().await, Handoff::Stay);
        a.host.send_state(name(), OLD, Life(2), NEW);
        assert_eq!(a.report().await, Input::StateLost { name: name(), epoch: OLD });
        a.host.go_on(&name(), OLD);
        a.host.freeze(&name(), OLD, Life(2), NEW);
        a.host.activate(name(), OLD, NEW);
        assert_eq!(a.host.workers(), []);
    });
}

#[test]
fn who_panics_when_it_is_asked_how_it_moves_starts_anew_there_or_has_ended_here() {
    let runtime = SimRuntime::new(1);
    runtime.run(async {
        let [mut a, _b] = Side::pair(&runtime).await;
        a.run(Way::Panic).await;
        assert_eq!(a.begin_handoff().await, Handoff::Restart);
        a.host.freeze(&name(), OLD, Life(2), NEW);
        a.host.stop(runtime.now(), name(), OLD, MINUTE, StopReason::HandedOver);
        let stopped = Input::WorkerStopped { name: name(), epoch: OLD, outcome: Stopped::Kindly };
        assert_eq!(a.report().await, stopped, "it moved");
        a.run(Way::Panic).await;
        assert_eq!(a.begin_handoff().await, Handoff::Restart);
        a.host.go_on(&name(), OLD);
        let exit = Exit::Failed(Reason::new("panicked: this panic is part of a test"));
        assert_eq!(a.report().await, Input::WorkerExited { name: name(), epoch: OLD, exit }, "it did not");
    });
}

#[test]
fn a_worker_whose_move_is_off_goes_on_with_what_it_had() {
    let runtime = SimRuntime::new(1);
    runtime.run(async {
        let [mut a, _b] = Side::pair(&runtime).await;
        a.run(Way::Resume).await;
        assert_eq!(a.add(5).await, Some((5, OLD)));
        for n in 1..4 {
            assert_eq!(a.begin_handoff().await, Handoff::Resume { bytes: 1 });
            a.host.go_on(&name(), OLD);
            assert_eq!(a.add(1).await, Some((5 + n, OLD)));
        }
        a.host.begin_handoff(name(), OLD, MoveReason::Balance);
        a.host.go_on(&name(), OLD); // before it has answered
        assert_eq!(a.add(1).await, Some((9, OLD)));
        assert!(a.host.report().is_none(), "a late answer concerns nobody");
    });
}

#[test]
fn an_answer_to_a_move_that_was_given_up_is_not_that_to_the_next() {
    let runtime = SimRuntime::new(1);
    runtime.run(async {
        let [mut a, _b] = Side::pair(&runtime).await;
        a.run(Way::Resume).await;
        a.host.begin_handoff(name(), OLD, MoveReason::Balance);
        a.shared.platform.sleep(Duration::from_millis(1)).await; // it has answered, and nobody has read that
        a.host.go_on(&name(), OLD);
        assert_eq!(a.add(200).await, Some((200, OLD)));
        assert_eq!(a.begin_handoff().await, Handoff::Resume { bytes: 2 }, "what it knows now");
    });
}

#[test]
fn a_frozen_worker_goes_on_as_a_later_start_when_its_target_died() {
    let runtime = SimRuntime::new(1);
    runtime.run(async {
        for way in [Way::Resume, Way::Restart] {
            let [mut a, b] = Side::pair(&runtime).await;
            a.run(way).await;
            assert_eq!(a.add(5).await, Some((5, OLD)));
            a.begin_handoff().await;
            a.host.freeze(&name(), OLD, Life(2), NEW);
            a.place(&b, NEW);
            assert_eq!(a.add(5).await, None, "it moved, to where nothing is");
            a.host.activate(name(), OLD, Epoch(30));
            a.place(&a, Epoch(30));
            assert_eq!(a.add(3).await, Some((8, Epoch(30))), "{way:?}");
            a.host.stop(runtime.now(), name(), Epoch(30), MINUTE, StopReason::Unregistered);
            let stopped = Input::WorkerStopped { name: name(), epoch: Epoch(30), outcome: Stopped::Kindly };
            assert_eq!(a.report().await, stopped, "by its present epoch");
        }
    });
}

#[test]
fn a_call_that_left_with_its_mailbox_and_arrived_nowhere_is_tried_again() {
    let runtime = SimRuntime::new(1);
    runtime.run(async {
        let [mut a, b] = Side::pair(&runtime).await;
        a.run(Way::Resume).await;
        a.begin_handoff().await;
        let node = a.shared.node();
        let mut call = pin!(node.call("n", Add(5), MINUTE));
        assert!(call.as_mut().now_or_never().is_none(), "it waits in the mailbox of a worker that is held");
        a.host.freeze(&name(), OLD, Life(2), NEW);
        a.place(&b, NEW);
        let sleep = pin!(runtime.sleep_until(runtime.now() + Duration::from_secs(1)));
        let waited = select(&mut call, sleep).await;
        assert!(matches!(waited, Either::Right(_)), "b knows nothing of it");
        a.host.activate(name(), OLD, Epoch(30));
        a.place(&a, Epoch(30));
        assert_eq!(call.await, Ok((5, Epoch(30))));
    });
}

#[test]
fn a_winner_looks_once_at_what_a_beaten_copy_hands_over() {
    let runtime = SimRuntime::new(1);
    runtime.run(async {
        let [mut a, mut b] = Side::pair(&runtime).await;
        a.run(Way::Resume).await;
        assert_eq!(a.add(5).await, Some((5, OLD)));
        b.run(Way::Resume).await;
        b.place(&b, OLD);
        assert_eq!(b.add(2).await, Some((2, OLD)));
        a.begin_handoff().await;
        let beaten = Beaten { epoch: OLD, at: Life(1) };
        b.host.resolve_conflict(name(), OLD, beaten);
        a.host.send_state(name(), OLD, Life(2), OLD);
        let resolved =
            |result| Input::ConflictResolved { name: name(), epoch: OLD, beaten: OLD, from: Life(1), result };
        assert_eq!(b.report().await, resolved(Ok(())));
        assert_eq!(b.add(0).await, Some((7, OLD)));
        b.host.resolve_conflict(name(), OLD, beaten);
        assert_eq!(b.report().await, resolved(Err(Reason::new("its state did not come"))));
        b.begin_handoff().await;
        b.host.resolve_conflict(name(), OLD, beaten);
        a.host.send_state(name(), OLD, Life(2), OLD);
        let reason = Reason::new("the worker is on its way to another node");
        assert_eq!(b.report().await, resolved(Err(reason)), "what it hands over is written already");
    });
}

#[test]
fn a_copy_that_cannot_be_prepared_says_why() {
    let runtime = SimRuntime::new(1);
    runtime.run(async {
        let [mut a, mut b] = Side::pair(&runtime).await;
        a.run(Way::Long(4)).await;
        for (kind_name, way, reason) in [
            ("other", Way::Resume, "this node has no code for kind other"),
            ("tally", Way::Resume, "the state does not decode"),
        ] {
            a.begin_handoff().await;
            let copy = Copy { state: Some(4), from: Life(1) };
            b.host.prepare(name(), NEW, kind(kind_name), args(way), &copy);
            a.host.send_state(name(), OLD, Life(2), NEW);
            assert_eq!(b.report().await, prepared(Err(Reason::new(reason))));
            a.host.go_on(&name(), OLD);
        }
        let copy = Copy { state: Some(4), from: Life(1) };
        b.host.prepare(name(), Epoch(21), kind("tally"), args(Way::Long(4)), &copy);
        let reason = Reason::new("its state did not come");
        let failed = Input::WorkerPrepared { name: name(), epoch: Epoch(21), result: Err(reason) };
        assert_eq!(b.report().await, failed);
        assert_eq!(b.host.workers(), []);
    });
}

#[test]
fn a_copy_that_is_not_wanted_any_more_is_stopped_like_any_start() {
    let runtime = SimRuntime::new(1);
    runtime.run(async {
        let [_a, mut b] = Side::pair(&runtime).await;
        let stopped = Input::WorkerStopped { name: name(), epoch: NEW, outcome: Stopped::Kindly };
        let copy = Copy { state: None, from: Life(1) };
        b.host.prepare(name(), NEW, kind("tally"), args(Way::Restart), &copy);
        assert_eq!(b.report().await, prepared(Ok(())));
        b.host.stop(runtime.now(), name(), NEW, MINUTE, StopReason::Cancelled);
        assert_eq!(b.report().await, stopped);
        b.host.prepare(name(), NEW, kind("cron"), Payload::empty(), &copy);
        assert_eq!(b.report().await, prepared(Ok(())));
        b.host.stop(runtime.now(), name(), NEW, MINUTE, StopReason::Cancelled);
        assert_eq!(b.report().await, stopped);
    });
}

#[test]
fn a_closure_begins_when_it_is_activated_and_sleeps_on_while_it_is_frozen() {
    let runtime = SimRuntime::new(1);
    runtime.run(async {
        let [mut a, b] = Side::pair(&runtime).await;
        let beat = Name::new("beat").expect("a name");
        let copy = Copy { state: None, from: Life(2) };
        a.host.start(beat.clone(), OLD, kind("tally"), args(Way::Stay));
        a.report().await;
        let placement = Placement { holder: Some(Life(1)), epoch: OLD, kind: kind("tally"), attached: false };
        a.shared.router.lookup.place(beat, Some(placement));
        a.host.prepare(name(), NEW, kind("cron"), Payload::empty(), &copy);
        assert_eq!(a.report().await, prepared(Ok(())));
        let wait = || runtime.sleep_until(runtime.now() + MINUTE * 2);
        let beats = async |a: &Side| a.shared.node().call("beat", Add(0), MINUTE).await.expect("it runs").0;
        wait().await;
        assert_eq!(beats(&a).await, 0, "it is only prepared");
        a.host.activate(name(), NEW, NEW);
        runtime.sleep_until(runtime.now() + Duration::from_secs(1)).await;
        assert_eq!(beats(&a).await, NEW.0);
        a.host.begin_handoff(name(), NEW, MoveReason::Balance);
        let restart = Input::HandoffBegun { name: name(), epoch: NEW, handoff: Handoff::Restart };
        assert_eq!(a.report().await, restart);
        a.host.freeze(&name(), NEW, Life(2), Epoch(30));
        wait().await;
        assert_eq!(beats(&a).await, NEW.0, "it sleeps on");
        a.host.activate(name(), NEW, Epoch(30));
        let Input::WorkerExited { epoch: Epoch(30), .. } = a.report().await else { panic!("it is done") };
        assert_eq!(beats(&a).await, NEW.0 + 30);
        drop(b);
    });
}
