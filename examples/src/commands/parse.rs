//! From a line to a command, or to what is wrong with it. Pure.

use std::str::FromStr;

use skep_core::error::BadText;
use skep_core::id::{Group, Kind, Name};

use super::words::{Words, roles, timeout};
use super::{Asked, Command, DEFAULT_TIMEOUT, MAX_COUNT, MAX_LINE, Mistake, NotACommand, Wanted};

/// Each command's word, and how it is used.
const COMMANDS: &[(&str, &str)] = &[
    ("register", "register NAME [KIND [ARGS]]"),
    ("register-many", "register-many PREFIX COUNT [KIND [ARGS]]"),
    ("unregister", "unregister NAME"),
    ("whereis", "whereis NAME"),
    ("whereis-consistent", "whereis-consistent NAME"),
    ("whereis-or-register", "whereis-or-register NAME [KIND [ARGS]]"),
    ("registered", "registered"),
    ("workers", "workers"),
    ("call", "call NAME TEXT"),
    ("send", "send NAME TEXT"),
    ("join", "join GROUP NAME"),
    ("leave", "leave GROUP NAME"),
    ("members", "members GROUP"),
    ("publish", "publish GROUP TEXT"),
    ("multi-call", "multi-call GROUP TEXT"),
    ("attach", "attach NAME"),
    ("nodes", "nodes"),
    ("owner", "owner NAME"),
    ("drain", "drain"),
    ("stats", "stats"),
    ("help", "help"),
    ("quit", "quit"),
];

const LONGEST_ECHO: usize = 64; // characters of an unknown word that its answer repeats

impl FromStr for Asked {
    type Err = NotACommand;

    fn from_str(line: &str) -> Result<Self, NotACommand> {
        let given = Words::new(line).word();
        let mistake = |mistake| NotACommand { word: given.chars().take(LONGEST_ECHO).collect(), mistake };
        if line.len() > MAX_LINE {
            return Err(mistake(Mistake::TooLong));
        }
        let Some(&(word, usage)) = COMMANDS.iter().find(|(word, _)| *word == given) else {
            return Err(mistake(Mistake::UnknownCommand));
        };
        let (line, timeout) = timeout(line).map_err(mistake)?;
        let mut words = Words::new(line);
        words.word();
        let command = command(word, usage, &mut words).map_err(mistake)?;
        if !words.is_empty() {
            return Err(mistake(Mistake::Usage(usage)));
        }
        Ok(Self { word, timeout: timeout.unwrap_or(DEFAULT_TIMEOUT), command })
    }
}

fn command(word: &str, usage: &'static str, words: &mut Words<'_>) -> Result<Command, Mistake> {
    Ok(match word {
        "register" => Command::Register { name: name(words)?, worker: wanted(words)? },
        "register-many" => many(usage, words)?,
        "unregister" => Command::Unregister { name: name(words)? },
        "whereis" => Command::Whereis { name: name(words)? },
        "whereis-consistent" => Command::WhereisConsistent { name: name(words)? },
        "whereis-or-register" => Command::WhereisOrRegister { name: name(words)?, worker: wanted(words)? },
        "registered" => Command::Registered,
        "workers" => Command::Workers,
        "call" => Command::Call { name: name(words)?, text: text(usage, words)? },
        "send" => Command::Send { name: name(words)?, text: text(usage, words)? },
        "join" => Command::Join { group: group(words)?, name: name(words)? },
        "leave" => Command::Leave { group: group(words)?, name: name(words)? },
        "members" => Command::Members { group: group(words)? },
        "publish" => Command::Publish { group: group(words)?, text: text(usage, words)? },
        "multi-call" => Command::MultiCall { group: group(words)?, text: text(usage, words)? },
        "attach" => Command::Attach { name: name(words)? },
        "nodes" => Command::Nodes,
        "owner" => Command::Owner { name: name(words)? },
        "drain" => Command::Drain,
        "stats" => Command::Stats,
        "help" => Command::Help,
        "quit" => Command::Quit,
        other => unreachable!("the command '{other}' is listed and not parsed"),
    })
}

