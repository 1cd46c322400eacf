//! Hosts without a machine: two of them, a link, virtual time, and a test that orders.

mod delivery;
mod moves;
mod spans;

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use skep_core::Config;
use skep_core::event::{Handoff, Input, MoveReason, Placement};
use skep_core::id::{Address, ClusterName, Epoch, Kind, Life, Name, NodeName, Payload};
use skep_core::wire::Hello;

use super::Host;
use crate::calls::CallBounds;
use crate::link::{Hub, LinkBounds};
use crate::mail::{Entrance, Mail};
use crate::memory::{MemoryDialer, MemoryNetwork};
use crate::node::Shared;
use crate::runtime::Platform;
use crate::sim::SimRuntime;
use crate::transport::{Dialer, Listener, Transport};
use crate::worker::{
    self, Closure, Code, Context, Failure, Handle, Message, State, Typed, Worker, encode_args,
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
        let bounds = CallBounds::default();
        let shared = Shared::new(node, cluster, address, platform, Life(number), MAX_STATE, bounds);
        let shared = Arc::new(shared);
        let wheel = shared.router.pending.clone();
        shared.platform.spawn(wheel.turn(shared.platform.clone()));
        let entrance = Entrance { inbox: shared.inbox.clone(), router: shared.router.clone() };
        let dialer = listener
            .serve(hello, Hub::new(Arc::new(entrance), LinkBounds::default(), shared.reached.clone()));
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
            Mail::Question { asker, token, .. } => self.shared.router.on_question(asker, token),
            Mail::Flushed { from, token, .. } => self.shared.router.on_flushed(from, token),
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
