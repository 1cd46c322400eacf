//! What the node binary is told at its start: on the command line, else in variables, else in a file.

mod config_file;
mod environment;
mod lan;
mod links;
mod overlay;
mod topologies;
mod value;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use serde::Deserialize;
use skep_core::id::{Address, ClusterName, NodeName, NodePattern, Role};
use skep_core::wire::WIRE_MAX;

use environment::Environment;
pub use links::Links;
pub use topologies::Topologies;
pub use value::{Authority, Format, Runtime, Strategy};
use value::{cluster, milliseconds, node, peer, role, weight};

/// All that a node is told at its start, with the defaults filled in.
#[derive(Clone, PartialEq, Debug)]
pub struct Options {
    /// What this node is called.
    pub name: NodeName,
    /// Where it listens: a free loopback port unless it was named.
    pub listen: String,
    /// Whether it finds others on its network.
    pub lan: bool,
    /// Where else it looks for peers.
    pub topologies: Topologies,
    /// Which of these know of every member.
    pub authorities: Vec<Authority>,
    /// Peers to dial, beside those in the run directory.
    pub join: Vec<Address>,
    /// The cluster it belongs to.
    pub cluster: ClusterName,
    /// How its links are protected.
    pub links: Links,
    /// What it runs on.
    pub runtime: Runtime,
    /// Where names run.
    pub strategy: Strategy,
    /// Its share of the ring, at least 1.
    pub weight: u16,
    /// The newest wire version that it speaks.
    pub wire: u16,
    /// What it offers.
    pub roles: Vec<Role>,
    /// Of which names its peers have to be; of any if there are none.
    pub allow: Vec<NodePattern>,
    /// Of which names they must not be.
    pub deny: Vec<NodePattern>,
    /// The bound on noticing a silent death.
    pub detect: Duration,
    /// What answers and events look like.
    pub output: Format,
    /// What log lines look like.
    pub log_format: Format,
    /// Variables that look like options and are none: a slip of the pen, or meant for others.
    pub unknown_variables: Vec<String>,
}

/// What follows the options in `--help`.
const ENVIRONMENT: &str = "\
Environment: each option may be given by a variable as well, as SKEP_TLS_CA for --tls-ca; several values have commas
between them, and --lan is true or false. So may each setting of a topology: SKEP_TOPOLOGY__TABLE__POSTGRES__URL for
`url` under [topology.table.postgres] in the file. The command line goes before the environment, and the environment
before the file. Secrets come from the environment (SKEP_SECRET) or from files, never from the command line.";

