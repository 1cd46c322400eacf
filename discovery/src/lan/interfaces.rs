//! The interfaces on which beacons are sent and heard.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

use if_addrs::IfAddr;

/// One address of an interface of this machine.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Interface {
    /// With what broadcasts go to, where it has that.
    V4 { name: String, ip: Ipv4Addr, broadcast: Option<Ipv4Addr> },
    /// By its number, which is what IPv6 sends multicast by.
    V6 { name: String, index: u32 },
}

impl Interface {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::V4 { name, .. } | Self::V6 { name, .. } => name,
        }
    }
}

/// Those of these names; of none given all but loopback.
pub(super) fn find(names: &[String]) -> io::Result<BTreeSet<Interface>> {
    let found = if_addrs::get_if_addrs()?.into_iter();
    let wanted = found.filter(|found| match names {
        [] => !found.is_loopback(),
        names => names.contains(&found.name),
    });
    let interface = |found: if_addrs::Interface| {
        let is_network = !found.is_p2p();
        let (name, index) = (found.name, found.index);
        match found.addr {
            IfAddr::V4(v4) => {
                // Without one, the OS tells the interface's own address in its place.
                let told = v4.broadcast.filter(|broadcast| *broadcast != v4.ip);
                let broadcast = told.or_else(|| last_of(v4.ip, v4.netmask).filter(|_| is_network));
                Some(Interface::V4 { name, ip: v4.ip, broadcast })
            }
            IfAddr::V6(_) => index.map(|index| Interface::V6 { name, index }),
        }
    };
    Ok(wanted.filter_map(interface).collect())
}

/// The last address of a network, which the kernel takes for all of it even where the interface was given no broadcast
/// address, as in many containers. `None` where there is no room for one.
fn last_of(ip: Ipv4Addr, netmask: Ipv4Addr) -> Option<Ipv4Addr> {
    let others = !u32::from(netmask);
    (others > 1 && !ip.is_loopback()).then(|| Ipv4Addr::from(u32::from(ip) | others))
}

/// An address of this machine at which its networks reach it: the first that is not loopback, IPv4 before IPv6.
/// `None` without a network.
///
/// # Errors
/// The OS's.
pub fn address_on_lan() -> io::Result<Option<IpAddr>> {
    let is_reachable = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => !ip.is_loopback(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local(), // those need a zone, which is not ours to tell
    };
    let found = if_addrs::get_if_addrs()?.into_iter().map(|found| found.ip());
    Ok(found.filter(is_reachable).min_by_key(|ip| (ip.is_ipv6(), is_makeshift(ip))))
}

/// An address that a machine gives itself when nobody else does.
fn is_makeshift(ip: &IpAddr) -> bool {
    matches!(ip, IpAddr::V4(ip) if ip.is_link_local())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_three_or_more_addresses_has_a_last_one_for_all() {
        for (ip, netmask, expected) in [
            ([10, 77, 0, 1], [255, 255, 255, 0], Some([10, 77, 0, 255])),
            ([172, 17, 3, 4], [255, 255, 0, 0], Some([172, 17, 255, 255])),
            ([10, 0, 0, 5], [255, 255, 255, 252], Some([10, 0, 0, 7])),
            ([10, 0, 0, 5], [255, 255, 255, 254], None),
            ([10, 0, 0, 5], [255, 255, 255, 255], None),
            ([127, 0, 0, 1], [255, 0, 0, 0], None),
        ] {
            let last = last_of(ip.into(), netmask.into());
            assert_eq!(last, expected.map(Ipv4Addr::from), "{ip:?} {netmask:?}");
        }
    }
}
