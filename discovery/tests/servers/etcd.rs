//! etcd against etcd: nodes find each other, a lease ends with its node, and the server may die and return.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use skep_core::event::SourceFault;
use skep_discovery::Etcd;

use super::looking::Looking;
use super::servant::{Servant, free_port};

fn etcd(directory: &Path, port: u16, peers: u16) -> Option<Servant> {
    let (here, there) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{peers}"));
    let mut command = Command::new("etcd");
    command.arg("--data-dir").arg(directory).args(["--listen-client-urls", &here]);
    command.args(["--advertise-client-urls", &here, "--listen-peer-urls", &there]);
    command.args(["--initial-advertise-peer-urls", &there, "--initial-cluster", &format!("default={there}")]);
    Servant::start(&mut command)
}

struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // A leftover in the directory for temporary files harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn quick(port: u16) -> Etcd {
    Etcd::at(format!("http://127.0.0.1:{port}"))
        .every(Duration::from_millis(200))
        .lease(Duration::from_secs(2))
}

#[test]
fn nodes_find_each_other_and_a_lease_ends_with_its_node() {
    let place = Scratch(std::env::temp_dir().join(format!("skep-etcd-{}", std::process::id())));
    let (port, peers) = (free_port(), free_port());
    let Some(server) = etcd(&place.0, port, peers) else { return };
    let (one, two) = (Looking::of(quick(port), 1), Looking::of(quick(port), 2));
    one.until_peers(&["10.9.0.2:7000"]);
    two.until_peers(&["10.9.0.1:7000"]);
    drop(server);
    one.until_failed(SourceFault::Transient, "/v3/");
    let _server = etcd(&place.0, port, peers).expect("it was there before");
    one.until_peers(&["10.9.0.2:7000"]);
    drop(two);
    one.until_peers(&[]);
}