/// Why a node does not start with these options.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum OptionsError {
    /// `--help`: the text is no mistake.
    Help(String),
    /// A mistake, in one line.
    Mistake(String),
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Help(text) | Self::Mistake(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for OptionsError {}

/// One node of a skep cluster, with a prompt.
#[derive(Parser, Deserialize, Clone, PartialEq, Debug, Default)]
#[command(name = "node", disable_version_flag = true, after_help = ENVIRONMENT)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Given {
    /// What this node is called (required, here or in the file)
    #[arg(long, value_parser = node)]
    name: Option<NodeName>,
    /// Where to listen [default: a free loopback port]
    #[arg(long, value_name = "ADDR", value_parser = value::listen)]
    #[serde(deserialize_with = "value::from_listen")]
    listen: Option<String>,
    /// Find others on this network by beacons, and listen on all interfaces; needs a secret
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    lan: Option<bool>,
    /// A peer to dial (repeatable)
    #[arg(long, value_name = "ADDR", value_parser = peer)]
    #[serde(deserialize_with = "value::from_peers")]
    join: Vec<Address>,
    /// Sources of peers by names; in the file and the environment only
    #[arg(skip)]
    topology: Topologies,
    /// A topology that knows of every member, and for how long it must not have named the address of a node that is
    /// down before that is dialled no more (repeatable)
    #[arg(long, value_name = "TOPOLOGY:MS")]
    authority: Vec<Authority>,
    /// The cluster to belong to [default: skep]
    #[arg(long, value_name = "NAME", value_parser = cluster)]
    cluster: Option<ClusterName>,
    /// What to run on [default: tokio]
    #[arg(long, value_enum)]
    runtime: Option<Runtime>,
    /// Who runs a name: ring or quorum:N [default: ring]
    #[arg(long)]
    strategy: Option<Strategy>,
    /// Share of the ring, relative to the others' [default: 1]
    #[arg(long, value_name = "N", value_parser = weight)]
    #[serde(deserialize_with = "value::from_weight")]
    weight: Option<u16>,
    /// The newest wire version to speak, as long as an upgrade is under way [default: the newest there is]
    #[arg(long, value_name = "VERSION", value_parser = value::wire)]
    #[serde(deserialize_with = "value::from_wire")]
    wire: Option<u16>,
    /// What this node offers (repeatable)
    #[arg(long, value_parser = role)]
    role: Vec<Role>,
    /// Only nodes of such names are peers; * and ? stand for any characters, or any one (repeatable)
    #[arg(long, value_name = "PATTERN", value_parser = value::pattern)]
    allow: Vec<NodePattern>,
    /// Nodes of such names are not (repeatable)
    #[arg(long, value_name = "PATTERN", value_parser = value::pattern)]
    deny: Vec<NodePattern>,
    /// A TOML file with these options
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// The secrets that the nodes of a cluster share, one a line [default: SKEP_SECRET_FILE, SKEP_SECRET, else
    /// one that the nodes of this user on this host share]
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// This node's certificate as PEM, with its name as a DNS name; in place of a secret, with the next two
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Its private key
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Who signed the other nodes' certificates
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// Links without encryption or authentication: whoever reaches the port can read, forge and join
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    insecure_plaintext: Option<bool>,
    /// Whether the environment names a secret, which is read where links are made
    #[arg(skip)]
    #[serde(skip)]
    secret_in_environment: bool,
    /// The bound on noticing a silent death [default: 1000]
    #[arg(long, value_name = "MS", value_parser = milliseconds)]
    #[serde(deserialize_with = "value::from_milliseconds")]
    detect: Option<Duration>,
    /// What answers and events look like [default: text]
    #[arg(long, value_enum)]
    output: Option<Format>,
    /// What log lines look like [default: text]
    #[arg(long, value_enum)]
    log_format: Option<Format>,
}

impl Options {
    /// Reads the arguments, the program's name first; the variables of the process; and the file that either names.
    ///
    /// # Errors
    /// [`OptionsError::Mistake`] in one line; one in the file says which line of it, one in a variable says which.
    pub fn read(
        arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, OptionsError> {
        let line = Given::try_parse_from(arguments).map_err(|error| one_line(&error))?;
        let environment = Environment::read(variables)?;
        let mut given = line.before(environment.given);
        let file = match given.config.take() {
            Some(path) => config_file::read(&path, &environment.settings)?,
            None => config_file::none(&environment.settings)?,
        };
        Ok(Self { unknown_variables: environment.unknown, ..given.before(file).complete()? })
    }
}

impl Given {
    /// What was given here, and what is missing here from `other`. Lists are not mixed, nor are ways to protect links.
    fn before(self, other: Self) -> Self {
        let other = other.without_ways_but(self.links());
        self.and(other)
    }

    /// The same within one place, where two ways to protect links are a mistake.
    fn and(self, other: Self) -> Self {
        Self {
            name: self.name.or(other.name),
            listen: self.listen.or(other.listen),
            lan: self.lan.or(other.lan),
            join: if self.join.is_empty() { other.join } else { self.join },
            topology: if self.topology.is_empty() { other.topology } else { self.topology },
            authority: if self.authority.is_empty() { other.authority } else { self.authority },
            cluster: self.cluster.or(other.cluster),
            runtime: self.runtime.or(other.runtime),
            strategy: self.strategy.or(other.strategy),
            weight: self.weight.or(other.weight),
            wire: self.wire.or(other.wire),
            role: if self.role.is_empty() { other.role } else { self.role },
            allow: if self.allow.is_empty() { other.allow } else { self.allow },
            deny: if self.deny.is_empty() { other.deny } else { self.deny },
            config: self.config.or(other.config),
            secret_file: self.secret_file.or(other.secret_file),
            tls_cert: self.tls_cert.or(other.tls_cert),
            tls_key: self.tls_key.or(other.tls_key),
            tls_ca: self.tls_ca.or(other.tls_ca),
            insecure_plaintext: self.insecure_plaintext.or(other.insecure_plaintext),
            secret_in_environment: self.secret_in_environment || other.secret_in_environment,
            detect: self.detect.or(other.detect),
            output: self.output.or(other.output),
            log_format: self.log_format.or(other.log_format),
        }
    }

