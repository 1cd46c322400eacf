//! The contract of the node's commands, one after the other, on real processes.

use serde_json::{Value, json};

use super::cluster::{Cluster, Outcome, who, without_numbers};

const NUMBERS: &[&str] = &["incarnation", "epoch"];

#[test]
fn the_first_line_says_ready_and_where() -> Outcome {
    let cluster = Cluster::new();
    let node = cluster.start("a", &[])?;
    let ready = without_numbers(node.ready.clone(), &["incarnation"]);
    let listen = node.address().parse::<std::net::SocketAddr>().expect("an address");
    assert!(listen.ip().is_loopback() && listen.port() != 0, "{listen}");
    assert_eq!(ready, json!({ "event": "ready", "name": "a", "listen": node.address() }));
    Ok(())
}

#[test]
fn register_answers_with_the_holder_and_a_second_time_with_already_registered_on_both() -> Outcome {
    let cluster = Cluster::new();
    let [mut a, mut b] = cluster.form(["a", "b"])?;
    let registered = b.ok("register n")?;
    assert_eq!(without_numbers(registered.clone(), NUMBERS), json!({ "node": "a", "kind": "singleton" }));
    assert_eq!(registered["incarnation"], a.incarnation());
    for node in [&mut a, &mut b] {
        let error = node.error("register n counter")?;
        let expected = json!({
            "kind": "already_registered",
            "node": "a",
            "incarnation": registered["incarnation"],
            "epoch": registered["epoch"],
        });
        assert_eq!(error, expected, "on {}", node.name);
        let found = node.ok("whereis-consistent n")?;
        assert_eq!(found, registered, "on {}", node.name);
    }
    let started = a.event("started", |event| event["name"] == "n")?.line;
    assert_eq!(
        started,
        json!({ "event": "started", "name": "n", "epoch": registered["epoch"], "why": "registered" })
    );
    Ok(())
}

