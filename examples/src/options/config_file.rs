//! The same options from a TOML file; a mistake in it is told with its line.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::{Given, OptionsError, mistake};

const MAX_FILE: u64 = 64 << 10; // options are short; a device or a log by mistake is not

pub(super) fn read(path: &Path) -> Result<Given, OptionsError> {
    let mut text = String::new();
    match File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text)) {
        Err(error) => mistake(format!("--config {}: {error}", path.display())),
        Ok(read) if read as u64 > MAX_FILE => {
            mistake(format!("--config {}: longer than {MAX_FILE} bytes", path.display()))
        }
        Ok(_) => parse(path, &text),
    }
}

fn parse(path: &Path, text: &str) -> Result<Given, OptionsError> {
    toml::from_str(text).or_else(|error: toml::de::Error| {
        let line =
            text[..error.span().map_or(0, |span| span.start.min(text.len()))].matches('\n').count() + 1;
        let words = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
        mistake(format!("--config {}:{line}: {words}", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use skep_core::id::NodeName;

    use super::super::{Format, Runtime};
    use super::*;

    fn read(text: &str) -> Result<Given, OptionsError> {
        parse(Path::new("node.toml"), text)
    }

    #[test]
    fn the_file_has_the_keys_of_the_options() {
        let given = read(
            "name = 'a'\nlisten = '127.0.0.1:7000'\njoin = ['10.0.0.1:7000']\ncluster = 'orders'\n\
             runtime = 'smol'\nstrategy = 'ring'\nweight = 2\nrole = ['gpu']\ndetect = 500\noutput = 'json'\n\
             log-format = 'json'\ninsecure-plaintext = true\nlan = false\n",
        )
        .expect("no mistake in it");
        assert_eq!(given.name, NodeName::new("a").ok());
        assert_eq!((given.runtime, given.output), (Some(Runtime::Smol), Some(Format::Json)));
        assert_eq!((given.weight, given.detect), (Some(2), Some(Duration::from_millis(500))));
    }

    #[test]
    fn what_the_command_line_says_goes_first() {
        let line = Given { name: NodeName::new("line").ok(), ..Given::default() };
        let merged = line.before(read("name = 'file'\nweight = 7\n").expect("no mistake in it"));
        assert_eq!((merged.name, merged.weight), (NodeName::new("line").ok(), Some(7)));
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
            ("weight = 70000\n", 1, "70000"),
            ("name = ''\n", 1, "empty"),
            ("name = 'a'\nruntime = 'glommio'\n", 2, "glommio"),
            ("name = 'a'\nname = 'b'\n", 2, "duplicate"),
            ("name = 'a'\nlisten = 'nowhere'\n", 2, "nowhere"),
            ("name = 'a'\njoin = ['nowhere']\n", 2, "nowhere"),
            ("name = 'a'\nstrategy = 'most'\n", 2, "most"),
            ("name = 'a'\ndetect = 0\n", 2, "0 ms"),
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
