//! Addresses as people and servers write them.

use std::fmt;
#[cfg(feature = "server")]
use std::net::IpAddr;
use std::net::SocketAddr;

use skep_core::id::Address;

/// Text that is no address of a peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadAddress {
    /// What it was, cut to a length that fits a line.
    pub text: String,
}

impl fmt::Display for BadAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is no address of a peer: HOST:PORT", self.text)
    }
}

impl std::error::Error for BadAddress {}

const SHOWN: usize = 80; // characters of a bad address

/// An address of a peer: `IP:PORT`, with an IPv6 address in brackets, or `HOST:PORT`. The host is looked up when it
/// is dialled.
///
/// # Errors
/// [`BadAddress`] with the text.
pub fn peer_address(text: &str) -> Result<Address, BadAddress> {
    let is_address = match text.parse::<SocketAddr>() {
        Ok(address) => address.port() != 0,
        Err(_) => text.rsplit_once(':').is_some_and(|(host, port)| {
            let is_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
            !host.is_empty() && host.bytes().all(is_host) && port.parse::<u16>().is_ok_and(|port| port != 0)
        }),
    };
    let bad = || BadAddress { text: text.chars().take(SHOWN).collect::<String>().escape_debug().to_string() };
    if !is_address {
        return Err(bad());
    }
    Address::new(text).map_err(|_| bad())
}

/// The address of this port at this IP address.
#[cfg(feature = "server")]
pub(crate) fn at(ip: IpAddr, port: u16) -> Address {
    Address::new(SocketAddr::new(ip, port).to_string()).expect("a socket's address is short")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_ones_are_taken_as_they_are() {
        for text in ["10.0.0.1:7000", "[fd00::1]:7000", "b.example:1", "a-b_c:65535"] {
            assert_eq!(peer_address(text).map(|it| it.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn bad_ones_are_named() {
        for text in ["", "a", ":1", "a:0", "a:65536", "a:b", "10.0.0.1:0", "fd00::1", "a b:1", "ü:1", "a\n:1"]
        {
            let bad = peer_address(text).expect_err(text).to_string();
            assert_eq!(bad.lines().count(), 1, "{bad}");
        }
        assert!(peer_address(&"x".repeat(5000)).expect_err("long").to_string().len() < 200);
    }
}
