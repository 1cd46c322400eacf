//! Options from variables of the process: `SKEP_WEIGHT` stands for `weight`; and which variables stand for settings of
//! topologies.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::{ArgAction, CommandFactory, Parser};

use super::{Given, OptionsError, mistake, one_line};

const PREFIX: &str = "SKEP_";

/// Between the parts of a topology's variable: `SKEP_TOPOLOGY__TABLE__POSTGRES__URL`.
const NESTED: &str = "__";

/// Read where the links' keys are: they are no options, so that no secret is shown with these.
const SECRETS: [&str; 2] = ["SKEP_SECRET_FILE", "SKEP_SECRET"];

/// What the variables of the process say.
#[derive(Debug, Default)]
pub(super) struct Environment {
    /// The options of the node.
    pub(super) given: Given,
    /// The settings of topologies, in the order of their variables' names.
    pub(super) settings: Vec<Setting>,
    /// The variables that no option has.
    pub(super) unknown: Vec<String>,
}

/// One setting of a topology.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Setting {
    /// Its variable, for messages.
    pub(super) variable: String,
    /// What follows `SKEP_TOPOLOGY__` in its name: the topology, its source, and the key there. At least three parts.
    pub(super) path: Vec<String>,
    pub(super) text: String,
}

impl Environment {
    /// Takes the variables that are skep's; an empty one is as good as none.
    ///
    /// # Errors
    /// [`OptionsError::Mistake`] in one line, with the variable.
    pub(super) fn read(
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, OptionsError> {
        let mut ours = BTreeMap::new(); // in the order of their names, whatever the process was given
        for (name, value) in variables {
            match name.to_str() {
                Some(name) if name.starts_with(PREFIX) => ours.insert(name.to_owned(), value),
                Some(_) | None => continue,
            };
        }
        let mut environment = Self::default();
        for (name, value) in ours {
            if SECRETS.contains(&name.as_str()) {
                environment.given.secret_in_environment = true; // an empty one, too: it is a mistake then
            } else if !value.is_empty() {
                let Ok(text) = value.into_string() else { return mistake(format!("{name}: it is no text")) };
                environment.take(name, text)?;
            }
        }
        Ok(environment)
    }

    fn take(&mut self, variable: String, text: String) -> Result<(), OptionsError> {
        let key = variable.strip_prefix(PREFIX).expect("the others were left out");
        if key.contains(NESTED) {
            let path: Vec<String> = key.split(NESTED).map(Into::into).collect();
            if path[0] != "TOPOLOGY" || path.len() < 4 || path.iter().any(String::is_empty) {
                return mistake(format!(
                    "{variable}: what has parts is a topology's, SKEP_TOPOLOGY__NAME__SOURCE__KEY"
                ));
            }
            self.settings.push(Setting { variable, path: path[1..].to_vec(), text });
            return Ok(());
        }
        let option = key.to_lowercase().replace('_', "-");
        let command = Given::command();
        let Some(argument) = command.get_arguments().find(|it| it.get_long() == Some(&option)) else {
            self.unknown.push(variable);
            return Ok(());
        };
        let words = match argument.get_action() {
            ArgAction::Append => items(&text).map(|item| format!("--{option}={item}")).collect(),
            _ => vec![format!("--{option}={text}")],
        };
        match Given::try_parse_from(["node".into()].into_iter().chain(words)) {
            Ok(given) => self.given = given.and(std::mem::take(&mut self.given)),
            Err(error) => return mistake(format!("{variable}: {}", one_line(&error))),
        }
        Ok(())
    }
}

/// The items of a list, which commas separate.
pub(super) fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Links, Options, Runtime, Strategy};
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    fn read(arguments: &str, pairs: &[(&str, &str)]) -> Result<Options, OptionsError> {
        Options::read(["node"].into_iter().chain(arguments.split_whitespace()), variables(pairs))
    }

    #[test]
    fn every_option_has_its_variable() {
        let arguments = "--name a --listen 0.0.0.0:7000 --lan --join 10.0.0.1:7000 --join b.example:7000 \
            --authority rack:60000 --cluster orders --runtime smol --strategy quorum:3 --weight 3 --wire 1 --role gpu --role ssd --allow a? \
            --deny *-old --tls-cert c --tls-key k --tls-ca ca --detect 500 --output json --log-format json";
        let pairs = [
            ("SKEP_NAME", "a"),
            ("SKEP_LISTEN", "0.0.0.0:7000"),
            ("SKEP_LAN", "true"),
            ("SKEP_JOIN", "10.0.0.1:7000, b.example:7000"),
            ("SKEP_TOPOLOGY__RACK__FILE__PATH", "peers"),
            ("SKEP_AUTHORITY", "rack:60000"),
            ("SKEP_CLUSTER", "orders"),
            ("SKEP_RUNTIME", "smol"),
            ("SKEP_STRATEGY", "quorum:3"),
            ("SKEP_WEIGHT", "3"),
            ("SKEP_WIRE", "1"),
            ("SKEP_ROLE", "gpu,ssd"),
            ("SKEP_ALLOW", "a?"),
            ("SKEP_DENY", "*-old"),
            ("SKEP_TLS_CERT", "c"),
            ("SKEP_TLS_KEY", "k"),
            ("SKEP_TLS_CA", "ca"),
            ("SKEP_DETECT", "500"),
            ("SKEP_OUTPUT", "json"),
            ("SKEP_LOG_FORMAT", "json"),
        ];
        let source = [("SKEP_TOPOLOGY__RACK__FILE__PATH", "peers")]; // which the command line cannot say
        assert_eq!(read("", &pairs), read(arguments, &source));
        assert!(read("", &pairs).is_ok(), "{:?}", read("", &pairs));
        let told = pairs.map(|(name, _)| name["SKEP_".len()..].to_lowercase().replace('_', "-"));
        for argument in Given::command().get_arguments() {
            let option = argument.get_long().expect("all have a long name");
            let elsewhere = ["config", "secret-file", "insecure-plaintext", "help"]; // in other tests
            assert!(
                told.iter().any(|it| it == option) || elsewhere.contains(&option),
                "--{option} has no variable in this test"
            );
        }
    }

    #[test]
    fn the_command_line_goes_before_the_environment() {
        let pairs =
            [("SKEP_NAME", "variable"), ("SKEP_LAN", "true"), ("SKEP_JOIN", "a:1"), ("SKEP_WEIGHT", "7")];
        let options = read("--name line --lan=false --join b:1", &pairs).expect("no mistake in it");
        assert_eq!((options.name.as_str(), options.lan, options.weight), ("line", false, 7));
        assert_eq!(options.join.iter().map(|it| it.as_str()).collect::<Vec<_>>(), ["b:1"]);
    }

    #[test]
    fn what_is_empty_is_not_said_and_what_is_not_ours_is_passed_over() {
        let pairs = [("SKEP_CLUSTER", ""), ("SKEP_PORT", "tcp://10.0.0.1:7000"), ("WEIGHT", "7")];
        let options = read("--name a", &pairs).expect("no mistake in it");
        assert_eq!((options.cluster.as_str(), options.weight), ("skep", 1));
        assert_eq!(options.unknown_variables, ["SKEP_PORT"]);
        let told = [("SKEP_RUNTIME", "async-std"), ("SKEP_STRATEGY", "ring"), ("SKEP_OUTPUT", "text")];
        let options = read("--name a", &told).expect("no mistake in it");
        assert_eq!(
            (options.runtime, options.strategy, options.output),
            (Runtime::AsyncStd, Strategy::Ring, Format::Text)
        );
    }

    #[test]
    fn how_links_are_protected_is_said_by_whoever_goes_first_alone() {
        for (arguments, pairs, expected) in [
            ("--name a", &[("SKEP_SECRET", "")][..], Links::Environment),
            ("--name a --secret-file f", &[("SKEP_SECRET", "x")], Links::SecretFile("f".into())),
            ("--name a --insecure-plaintext", &[("SKEP_SECRET_FILE", "f")], Links::InsecurePlaintext),
            ("--name a --secret-file f", &[("SKEP_TLS_CA", "c")], Links::SecretFile("f".into())),
            ("--name a", &[("SKEP_INSECURE_PLAINTEXT", "true")], Links::InsecurePlaintext),
            (
                "--name a --insecure-plaintext=false",
                &[("SKEP_INSECURE_PLAINTEXT", "true")],
                Links::Environment,
            ),
        ] {
            assert_eq!(
                read(arguments, pairs).map(|options| options.links),
                Ok(expected),
                "{arguments} {pairs:?}"
            );
        }
    }

    #[test]
    fn two_ways_to_protect_links_in_one_place_are_a_mistake() {
        for pairs in [
            [("SKEP_INSECURE_PLAINTEXT", "true"), ("SKEP_SECRET", "x")],
            [("SKEP_TLS_CA", "c"), ("SKEP_INSECURE_PLAINTEXT", "true")],
            [("SKEP_SECRET_FILE", "f"), ("SKEP_TLS_CA", "c")],
        ] {
            let tls = [("SKEP_TLS_KEY", "k"), ("SKEP_TLS_CERT", "c")];
            let all = if pairs.iter().any(|(name, _)| *name == "SKEP_TLS_CA") { &tls[..] } else { &[] };
            let Err(OptionsError::Mistake(line)) = read("--name a", &[&pairs[..], all].concat()) else {
                panic!("{pairs:?} was accepted")
            };
            assert!(line.contains("exclude each other"), "{pairs:?}: {line}");
        }
    }

    #[test]
    fn each_mistake_is_one_line_that_names_its_variable() {
        for (name, value, words) in [
            ("SKEP_NAME", "x y\n", "--name"),
            ("SKEP_WEIGHT", "0", "at least 1"),
            ("SKEP_WEIGHT", "many", "'many' is no weight"),
            ("SKEP_WIRE", "new", "'new' is no wire version"),
            ("SKEP_LAN", "yes", "'yes'"),
            ("SKEP_JOIN", "a:1,nowhere", "'nowhere' is no address"),
            ("SKEP_RUNTIME", "glommio", "glommio"),
            ("SKEP_DETECT", "0", "0 ms"),
            ("SKEP_AUTHORITY", "table", "TOPOLOGY:MS"),
            ("SKEP_CONFIG", "/no/such/file", "/no/such/file"),
            ("SKEP_TOPOLOGY__X__STATIC", "a:1", "SKEP_TOPOLOGY__NAME__SOURCE__KEY"),
            ("SKEP_TOPOLOGIES__X__STATIC__PEERS", "a:1", "SKEP_TOPOLOGY__NAME__SOURCE__KEY"),
            ("SKEP_TOPOLOGY____STATIC__PEERS", "a:1", "SKEP_TOPOLOGY__NAME__SOURCE__KEY"),
            ("SKEP_TOPOLOGY__X__STATIC__PEERS", "a:1,nowhere", "'nowhere' is no address"),
            ("SKEP_TOPOLOGY__X__STATIC__PEARS", "a:1", "pears"),
            ("SKEP_TOPOLOGY__X__GOSSIP__PORT", "7000", "gossip"),
            ("SKEP_TOPOLOGY__X__GOSSIP__PORT", "many", "'many' is no number"),
            ("SKEP_TOPOLOGY__X__STATIC__PEERS__MORE", "a:1", "sequence"),
        ] {
            let Err(OptionsError::Mistake(line)) = read("--name a", &[(name, value)]) else {
                panic!("{name}={value} was accepted")
            };
            let begins = if name == "SKEP_CONFIG" { "--config" } else { name };
            assert!(line.starts_with(begins), "{name}={value:?}: {line}");
            assert!(line.contains(words), "{name}={value:?} should name {words:?}: {line}");
            assert_eq!(line.lines().count(), 1, "one line for {name}={value:?}: {line}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_text_is_a_mistake() {
        use std::os::unix::ffi::OsStringExt;

        let pairs = [("SKEP_NAME".into(), OsString::from_vec(vec![0xff]))];
        let read = Options::read(["node"], pairs);
        assert_eq!(read, mistake("SKEP_NAME: it is no text"));
    }
}
