//! The values that options take: each is checked once, for the command line and for the file alike.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use serde::Deserialize;
use serde::de::{self, Deserializer};
use skep_core::id::{Address, ClusterName, NodeName, NodePattern, Role};
use skep_core::wire::{WIRE_MAX, WIRE_MIN};

/// An async runtime that a node can run on.
#[derive(ValueEnum, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Runtime {
    /// Multi-threaded tokio.
    #[default]
    Tokio,
    /// smol's global executor.
    Smol,
    /// async-std, which is discontinued.
    AsyncStd,
}

impl Runtime {
    /// As on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tokio => "tokio",
            Self::Smol => "smol",
            Self::AsyncStd => "async-std",
        }
    }
}

/// For people or for scripts.
#[derive(ValueEnum, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Words.
    #[default]
    Text,
    /// One line of JSON each.
    Json,
}

/// Who runs a name.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(try_from = "String")]
pub enum Strategy {
    /// Whoever the ring says.
    Ring,
    /// The same, while this many members are up.
    Quorum(NonZeroU16),
}

/// A value that its option does not take, in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct BadValue(String);

impl fmt::Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadValue {}

impl FromStr for Strategy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let quorum = text.strip_prefix("quorum:").and_then(|members| members.parse().ok());
        match (text, quorum) {
            ("ring", _) => Ok(Self::Ring),
            (_, Some(members)) => Ok(Self::Quorum(members)),
            (_, None) => Err(format!("'{text}' is no strategy: ring, or quorum:N with N at least 1")),
        }
    }
}

impl TryFrom<String> for Strategy {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// A topology that knows of every member.
#[derive(Deserialize, Clone, PartialEq, Eq, Debug)]
#[serde(try_from = "String")]
pub struct Authority {
    /// What it is called.
    pub topology: String,
    /// For how long it must not have named an address before that is let go of.
    pub silent_for: Duration,
}

const LONGEST_SILENCE: u64 = 86_400_000; // a day

impl FromStr for Authority {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("'{text}' is no authority: TOPOLOGY:MS, with 1 to {LONGEST_SILENCE} ms");
        let (topology, milliseconds) = text.rsplit_once(':').ok_or_else(bad)?;
        match milliseconds.parse() {
            Ok(milliseconds @ 1..=LONGEST_SILENCE) => {
                Ok(Self { topology: topology.into(), silent_for: Duration::from_millis(milliseconds) })
            }
            Ok(_) | Err(_) => Err(bad()),
        }
    }
}

impl TryFrom<String> for Authority {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

pub(super) fn node(text: &str) -> Result<NodeName, BadValue> {
    NodeName::new(text).map_err(|bad| BadValue(format!("a node's name: it {bad}")))
}

pub(super) fn cluster(text: &str) -> Result<ClusterName, BadValue> {
    ClusterName::new(text).map_err(|bad| BadValue(format!("a cluster's name: it {bad}")))
}

pub(super) fn pattern(text: &str) -> Result<NodePattern, BadValue> {
    NodePattern::new(text).map_err(|bad| BadValue(format!("a pattern of names: it {bad}")))
}

pub(super) fn role(text: &str) -> Result<Role, BadValue> {
    Role::new(text).map_err(|bad| BadValue(format!("a role: it {bad}")))
}

/// An address of this machine: numbers only, because a name could stand for another machine.
pub(super) fn listen(text: &str) -> Result<String, BadValue> {
    match text.parse::<SocketAddr>() {
        Ok(_) => Ok(text.into()),
        Err(_) => {
            Err(BadValue(format!("'{text}' is no address to listen at: IP:PORT, with port 0 for a free one")))
        }
    }
}

/// An address of a peer: IP:PORT or HOST:PORT. The host is looked up when it is dialled.
pub(super) fn peer(text: &str) -> Result<Address, BadValue> {
    let bad = || BadValue(format!("'{text}' is no address of a peer: HOST:PORT"));
    let is_address = match text.parse::<SocketAddr>() {
        Ok(address) => address.port() != 0,
        Err(_) => text.rsplit_once(':').is_some_and(|(host, port)| {
            let is_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
            !host.is_empty() && host.bytes().all(is_host) && port.parse::<u16>().is_ok_and(|port| port != 0)
        }),
    };
    if !is_address {
        return Err(bad());
    }
    Address::new(text).map_err(|_| bad())
}

const LONGEST_DETECTION: u64 = 3_600_000; // an hour

pub(super) fn milliseconds(text: &str) -> Result<Duration, BadValue> {
    text.parse().map_err(|_| BadValue(format!("'{text}' is no number of milliseconds"))).and_then(detection)
}

fn detection(milliseconds: u64) -> Result<Duration, BadValue> {
    if !(10..=LONGEST_DETECTION).contains(&milliseconds) {
        return Err(BadValue(format!(
            "{milliseconds} ms to notice a death: 10 to {LONGEST_DETECTION} are possible"
        )));
    }
    Ok(Duration::from_millis(milliseconds))
}

pub(super) fn weight(text: &str) -> Result<u16, BadValue> {
    match text.parse() {
        Ok(0) => Err(BadValue("a weight is at least 1".into())),
        Ok(weight) => Ok(weight),
        Err(_) => Err(BadValue(format!("'{text}' is no weight: 1 to {}", u16::MAX))),
    }
}

pub(super) fn wire(text: &str) -> Result<u16, BadValue> {
    let known = |version: &u16| (WIRE_MIN..=WIRE_MAX).contains(version);
    let version = text.parse().ok().filter(known);
    version
        .ok_or_else(|| BadValue(format!("'{text}' is no wire version: {WIRE_MIN} to {WIRE_MAX} are known")))
}

pub(super) fn from_listen<'de, D: Deserializer<'de>>(file: D) -> Result<Option<String>, D::Error> {
    listen(&String::deserialize(file)?).map(Some).map_err(de::Error::custom)
}

pub(super) fn from_peers<'de, D: Deserializer<'de>>(file: D) -> Result<Vec<Address>, D::Error> {
    let peers = Vec::<String>::deserialize(file)?;
    peers.iter().map(|text| peer(text)).collect::<Result<_, _>>().map_err(de::Error::custom)
}

pub(super) fn from_weight<'de, D: Deserializer<'de>>(file: D) -> Result<Option<u16>, D::Error> {
    weight(&u16::deserialize(file)?.to_string()).map(Some).map_err(de::Error::custom)
}

pub(super) fn from_wire<'de, D: Deserializer<'de>>(file: D) -> Result<Option<u16>, D::Error> {
    wire(&u16::deserialize(file)?.to_string()).map(Some).map_err(de::Error::custom)
}

pub(super) fn from_milliseconds<'de, D: Deserializer<'de>>(file: D) -> Result<Option<Duration>, D::Error> {
    detection(u64::deserialize(file)?).map(Some).map_err(de::Error::custom)
}
