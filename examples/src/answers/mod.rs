//! What a node answers to a command: typed, then one line of JSON or words.

mod done;
mod not_done;
mod text;

use serde::Serialize;

use crate::commands::NotACommand;
use crate::options::Format;

pub use done::{Done, Figures, GroupMember, KnownNode, MemberReply, RegisteredName, Replied, RunningWorker};
pub use not_done::NotDone;

/// The answer to one line.
#[derive(Serialize, Clone, PartialEq, Debug)]
pub struct Answer {
    /// The line's first word.
    pub command: String,
    /// How it went.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// How a command went.
#[derive(Serialize, Clone, PartialEq, Debug)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "it worked, or it did not")]
pub enum Outcome {
    Ok(Done),
    Error(NotDone),
}

impl Answer {
    /// In one line, without its end.
    pub fn line(&self, format: Format) -> String {
        match format {
            Format::Json => serde_json::to_string(self).expect("an answer has only strings for keys"),
            Format::Text => self.to_string(),
        }
    }
}

impl<E: Into<NotDone>> From<Result<Done, E>> for Outcome {
    fn from(result: Result<Done, E>) -> Self {
        match result {
            Ok(done) => Self::Ok(done),
            Err(error) => Self::Error(error.into()),
        }
    }
}

impl From<NotACommand> for Answer {
    fn from(line: NotACommand) -> Self {
        Self { command: line.word, outcome: Outcome::Error(line.mistake.into()) }
    }
}

#[cfg(test)]
mod tests {
    use skep_core::error::{BadText, DrainError, GroupError, RegisterError};
    use skep_core::event::Registration;
    use skep_core::id::{Epoch, Kind, Life, NodeName};

    use super::*;
    use crate::commands::Mistake;

    fn json(command: &str, outcome: Outcome) -> String {
        Answer { command: command.into(), outcome }.line(Format::Json)
    }

    fn registration() -> Registration {
        Registration {
            node: NodeName::new("a").expect("a good name"),
            life: Life(17),
            epoch: Epoch(1_795_400_000_001),
            kind: Kind::new("singleton").expect("a good kind"),
            attached: false,
        }
    }

    fn member(name: &str, node: Option<&str>) -> GroupMember {
        GroupMember { name: name.into(), node: node.map(Into::into) }
    }

    #[test]
    fn answers_are_those_of_the_contract() {
        for (command, outcome, expected) in [
            (
                "register",
                Outcome::Ok(registration().into()),
                r#"{"command":"register","ok":{"node":"a","incarnation":17,"epoch":1795400000001,"kind":"singleton"}}"#,
            ),
            (
                "attach",
                Outcome::Ok(Registration { attached: true, ..registration() }.into()),
                r#"{"command":"attach","ok":{"node":"a","incarnation":17,"epoch":1795400000001,"kind":"singleton","attached":true}}"#,
            ),
            ("unregister", Outcome::Ok(Done::Nothing {}), r#"{"command":"unregister","ok":{}}"#),
            (
                "call",
                Outcome::Ok(Done::Reply { reply: "echo \"ü\"".into() }),
                r#"{"command":"call","ok":{"reply":"echo \"ü\""}}"#,
            ),
            (
                "register",
                Outcome::Error(RegisterError::AlreadyRegistered { holder: registration() }.into()),
                r#"{"command":"register","error":{"kind":"already_registered","node":"a","incarnation":17,"epoch":1795400000001}}"#,
            ),
            (
                "register",
                Outcome::Error(Mistake::BadName(BadText::Empty).into()),
                r#"{"command":"register","error":{"kind":"bad_name","reason":"is empty"}}"#,
            ),
            (
                "whereis",
                Outcome::Error(NotDone::NotFound),
                r#"{"command":"whereis","error":{"kind":"not_found"}}"#,
            ),
            (
                "members",
                Outcome::Ok(Done::Members { members: vec![member("n", Some("a")), member("o", None)] }),
                r#"{"command":"members","ok":{"members":[{"name":"n","node":"a"},{"name":"o","node":null}]}}"#,
            ),
            (
                "multi-call",
                Outcome::Ok(Done::Replies {
                    replies: vec![
                        MemberReply { member: member("n", Some("a")), outcome: Replied::Ok("hi".into()) },
                        MemberReply {
                            member: member("o", Some("b")),
                            outcome: Replied::Error(NotDone::Timeout),
                        },
                    ],
                }),
                r#"{"command":"multi-call","ok":{"replies":[{"name":"n","node":"a","ok":"hi"},{"name":"o","node":"b","error":{"kind":"timeout"}}]}}"#,
            ),
            (
                "register",
                Outcome::Error(RegisterError::TooManyNames { max: 1_048_576 }.into()),
                r#"{"command":"register","error":{"kind":"too_many_names","max":1048576}}"#,
            ),
            (
                "join",
                Outcome::Error(GroupError::TooMany { max: 256 }.into()),
                r#"{"command":"join","error":{"kind":"too_many_groups","max":256}}"#,
            ),
            (
                "drain",
                Outcome::Error(DrainError::Timeout { left: 3 }.into()),
                r#"{"command":"drain","error":{"kind":"timeout","left":3}}"#,
            ),
            (
                "call",
                Outcome::Error(NotDone::WorkerFailed { handled: "maybe", reason: "it panicked".into() }),
                r#"{"command":"call","error":{"kind":"worker_failed","handled":"maybe","reason":"it panicked"}}"#,
            ),
            (
                "registered",
                Outcome::Ok(Done::Names { names: vec![] }),
                r#"{"command":"registered","ok":{"names":[]}}"#,
            ),
        ] {
            assert_eq!(json(command, outcome), expected);
        }
    }

    #[test]
    fn what_is_no_command_is_answered_with_its_word() {
        let answer =
            Answer::from(NotACommand { word: "frobnicate".into(), mistake: Mistake::UnknownCommand });
        assert_eq!(
            answer.line(Format::Json),
            r#"{"command":"frobnicate","error":{"kind":"unknown_command"}}"#
        );
    }

    #[test]
    fn an_answer_never_breaks_its_line() {
        let answer = Outcome::Ok(Done::Reply { reply: "two\nlines\r\n".into() });
        assert_eq!(json("call", answer).lines().count(), 1);
    }

    #[test]
    fn epochs_of_64_bits_are_written_whole() {
        let answer = Outcome::Ok(Registration { epoch: Epoch(u64::MAX), ..registration() }.into());
        assert!(json("whereis", answer).contains("18446744073709551615"));
    }
}