    fn complete(self) -> Result<Options, OptionsError> {
        let Some(name) = self.name else { return mistake("--name NAME is required") };
        let lan = self.lan.unwrap_or(false);
        if let Some(nowhere) = self.authority.iter().find(|it| !self.topology.has(&it.topology)) {
            return mistake(format!("--authority {}: there is no topology of this name", nowhere.topology));
        }
        Ok(Options {
            name,
            listen: self.listen.unwrap_or_else(|| if lan { lan::EVERYWHERE } else { "127.0.0.1:0" }.into()),
            lan,
            topologies: self.topology,
            authorities: self.authority,
            join: self.join,
            cluster: self.cluster.unwrap_or_else(|| ClusterName::new("skep").expect("a good name")),
            links: Links::new(
                self.secret_file,
                [self.tls_cert, self.tls_key, self.tls_ca],
                self.insecure_plaintext.unwrap_or(false),
                self.secret_in_environment,
            )?,
            runtime: self.runtime.unwrap_or_default(),
            strategy: self.strategy.unwrap_or(Strategy::Ring),
            weight: self.weight.unwrap_or(1),
            wire: self.wire.unwrap_or(WIRE_MAX),
            roles: self.role,
            allow: self.allow,
            deny: self.deny,
            detect: self.detect.unwrap_or(Duration::from_millis(1000)),
            output: self.output.unwrap_or_default(),
            log_format: self.log_format.unwrap_or_default(),
            unknown_variables: Vec::new(),
        })
    }
}

fn mistake<T>(words: impl Into<String>) -> Result<T, OptionsError> {
    Err(OptionsError::Mistake(words.into()))
}

/// The first paragraph of what clap says, in one line; the rest is how to use it.
fn one_line(error: &clap::Error) -> OptionsError {
    let text = error.to_string();
    if error.kind() == clap::error::ErrorKind::DisplayHelp {
        return OptionsError::Help(text);
    }
    let first = text.split("\n\n").next().unwrap_or(&text);
    let words = first.split_whitespace().collect::<Vec<_>>().join(" ");
    OptionsError::Mistake(words.strip_prefix("error: ").unwrap_or(&words).into())
}

/// A door for the fuzz targets.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    use super::*;

