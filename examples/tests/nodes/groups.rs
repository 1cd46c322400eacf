//! Groups on real processes: who is in them, what reaches them, and what one slow or dead member costs the others.

use std::time::Instant;

use serde_json::{Value, json};

use super::cluster::{Cluster, NodeProcess, Outcome, Trouble};

/// The names in a group, and where they run, as a node says it.
fn members(node: &mut NodeProcess, group: &str) -> Result<Value, Trouble> {
    Ok(node.ok(&format!("members {group}"))?["members"].take())
}

/// Asks until the node says so: each answer is the pace.
fn until(node: &mut NodeProcess, group: &str, expected: &Value) -> Outcome {
    for _ in 0..10_000 {
        if members(node, group)? == *expected {
            return Ok(());
        }
    }
    let answer = members(node, group)?;
    Err(Trouble::Unexpected { node: node.name.clone(), asked: format!("members {group}"), answer })
}

#[test]
fn names_join_and_leave_and_all_in_a_group_are_reached() -> Outcome {
    let cluster = Cluster::new();
    let [mut a, mut b] = cluster.form(["a", "b"])?;
    assert_eq!(members(&mut a, "g")?, json!([]), "a group exists while a name is in it");
    assert_eq!(a.error("join g nobody")?, json!({ "kind": "not_found" }));
    assert_eq!(a.error(r#"join "" n"#)?["kind"], "bad_name");
    for (name, kind) in [("n", "counter"), ("m", "singleton")] {
        b.ok(&format!("register {name} {kind}"))?;
        assert_eq!(a.ok(&format!("join g {name}"))?, json!({}), "of any node");
    }
    a.ok("attach g")?;
    b.ok("join g g")?;
    let all =
        json!([{ "name": "g", "node": "a" }, { "name": "m", "node": "a" }, { "name": "n", "node": "a" }]);
    for node in [&mut a, &mut b] {
        until(node, "g", &all)?;
    }
    assert_eq!(b.ok("publish g add 3")?, json!({ "members": 3 }));
    assert_eq!(a.ok("publish g add 4")?, json!({ "members": 3 }));
    let replies = json!([
        { "name": "g", "node": "a", "ok": "echo get" },
        { "name": "m", "node": "a", "ok": "echo get" },
        { "name": "n", "node": "a", "ok": "7" },
    ]);
    assert_eq!(b.ok("multi-call g get")?, json!({ "replies": replies }));
    b.ok("leave g m")?;
    b.ok("unregister n")?;
    for node in [&mut a, &mut b] {
        until(node, "g", &json!([{ "name": "g", "node": "a" }]))?;
        assert_eq!(node.ok("publish nobody-there hello")?, json!({ "members": 0 }));
        assert_eq!(node.ok("multi-call nobody-there hello")?, json!({ "replies": [] }));
    }
    Ok(())
}

#[test]
fn one_slow_or_dead_member_costs_the_others_nothing() -> Outcome {
    let cluster = Cluster::new();
    let patient: &[&str] = &["--detect", "60000"]; // nobody counts the slow one dead meanwhile, and closes its link
    let [mut a, mut b, mut c] = cluster.form_with([("a", patient), ("b", patient), ("c", patient)])?;
    for (node, name) in [(&mut a, "on-a"), (&mut b, "on-b"), (&mut c, "on-c")] {
        node.ok(&format!("attach {name}"))?;
        node.ok(&format!("join g {name}"))?;
    }
    a.ok("register fails flaky")?;
    a.ok("join g fails")?;
    let all = ["fails", "on-a", "on-b", "on-c"];
    for _ in 0..10_000 {
        if members(&mut a, "g")?.as_array().is_some_and(|members| members.len() == all.len()) {
            break;
        }
    }
    let frozen = c.freeze()?;
    let asked = Instant::now();
    let answer = a.ok("multi-call g crash --timeout 1500")?;
    assert!(asked.elapsed().as_millis() < 4_000, "it took {:?}", asked.elapsed());
    assert!(frozen <= asked);
    let replies = answer["replies"].as_array().expect("a list").clone();
    let of = |name: &str| replies.iter().find(|reply| reply["name"] == name).expect("each has an answer");
    assert_eq!(replies.len(), all.len(), "{answer}");
    for name in ["on-a", "on-b"] {
        assert_eq!(of(name)["ok"], "echo crash", "{answer}");
    }
    assert_eq!(of("on-c")["error"]["kind"], "timeout", "{answer}");
    assert_eq!(of("fails")["error"]["kind"], "worker_failed", "{answer}");
    c.thaw()?;
    Ok(())
}

#[test]
fn a_group_survives_the_node_that_runs_its_names_whatever_it_is_called() -> Outcome {
    let cluster = Cluster::new();
    let [mut a, mut b] = cluster.form(["a", "b"])?;
    a.ok("register-many n 40 restart")?;
    for number in 0..40 {
        b.ok(&format!("join n-7 n-{number}"))?; // called like one of its members
        b.ok(&format!("join members n-{number}"))?;
    }
    let mut names: Vec<String> = (0..40).map(|number| format!("n-{number}")).collect();
    names.sort();
    let on = |node: &str| Value::from_iter(names.iter().map(|name| json!({ "name": name, "node": node })));
    until(&mut a, "n-7", &on("a"))?;
    a.kill()?;
    for group in ["n-7", "members"] {
        until(&mut b, group, &on("b"))?;
    }
    assert_eq!(b.ok("publish members hello")?, json!({ "members": 40 }));
    let replies = b.ok("multi-call n-7 hello")?["replies"].take();
    assert!(replies.as_array().expect("a list").iter().all(|reply| reply["ok"] == "echo hello"), "{replies}");
    Ok(())
}
