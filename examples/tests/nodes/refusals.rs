//! Who is not let in, what it is told, and that nobody else notices.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use serde_json::json;

use super::cluster::{Cluster, Outcome};

#[test]
fn a_second_live_node_of_a_name_is_refused_and_the_first_goes_on() -> Outcome {
    let cluster = Cluster::new();
    let [mut a, mut b] = cluster.form(["a", "b"])?;
    let registered = a.ok("register n")?;
    let second =
        cluster.run(&["--name", "a", "--output", "json", "--join", b.address()], "nodes --timeout 15000\n");
    let told = String::from_utf8(second.stderr).expect("text");
    assert_eq!(second.status.code(), Some(1), "{told}");
    assert!(told.contains("name") && told.contains("in use"), "{told}");
    for node in [&mut a, &mut b] {
        assert_eq!(node.ok("nodes")?["nodes"].as_array().map(Vec::len), Some(2), "on {}", node.name);
        assert_eq!(node.ok("whereis-consistent n")?, registered, "on {}", node.name);
    }
    Ok(())
}

#[test]
fn nodes_of_two_clusters_never_meet_though_one_dials_the_other() -> Outcome {
    let cluster = Cluster::new();
    let mut ours = cluster.start("a", &["--cluster", "ours"])?;
    let mut theirs = cluster.start("b", &["--cluster", "theirs", "--join", ours.address()])?;
    ours.ok("register n")?;
    theirs.ok("register n")?;
    for (node, name) in [(&mut ours, "a"), (&mut theirs, "b")] {
        let nodes = node.ok("nodes")?;
        assert_eq!(
            (nodes["nodes"].as_array().map(Vec::len), &nodes["nodes"][0]["name"]),
            (Some(1), &json!(name))
        );
        assert_eq!(node.ok("whereis-consistent n")?["node"], name);
    }
    Ok(())
}

#[test]
fn garbage_at_the_port_costs_its_sender_and_nobody_else() -> Outcome {
    let cluster = Cluster::new();
    let [mut a, mut b] = cluster.form(["a", "b"])?;
    let oversized = [&u32::MAX.to_be_bytes()[..], &[0; 64]].concat();
    let endless =
        (0..2_000_000_u32).map(|byte| (byte.wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<_>>();
    for bytes in [&b"GET / HTTP/1.1\r\nHost: skep\r\n\r\n"[..], &oversized, &[0; 5], &endless, b""] {
        let mut stream = TcpStream::connect(a.address())?;
        // The node may hang up before it has read all.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let mut told = Vec::new();
        let _ = stream.read_to_end(&mut told); // ends when the node hangs up
        assert!(told.len() < 4096, "{} bytes in answer to garbage", told.len());
    }
    assert_eq!(b.ok("register n")?["node"], "a");
    for node in [&mut a, &mut b] {
        let nodes = node.ok("nodes")?;
        let up = nodes["nodes"].as_array().expect("a list").iter().filter(|it| it["status"] == "up").count();
        assert_eq!(up, 2, "on {}: {nodes}", node.name);
    }
    Ok(())
}
