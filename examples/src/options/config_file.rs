//! The same options from a TOML file, with the topologies of the environment over its own; a mistake in it is told with
//! its line.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use toml::de::{DeTable, Deserializer};

use super::environment::Setting;
use super::overlay::Overlay;
use super::{Given, OptionsError, mistake};

const MAX_FILE: u64 = 64 << 10; // options are short; a device or a log by mistake is not

pub(super) fn read(path: &Path, settings: &[Setting]) -> Result<Given, OptionsError> {
    let mut text = String::new();
    match File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text)) {
        Err(error) => mistake(format!("--config {}: {error}", path.display())),
        Ok(read) if read as u64 > MAX_FILE => {
            mistake(format!("--config {}: longer than {MAX_FILE} bytes", path.display()))
        }
        Ok(_) => parse(path, &text, settings),
    }
}

/// What there is without a file.
pub(super) fn none(settings: &[Setting]) -> Result<Given, OptionsError> {
    parse(Path::new(""), "", settings)
}

fn parse(path: &Path, text: &str, settings: &[Setting]) -> Result<Given, OptionsError> {
    let overlay = Overlay::new(text.len(), settings);
    let told = |error: toml::de::Error| {
        let at = error.span().map_or(0, |span| span.start);
        let line = text[..at.min(text.len())].matches('\n').count() + 1;
        let place = match overlay.variable_at(at) {
            Some(variable) => variable.to_owned(),
            None => format!("--config {}:{line}", path.display()),
        };
        let words = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
        mistake(format!("{place}: {words}"))
    };
    let mut file = match DeTable::parse(text) {
        Ok(file) => file,
        Err(error) => return told(error),
    };
    overlay.put(file.get_mut())?;
    Given::deserialize(Deserializer::from(file)).or_else(told)
}

