//! Who may be a peer, by the name of its node: what to allow and what to deny.

use alloc::vec::Vec;

use crate::id::{NodeName, NodePattern};

/// Which nodes this one has links with. Best the same on all members: a node that one member refuses and another lets
/// in is a member all the same, and the two that have no link reach each other through others.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Peers {
    /// Only nodes of these names; all, if there is no pattern.
    pub allow: Vec<NodePattern>,
    /// No nodes of these names, allowed or not.
    pub deny: Vec<NodePattern>,
}

impl Peers {
    /// Whether a node of this name may be a peer.
    pub fn admits(&self, node: &NodeName) -> bool {
        let any = |patterns: &[NodePattern]| patterns.iter().any(|pattern| pattern.matches(node));
        !any(&self.deny) && (self.allow.is_empty() || any(&self.allow))
    }
}

impl NodePattern {
    /// Whether this is a name of its kind: `*` stands for any characters, `?` for any one, all others for themselves.
    pub fn matches(&self, node: &NodeName) -> bool {
        let (pattern, name): (Vec<char>, Vec<char>) =
            (self.as_str().chars().collect(), node.as_str().chars().collect());
        let (mut at, mut read) = (0, 0);
        let mut star = None; // behind the last star, and how much of the name it has taken
        while read < name.len() {
            match pattern.get(at) {
                Some('*') => {
                    star = Some((at + 1, read));
                    at += 1;
                }
                Some(&wanted) if wanted == '?' || wanted == name[read] => (at, read) = (at + 1, read + 1),
                Some(_) | None => {
                    let Some((behind, taken)) = star else { return false };
                    star = Some((behind, taken + 1));
                    (at, read) = (behind, taken + 1);
                }
            }
        }
        pattern[at..].iter().all(|&rest| rest == '*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> NodeName {
        NodeName::new(text).expect("a good name")
    }

    fn pattern(text: &str) -> NodePattern {
        NodePattern::new(text).expect("a good pattern")
    }

    #[test]
    fn patterns_match_whole_names() {
        for (text, yes, no) in [
            ("web-1", &["web-1"][..], &["web-10", "aweb-1", "web-"][..]),
            ("web-*", &["web-", "web-1", "web-1-b"], &["web", "a-web-1"]),
            ("*", &["a", "ü"], &[]),
            ("?", &["a", "ü"], &["ab"]),
            ("*-db", &["a-db", "-db", "a-db-db"], &["a-db-1"]),
            ("a*b*c", &["abc", "a1b2c", "abbcbc"], &["ab", "acb", "abcd"]),
            ("w?b*", &["web", "wob-1"], &["wb", "weeb"]),
            ("**", &["a"], &[]),
            ("a*?", &["ab", "abc"], &["a"]),
        ] {
            for (names, expected) in [(yes, true), (no, false)] {
                for node in names {
                    assert_eq!(pattern(text).matches(&name(node)), expected, "{text} and {node}");
                }
            }
        }
    }

    #[test]
    fn a_long_pattern_takes_no_longer_than_it_is_long_for_each_character() {
        let stars = pattern(&"*a".repeat(64));
        assert!(!stars.matches(&name(&"a".repeat(63))));
        assert!(stars.matches(&name(&"a".repeat(128))));
    }

    #[test]
    fn denied_goes_before_allowed_and_no_list_allows_all() {
        let all = Peers::default();
        let some = Peers { allow: [pattern("web-*")].into(), deny: [pattern("*-old")].into() };
        assert!(all.admits(&name("x")));
        for (node, expected) in [("web-1", true), ("db-1", false), ("web-old", false)] {
            assert_eq!(some.admits(&name(node)), expected, "{node}");
        }
    }
}
