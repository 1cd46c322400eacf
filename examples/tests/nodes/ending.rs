//! How a node ends, and what it says of it: exit codes, signals, mistakes in options.

use std::net::TcpListener;

use serde_json::{Value, json};

use super::cluster::{Cluster, Outcome};

#[test]
fn piped_commands_are_answered_in_order_and_the_end_of_input_ends_the_node() {
    let cluster = Cluster::new();
    let input = "register n counter\ncall n add 2\n\ncall n add 3\nnonsense\nunregister n\nwhereis n";
    let ended = cluster.run(&["--name", "a", "--output", "json"], input);
    assert!(ended.status.success(), "{ended:?}");
    let lines = String::from_utf8(ended.stdout).expect("text");
    let lines =
        lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")).collect::<Vec<_>>();
    assert_eq!(lines[0]["event"], "ready");
    let answers = lines.iter().filter(|line| line.get("command").is_some()).collect::<Vec<_>>();
    let commands = answers.iter().map(|answer| answer["command"].as_str()).collect::<Vec<_>>();
    assert_eq!(commands, ["register", "call", "call", "nonsense", "unregister", "whereis"].map(Some));
    assert_eq!(answers[2]["ok"], json!({ "reply": "5" }));
    assert_eq!(answers[5]["error"], json!({ "kind": "not_found" }));
}

#[test]
fn text_is_for_people() {
    let cluster = Cluster::new();
    let ended = cluster.run(&["--name", "a"], "register n\nwhereis m\nquit\n");
    assert!(ended.status.success(), "{ended:?}");
    let text = String::from_utf8(ended.stdout).expect("text");
    assert!(text.starts_with("a is ready at 127.0.0.1:"), "{text}");
    assert!(text.contains("singleton runs on a (epoch "), "{text}");
    assert!(text.contains("whereis: not registered"), "{text}");
}

#[test]
fn quit_the_end_of_input_and_a_signal_hand_the_workers_over_and_exit_0() -> Outcome {
    let cluster = Cluster::new();
    for way in ["quit", "end of input", "SIGTERM"] {
        let [mut a, mut b] = cluster.form(["a", "b"])?;
        a.ok("register n")?;
        match way {
            "quit" => assert_eq!(a.ok("quit")?, json!({})),
            "end of input" => a.close_input(),
            _ => {
                a.terminate()?;
            }
        }
        assert_eq!(a.wait()?.code(), Some(0), "after {way}");
        let down = b.event("member_down", |event| event["node"] == "a")?.line;
        assert_eq!(down["evidence"], "left", "after {way}");
        assert_eq!(b.ok("whereis-consistent n")?["node"], "b", "after {way}");
        b.ok("quit")?;
        assert_eq!(b.wait()?.code(), Some(0));
    }
    Ok(())
}

#[test]
fn a_second_signal_exits_at_once() -> Outcome {
    let cluster = Cluster::new();
    let [mut a, _b] = cluster.form(["a", "b"])?;
    // Stopping this worker takes the whole grace of seconds, and draining as long.
    a.ok("register deaf stubborn")?;
    a.ok("register n")?;
    a.terminate()?;
    a.event("stopped", |event| event["name"] == "n")?; // it drains
    a.terminate()?;
    assert_eq!(a.wait()?.code(), Some(128 + 15));
    Ok(())
}

#[test]
fn a_mistake_in_the_options_is_one_line_and_exit_2() {
    let cluster = Cluster::new();
    for (options, words) in [
        (&[][..], "--name"),
        (&["--name", "a", "--nmae", "b"], "--nmae"),
        (&["--name", "a", "--listen", "nowhere"], "nowhere"),
        (&["--name", "a", "--secret-file", "/no/such/file"], "/no/such/file"),
        (&["--name", "a", "--tls-ca", "f"], "given together"),
        (
            &["--name", "a", "--tls-ca", "/no/ca", "--tls-cert", "/no/cert", "--tls-key", "/no/key"],
            "/no/cert",
        ),
        (&["--name", "a", "--strategy", "quorum:0"], "quorum:0"),
        (&["--name", "a", "--config", "/no/such/file"], "/no/such/file"),
    ] {
        let ended = cluster.run(options, "");
        assert_eq!(ended.status.code(), Some(2), "with {options:?}: {ended:?}");
        let told = String::from_utf8(ended.stderr).expect("text");
        assert_eq!(told.lines().count(), 1, "with {options:?}: {told}");
        assert!(told.contains(words), "with {options:?}: {told}");
        assert!(ended.stdout.is_empty(), "with {options:?}");
    }
}

#[test]
fn a_port_in_use_is_told_and_disturbs_nobody() {
    let cluster = Cluster::new();
    let other = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = other.local_addr().expect("bound").to_string();
    let ended = cluster.run(&["--name", "a", "--listen", &address], "");
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let told = String::from_utf8(ended.stderr).expect("text");
    assert!(told.contains(&format!("{address} is in use")), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
}

#[test]
fn an_address_of_another_machine_is_told() {
    let cluster = Cluster::new();
    let ended = cluster.run(&["--name", "a", "--listen", "192.0.2.1:7000"], ""); // TEST-NET-1, RFC 5737
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let told = String::from_utf8(ended.stderr).expect("text");
    assert!(told.contains("192.0.2.1:7000"), "{told}");
}