fn name(words: &mut Words<'_>) -> Result<Name, Mistake> {
    Name::new(quoted(words)?).map_err(Mistake::BadName)
}

fn group(words: &mut Words<'_>) -> Result<Group, Mistake> {
    Group::new(quoted(words)?).map_err(Mistake::BadName)
}

fn quoted(words: &mut Words<'_>) -> Result<String, Mistake> {
    // An open quote may as well be the beginning of a control character: it is no name that we take.
    words.quoted().ok_or(Mistake::BadName(BadText::ControlCharacter))
}

fn wanted(words: &mut Words<'_>) -> Result<Wanted, Mistake> {
    let (rest, roles) = roles(words.rest())?;
    let mut words = Words::new(rest);
    let kind = if words.is_empty() { "singleton" } else { words.word() };
    Ok(Wanted { kind: Kind::new(kind).map_err(Mistake::BadKind)?, args: words.rest().into(), roles })
}

fn text(usage: &'static str, words: &mut Words<'_>) -> Result<String, Mistake> {
    if words.is_empty() {
        return Err(Mistake::Usage(usage));
    }
    Ok(words.rest().into())
}

fn many(usage: &'static str, words: &mut Words<'_>) -> Result<Command, Mistake> {
    let prefix = name(words)?;
    if words.is_empty() {
        return Err(Mistake::Usage(usage));
    }
    let count = words.word().parse().ok().filter(|count| (1..=MAX_COUNT).contains(count));
    let count = count.ok_or(Mistake::BadCount)?;
    let worker = wanted(words)?;
    let names = (0..count).map(|number| Name::new(format!("{prefix}-{number}"))).collect::<Result<_, _>>();
    Ok(Command::RegisterMany { names: names.map_err(Mistake::BadName)?, worker })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use skep_core::id::Role;

    use super::*;

    fn worker(kind: &str, args: &str) -> Wanted {
        Wanted { kind: Kind::new(kind).expect("a good kind"), args: args.into(), roles: vec![] }
    }

    fn some_name() -> Name {
        Name::new("n").expect("a good name")
    }

    #[test]
    fn every_command_of_the_contract_is_understood() {
        let name = some_name;
        let group = || Group::new("g").expect("a good name");
        let text = || String::from("some text");
        for (line, expected) in [
            ("register n", Command::Register { name: name(), worker: worker("singleton", "") }),
            ("register n counter", Command::Register { name: name(), worker: worker("counter", "") }),
            ("register n slow 300", Command::Register { name: name(), worker: worker("slow", "300") }),
            ("register n k a  b", Command::Register { name: name(), worker: worker("k", "a  b") }),
            ("unregister n", Command::Unregister { name: name() }),
            ("whereis n", Command::Whereis { name: name() }),
            ("whereis-consistent n", Command::WhereisConsistent { name: name() }),
            (
                "whereis-or-register n stay",
                Command::WhereisOrRegister { name: name(), worker: worker("stay", "") },
            ),
            ("registered", Command::Registered),
            ("workers", Command::Workers),
            ("call n some text", Command::Call { name: name(), text: text() }),
            ("send n some text", Command::Send { name: name(), text: text() }),
            ("join g n", Command::Join { group: group(), name: name() }),
            ("leave g n", Command::Leave { group: group(), name: name() }),
            ("members g", Command::Members { group: group() }),
            ("publish g some text", Command::Publish { group: group(), text: text() }),
            ("multi-call g some text", Command::MultiCall { group: group(), text: text() }),
            ("attach n", Command::Attach { name: name() }),
            ("nodes", Command::Nodes),
            ("owner n", Command::Owner { name: name() }),
            ("drain", Command::Drain),
            ("stats", Command::Stats),
            ("help", Command::Help),
            ("quit", Command::Quit),
        ] {
            let word = line.split(' ').next().expect("there is one");
            for (line, timeout) in [(line.into(), 5000), (format!(" {line} --timeout 70 "), 70)] {
                let asked = line.parse::<Asked>().unwrap_or_else(|error| panic!("{line:?}: {error:?}"));
                assert_eq!(
                    (asked.word, asked.timeout),
                    (word, Duration::from_millis(timeout)),
                    "of {line:?}"
                );
                assert_eq!(asked.command, expected, "of {line:?}");
            }
        }
    }

    #[test]
    fn roles_are_asked_for_behind_the_arguments() {
        let role = |text| Role::new(text).expect("a good role");
        for (line, kind, args) in [
            ("register n --role gpu --role ssd", "singleton", ""),
            ("register n slow 300 --role gpu --role ssd --timeout 70", "slow", "300"),
            ("register n slow --role 1 --role gpu  --role ssd", "slow", ""),
        ] {
            let asked = line.parse::<Asked>().unwrap_or_else(|error| panic!("{line:?}: {error:?}"));
            let Command::Register { worker, .. } = asked.command else { panic!("{line:?}") };
            assert_eq!((worker.kind.as_str(), worker.args.as_str()), (kind, args), "of {line:?}");
            assert_eq!(worker.roles[worker.roles.len() - 2..], [role("gpu"), role("ssd")], "of {line:?}");
        }
        let text = "call n say --role gpu".parse::<Asked>().expect("a good line").command;
        assert_eq!(text, Command::Call { name: some_name(), text: "say --role gpu".into() });
    }

    #[test]
    fn register_many_counts_from_zero() {
        let asked = "register-many job 3 restart".parse::<Asked>().expect("a good line");
        let names = ["job-0", "job-1", "job-2"].map(|name| Name::new(name).expect("a good name")).to_vec();
        assert_eq!(asked.command, Command::RegisterMany { names, worker: worker("restart", "") });
    }

    #[test]
    fn each_mistake_is_named() {
        let long = "x".repeat(Name::MAX + 1);
        let too_long = || BadText::TooLong { length: Name::MAX + 1, max: Name::MAX };
        for (line, mistake) in [
            ("frobnicate n".into(), Mistake::UnknownCommand),
            ("REGISTER n".into(), Mistake::UnknownCommand),
            ("register".into(), Mistake::BadName(BadText::Empty)),
            (r#"register """#.into(), Mistake::BadName(BadText::Empty)),
            (r#"register "\u0007""#.into(), Mistake::BadName(BadText::ControlCharacter)),
            (r#"register "open"#.into(), Mistake::BadName(BadText::ControlCharacter)),
            (format!("register {long}"), Mistake::BadName(too_long())),
            (format!("whereis {long}"), Mistake::BadName(too_long())),
            (format!("register-many {} 1", &long[2..]), Mistake::BadName(too_long())),
            (
                format!("register n {long}"),
                Mistake::BadKind(BadText::TooLong { length: long.len(), max: Kind::MAX }),
            ),
            (
                format!("register n slow --role {long}"),
                Mistake::BadRole(BadText::TooLong { length: long.len(), max: Role::MAX }),
            ),
            ("whereis a b".into(), Mistake::Usage("whereis NAME")),
            ("nodes a".into(), Mistake::Usage("nodes")),
            ("call n".into(), Mistake::Usage("call NAME TEXT")),
            ("register-many p".into(), Mistake::Usage("register-many PREFIX COUNT [KIND [ARGS]]")),
            ("register-many p 0".into(), Mistake::BadCount),
            ("register-many p -1".into(), Mistake::BadCount),
            ("register-many p 1000001".into(), Mistake::BadCount),
            ("join g".into(), Mistake::BadName(BadText::Empty)),
            ("nodes --timeout soon".into(), Mistake::BadTimeout),
            (format!("call n {}", "x".repeat(MAX_LINE)), Mistake::TooLong),
        ] {
            let told = line.parse::<Asked>().expect_err("a mistake");
            assert_eq!(told.mistake, mistake, "of {:?}", line.get(..60).unwrap_or(&line));
        }
    }

    #[test]
    fn an_unknown_word_is_repeated_in_part() {
        let told = "é".repeat(1000).parse::<Asked>().expect_err("no command");
        assert_eq!(told.word, "é".repeat(LONGEST_ECHO));
    }

    #[test]
    fn help_tells_every_command() {
        for (_, usage) in COMMANDS {
            assert!(super::super::HELP.contains(usage), "help says nothing of '{usage}'");
        }
    }
}
