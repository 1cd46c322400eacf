//! Why a dial makes no link, and why a transport cannot be bound: each failure has its name.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use skep::core::error::{DialFailure, Refusal};
use skep::core::id::ClusterName;
use skep::transport::{BindError, Dialer, Listener};
use skep_tcp::{TcpConfig, TcpSockets};

use crate::common::*;

on_every_runtime!(
    nobody_there_is_refused,
    taken_and_reset_is_unreachable,
    taken_and_closed_is_unreachable,
    taken_and_silent_is_timed_out,
    taken_and_trickling_is_timed_out,
    a_name_is_resolved,
    no_such_name_is_unreachable,
    something_else_there_is_malformed,
    each_refusal_is_told_to_the_dialler,
    a_node_does_not_link_with_itself,
    what_cannot_be_bound_says_why,
    all_interfaces_need_an_address_to_advertise,
);

/// Shorter than a test, and longer than connecting on a busy machine.
const SHORT: Duration = Duration::from_secs(1);

/// A listener by hand that treats its first connection so; the node that dials it; the dial's failure.
async fn dial_failure<R: TcpSockets>(
    runtime: &R,
    dial_timeout: Duration,
    treat: impl FnOnce(std::net::TcpStream) + Send + 'static,
) -> DialFailure {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let treated = blocking(move || treat(listener.accept().expect("the node dials").0));
    let mut a = node_with(runtime, "a", 1, |config, _| config.dial_timeout = dial_timeout).await;
    let failed = async {
        a.dial(&address);
        a.next_failure().await
    };
    futures::join!(failed, treated).0
}

async fn nobody_there_is_refused<R: TcpSockets>(runtime: R) {
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let mut a = node(&runtime, "a", 1).await;
    a.dial(&nobody.expect("a free port").to_string());
    assert_eq!(a.next_failure().await, DialFailure::Refused);
}

async fn taken_and_reset_is_unreachable<R: TcpSockets>(runtime: R) {
    let failure = dial_failure(&runtime, LONG, |stream| {
        stream.peek(&mut [0]).expect("the node speaks"); // closing with unread bytes is a reset
    });
    assert_eq!(failure.await, DialFailure::Unreachable);
}

async fn taken_and_closed_is_unreachable<R: TcpSockets>(runtime: R) {
    let failure = dial_failure(&runtime, LONG, |mut stream| {
        stream.read_exact(&mut [0; 8]).expect("the node speaks");
        stream.shutdown(std::net::Shutdown::Write).expect("the node is there");
        read_to_end(&mut stream);
    });
    assert_eq!(failure.await, DialFailure::Unreachable);
}

async fn taken_and_silent_is_timed_out<R: TcpSockets>(runtime: R) {
    let failure = dial_failure(&runtime, SHORT, |mut stream| drop(read_to_end(&mut stream)));
    assert_eq!(failure.await, DialFailure::TimedOut);
}

async fn taken_and_trickling_is_timed_out<R: TcpSockets>(runtime: R) {
    let failure = dial_failure(&runtime, SHORT, |mut stream| {
        stream.write_all(b"skep").expect("the node is there");
        read_to_end(&mut stream);
    });
    assert_eq!(failure.await, DialFailure::TimedOut);
}

async fn a_name_is_resolved<R: TcpSockets>(runtime: R) {
    let mut a = node(&runtime, "a", 1).await;
    let b = node(&runtime, "b", 2).await;
    let port = b.address().as_str().rsplit_once(':').expect("a port").1.to_owned();
    a.dial(&format!("localhost:{port}"));
    assert_eq!(a.next_link().await.1, b.hello);
}

async fn no_such_name_is_unreachable<R: TcpSockets>(runtime: R) {
    let mut a = node_with(&runtime, "a", 1, |config, _| config.dial_timeout = SHORT).await;
    for name in ["a name without a port", "localhost:99999", ":"] {
        a.dial(name);
        assert_eq!(a.next_failure().await, DialFailure::Unreachable, "{name}");
    }
}

async fn something_else_there_is_malformed<R: TcpSockets>(runtime: R) {
    let failure = dial_failure(&runtime, LONG, |mut stream| {
        stream.write_all(b"SSH-2.0-OpenSSH\r\n").expect("the node is there");
        read_to_end(&mut stream);
    });
    assert_eq!(failure.await, DialFailure::Handshake(Refusal::Malformed));
}

async fn each_refusal_is_told_to_the_dialler<R: TcpSockets>(runtime: R) {
    let mut b = node(&runtime, "b", 2).await;
    let other = || ClusterName::new("other").expect("a good name");
    for refusal in [Refusal::OtherCluster, Refusal::OtherSlots, Refusal::WireVersion { min: 1, max: 1 }] {
        let mut a = node_with(&runtime, "a", 1, |_, hello| match refusal {
            Refusal::OtherCluster => hello.cluster = other(),
            Refusal::OtherSlots => hello.slot_bits = 8,
            _ => (hello.wire_min, hello.wire_max) = (2, 2),
        })
        .await;
        a.dialer.dial(b.address());
        assert_eq!(a.next_failure().await, DialFailure::Handshake(refusal));
        b.dialer.dial(a.address());
        assert!(matches!(b.next_failure().await, DialFailure::Handshake(_)));
        assert!(a.reports.try_next().is_none(), "no link on the accepting side either");
    }
}

async fn a_node_does_not_link_with_itself<R: TcpSockets>(runtime: R) {
    let mut a = node(&runtime, "a", 1).await;
    a.dialer.dial(a.address());
    assert_eq!(a.next_failure().await, DialFailure::Handshake(Refusal::Ourselves));
}

async fn what_cannot_be_bound_says_why<R: TcpSockets>(runtime: R) {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = taken.local_addr().map(|address| (taken, address.to_string())).expect("it is bound").1;
    let holder = TcpListener::bind(&taken).expect("it is free again");
    for (listen, error) in [
        (taken.as_str(), BindError::InUse(taken.clone())),
        ("192.0.2.1:0", BindError::NotAvailable("192.0.2.1:0".into())),
        ("nowhere", BindError::Malformed("nowhere".into())),
        ("127.0.0.1", BindError::Malformed("127.0.0.1".into())),
        ("127.0.0.1:99999", BindError::Malformed("127.0.0.1:99999".into())),
    ] {
        assert_eq!(bind(&runtime, TcpConfig::new(listen)).await.err(), Some(error));
    }
    drop(holder);
    assert_eq!(bind(&runtime, TcpConfig::new(taken)).await.err(), None);
}

async fn all_interfaces_need_an_address_to_advertise<R: TcpSockets>(runtime: R) {
    let mut config = TcpConfig::new("0.0.0.0:0");
    let error = bind(&runtime, config.clone()).await.err();
    assert!(matches!(error, Some(BindError::NothingToAdvertise(_))), "{error:?}");

    for advertise in ["", "host", ":1", "host:port", "host:70000"] {
        config.advertise = Some(advertise.into());
        let error = bind(&runtime, config.clone()).await.err();
        assert_eq!(error, Some(BindError::Malformed(advertise.into())));
    }
    config.advertise = Some("node-7.example:7000".into());
    let listener = bind(&runtime, config.clone()).await.expect("a free port");
    assert_eq!(listener.address().as_str(), "node-7.example:7000");

    config.advertise = Some("127.0.0.1:0".into());
    let address = bind(&runtime, config).await.expect("a free port").address();
    assert!(address.as_str().starts_with("127.0.0.1:") && !address.as_str().ends_with(":0"), "{address}");
}
