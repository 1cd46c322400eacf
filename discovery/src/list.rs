//! A list of addresses in text: of a file or of an environment variable.

use skep_core::id::Address;

use crate::address::peer_address;

/// The longest text, in bytes.
pub(crate) const MAX_LIST: usize = 256 << 10;

/// Addresses between commas, spaces or line ends; from `#` to the end of its line is a comment.
///
/// # Errors
/// The first mistake, with the number of its line.
pub(crate) fn parse(text: &str) -> Result<Vec<Address>, (usize, String)> {
    if text.len() > MAX_LIST {
        return Err((1, format!("longer than {MAX_LIST} bytes")));
    }
    let mut peers = Vec::new(); // no with_capacity: the text has no say in that
    for (at, line) in text.lines().enumerate() {
        let said = line.split('#').next().unwrap_or_default();
        for word in said.split([',', ' ', '\t']).filter(|word| !word.is_empty()) {
            peers.push(peer_address(word).map_err(|bad| (at + 1, bad.to_string()))?);
        }
    }
    Ok(peers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(list: &str) -> Result<Vec<String>, (usize, String)> {
        parse(list).map(|peers| peers.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn commas_spaces_lines_and_comments_part_addresses() {
        let list = "# the first rack\n10.0.0.1:7000, b.example:1\n\n  [fd00::1]:7 # and this\r\n";
        assert_eq!(texts(list), Ok(["10.0.0.1:7000", "b.example:1", "[fd00::1]:7"].map(Into::into).to_vec()));
        assert_eq!(texts(""), Ok(vec![]));
    }

    #[test]
    fn a_mistake_is_told_with_its_line() {
        let told = "'nowhere' is no address of a peer: HOST:PORT".to_owned();
        assert_eq!(texts("a:1\n# b\nc:2 nowhere\n"), Err((3, told)));
        assert!(texts(&"x:1\n".repeat(MAX_LIST)).is_err());
    }
}