#[test]
fn what_cannot_be_registered_is_answered_by_its_kind() -> Outcome {
    let cluster = Cluster::new();
    let mut node = cluster.start("a", &[])?;
    let long = "x".repeat(256);
    for (line, kind) in [
        ("register".to_owned(), "bad_name"),
        (r#"register """#.to_owned(), "bad_name"),
        (r#"register "\u0007""#.to_owned(), "bad_name"),
        (format!("register {long}"), "bad_name"),
        (format!("attach {long}"), "bad_name"),
        (format!("whereis {long}"), "bad_name"),
        ("register n no-such-kind".to_owned(), "unknown_kind"),
        ("register n slow soon".to_owned(), "start_failed"),
        ("register n counter many".to_owned(), "start_failed"),
        ("frobnicate".to_owned(), "unknown_command"),
        ("nodes --timeout soon".to_owned(), "bad_command"),
    ] {
        let error = node.error(&line)?;
        assert_eq!(error["kind"], kind, "to '{}': {error}", &line[..line.len().min(60)]);
    }
    assert_eq!(node.ok("registered")?, json!({ "names": [] }), "nothing was registered");
    assert_eq!(node.ok("workers")?, json!({ "workers": [] }), "nothing runs");
    Ok(())
}

#[test]
fn a_start_slower_than_its_deadline_is_a_timeout_by_then() -> Outcome {
    let cluster = Cluster::new();
    let mut node = cluster.start("a", &[])?;
    let asked = std::time::Instant::now();
    assert_eq!(node.error("register n slow 60000 --timeout 300")?, json!({ "kind": "timeout" }));
    assert!(asked.elapsed().as_millis() < 2_000, "it took {:?}", asked.elapsed());
    assert_eq!(node.ok("register other")?["node"], "a", "a slow start delays nobody else");
    Ok(())
}

#[test]
fn register_many_counts() -> Outcome {
    let cluster = Cluster::new();
    let [mut a, mut b] = cluster.form(["a", "b"])?;
    assert_eq!(b.ok("register job-3")?["node"], "a");
    let mut counted = b.ok("register-many job 100 restart")?;
    let took = counted.as_object_mut().and_then(|counted| counted.remove("ms")).and_then(|ms| ms.as_f64());
    assert!(took.is_some_and(|ms| ms > 0.0), "{took:?}");
    assert_eq!(counted, json!({ "registered": 99, "already": 1, "failed": 0 }));
    let names = a.ok("registered")?;
    let names = names["names"].as_array().expect("a list");
    assert_eq!(names.len(), 100);
    assert!(names.is_sorted_by_key(|entry| entry["name"].as_str()), "sorted by name");
    Ok(())
}

#[test]
fn unregister_stops_the_worker_and_frees_the_name() -> Outcome {
    let cluster = Cluster::new();
    let [mut a, mut b] = cluster.form(["a", "b"])?;
    b.ok("register n")?;
    assert_eq!(b.ok("unregister n")?, json!({}));
    let stopped = a.event("stopped", |event| event["name"] == "n")?.line;
    assert_eq!(
        without_numbers(stopped, &["epoch"]),
        json!({ "event": "stopped", "name": "n", "why": "unregistered" })
    );
    for node in [&mut a, &mut b] {
        assert_eq!(node.error("whereis-consistent n")?, json!({ "kind": "not_found" }));
        assert_eq!(node.ok("registered")?, json!({ "names": [] }));
        assert_eq!(node.ok("workers")?, json!({ "workers": [] }));
    }
    assert_eq!(a.error("unregister n")?, json!({ "kind": "not_found" }));
    assert_eq!(b.ok("register n")?["node"], "a", "the name is free again");
    Ok(())
}

#[test]
fn a_worker_that_ignores_its_stop_is_unregistered_within_the_usual_timeout() -> Outcome {
    let cluster = Cluster::new();
    let [mut a, mut b] = cluster.form(["a", "b"])?;
    b.ok("register deaf stubborn")?;
    assert_eq!(b.ok("unregister deaf")?, json!({}));
    let stopped = a.event("stopped", |event| event["name"] == "deaf")?.line;
    assert_eq!(stopped["how"], "by_force");
    Ok(())
}

#[test]
fn whereis_tells_the_holder_on_every_node() -> Outcome {
    let cluster = Cluster::new();
    let [mut a, mut b] = cluster.form(["a", "b"])?;
    for command in ["whereis", "whereis-consistent"] {
        assert_eq!(a.error(&format!("{command} n"))?, json!({ "kind": "not_found" }));
    }
    let registered = a.ok("register n counter")?;
    for node in [&mut a, &mut b] {
        for command in ["whereis", "whereis-consistent"] {
            assert_eq!(node.ok(&format!("{command} n"))?, registered, "{command} on {}", node.name);
        }
    }
    Ok(())
}

#[test]
fn whereis_or_register_says_whether_it_started() -> Outcome {
    let cluster = Cluster::new();
    let [mut a, mut b] = cluster.form(["a", "b"])?;
    let first = b.ok("whereis-or-register n counter")?;
    assert_eq!(
        without_numbers(first.clone(), NUMBERS),
        json!({ "node": "a", "kind": "counter", "started": true })
    );
    for node in [&mut a, &mut b] {
        let again = node.ok("whereis-or-register n counter")?;
        assert_eq!(
            (&again["started"], &again["epoch"]),
            (&json!(false), &first["epoch"]),
            "on {}",
            node.name
        );
    }
    assert_eq!(a.error("whereis-or-register m no-such-kind")?, json!({ "kind": "unknown_kind" }));
    Ok(())
}

#[test]
fn workers_are_those_of_this_process_and_registered_those_of_the_cluster() -> Outcome {
    let cluster = Cluster::new();
    let [mut a, mut b] = cluster.form(["a", "b"])?;
    let two = a.ok("register two counter")?;
    let one = b.ok("register one")?;
    b.ok("attach three")?;
    let worker = |name, of: &Value| json!({ "name": name, "kind": of["kind"], "epoch": of["epoch"] });
    assert_eq!(a.ok("workers")?, json!({ "workers": [worker("one", &one), worker("two", &two)] }));
    let there = b.ok("workers")?;
    assert_eq!(there["workers"][0]["name"], "three", "an attached task runs in the process that attached it");
    for node in [&mut a, &mut b] {
        let names = node.ok("registered")?;
        let names = names["names"].as_array().expect("a list");
        let shown = names
            .iter()
            .map(|it| json!([it["name"], it["node"], it["kind"], it["attached"]]))
            .collect::<Vec<_>>();
        let expected = [
            json!(["one", "a", "singleton", false]),
            json!(["three", "b", "attached", true]),
            json!(["two", "a", "counter", false]),
        ];
        assert_eq!(shown, expected, "on {}", node.name);
    }
    Ok(())
}

#[test]
fn every_kind_answers_whoami_and_echoes() -> Outcome {
    let cluster = Cluster::new();
    let [_a, mut b] = cluster.form(["a", "b"])?;
    for kind in ["singleton", "counter", "restart", "stay", "slow", "flaky", "stubborn"] {
        let registered = b.ok(&format!("register {kind} {kind}"))?;
        let reply = b.ok(&format!("call {kind} whoami"))?;
        assert_eq!(
            reply["reply"],
            format!(r#"{{"node":"a","epoch":{},"starts":1}}"#, registered["epoch"]),
            "of {kind}"
        );
        assert_eq!(
            b.ok(&format!("call {kind} some  text"))?,
            json!({ "reply": "echo some  text" }),
            "of {kind}"
        );
    }
    Ok(())
}

#[test]
fn a_counter_counts_and_a_message_needs_no_answer() -> Outcome {
    let cluster = Cluster::new();
    let [mut a, mut b] = cluster.form(["a", "b"])?;
    a.ok("register n counter")?;
    assert_eq!(b.ok("call n add 5")?, json!({ "reply": "5" }));
    assert_eq!(b.ok("send n add 2")?, json!({}));
    assert_eq!(b.ok("call n get")?, json!({ "reply": "7" }), "one sender's messages arrive in order");
    for command in ["call", "send"] {
        assert_eq!(b.error(&format!("{command} nobody hello"))?, json!({ "kind": "not_found" }));
    }
    Ok(())
}

#[test]
fn a_crash_is_told_to_the_caller_and_the_worker_is_started_again_where_it_was() -> Outcome {
    let cluster = Cluster::new();
    let [mut a, mut b] = cluster.form(["a", "b"])?;
    let first = a.ok("register n flaky")?;
    a.event("started", |event| event["name"] == "n")?;
    let error = b.error("call n crash")?;
    assert_eq!((&error["kind"], &error["handled"]), (&json!("worker_failed"), &json!("maybe")), "{error}");
    let stopped = a.event("stopped", |event| event["name"] == "n")?.line;
    assert_eq!(
        (&stopped["why"], &stopped["reason"]),
        (&json!("failed"), &json!("panicked: told to crash")),
        "{stopped}"
    );
    let again = a.event("started", |event| event["name"] == "n")?.line;
    assert_eq!(again["why"], "restart");
    assert!(again["epoch"].as_u64() > first["epoch"].as_u64(), "a new start has a higher epoch");
    let who = who(&b.ok("call n whoami")?);
    assert_eq!((&who["node"], &who["epoch"], &who["starts"]), (&json!("a"), &again["epoch"], &json!(2)));
    assert_eq!(b.ok("call n exit")?, json!({ "reply": "exiting" }));
    assert_eq!(a.event("stopped", |event| event["name"] == "n")?.line["why"], "finished");
    assert_eq!(a.event("started", |event| event["name"] == "n")?.line["why"], "restart");
    Ok(())
}

#[test]
fn an_attached_task_is_registered_where_it_runs_and_answers() -> Outcome {
    let cluster = Cluster::new();
    let [mut a, mut b] = cluster.form(["a", "b"])?;
    let attached = b.ok("attach n")?;
    assert_eq!(
        without_numbers(attached.clone(), NUMBERS),
        json!({ "node": "b", "kind": "attached", "attached": true })
    );
    assert_eq!(a.error("attach n")?["kind"], "already_registered");
    assert_eq!(who(&a.ok("call n whoami")?)["node"], "b");
    assert_eq!(a.ok("call n hello")?, json!({ "reply": "echo hello" }));
    assert_eq!(a.ok("unregister n")?, json!({}));
    assert_eq!(b.error("whereis-consistent n")?, json!({ "kind": "not_found" }));
    assert_eq!(b.ok("attach n")?["node"], "b", "the name is free again");
    Ok(())
}

#[test]
fn nodes_are_sorted_and_say_how_they_are() -> Outcome {
    let cluster = Cluster::new();
    let [mut b, mut a] = cluster.form(["b", "a"])?;
    let expected = |me: &str| {
        let node = |name, incarnation, addr| json!({ "name": name, "incarnation": incarnation, "status": "up", "addr": addr });
        json!({ "me": me, "nodes": [
            node("a", a.incarnation(), a.address()),
            node("b", b.incarnation(), b.address()),
        ] })
    };
    let (of_a, of_b) = (expected("a"), expected("b"));
    assert_eq!(a.ok("nodes")?, of_a);
    assert_eq!(b.ok("nodes")?, of_b);
    Ok(())
}

#[test]
fn owner_tells_the_wanted_host_and_why_alike_on_all() -> Outcome {
    let cluster = Cluster::new();
    let [mut a, mut b] = cluster.form(["a", "b"])?;
    let on_a = a.ok("owner n")?;
    assert_eq!(on_a["node"], "a");
    assert!(on_a["slot"].is_u64(), "{on_a}");
    assert!(on_a["why"].as_str().is_some_and(|why| !why.is_empty()), "{on_a}");
    assert_eq!(b.ok("owner n")?["slot"], on_a["slot"]);
    Ok(())
}

#[test]
fn drain_hands_all_workers_to_the_others() -> Outcome {
    let cluster = Cluster::new();
    let [mut a, mut b] = cluster.form(["a", "b"])?;
    a.ok("register-many n 20")?;
    a.ok("register deaf stubborn --timeout 2000")?;
    assert_eq!(a.ok("workers")?["workers"].as_array().map(Vec::len), Some(21));
    assert_eq!(a.ok("drain --timeout 15000")?, json!({ "moved": 21 }));
    assert_eq!(a.ok("workers")?, json!({ "workers": [] }));
    assert_eq!(b.ok("workers")?["workers"].as_array().map(Vec::len), Some(21));
    assert_eq!(b.ok("whereis-consistent n-7")?["node"], "b");
    assert_eq!(b.ok("register later")?["node"], "b", "a drained node gets no more");
    Ok(())
}

#[test]
fn stats_count_what_the_contract_names() -> Outcome {
    let cluster = Cluster::new();
    let [mut a, _b] = cluster.form(["a", "b"])?;
    a.ok("register n")?;
    let stats = a.ok("stats")?;
    for (key, expected) in [("names", Some(1)), ("members", Some(2)), ("links", Some(1))] {
        assert_eq!(stats[key].as_u64(), expected, "{key} in {stats}");
    }
    for key in ["bytes_sent", "bytes_received", "messages_sent"] {
        assert!(stats[key].as_u64().is_some_and(|count| count > 0), "{key} in {stats}");
    }
    Ok(())
}

#[test]
fn help_tells_the_commands() -> Outcome {
    let cluster = Cluster::new();
    let help = cluster.start("a", &[])?.ok("help")?;
    assert!(help["help"].as_str().is_some_and(|help| help.contains("whereis-or-register NAME")), "{help}");
    Ok(())
}
