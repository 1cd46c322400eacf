//! DNS against dnsmasq: records, no records, no name, no server, and answers too long for a datagram.

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use skep_core::event::{Observation, SourceFault};
use skep_discovery::Dns;

use super::looking::{Looking, address};
use super::restarts::{Place, outlive};
use super::servant::{Servant, free_port};

/// dnsmasq at this port, with these records and no others.
fn dnsmasq(port: u16, records: &[String]) -> Option<Servant> {
    let mut command = Command::new("dnsmasq");
    command.args([
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--no-resolv",
        "--no-hosts",
        "--user=root",
    ]);
    command.args(["--listen-address=127.0.0.1", "--bind-interfaces", "--local=/example/", "--local-ttl=1"]);
    command.arg("--pid-file").arg(format!("--port={port}")).args(records);
    Servant::start(&mut command)
}

fn records(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| format!("--{text}")).collect()
}

fn server(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn quick(dns: Dns, port: u16) -> Dns {
    dns.server(server(port)).every(Duration::from_secs(1)).patience(Duration::from_millis(500))
}

const A: &[&str] = &["host-record=orders.example,10.0.0.1", "host-record=orders.example,10.0.0.2"];

#[test]
fn addresses_of_both_families_are_found_and_a_change_of_them() {
    let port = free_port();
    let both = [A, &["host-record=orders.example,fd00::1"]].concat();
    let Some(first) = dnsmasq(port, &records(&both)) else { return };
    let looking = Looking::begin(quick(Dns::host("orders.example", 7000), port));
    looking.until_peers(&["10.0.0.1:7000", "10.0.0.2:7000", "[fd00::1]:7000"]);
    drop(first);
    looking.until_failed(SourceFault::Transient, "orders.example");
    let _second = dnsmasq(port, &records(&A[..1]));
    looking.until_peers(&["10.0.0.1:7000"]);
}

#[test]
fn a_service_has_its_own_ports_and_names_may_be_many() {
    let port = free_port();
    let service = [
        A,
        &[
            "host-record=b.example,10.0.1.1",
            "srv-host=_skep._tcp.orders.example,b.example,7100",
            "srv-host=_skep._tcp.orders.example,orders.example,7200",
        ],
    ]
    .concat();
    let Some(_server) = dnsmasq(port, &records(&service)) else { return };
    let two = Dns::service("_skep._tcp.orders.example").and(Dns::host("b.example.", 1));
    let looking = Looking::begin(quick(two, port));
    looking.until_peers(&["10.0.1.1:7100", "10.0.0.1:7200", "10.0.0.2:7200", "10.0.1.1:1"]);
}

#[test]
fn no_such_name_and_no_records_are_told_apart() {
    let port = free_port();
    let Some(_server) = dnsmasq(port, &records(&["txt-record=empty.example,text"])) else { return };
    let nobody = Looking::begin(quick(Dns::host("nobody.example", 7000), port));
    nobody.until_failed(SourceFault::Transient, "does not exist");
    let empty = Looking::begin(quick(Dns::host("empty.example", 7000), port));
    empty.until_peers(&[]);
    let refused = Looking::begin(quick(Dns::host("elsewhere.test", 7000), port));
    refused.until_failed(SourceFault::Transient, "the server says");
}

#[test]
fn an_answer_too_long_for_a_datagram_comes_whole() {
    let port = free_port();
    let texts: Vec<String> = (0..200).map(|n| format!("--host-record=many.example,10.1.0.{n}")).collect();
    let Some(_server) = dnsmasq(port, &texts) else { return };
    let looking = Looking::begin(quick(Dns::host("many.example", 7000), port));
    let said = looking.until("all", |said| matches!(said, Observation::Snapshot { .. }));
    let Observation::Snapshot { peers, .. } = said else { unreachable!("it was just one") };
    assert_eq!(peers.len(), 200);
}

#[test]
fn a_server_that_is_silent_or_talks_nonsense_is_a_failure_and_the_next_is_asked() {
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let silent_port = silent.local_addr().expect("bound").port();
    let looking = Looking::begin(quick(Dns::host("orders.example", 7000), silent_port));
    looking.until_failed(SourceFault::Transient, "no answer");
    let nonsense = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let nonsense_port = nonsense.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = nonsense.recv_from(&mut buffer) {
            let html = b"HTTP/1.1 500 Internal Server Error\r\n\r\n<html>";
            buffer[2] = 0xff; // and something like an answer, with every flag set
            for packet in [&html[..], &buffer[..length], &[]] {
                let _ = nonsense.send_to(packet, from); // who asked may have gone
            }
        }
    });
    let looking = Looking::begin(quick(Dns::host("orders.example", 7000), nonsense_port));
    assert!(matches!(looking.next(), Observation::Failed(_)));
    let port = free_port();
    let Some(_server) = dnsmasq(port, &records(&A[..1])) else { return };
    let both = quick(quick(Dns::host("orders.example", 7000), silent_port), port);
    let said = Looking::begin(both).next();
    assert_eq!(said, Observation::all([address("10.0.0.1:7000")]));
}

#[test]
fn a_name_that_is_none_is_a_mistake_of_the_config() {
    let looking = Looking::begin(quick(Dns::host("a..b", 7000), 1));
    looking.until_failed(SourceFault::Config, "'a..b' is no name");
}

#[test]
fn nodes_stay_members_while_dnsmasq_is_away_and_find_who_starts_when_it_is_back() {
    let port = free_port();
    let places = ["a", "b", "c"].map(|name| Place { name, port: free_port() });
    let here = "host-record=here.example,127.0.0.1".to_owned();
    let service = |place: &Place| format!("srv-host=_skep._tcp.orders.example,here.example,{}", place.port);
    let all: Vec<String> = [here].into_iter().chain(places.iter().map(service)).collect();
    let of = |records: &[String]| {
        dnsmasq(port, &self::records(&records.iter().map(String::as_str).collect::<Vec<_>>()))
    };
    let Some(server) = of(&all[..3]) else { return }; // which knows nothing of c
    let source = || quick(Dns::service("_skep._tcp.orders.example"), port);
    outlive(places, source, server, drop, || of(&all).expect("it was there before"));
}
