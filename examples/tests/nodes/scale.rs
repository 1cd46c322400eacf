//! Clusters that form at once, grow and shrink quickly, or lose a node when everything has just begun.

use std::collections::BTreeSet;

use super::cluster::{Cluster, NodeProcess, Outcome, Trouble};
use super::settle::settle;

const NAMES: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];

/// S1: in Swarm 30 of 60 boots of 3 nodes were stuck for ever, and every call with them.
#[test]
fn nodes_that_boot_at_the_same_moment_form_one_cluster_and_serve_meanwhile() -> Outcome {
    for size in [3, 5, 7] {
        let cluster = Cluster::new();
        let begin = |name: &&str| cluster.begin(name, &[]);
        let mut nodes = NAMES[..size].iter().map(begin).collect::<Result<Vec<_>, Trouble>>()?;
        for node in &mut nodes {
            let line = format!("register of-{}", node.name);
            node.tell(&line)?; // it is read as soon as there is a node
        }
        for node in &mut nodes {
            node.ready()?;
            let answer = node.answer("register")?;
            assert!(answer.get("ok").is_some(), "{} of {size}: {answer}", node.name);
        }
        let expected: BTreeSet<_> = NAMES[..size].iter().map(|name| format!("of-{name}")).collect();
        assert_eq!(settle(&mut nodes)?, expected, "of {size} nodes");
    }
    Ok(())
}

/// S17: Horde lost 460 of 1,000 for good.
#[test]
fn a_thousand_names_outlive_the_kill_of_their_node_right_after_their_registration() -> Outcome {
    let cluster = Cluster::new();
    let [mut a, mut b, c] = cluster.form(["a", "b", "c"])?;
    let counted = b.ok("register-many n 1000 restart --timeout 20000")?;
    a.kill()?;
    assert_eq!((&counted["registered"], &counted["failed"]), (&1000.into(), &0.into()), "{counted}");
    let expected: BTreeSet<_> = (0..1000).map(|number| format!("n-{number}")).collect();
    b.event("member_down", |event| event["node"] == "a")?;
    assert_eq!(settle(&mut [b, c])?, expected);
    Ok(())
}

/// S19: in Swarm names were nowhere.
#[test]
fn counters_keep_their_numbers_while_one_node_becomes_five_and_one_again() -> Outcome {
    let cluster = Cluster::new();
    let mut a = cluster.start("a", &[])?;
    let counters = 100;
    a.ok(&format!("register-many n {counters} counter"))?;
    for number in 0..counters {
        a.ok(&format!("call n-{number} add {number}"))?;
    }
    let begin = |name: &&str| cluster.begin(name, &[]);
    let mut others = NAMES[1..5].iter().map(begin).collect::<Result<Vec<NodeProcess>, Trouble>>()?;
    for node in &mut others {
        node.ready()?;
        node.event("started", |event| event["why"] == "handed_over")?; // the first of many, perhaps
    }
    for node in &mut others {
        node.tell("quit --timeout 15000")?;
    }
    for node in &mut others {
        assert!(node.wait()?.success(), "{} ends in order", node.name);
    }
    for number in 0..counters {
        let reply = a.ok(&format!("call n-{number} get --timeout 20000"))?["reply"].clone();
        assert_eq!(reply, number.to_string(), "of n-{number}");
    }
    let workers = a.ok("workers")?;
    assert_eq!(workers["workers"].as_array().map(Vec::len), Some(counters), "all are here again, once");
    Ok(())
}
