//! etcd against etcd: nodes find each other, a lease ends with its node, and the server may die and return.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use skep_core::event::SourceFault;
use skep_discovery::Etcd;

use super::looking::Looking;
use super::restarts::{Place, outlive};
use super::scratch::Scratch;
use super::servant::{Servant, free_port};

fn etcd(directory: &Path, port: u16, peers: u16) -> Option<Servant> {
    let (here, there) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{peers}"));
    let mut command = Command::new("etcd");
    command.arg("--data-dir").arg(directory).args(["--listen-client-urls", &here]);
    command.args(["--advertise-client-urls", &here, "--listen-peer-urls", &there]);
    command.args(["--initial-advertise-peer-urls", &there, "--initial-cluster", &format!("default={there}")]);
    Servant::start(&mut command)
}

/// Says this to the server, again until it is there; what it answered.
fn say(port: u16, path: &str, body: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let said = TcpStream::connect(("127.0.0.1", port)).and_then(|mut stream| {
            let head = format!("POST {path} HTTP/1.0\r\ncontent-length: {}", body.len());
            write!(stream, "{head}\r\n\r\n{body}")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).map(|_| answer)
        });
        match said {
            Ok(answer) if answer.contains(" 200 OK") => return answer,
            said => assert!(Instant::now() < deadline, "{path}: {said:?}"),
        }
    }
}

#[test]
fn a_user_has_a_password_and_gets_a_new_token_when_the_server_has_forgotten_it() {
    let (place, passwords) = (Scratch::new("etcd"), Scratch::new("passwords"));
    let (port, peers) = (free_port(), free_port());
    let Some(server) = etcd(place.path(), port, peers) else { return };
    for (path, body) in [
        ("role/add", r#"{ "name": "root" }"#),
        ("user/add", r#"{ "name": "root", "password": "root" }"#),
        ("user/grant", r#"{ "user": "root", "role": "root" }"#),
        ("role/add", r#"{ "name": "peers" }"#),
        // "skep/" to "skep0"
        (
            "role/grant",
            r#"{ "name": "peers", "perm": { "permType": "READWRITE", "key": "c2tlcC8=", "range_end": "c2tlcDA=" } }"#,
        ),
        ("user/add", r#"{ "name": "orders", "password": "good" }"#),
        ("user/grant", r#"{ "user": "orders", "role": "peers" }"#),
        ("enable", "{}"),
    ] {
        say(port, &format!("/v3/auth/{path}"), body);
    }
    for (name, password) in [("good", "good\n"), ("bad", "bad\n")] {
        fs::write(passwords.path().join(name), password).expect("writable");
    }
    let user = |password: &str| quick(port).user("orders", passwords.path().join(password));
    let (one, two) = (Looking::of(user("good"), 1), Looking::of(user("good"), 2));
    one.until_peers(&["10.9.0.2:7000"]);
    two.until_peers(&["10.9.0.1:7000"]);
    Looking::of(user("bad"), 3).until_failed(SourceFault::Auth, "invalid user ID or password");
    Looking::of(quick(port), 3).until_failed(SourceFault::Auth, "user name is empty");
    let elsewhere = user("good").prefix("others/");
    Looking::of(elsewhere, 3).until_failed(SourceFault::Auth, "permission denied");
    drop(server); // with all tokens, which it keeps in memory
    one.until_failed(SourceFault::Transient, "/v3/");
    let _server = etcd(place.path(), port, peers).expect("it was there before");
    one.until_peers(&["10.9.0.2:7000"]);
}

fn quick(port: u16) -> Etcd {
    Etcd::at(format!("http://127.0.0.1:{port}"))
        .every(Duration::from_millis(200))
        .lease(Duration::from_secs(2))
}

#[test]
fn nodes_find_each_other_and_a_lease_ends_with_its_node() {
    let place = Scratch::new("etcd");
    let (port, peers) = (free_port(), free_port());
    let Some(server) = etcd(place.path(), port, peers) else { return };
    let (one, two) = (Looking::of(quick(port), 1), Looking::of(quick(port), 2));
    one.until_peers(&["10.9.0.2:7000"]);
    two.until_peers(&["10.9.0.1:7000"]);
    drop(server);
    one.until_failed(SourceFault::Transient, "/v3/");
    let _server = etcd(place.path(), port, peers).expect("it was there before");
    one.until_peers(&["10.9.0.2:7000"]);
    drop(two);
    one.until_peers(&[]);
}

#[test]
fn nodes_stay_members_while_etcd_is_away_and_find_who_starts_when_it_is_back() {
    let place = Scratch::new("etcd");
    let (port, peers) = (free_port(), free_port());
    let Some(server) = etcd(place.path(), port, peers) else { return };
    let restart = || etcd(place.path(), port, peers).expect("it was there before");
    outlive(["a", "b", "c"].map(Place::anywhere), || quick(port), server, drop, restart);
}
