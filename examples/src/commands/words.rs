//! A line taken apart: words, words in quotes, what remains, and the timeout at its end. Pure.

use std::time::Duration;

use skep_core::id::Role;

use super::Mistake;

const LONGEST: Duration = Duration::from_secs(24 * 3600); // a later deadline is no deadline

/// The line without a trailing `--timeout MS`, and that timeout.
pub(super) fn timeout(line: &str) -> Result<(&str, Option<Duration>), Mistake> {
    let line = line.trim();
    let Some((before, value)) = last_word(line) else { return Ok((line, None)) };
    if value == "--timeout" {
        return Err(Mistake::BadTimeout);
    }
    match last_word(before) {
        Some((line, "--timeout")) => {
            let milliseconds = value.parse().map_err(|_| Mistake::BadTimeout)?;
            Ok((line, Some(Duration::from_millis(milliseconds).min(LONGEST))))
        }
        _ => Ok((line, None)),
    }
}

/// The line without all trailing `--role ROLE`, and these, in order.
pub(super) fn roles(mut line: &str) -> Result<(&str, Vec<Role>), Mistake> {
    let mut roles = Vec::new();
    while let Some((before, role)) = last_word(line)
        && let Some((rest, "--role")) = last_word(before)
    {
        roles.push(Role::new(role).map_err(Mistake::BadRole)?);
        line = rest;
    }
    roles.reverse();
    Ok((line, roles))
}

/// A trimmed line without its last word, trimmed, and that word.
fn last_word(line: &str) -> Option<(&str, &str)> {
    if line.is_empty() {
        return None;
    }
    let at = line
        .rfind(char::is_whitespace)
        .map_or(0, |at| at + line[at..].chars().next().map_or(0, char::len_utf8));
    Some((line[..at].trim_end(), &line[at..]))
}

/// What is left of a line.
pub(super) struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    pub(super) fn new(line: &'a str) -> Self {
        Self(line.trim())
    }

    /// The next word; empty at the end.
    pub(super) fn word(&mut self) -> &'a str {
        let (word, rest) = self.0.split_once(char::is_whitespace).unwrap_or((self.0, ""));
        self.0 = rest.trim_start();
        word
    }

    /// The next word, or a JSON string: so a script can pass any name, the empty one included.
    pub(super) fn quoted(&mut self) -> Option<String> {
        if !self.0.starts_with('"') {
            return Some(self.word().into());
        }
        let mut strings = serde_json::Deserializer::from_str(self.0).into_iter::<String>();
        let text = strings.next()?.ok()?;
        let rest = &self.0[strings.byte_offset()..];
        if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
            return None;
        }
        self.0 = rest.trim_start();
        Some(text)
    }

    /// All that remains, as it was written.
    pub(super) fn rest(&mut self) -> &'a str {
        std::mem::take(&mut self.0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_taken_from_the_end_only() {
        let ms = |ms| Some(Duration::from_millis(ms));
        for (line, expected) in [
            ("nodes", Ok(("nodes", None))),
            ("nodes --timeout 50", Ok(("nodes", ms(50)))),
            ("  call a  b   --timeout   0  ", Ok(("call a  b", ms(0)))),
            ("call a --timeout 5 b", Ok(("call a --timeout 5 b", None))),
            ("--timeout 5", Ok(("", ms(5)))),
            ("nodes --timeout", Err(Mistake::BadTimeout)),
            ("nodes --timeout x", Err(Mistake::BadTimeout)),
            ("nodes --timeout -1", Err(Mistake::BadTimeout)),
            ("nodes --timeout 18446744073709551615", Ok(("nodes", Some(LONGEST)))),
            ("call a \u{a0}ü\u{2003}--timeout 5", Ok(("call a \u{a0}ü", ms(5)))),
            ("", Ok(("", None))),
        ] {
            assert_eq!(timeout(line), expected, "of {line:?}");
        }
    }

    #[test]
    fn quoted_words_may_hold_anything() {
        for (line, expected, rest) in [
            ("a b", Some("a"), "b"),
            (r#""" b"#, Some(""), "b"),
            (r#""two words"  b c"#, Some("two words"), "b c"),
            (r#""\u0007""#, Some("\u{7}"), ""),
            (r#""open"#, None, r#""open"#),
            (r#""a"b"#, None, r#""a"b"#),
        ] {
            let mut words = Words::new(line);
            assert_eq!(words.quoted().as_deref(), expected, "of {line:?}");
            assert_eq!(words.rest(), rest, "of {line:?}");
        }
    }
}
