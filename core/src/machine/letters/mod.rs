//! Letters that no honest peer writes, or that come late: one machine, and a peer whose every word is chosen.

mod bounds;
mod forged;
mod late;
mod pace;
mod versions;

use alloc::collections::VecDeque;
use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use crate::Config;
use crate::config::KindConfig;
use crate::error::{Refusal, RegisterError};
use crate::event::{Input, Output, Reply, Request, Stopped, Way, WorkerSpec};
use crate::id::{
    Address, CallId, ClaimId, ClusterName, Dot, Epoch, Kind, Life, LinkId, Name, NodeName, Payload, Revision,
};
use crate::machine::Machine;
use crate::membership::{Announced, Health, Record, Side};
use crate::placement::Place;
use crate::time::Instant;
use crate::tracker::{Entry, State};
use crate::wire::message::{
    BarrierAck, Claim, ClaimReply, Delta, Digest, Greet, Halt, Message, Pong, Progress, Records, Relay,
    StartOrder, StartReport, StopOrder, Verdict, Wish,
};
use crate::wire::{Frame, Hello, List, WIRE_MAX};

const A: Life = Life(1_000_000);
const B: Life = Life(2_000_000);
const C: Life = Life(3_000_000);
const LINK: LinkId = LinkId(1);

/// Node a, which is real, linked to b, which is this test's. Both are up, and a's gates are passed.
struct Letters {
    a: Machine,
    now: Instant,
    calls: u64,
    /// What a said and did and nobody looked at yet.
    said: Vec<Message>,
    outputs: VecDeque<Output>,
}

impl Letters {
    fn new() -> Self {
        Self::with(config("a", A))
    }

    fn with(config: Config) -> Self {
        let now = Instant::from_nanos(1);
        let mut letters = Self {
            a: Machine::new(config, now).expect("a good config"),
            now,
            calls: 0,
            said: Vec::new(),
            outputs: VecDeque::new(),
        };
        let peer = Hello::of(&self::config("b", B));
        letters.input(Input::LinkUp { link: LINK, way: Way::Accepted, peer });
        letters.tell(Greet {
            records: List([record("b", B)].into()),
            positions: List::default(),
            forgotten: List::default(),
        });
        letters.agree();
        assert!(letters.a.gates.are_passed(), "b agreed to the ring and a's gates are closed");
        letters
    }

    fn input(&mut self, input: Input) {
        self.a.handle(self.now, input);
        while let Some(output) = self.a.poll_output() {
            if let Output::Send { frame, .. } = &output {
                self.said.extend(Message::decode(frame, WIRE_MAX).expect("a writes well"));
            } else {
                self.outputs.push_back(output);
            }
        }
    }

    fn tell(&mut self, message: impl Into<Message>) {
        self.input(Input::Message { link: LINK, frame: message.into().encode(WIRE_MAX) });
    }

    /// b says yes to each barrier that a asked it for.
    fn agree(&mut self) {
        let generations: Vec<u64> = (self.said.drain(..))
            .filter_map(|message| match message {
                Message::Barrier(barrier) => Some(barrier.generation),
                _ => None,
            })
            .collect();
        for generation in generations {
            self.tell(BarrierAck { generation, positions: List::default(), starts: List::default() });
        }
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.a.poll_timeout().filter(|&due| due <= until) {
            self.now = due.max(self.now);
            self.input(Input::Timeout);
            let pings: Vec<u64> = (self.said.iter())
                .filter_map(|message| match message {
                    Message::Ping(ping) => Some(ping.seq),
                    _ => None,
                })
                .collect();
            self.said.retain(|message| !matches!(message, Message::Ping(_)));
            for seq in pings {
                self.tell(Pong { seq, records_hash: 0, positions_hash: 0 });
            }
        }
        self.now = until;
    }

    fn call(&mut self, request: Request) -> CallId {
        self.calls += 1;
        let call = CallId(self.calls);
        self.input(Input::Call { call, deadline: self.now + Duration::from_secs(5), request });
        call
    }

    fn answer(&mut self, call: CallId) -> Option<Reply> {
        let place = self.outputs.iter().position(
            |output| matches!(output, Output::Return { call: answered, .. } if *answered == call),
        )?;
        match self.outputs.remove(place) {
            Some(Output::Return { reply, .. }) => Some(reply),
            _ => unreachable!("it was just found"),
        }
    }

    /// The claim that a sent to b last.
    fn claim(&mut self) -> ClaimId {
        let mut claims = self.said.iter().filter_map(|message| match message {
            Message::Claim(claim) => Some(claim.id),
            _ => None,
        });
        claims.next_back().expect("a asked b")
    }

    /// A name whose arbiter this is.
    fn name_of(&self, arbiter: Life) -> Name {
        let names = (0..).map(|n| name(&format!("name-{n}")));
        let owner = |name: &Name| self.a.ring.owner(self.a.ring.slot_of(name));
        names.into_iter().find(|name| owner(name) == Some(arbiter)).expect("a slot for each")
    }

    fn starts(&self) -> Vec<Epoch> {
        let starts = self.outputs.iter().filter_map(|output| match output {
            Output::Start { epoch, .. } => Some(*epoch),
            _ => None,
        });
        starts.collect()
    }

    fn was_closed_for(&self, refusal: &Refusal) -> bool {
        self.outputs.iter().any(|output| matches!(output, Output::Close { reason, .. } if reason == refusal))
    }
}

fn config(text: &str, life: Life) -> Config {
    let cluster = ClusterName::new("letters").expect("a good name");
    let address = Address::new(format!("{text}:1")).expect("a good address");
    let mut config = Config::new(cluster, NodeName::new(text).expect("a good name"), life, address);
    config.slot_bits = 8;
    config.kinds = Vec::from([KindConfig { kind: kind(), restart: Default::default() }]);
    config
}

fn record(text: &str, life: Life) -> Record {
    Record {
        life,
        node: NodeName::new(text).expect("a good name"),
        address: Address::new(format!("{text}:1")).expect("a good address"),
        weight: 1,
        roles: List::default(),
        wire: WIRE_MAX,
        kinds: List([kind()].into()),
        revision: Revision(0),
        announced: Announced::Up,
        health: Health::Alive,
    }
}

fn kind() -> Kind {
    Kind::new("plain").expect("a good kind")
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a good name")
}

fn managed() -> WorkerSpec {
    WorkerSpec::Managed { kind: kind(), args: Payload::empty(), place: Place::anywhere() }
}

fn entry(dot: Dot, name: &Name, epoch: u64, holder: Life) -> Entry {
    let claim = ClaimId { life: B, seq: 77 };
    let state =
        State::Live { holder: Some(holder), claim, spec: managed(), side: Side::Major, crashes: None };
    Entry { dot, name: name.clone(), epoch: Epoch(epoch << 20), state, handed_on: 0 }
}

fn delta(origin: Life, to: u64, entries: impl IntoIterator<Item = (u64, Entry)>) -> Delta {
    let items = entries.into_iter().map(|(seq, entry)| (seq, entry.into())).collect();
    Delta { origin, from: 0, to, head: to, stable: 0, items: List(items) }
}

const B1: Dot = Dot { life: B, seq: 1 };
