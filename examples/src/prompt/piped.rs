//! Lines from a pipe or a file, each bounded.

use std::io::{self, BufRead, Read};

use super::Ears;
use crate::commands::MAX_LINE;

pub(super) fn read(mut input: impl BufRead, mut ears: Ears) {
    while let Ok(Some(line)) = bounded_line(&mut input) {
        if !ears.line(line) {
            return;
        }
    }
    ears.end();
}

/// The next line without its end; of one that is too long, enough to see that it is. Bytes that are not UTF-8
/// are replaced.
fn bounded_line(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let limit = MAX_LINE as u64 + 2;
    if input.take(limit).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    } else if line.len() as u64 == limit {
        input.skip_until(b'\n')?;
    }
    Ok(Some(String::from_utf8_lossy(&line).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(mut input: &[u8]) -> Vec<String> {
        std::iter::from_fn(|| bounded_line(&mut input).expect("memory can be read")).collect()
    }

    #[test]
    fn lines_are_cut_at_their_ends() {
        assert_eq!(lines(b"nodes\r\n\nregister n\nquit"), ["nodes", "", "register n", "quit"]);
        assert_eq!(lines(b"\xff\n"), ["\u{fffd}"]);
    }

    #[test]
    fn a_line_without_end_is_cut_and_the_next_one_is_whole() {
        let endless = [vec![b'x'; 3 * MAX_LINE], b"\nnodes\n".to_vec()].concat();
        let lines = lines(&endless);
        assert!(lines[0].len() > MAX_LINE && lines[0].len() <= MAX_LINE + 2, "{} bytes", lines[0].len());
        assert_eq!(lines[1..], ["nodes"]);
    }
}
