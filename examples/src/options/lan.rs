//! What `--lan` means: listen on all interfaces, and find others on the network by beacons. Not without a secret.

use std::env;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use skep::secret::KeyRing;
use skep_discovery::{Lan, address_on_lan};
use skep_tcp::TcpConfig;

use super::{Links, Options, OptionsError, mistake};

/// Where a node with `--lan` listens unless it was named: a free port of all interfaces.
pub(super) const EVERYWHERE: &str = "0.0.0.0:0";

impl Options {
    /// The beacons of a node with `--lan`.
    ///
    /// # Errors
    /// [`OptionsError::Mistake`] without a secret that the nodes of other hosts can have, too.
    pub fn beacons(&self) -> Result<Option<Lan>, OptionsError> {
        if !self.lan {
            return Ok(None);
        }
        let secrets = match &self.links {
            Links::SecretFile(path) => KeyRing::file(path),
            Links::Environment if is_shared() => KeyRing::from_environment(),
            Links::Environment | Links::Certificates(_) | Links::InsecurePlaintext => {
                return mistake(
                    "--lan needs a secret that the nodes of all hosts share: --secret-file FILE, or SKEP_SECRET",
                );
            }
        };
        match secrets {
            Ok(secrets) => Ok(Some(Lan::new(secrets))),
            Err(error) => mistake(format!("--lan: {error}")),
        }
    }

    /// What peers dial when the node listens on all interfaces.
    pub(super) fn reachable(&self, mut config: TcpConfig) -> Result<TcpConfig, OptionsError> {
        let listen: SocketAddr = match self.listen.parse() {
            Ok(listen) => listen,
            Err(_) => return Ok(config), // told when it is bound
        };
        if !listen.ip().is_unspecified() {
            return Ok(config);
        }
        if !self.lan {
            return mistake(format!(
                "--listen {listen}: nobody can dial all interfaces; name one address, or use --lan"
            ));
        }
        let ip = match address_on_lan() {
            Ok(Some(ip)) => ip,
            Ok(None) => return mistake("--lan: this machine has no address on a network"),
            Err(error) => {
                return mistake(format!("--lan: the interfaces of this machine are not known: {error}"));
            }
        };
        let all: IpAddr =
            if ip.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        config.listen = SocketAddr::new(all, listen.port()).to_string();
        config.advertise = Some(SocketAddr::new(ip, listen.port()).to_string());
        Ok(config)
    }
}

/// Whether the environment names a secret: the one that the nodes of a host share is of no use to others.
fn is_shared() -> bool {
    ["SKEP_SECRET_FILE", "SKEP_SECRET"].iter().any(|variable| env::var_os(variable).is_some())
}
