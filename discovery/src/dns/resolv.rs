//! The system's DNS settings: `/etc/resolv.conf`, as resolv.conf(5) describes it.

use std::fs;
use std::net::{IpAddr, SocketAddr};

use hickory_proto::rr::Name;

/// Whom to ask, and what to add to short names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Resolv {
    pub(super) servers: Vec<SocketAddr>,
    search: Vec<Name>,
    ndots: usize,
}

const MAX_SERVERS: usize = 3; // as the system's own resolver
const MAX_SEARCH: usize = 6;
const MAX_NDOTS: usize = 15;

impl Resolv {
    /// What the system says now. Without the file: the server on this host.
    pub(super) fn of_system() -> Self {
        Self::parse(&fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
    }

    fn parse(text: &str) -> Self {
        let mut resolv = Self { servers: Vec::new(), search: Vec::new(), ndots: 1 };
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let ip = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                    resolv.servers.extend(ip.map(|ip| SocketAddr::new(ip, 53)));
                }
                Some("search" | "domain") => {
                    resolv.search = words.filter_map(|word| Name::from_utf8(word).ok()).collect();
                }
                Some("options") => {
                    let mut ndots = words.filter_map(|word| word.strip_prefix("ndots:")?.parse().ok());
                    resolv.ndots = ndots.next_back().unwrap_or(resolv.ndots).min(MAX_NDOTS);
                }
                Some(_) | None => {}
            }
        }
        resolv.servers.truncate(MAX_SERVERS);
        resolv.search.truncate(MAX_SEARCH);
        if resolv.servers.is_empty() {
            resolv.servers.push(SocketAddr::from(([127, 0, 0, 1], 53)));
        }
        resolv
    }

    /// The full names that a name may stand for, in the order in which they are tried.
    pub(super) fn candidates(&self, name: &Name) -> Vec<Name> {
        let mut itself = name.clone();
        itself.set_fqdn(true);
        if name.is_fqdn() {
            return vec![itself];
        }
        let dots = usize::from(name.num_labels()).saturating_sub(1);
        let longer = self.search.iter().filter_map(|domain| name.clone().append_domain(domain).ok());
        let mut candidates: Vec<Name> = longer.collect();
        let at = if dots >= self.ndots { 0 } else { candidates.len() };
        candidates.insert(at, itself);
        candidates
    }
}

#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing {
    use super::*;

    pub(in super::super) fn file(text: &str) {
        let resolv = Resolv::parse(text);
        resolv.candidates(&Name::from_ascii("a.b").expect("a good name"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = "search orders.svc.cluster.local svc.cluster.local cluster.local\n\
                       nameserver 10.96.0.10\nnameserver fd00::10\noptions edns0 ndots:5\n";

    fn candidates(resolv: &Resolv, name: &str) -> Vec<String> {
        let name = Name::from_utf8(name).expect("a good name");
        resolv.candidates(&name).iter().map(Name::to_ascii).collect()
    }

    #[test]
    fn a_short_name_is_searched_and_a_full_one_is_not() {
        let pod = Resolv::parse(POD);
        let servers: Vec<String> = pod.servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["10.96.0.10:53", "[fd00::10]:53"]);
        let short =
            ["skep.orders.svc.cluster.local.", "skep.svc.cluster.local.", "skep.cluster.local.", "skep."];
        assert_eq!(candidates(&pod, "skep"), short);
        assert_eq!(candidates(&pod, "skep.example."), ["skep.example."]);
        let plain = Resolv::parse("search example\n");
        assert_eq!(candidates(&plain, "a.b"), ["a.b.", "a.b.example."]);
        assert_eq!(plain.servers, [SocketAddr::from(([127, 0, 0, 1], 53))]);
    }

    #[test]
    fn nonsense_is_passed_over_and_lists_are_bounded() {
        let text =
            format!("nameserver x\nnameserver\n{}options ndots:x ndots:99\n", "nameserver ::1\n".repeat(9));
        let resolv = Resolv::parse(&text);
        assert_eq!((resolv.servers.len(), resolv.ndots), (MAX_SERVERS, MAX_NDOTS));
    }
}
