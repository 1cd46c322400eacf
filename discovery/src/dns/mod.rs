//! Peers by their names in DNS: addresses (A, AAAA) with a port, and services (SRV), which have their own.

mod ask;
mod resolv;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::rr::{Name, RecordType};
use skep::Runtime;
use skep::discovery::{Announced, Discovery, ObservationSink};
use skep_core::event::{Observation, SourceFailure, SourceFault};
use skep_core::id::{Address, Reason, Source};

use crate::address::at;
use crate::helper::{Desk, Stopped, in_thread};
use ask::{Answer, Found, ask};
use resolv::Resolv;

/// At most this many targets of a service are looked up.
const MAX_TARGETS: usize = 256;

/// However short its records live, a name is not asked for more often.
const SHORTEST: Duration = Duration::from_secs(1);

/// The source: the names that it is given, asked for again when the shortest-lived record is over. Announces nothing.
///
/// A name that does not exist, a server that does not answer, and one that refuses are failures: what was said
/// before stands. A name without records is an empty answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dns {
    questions: Vec<Question>,
    servers: Vec<SocketAddr>,
    longest: Duration,
    patience: Duration,
    rotates: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Question {
    Host { name: String, port: u16 },
    Service(String),
}

impl Dns {
    /// All addresses of this name, each with this port.
    pub fn host(name: impl Into<String>, port: u16) -> Self {
        Self::asking(Question::Host { name: name.into(), port })
    }

    /// All targets of this service, each with its port, as `_skep._tcp.orders.example`.
    pub fn service(name: impl Into<String>) -> Self {
        Self::asking(Question::Service(name.into()))
    }

    fn asking(question: Question) -> Self {
        Self {
            questions: vec![question],
            servers: Vec::new(),
            longest: Duration::from_secs(5),
            patience: Duration::from_secs(2),
            rotates: false,
        }
    }