#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing {
    use super::*;

    pub(in super::super) fn parse(text: &str, settings: &[Setting]) -> Result<Given, OptionsError> {
        super::parse(Path::new("node.toml"), text, settings)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use skep_core::id::NodeName;

    use super::super::environment::Environment;
    use super::super::{Format, Options, Runtime};
    use super::*;

    fn read(text: &str) -> Result<Given, OptionsError> {
        parse(Path::new("node.toml"), text, &[])
    }

    /// The same with these variables.
    fn read_with(text: &str, variables: &[(&str, &str)]) -> Result<Given, OptionsError> {
        let pairs = variables.iter().map(|(name, value)| (name.into(), value.into()));
        let environment = Environment::read(pairs)?;
        Ok(environment.given.before(parse(Path::new("node.toml"), text, &environment.settings)?))
    }

    #[test]
    fn the_file_has_the_keys_of_the_options() {
        let given = read(
            "name = 'a'\nlisten = '127.0.0.1:7000'\njoin = ['10.0.0.1:7000']\ncluster = 'orders'\n\
             runtime = 'smol'\nstrategy = 'ring'\nweight = 2\nwire = 1\nrole = ['gpu']\ndetect = 500\noutput = 'json'\n\
             log-format = 'json'\ninsecure-plaintext = true\nlan = false\n",
        )
        .expect("no mistake in it");
        assert_eq!(given.name, NodeName::new("a").ok());
        assert_eq!((given.runtime, given.output), (Some(Runtime::Smol), Some(Format::Json)));
        assert_eq!((given.weight, given.wire), (Some(2), Some(1)));
        assert_eq!(given.detect, Some(Duration::from_millis(500)));
    }

    #[test]
    fn what_the_command_line_says_goes_first() {
        let line = Given { name: NodeName::new("line").ok(), ..Given::default() };
        let merged = line.before(read("name = 'file'\nweight = 7\n").expect("no mistake in it"));
        assert_eq!((merged.name, merged.weight), (NodeName::new("line").ok(), Some(7)));
    }

    #[test]
    fn the_environment_goes_before_the_file() {
        let text = "name = 'file'\nweight = 7\nlan = true\ntls-cert = 'c'\ntls-key = 'k'\ntls-ca = 'a'\n";
        let pairs = [("SKEP_NAME", "variable"), ("SKEP_LAN", "false"), ("SKEP_TLS_KEY", "other")];
        let given = read_with(text, &pairs).expect("no mistake in it");
        assert_eq!(given.name, NodeName::new("variable").ok());
        assert_eq!((given.weight, given.lan, given.secret_file.clone()), (Some(7), Some(false), None));
        let tls = [given.tls_cert, given.tls_key, given.tls_ca].map(|path| path.expect("given"));
        assert_eq!(tls, ["c", "other", "a"].map(PathBuf::from));
        let given = read_with(text, &[("SKEP_SECRET", "another way")]).expect("no mistake in it");
        assert_eq!((given.tls_cert, given.tls_key, given.tls_ca), (None, None, None));
    }

    #[test]
    fn each_key_of_a_topology_may_come_from_the_environment() {
        let text = "[topology.rack_1.static]\npeers = ['10.0.0.1:7000']\n[topology.told.environment]\n";
        let pairs = [
            ("SKEP_TOPOLOGY__RACK_1__STATIC__PEERS", "10.0.0.2:7000, b.example:7000"),
            ("SKEP_TOPOLOGY__TOLD__ENVIRONMENT__VARIABLE", "PEERS"),
            ("SKEP_TOPOLOGY__BOOT_HOSTS__FILE__PATH", "peers"),
        ];
        let expected = "[topology.rack_1.static]\npeers = ['10.0.0.2:7000', 'b.example:7000']\n\
                        [topology.told.environment]\nvariable = 'PEERS'\n\
                        [topology.boot-hosts.file]\npath = 'peers'\n";
        assert_eq!(read_with(text, &pairs), read(expected));
        let pairs = [("SKEP_TOPOLOGY__RACK_1__FILE__PATH", "peers")];
        let expected = "[topology.rack_1.file]\npath = 'peers'\n";
        let told = "[topology.rack_1.static]\npeers = ['10.0.0.1:7000']\n";
        assert_eq!(read_with(told, &pairs), read(expected), "the source is another then");
    }

    #[test]
    fn a_mistake_is_told_where_it_was_made() {
        let file = "[topology.x.static]\npeers = []\n[topology.a-b.file]\npath = 'p'\n[topology.a_b.file]\npath = 'q'\n";
        for (text, name, value, begins) in [
            (
                file,
                "SKEP_TOPOLOGY__X__STATIC__PEERS",
                "nowhere",
                "SKEP_TOPOLOGY__X__STATIC__PEERS: 'nowhere'",
            ),
            (
                file,
                "SKEP_TOPOLOGY__X__STATIC__PORT",
                "1",
                "SKEP_TOPOLOGY__X__STATIC__PORT: unexpected keys in table: port",
            ),
            (
                file,
                "SKEP_TOPOLOGY__X__STATIC__PEERS__Y",
                "1",
                "SKEP_TOPOLOGY__X__STATIC__PEERS__Y: 'peers' has no parts",
            ),
            (
                file,
                "SKEP_TOPOLOGY__A_B__FILE__PATH",
                "p",
                "SKEP_TOPOLOGY__A_B__FILE__PATH: it may stand for 'a-b' or",
            ),
            (
                "topology = 1\n",
                "SKEP_TOPOLOGY__X__FILE__PATH",
                "p",
                "SKEP_TOPOLOGY__X__FILE__PATH: 'topology' has",
            ),
            ("\nnmae = 'a'\n", "SKEP_TOPOLOGY__X__FILE__PATH", "p", "--config node.toml:2: "),
            (
                "\n[topology.x.static]\n",
                "SKEP_TOPOLOGY__Y__FILE__PATH",
                "p",
                "--config node.toml:2: missing field `peers`",
            ),
        ] {
            let Err(OptionsError::Mistake(told)) = read_with(text, &[(name, value)]) else {
                panic!("{name}={value} was accepted over {text:?}")
            };
            assert!(
                told.starts_with(begins),
                "{name}={value} over {text:?} should begin with {begins:?}: {told}"
            );
        }
    }

    #[test]
    fn the_example_is_without_mistake() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/node.toml");
        let text = std::fs::read_to_string(&path).expect("it is in the repository");
        assert!(super::read(&path, &[]).is_ok_and(|given| given.complete().is_ok()));
        // What it shows commented out is right, too, as far as it does not exclude the rest.
        let shown = text
            .replace("\n# ", "\n")
            .lines()
            .filter(|line| !line.starts_with("##"))
            .collect::<Vec<_>>()
            .join("\n");
        assert!(read(&shown).is_ok(), "{:?}", read(&shown));
        let pairs = [("SKEP_CONFIG", path.as_os_str()), ("SKEP_NAME", "b".as_ref())];
        let options = Options::read(["node"], pairs.map(|(name, value)| (name.into(), value.into())))
            .expect("no mistake in it");
        assert_eq!((options.name, options.cluster.as_str()), (NodeName::new("b").expect("good"), "orders"));
    }

    #[test]
    fn topologies_have_names_and_sources() {
        let given = read(
            "name = 'a'\n[topology.rack.static]\npeers = ['10.0.0.1:7000']\n[topology.local.file]\npath = 'peers'\n\
             [topology.told.environment]\nvariable = 'PEERS'\n",
        );
        assert!(!given.expect("no mistake in it").topology.is_empty());
    }

    #[test]
    fn each_mistake_is_one_line_that_names_its_line() {
        for (text, line, words) in [
            ("name = 'a'\nnmae = 'b'\n", 2, "nmae"),
            ("name = 'a'\n\nweight = 0\n", 3, "at least 1"),
            ("name = 'a'\nwire = 3\n", 2, "1 to 2"),
            ("weight = 70000\n", 1, "70000"),
            ("name = ''\n", 1, "empty"),
            ("name = 'a'\nruntime = 'glommio'\n", 2, "glommio"),
            ("name = 'a'\nname = 'b'\n", 2, "duplicate"),
            ("name = 'a'\nlisten = 'nowhere'\n", 2, "nowhere"),
            ("name = 'a'\njoin = ['nowhere']\n", 2, "nowhere"),
            ("name = 'a'\nstrategy = 'most'\n", 2, "most"),
            ("name = 'a'\ndetect = 0\n", 2, "0 ms"),
            ("name = 'a'\nauthority = ['x:soon']\n", 2, "TOPOLOGY:MS"),
            ("name = a\n", 1, ""),
            ("config = 'other.toml'\n", 1, "config"),
            ("name = 'a'\n[topology.x.static]\npeers = ['nowhere']\n", 3, "nowhere"),
            ("name = 'a'\n[topology.x.static]\npeers = []\npears = []\n", 4, "pears"),
            ("name = 'a'\n\n[topology.x.gossip]\nport = 1\n", 3, "gossip"),
        ] {
            let Err(OptionsError::Mistake(told)) = read(text) else { panic!("{text:?} was accepted") };
            assert!(
                told.starts_with(&format!("--config node.toml:{line}: ")),
                "line {line} of {text:?}: {told}"
            );
            assert!(told.contains(words), "{text:?} should name '{words}': {told}");
            assert_eq!(told.lines().count(), 1, "one line for {text:?}: {told}");
        }
    }
}