    /// A file of options, with variables of the environment before it: lines `NAME=value` up to an empty one.
    ///
    /// # Panics
    /// It does not.
    pub fn options(text: &str) {
        let (variables, file) = text.split_once("\n\n").unwrap_or(("", text));
        let pairs = variables.lines().filter_map(|line| line.split_once('='));
        let Ok(environment) = Environment::read(pairs.map(|(name, value)| (name.into(), value.into())))
        else {
            return; // a mistake, and told
        };
        if let Ok(given) = config_file::fuzzing::parse(file, &environment.settings) {
            drop(environment.given.before(given).complete());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::*;

    fn read(arguments: &str) -> Result<Options, OptionsError> {
        Options::read(["node"].into_iter().chain(arguments.split_whitespace()), [])
    }

    #[test]
    fn a_name_is_enough() {
        let expected = Options {
            name: NodeName::new("a").expect("a good name"),
            listen: "127.0.0.1:0".into(),
            lan: false,
            topologies: Topologies::default(),
            authorities: vec![],
            join: vec![],
            cluster: ClusterName::new("skep").expect("a good name"),
            links: Links::Environment,
            runtime: Runtime::Tokio,
            strategy: Strategy::Ring,
            weight: 1,
            wire: 2,
            roles: vec![],
            allow: vec![],
            deny: vec![],
            detect: Duration::from_secs(1),
            output: Format::Text,
            log_format: Format::Text,
            unknown_variables: vec![],
        };
        assert_eq!(read("--name a"), Ok(expected));
    }

    #[test]
    fn every_option_is_taken() {
        let options = read(
            "--name a --listen 0.0.0.0:7000 --join 10.0.0.1:7000 --join b.example:7000 --cluster orders \
             --runtime async-std --strategy quorum:3 --weight 3 --wire 1 --role gpu --role ssd --insecure-plaintext \
             --allow a? --deny *-old \
             --detect 500 --output json --log-format json",
        )
        .expect("no mistake in it");
        assert_eq!(options.listen, "0.0.0.0:7000");
        assert_eq!(
            options.join.iter().map(Address::as_str).collect::<Vec<_>>(),
            ["10.0.0.1:7000", "b.example:7000"]
        );
        assert_eq!((options.links, options.runtime), (Links::InsecurePlaintext, Runtime::AsyncStd));
        assert_eq!(Some(options.strategy), NonZeroU16::new(3).map(Strategy::Quorum));
        let lists = [options.allow, options.deny].concat();
        assert_eq!(lists.iter().map(NodePattern::as_str).collect::<Vec<_>>(), ["a?", "*-old"]);
        assert_eq!((options.weight, options.wire, options.detect), (3, 1, Duration::from_millis(500)));
        assert_eq!(options.roles.iter().map(Role::as_str).collect::<Vec<_>>(), ["gpu", "ssd"]);
        assert_eq!((options.output, options.log_format), (Format::Json, Format::Json));
    }

    #[test]
    fn each_mistake_is_one_line_that_names_it() {
        for (arguments, words) in [
            ("", "--name"),
            ("--name", "--name"),
            ("--name a --nmae b", "--nmae"),
            ("--name a stray", "stray"),
            ("--name a --runtime glommio", "glommio"),
            ("--name a --weight 0", "at least 1"),
            ("--name a --weight x", "weight"),
            ("--name a --wire 0", "1 to 2"),
            ("--name a --wire 3", "1 to 2"),
            ("--name a --detect 0", "--detect"),
            ("--name a --detect 99999999999", "--detect"),
            ("--name a --listen nowhere", "nowhere"),
            ("--name a --listen 1.2.3.4:99999", "1.2.3.4:99999"),
            ("--name a --listen localhost:1", "localhost:1"),
            ("--name a --join nowhere", "nowhere"),
            ("--name a --join :1", ":1"),
            ("--name a --join b.example:0", "b.example:0"),
            ("--name a --strategy most", "most"),
            ("--name a --strategy quorum:0", "quorum:0"),
            ("--name a --strategy quorum:65536", "quorum:65536"),
            ("--name a --deny", "--deny"),
            ("--name a --secret-file f --insecure-plaintext", "exclude each other"),
            ("--name a --tls-cert c --tls-key k --tls-ca a --insecure-plaintext", "exclude each other"),
            ("--name a --lan=maybe", "maybe"),
            ("--name a --authority table", "TOPOLOGY:MS"),
            ("--name a --authority table:0", "TOPOLOGY:MS"),
            ("--name a --authority table:1000", "no topology"),
            ("--name a --tls-cert f", "given together"),
            ("--name a --tls-key f", "given together"),
            ("--name a --tls-ca f --tls-cert f", "given together"),
            ("--name a --config /no/such/file", "/no/such/file"),
            ("--name a --output xml", "xml"),
        ] {
            let Err(OptionsError::Mistake(line)) = read(arguments) else {
                panic!("'{arguments}' was accepted")
            };
            assert!(line.contains(words), "'{arguments}' should name '{words}': {line}");
            assert_eq!(line.lines().count(), 1, "one line for '{arguments}': {line}");
        }
        let long = format!("--name {}", "x".repeat(NodeName::MAX + 1));
        assert!(matches!(read(&long), Err(OptionsError::Mistake(line)) if line.contains("129 bytes")));
    }

    #[test]
    fn a_network_needs_a_secret_that_its_hosts_share() {
        let options = read("--name a --lan --insecure-plaintext").expect("no mistake in itself");
        assert_eq!((options.lan, options.listen.as_str()), (true, "0.0.0.0:0"));
        let Err(OptionsError::Mistake(line)) = options.beacons() else { panic!("it has no secret") };
        assert!(line.contains("--lan needs a secret"), "{line}");
        assert_eq!(read("--name a").expect("good").beacons().map(|lan| lan.is_some()), Ok(false));
    }

    #[test]
    fn an_address_that_nobody_can_dial_is_a_mistake() {
        for listen in ["0.0.0.0:0", "[::]:7000"] {
            let options =
                read(&format!("--name a --insecure-plaintext --listen {listen}")).expect("an address");
            let Err(OptionsError::Mistake(line)) = options.transport() else {
                panic!("who would dial {listen}")
            };
            assert!(line.contains(&format!("--listen {listen}")), "{line}");
        }
    }

    #[test]
    fn help_is_no_mistake() {
        assert!(
            matches!(read("--help"), Err(OptionsError::Help(text)) if text.contains("--runtime") && text.contains("SKEP_TLS_CA"))
        );
    }
}