    /// These names too.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.questions.extend(other.questions);
        self
    }

    /// This server, rather than those of `/etc/resolv.conf`. May be said several times; they are tried in turn.
    #[must_use]
    pub fn server(mut self, server: SocketAddr) -> Self {
        self.servers.push(server);
        self
    }

    /// How often names are asked for at least, however long their records live; 5 s by default.
    #[must_use]
    pub fn every(self, longest: Duration) -> Self {
        Self { longest: longest.max(SHORTEST), ..self }
    }

    /// How long a server may take to answer; 2 s by default. Each is asked twice.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience: patience.max(Duration::from_millis(1)), ..self }
    }

    /// An answer shows only some of the records, others the next time: what is missing in one is not withdrawn until
    /// it has been missing for a minute.
    #[must_use]
    pub fn rotates(self) -> Self {
        Self { rotates: true, ..self }
    }

    /// Asks all questions once.
    fn look(&self) -> Look {
        let mut resolv = Resolv::of_system();
        if !self.servers.is_empty() {
            resolv.servers.clone_from(&self.servers);
        }
        let mut look = Look { peers: BTreeSet::new(), ttl: self.longest, fault: None };
        for question in &self.questions {
            let asked = match question {
                Question::Host { name, port } => self.host_of(&resolv, name, *port, &mut look),
                Question::Service(name) => self.targets_of(&resolv, name, &mut look),
            };
            if let Err(failure) = asked {
                look.fault.get_or_insert(failure);
            }
        }
        look
    }

    fn host_of(&self, resolv: &Resolv, text: &str, port: u16, look: &mut Look) -> Result<(), SourceFailure> {
        let name = parse(text)?;
        self.addresses_of(resolv, &name, port, look)
    }

    /// Both families; one is enough.
    fn addresses_of(
        &self,
        resolv: &Resolv,
        name: &Name,
        port: u16,
        look: &mut Look,
    ) -> Result<(), SourceFailure> {
        let mut fault = None;
        let mut is_found = false;
        for kind in [RecordType::A, RecordType::AAAA] {
            match self.find(resolv, name, kind) {
                Ok(Some((records, ttl))) => {
                    look.live_for(ttl);
                    for found in records {
                        if let Found::Ip(ip) = found {
                            is_found = true;
                            look.peers.insert(at(ip, port));
                        }
                    }
                }
                Ok(None) => {}
                Err(failure) => fault = Some(failure),
            }
        }
        match fault {
            Some(failure) if !is_found => Err(failure),
            Some(_) | None => Ok(()),
        }
    }

    fn targets_of(&self, resolv: &Resolv, text: &str, look: &mut Look) -> Result<(), SourceFailure> {
        let name = parse(text)?;
        let Some((records, ttl)) = self.find(resolv, &name, RecordType::SRV)? else { return Ok(()) };
        look.live_for(ttl);
        let mut result = Ok(());
        for found in records.into_iter().take(MAX_TARGETS) {
            // A target of `.` says that the service is not there (RFC 2782).
            if let Found::Service { target, port } = found
                && !target.is_root()
                && let Err(failure) = self.addresses_of(resolv, &target, port, look)
            {
                result = Err(failure);
            }
        }
        result
    }

    /// The records of the first full name that exists; `None` if it has none.
    fn find(
        &self,
        resolv: &Resolv,
        name: &Name,
        kind: RecordType,
    ) -> Result<Option<(Vec<Found>, u32)>, SourceFailure> {
        let mut exists = false;
        for candidate in resolv.candidates(name) {
            match ask(&resolv.servers, &candidate, kind, self.patience).map_err(transient)? {
                Answer::Found { records, ttl } => return Ok(Some((records, ttl))),
                Answer::NoData => exists = true,
                Answer::NoName => {}
            }
        }
        if exists { Ok(None) } else { Err(transient(format!("{name} does not exist"))) }
    }

    fn work(&self, desk: &mut Desk) -> Result<(), Stopped> {
        let mut said = BTreeSet::new();
        loop {
            let Look { peers, ttl, fault } = self.look();
            let complete = fault.is_none() && !self.rotates;
            if fault.is_none() || !peers.is_subset(&said) {
                let ttl = self.rotates.then(|| Duration::from_secs(60).max(ttl * 3));
                let peers: Vec<Address> = peers.iter().cloned().collect();
                desk.say(Observation::Snapshot { peers, complete, ttl })?;
            }
            said = if complete { peers } else { &said | &peers };
            match fault {
                Some(failure) => desk.fail(failure)?,
                None => desk.pause(ttl)?,
            }
        }
    }
}

/// What one round of questions found.
struct Look {
    peers: BTreeSet<Address>,
    /// When to look again.
    ttl: Duration,
    /// The first that failed.
    fault: Option<SourceFailure>,
}

impl Look {
    fn live_for(&mut self, seconds: u32) {
        self.ttl = self.ttl.min(Duration::from_secs(seconds.into())).max(SHORTEST);
    }
}

fn parse(text: &str) -> Result<Name, SourceFailure> {
    Name::from_utf8(text).map_err(|error| {
        let reason = Reason::new(format!("'{}' is no name: {error}", text.escape_debug()));
        SourceFailure { fault: SourceFault::Config, reason }
    })
}

fn transient(reason: String) -> SourceFailure {
    SourceFailure { fault: SourceFault::Transient, reason: Reason::new(reason) }
}

impl<R: Runtime> Discovery<R> for Dns {
    fn source(&self) -> Source {
        Source::new("dns").expect("a good name")
    }

    async fn run(&mut self, _runtime: R, _me: Announced, sink: ObservationSink) {
        let source = self.clone();
        in_thread("dns", sink, move |desk| source.work(desk)).await;
    }
}

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing {
    /// What a server answers.
    pub fn dns(bytes: &[u8]) {
        super::ask::fuzzing::answer(bytes);
    }

    /// `resolv.conf`.
    pub fn resolv(bytes: &[u8]) {
        if let Ok(text) = str::from_utf8(bytes) {
            super::resolv::fuzzing::file(text);
        }
    }
}
