//! Attacks on real nodes: by whoever has no secret, by a man in the middle, by whoever wants to use a node up.

use std::collections::VecDeque;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::thread;

use skep_examples::process::PATIENCE;

use super::cluster::{Cluster, NodeProcess, Outcome, Trouble};
use super::middle::Middle;

/// Puts these secrets into the cluster's file in one step, as whoever rotates them should.
pub(super) fn write_secrets(cluster: &Cluster, name: &str, secrets: &[u32]) -> PathBuf {
    let lines: String =
        secrets.iter().map(|secret| format!("{secret:02}-0123456789abcdef0123456789abcdef\n")).collect();
    let (path, aside) = (cluster.path(name), cluster.path("aside"));
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside).expect("writable");
    file.write_all(lines.as_bytes()).expect("writable");
    fs::rename(&aside, &path).expect("writable");
    path
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of ours is text")
}

fn members(node: &mut NodeProcess) -> Result<Vec<(String, String)>, Trouble> {
    let nodes = node.ok("nodes")?;
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let list = nodes["nodes"].as_array().cloned().unwrap_or_default();
    Ok(list.iter().map(|node| (word(&node["name"]), word(&node["status"]))).collect())
}

fn both_up(names: [&str; 2]) -> Vec<(String, String)> {
    names.map(|name| (name.to_owned(), "up".to_owned())).to_vec()
}

/// Waits for a line of the log that has these words.
fn logged(node: &mut NodeProcess, words: &'static str) {
    let log = node.log().expect("its log was asked for");
    let (sender, found) = channel();
    thread::spawn(move || {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            if line.contains(words) {
                let _ = sender.send(()); // once is enough
            }
        }
    });
    found.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{} never logs '{words}'", node.name));
}

#[test]
fn a_node_with_another_secret_is_refused_both_are_told_and_nobody_is_disturbed() -> Outcome {
    let (ours, theirs) = (Cluster::new(), Cluster::new());
    let [mut a, mut b] = ours.form(["a", "b"])?;
    a.ok("register n")?;
    let mut command = theirs.command(&["--name", "c", "--output", "json", "--join", a.address()]);
    let mut c = NodeProcess::spawn("c", command.stderr(Stdio::piped()))?;
    c.ready()?;
    logged(&mut c, "another secret");
    assert_eq!(members(&mut c)?, [("c".to_owned(), "up".to_owned())]);
    for node in [&mut a, &mut b] {
        assert_eq!(members(node)?, both_up(["a", "b"]), "on {}", node.name);
        assert_eq!(node.ok("call n hello")?["reply"], "echo hello");
    }
    Ok(())
}

#[test]
fn plaintext_is_warned_of_and_does_not_meet_what_is_protected() -> Outcome {
    let cluster = Cluster::new();
    let mut a = cluster.start("a", &[])?;
    let mut command = cluster.command(&["--name", "b", "--output", "json", "--insecure-plaintext"]);
    let mut b = NodeProcess::spawn("b", command.stderr(Stdio::piped()))?;
    b.ready()?;
    logged(&mut b, "links are plaintext");
    let told = cluster.run(&["--name", "c", "--output", "json", "--insecure-plaintext"], "register n\n");
    assert!(told.status.success(), "{told:?}");
    assert_eq!(members(&mut a)?, [("a".to_owned(), "up".to_owned())]);
    Ok(())
}

