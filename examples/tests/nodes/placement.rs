//! Where names may run: roles, quorums, and nodes that will have nothing to do with each other.

use serde_json::json;

use super::cluster::{Cluster, Outcome};

#[test]
fn a_name_runs_on_a_node_with_its_role_and_owner_says_why() -> Outcome {
    let cluster = Cluster::new();
    let [mut a, mut b] = cluster.form_with([("a", &[]), ("b", &["--role", "gpu"])])?;
    assert_eq!(a.ok("register n singleton --role gpu")?["node"], "b");
    assert_eq!(
        a.error("register m singleton --role gpu --role ssd")?,
        json!({ "kind": "no_node_available" })
    );
    for node in [&mut a, &mut b] {
        let owner = node.ok("owner n")?;
        assert_eq!(owner["node"], "b");
        let why = owner["why"].as_str().unwrap_or_default();
        for part in ["belongs to a", "best first: b", "not on: a lacks role gpu", "runs on b, as wanted"] {
            assert!(why.contains(part), "'{part}' is missing: {why}");
        }
    }
    b.kill()?;
    a.event("member_down", |event| event["node"] == "b")?;
    let owner = a.error("owner n")?;
    assert_eq!(owner["kind"], "no_node_available");
    assert!(owner["why"].as_str().is_some_and(|why| why.contains("may run nowhere")), "{owner}");
    let mut b = cluster.start("b", &["--role", "gpu"])?;
    assert_eq!(b.event("started", |event| event["name"] == "n")?.line["why"], "takeover");
    Ok(())
}

#[test]
fn names_stop_when_the_quorum_is_lost_and_return_with_it() -> Outcome {
    let cluster = Cluster::new();
    let options: &[&str] = &["--strategy", "quorum:2"];
    let [mut a, mut b, mut c] = cluster.form_with([("a", options), ("b", options), ("c", options)])?;
    a.ok("register-many n 20 restart")?;
    a.ok("attach guest")?;
    b.kill()?;
    a.event("member_down", |event| event["node"] == "b")?;
    assert_eq!(a.ok("register more")?["node"], "a", "two of three are a quorum");
    c.kill()?;
    let lost = a.event("quorum_lost", |_| true)?.line;
    assert_eq!((&lost["present"], &lost["needed"]), (&json!(1), &json!(2)));
    for _ in 0..21 {
        assert_eq!(a.event("stopped", |_| true)?.line["why"], "quorum_lost");
    }
    let workers = a.ok("workers")?;
    assert_eq!(workers["workers"].as_array().map(Vec::len), Some(1), "the guest lives: {workers}");
    let refused = json!({ "kind": "no_quorum", "present": 1, "needed": 2 });
    assert_eq!(a.error("register new")?, refused);
    assert_eq!(a.error("unregister n-0")?, refused);
    assert_eq!(a.ok("registered")?["names"].as_array().map(Vec::len), Some(22), "all names are kept");
    let owner = a.error("owner n-0")?;
    assert!(owner["why"].as_str().is_some_and(|why| why.contains("no quorum: 1 of 2")), "{owner}");

    let _b = cluster.start("b", &["--strategy", "quorum:2"])?;
    a.event("quorum_reached", |_| true)?;
    for number in 0..20 {
        let said = a.ok(&format!("call n-{number} whoami"))?;
        assert!(said["reply"].as_str().is_some_and(|reply| reply.contains("node")), "n-{number}: {said}");
    }
    assert_eq!(a.ok("call guest hello")?["reply"], "echo hello");
    Ok(())
}

#[test]
fn of_two_nodes_of_which_one_denies_the_other_both_know_and_both_serve() -> Outcome {
    let cluster = Cluster::new();
    let mut a = cluster.start("a", &["--deny", "b*"])?;
    let mut b = cluster.start("b", &["--join", a.address()])?;
    for node in [&mut a, &mut b] {
        let told = node.event("link_refused", |_| true)?.line;
        assert_eq!(told["reason"], "nodes of its name are not allowed", "on {}", node.name);
        assert_eq!(node.ok("nodes")?["nodes"].as_array().map(Vec::len), Some(1), "on {}", node.name);
        assert_eq!(node.ok("register n")?["node"], node.name.as_str());
    }
    Ok(())
}

#[test]
fn nodes_of_different_strategies_refuse_each_other() -> Outcome {
    let cluster = Cluster::new();
    let mut a = cluster.start("a", &["--strategy", "quorum:2"])?;
    let mut b = cluster.start("b", &["--join", a.address()])?;
    let told = b.event("link_refused", |_| true)?.line;
    assert_eq!(told["reason"], "it follows another strategy, or another quorum");
    assert_eq!(b.ok("register n")?["node"], "b");
    assert_eq!(a.error("register n")?["kind"], "no_quorum");
    Ok(())
}