#[test]
fn the_secret_is_changed_while_the_cluster_runs_and_nobody_is_parted() -> Outcome {
    let cluster = Cluster::new();
    let file = write_secrets(&cluster, "secrets", &[1]);
    let options = ["--secret-file", text(&file)];
    let [mut a, mut b] = cluster.form_with([("a", &options[..]), ("b", &options[..])])?;
    let registered = a.ok("register n")?;
    for (step, secrets) in [&[1, 2][..], &[2, 1], &[2]].into_iter().enumerate() {
        write_secrets(&cluster, "secrets", secrets);
        let name = format!("new-{step}");
        let mut newcomer = cluster.start(&name, &options)?;
        for node in [&mut a, &mut b] {
            node.member_up(&name)?;
        }
        assert_eq!(newcomer.ok("call n hello")?["reply"], "echo hello");
        newcomer.close_input();
        newcomer.wait()?;
    }
    let former = write_secrets(&cluster, "former", &[1]);
    let mut command =
        cluster.command(&["--name", "late", "--output", "json", "--secret-file", text(&former)]);
    let mut late = NodeProcess::spawn("late", command.stderr(Stdio::piped()))?;
    late.ready()?;
    logged(&mut late, "another secret");
    for node in [&mut a, &mut b] {
        assert_eq!(node.ok("whereis-consistent n")?, registered, "on {}", node.name);
        let told = node.events();
        let is_doubt = |event: &serde_json::Value| {
            event["event"] == "member_suspect"
                || event["event"] == "member_down" && event["evidence"] != "left"
        };
        assert!(!told.iter().any(|event| is_doubt(event)), "on {}: {told:?}", node.name);
    }
    Ok(())
}

#[test]
fn a_man_in_the_middle_can_cut_a_link_and_nothing_else() -> Outcome {
    let (ours, theirs) = (Cluster::new(), Cluster::new());
    let file = write_secrets(&ours, "secrets", &[1]);
    let options = ["--secret-file", text(&file)];
    let [mut a, mut b] = ours.form_with([("a", &options[..]), ("b", &options[..])])?;
    let registered = a.ok("register n")?;
    // In the preamble, a length, the public key, the hello, its tag, the last verdict.
    for (nth, place) in [3, 6, 20, 45, 80, 100].into_iter().enumerate() {
        let middle = Middle::before(a.address(), Some(place));
        let name = format!("c{nth}");
        let mut c = theirs.start(&name, &[&options[..], &["--join", &middle.address]].concat())?;
        assert!(middle.recording().len() > place, "the bit at {place} was flipped");
        assert_eq!(members(&mut c)?, [(name.clone(), "up".to_owned())], "flipped at {place}");
        assert_eq!(members(&mut b)?, both_up(["a", "b"]), "flipped at {place}");
        c.kill()?;
    }
    // In what follows the handshake: the link ends, and the node finds its way to the others without it.
    let middle = Middle::before(a.address(), Some(400));
    let mut c = theirs.begin("c", &[&options[..], &["--join", &middle.address]].concat())?;
    assert!(middle.recording().len() > 400);
    c.ready()?;
    for other in ["a", "b"] {
        c.member_up(other)?;
    }
    for node in [&mut a, &mut b, &mut c] {
        assert_eq!(node.ok("whereis-consistent n")?, registered, "on {}", node.name);
    }
    Ok(())
}

#[test]
fn a_recording_played_again_leads_nowhere() -> Outcome {
    let (ours, theirs) = (Cluster::new(), Cluster::new());
    let file = write_secrets(&ours, "secrets", &[1]);
    let options = ["--secret-file", text(&file)];
    let [mut a, mut b] = ours.form_with([("a", &options[..]), ("b", &options[..])])?;
    a.ok("register n")?;
    let middle = Middle::before(a.address(), None);
    let mut c = theirs.start("c", &[&options[..], &["--join", &middle.address]].concat())?;
    c.member_up("a")?;
    assert_eq!(c.ok("call n hello")?["reply"], "echo hello");
    c.close_input(); // it leaves, and a recorded link of one that has left would be the most of use
    c.wait()?;
    let recording = middle.recording();
    for length in [recording.len(), 120, 90] {
        let mut stream = TcpStream::connect(a.address())?;
        // The node may hang up before it has heard all.
        let _ = stream.write_all(&recording[..length]);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer); // ends when the node hangs up
        assert!(answer.len() < 200, "{} bytes in answer to a recording", answer.len());
    }
    let up = |nodes: Vec<(String, String)>| {
        nodes.into_iter().filter(|(_, status)| status == "up").collect::<Vec<_>>()
    };
    for node in [&mut a, &mut b] {
        assert_eq!(up(members(node)?), both_up(["a", "b"]), "on {}", node.name);
        assert_eq!(node.ok("call n hello")?["reply"], "echo hello");
    }
    Ok(())
}

/// The options that make a node use these certificates, and the directory that holds them for it.
fn certificates(cluster: &Cluster, node: &str) -> [String; 6] {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("../transport-tcp/tests/certificates");
    let key = cluster.path(&format!("{node}.key"));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&key).expect("writable");
    file.write_all(&fs::read(found.join(format!("{node}.key"))).expect("checked in")).expect("writable");
    let (certificate, authority) = (found.join(format!("{node}.pem")), found.join("ours.pem"));
    ["--tls-cert", text(&certificate), "--tls-key", text(&key), "--tls-ca", text(&authority)]
        .map(str::to_owned)
}

#[test]
fn nodes_with_certificates_form_a_cluster_and_others_do_not_get_in() -> Outcome {
    let cluster = Cluster::new();
    let [of_a, of_b, of_another] = ["a", "b", "a-theirs"].map(|node| certificates(&cluster, node));
    let [of_a, of_b, of_another] = [&of_a, &of_b, &of_another].map(|all| all.each_ref().map(String::as_str));
    let [mut a, mut b] = cluster.form_with([("a", &of_a[..]), ("b", &of_b[..])])?;
    a.ok("register n")?;
    // A certificate of another authority; a good one under another's name; no certificate but the host's secret.
    for (name, options) in [("a2", &of_another[..]), ("c", &of_b[..]), ("d", &[][..])] {
        let mut command = cluster.command(&[&["--name", name, "--output", "json"][..], options].concat());
        let mut stranger = NodeProcess::spawn(name, command.stderr(Stdio::piped()))?;
        stranger.ready()?;
        logged(&mut stranger, "no link with");
        assert_eq!(members(&mut stranger)?, [(name.to_owned(), "up".to_owned())]);
    }
    for node in [&mut a, &mut b] {
        assert_eq!(members(node)?, both_up(["a", "b"]), "on {}", node.name);
        assert_eq!(node.ok("call n hello")?["reply"], "echo hello");
    }
    Ok(())
}

/// The memory of a process that is in use, in bytes.
#[cfg(target_os = "linux")]
pub(super) fn resident(node: &NodeProcess) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", node.id())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says so");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

#[cfg(target_os = "linux")]
#[test]
fn ten_thousand_handshakes_that_never_end_cost_a_bounded_memory_and_nobody_a_call() -> Outcome {
    const CONNECTIONS: usize = 10_000;
    const HELD: usize = 400; // more than a node holds for one address; the rest it has closed by then
    const GROWTH: u64 = 32 << 20; // what 10,000 connections would pass by far, had each but its buffer
    let cluster = Cluster::new();
    let [mut a, mut b] = cluster.form(["a", "b"])?;
    a.ok("register n")?;
    let mut held = VecDeque::new();
    let mut flood = |connections: usize, b: &mut NodeProcess| -> Outcome {
        for number in 0..connections {
            let mut stream = TcpStream::connect(a.address())?;
            // A drop of a good handshake, of another length each time.
            let drop = [&b"skep\x01\x01\x60\x00"[..], &[7; 90]].concat();
            let _ = stream.write_all(&drop[..number % drop.len()]); // it may have been cut off already
            held.push_back(stream);
            if held.len() > HELD {
                held.pop_front();
            }
            if number % 500 == 0 {
                assert_eq!(b.ok("call n hello")?["reply"], "echo hello", "after {number}");
            }
        }
        Ok(())
    };
    flood(1000, &mut b)?; // so that what is allocated once is not counted
    let before = resident(&a);
    flood(CONNECTIONS, &mut b)?;
    let after = resident(&a);
    assert!(after < before + GROWTH, "from {before} to {after} bytes");
    for node in [&mut a, &mut b] {
        assert_eq!(members(node)?, both_up(["a", "b"]), "on {}", node.name);
    }
    Ok(())
}
