//! What has to be true once all is quiet: one registry, one view, and each name running once, where they say.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::cluster::{NodeProcess, Trouble};
use super::Violation;
use super::transcript::Transcript;

/// By when all agree after the last fault: what was cut is redialled, and what piled up is worked off.
const QUIET_BY: Duration = Duration::from_secs(30);

/// What one node answers, by which all are compared.
#[derive(PartialEq, Debug)]
struct Told {
    /// What it says of itself.
    own: String,
    up: BTreeSet<String>,
    registered: Value,
    group: Value,
    workers: Vec<Value>,
}

/// Asks all nodes until they agree and are seen to go on agreeing; the names then. Each answer is the pace.
pub(super) fn rest(
    nodes: &mut [NodeProcess],
    transcript: &Transcript,
) -> Result<BTreeSet<String>, Violation> {
    let mut said = Vec::new();
    let outcome = agree(nodes, &mut said);
    said.iter().for_each(|line| transcript.note(line));
    outcome
}

/// As `rest`; leaves in `said` what was answered last. What was answered before would drown what led to it.
fn agree(nodes: &mut [NodeProcess], said: &mut Vec<String>) -> Result<BTreeSet<String>, Violation> {
    let deadline = Instant::now() + QUIET_BY;
    let mut before: Option<Vec<Told>> = None;
    loop {
        said.clear();
        let told = nodes.iter_mut().map(|node| ask(node, said)).collect::<Result<Vec<_>, _>>();
        let told = told.map_err(|trouble| Violation { invariant: 4, words: trouble.to_string() })?;
        match disagreement(nodes, &told) {
            None if before.as_ref() == Some(&told) => return Ok(names(&told[0].registered, "names")),
            None => {}
            Some(violation) if Instant::now() > deadline => return Err(violation),
            Some(_) => {}
        }
        if Instant::now() > deadline + QUIET_BY {
            return Err(Violation { invariant: 1, words: "they agree, but never on one thing".into() });
        }
        before = Some(told);
    }
}

fn ask(node: &mut NodeProcess, said: &mut Vec<String>) -> Result<Told, Trouble> {
    let mut ok = |line: &str| {
        let answer = node.ok(line)?;
        said.push(format!("{} says to '{line}': {answer}", node.name));
        Ok::<_, Trouble>(answer)
    };
    let known = ok("nodes")?;
    let up = list(&known, "nodes").iter().filter(|member| member["status"] != "down");
    let words = |member: &Value| json!([member["name"], member["incarnation"], member["status"]]).to_string();
    // Not the one that it was ready with: of two that boot in one moment, the later one takes another.
    let own = up.clone().find(|member| member["name"] == known["me"]).map(words).unwrap_or_default();
    let up = up.map(words).collect();
    let registered = ok("registered")?;
    let group = ok("members group")?;
    let workers = list(&ok("workers")?, "workers").to_vec();
    // An answer too many would stand before this one.
    let last = node.ask("owner x")?;
    if last["command"] != "owner" {
        return Err(Trouble::Unexpected { node: node.name.clone(), asked: "owner x".into(), answer: last });
    }
    Ok(Told { own, up, registered, group, workers })
}

fn disagreement(nodes: &[NodeProcess], told: &[Told]) -> Option<Violation> {
    let lives: BTreeSet<_> = told.iter().map(|told| told.own.clone()).collect();
    if lives.len() != nodes.len() || !lives.iter().all(|life| life.ends_with(",\"up\"]")) {
        let words = format!("of {} nodes these say of themselves that they are up: {lives:?}", nodes.len());
        return Some(Violation { invariant: 1, words });
    }
    for (node, told) in nodes.iter().zip(told) {
        if told.up != lives {
            let words = format!("the members are {lives:?}; {} has {:?}", node.name, told.up);
            return Some(Violation { invariant: 1, words });
        }
    }
    for (node, other) in nodes.iter().zip(told).skip(1) {
        for (one, two) in [(&told[0].registered, &other.registered), (&told[0].group, &other.group)] {
            if one != two {
                let words = format!("{} and {} differ: {}", nodes[0].name, node.name, difference(one, two));
                return Some(Violation { invariant: 1, words });
            }
        }
    }
    let entry = |name: &Value, node: &Value, kind: &Value, epoch: &Value| {
        json!([name, node, kind, epoch]).to_string()
    };
    let registered = list(&told[0].registered, "names");
    let wanted = registered.iter().map(|it| entry(&it["name"], &it["node"], &it["kind"], &it["epoch"]));
    let mut wanted: Vec<_> = wanted.collect();
    let running = nodes.iter().zip(told).flat_map(|(node, told)| {
        let here = json!(node.name);
        told.workers.iter().map(move |it| entry(&it["name"], &here, &it["kind"], &it["epoch"]))
    });
    let mut running: Vec<_> = running.collect();
    wanted.sort();
    running.sort();
    if wanted != running {
        let missing: Vec<_> = wanted.iter().filter(|it| !running.contains(it)).collect();
        let more: Vec<_> = running.iter().filter(|it| !wanted.contains(it)).collect();
        let twice: Vec<_> = running.windows(2).filter(|two| two[0] == two[1]).collect();
        let words = format!(
            "registered, but not running: {missing:?}; running otherwise: {more:?}; twice: {twice:?}"
        );
        return Some(Violation { invariant: 2, words });
    }
    let there = names(&told[0].registered, "names");
    let stray = names(&told[0].group, "members").into_iter().find(|name| !there.contains(name))?;
    Some(Violation { invariant: 1, words: format!("{stray} is in the group, but not registered") })
}

fn difference(one: &Value, two: &Value) -> String {
    let lines = |value: &Value| {
        let lists = value.as_object().into_iter().flatten().flat_map(|(_, list)| list.as_array());
        lists.flatten().map(Value::to_string).collect::<BTreeSet<_>>()
    };
    let (one, two) = (lines(one), lines(two));
    format!(
        "{:?} against {:?}",
        one.difference(&two).collect::<Vec<_>>(),
        two.difference(&one).collect::<Vec<_>>()
    )
}

fn list<'a>(answer: &'a Value, key: &str) -> &'a [Value] {
    answer[key].as_array().map_or(&[], Vec::as_slice)
}

fn names(answer: &Value, key: &str) -> BTreeSet<String> {
    list(answer, key).iter().filter_map(|it| it["name"].as_str()).map(Into::into).collect()
}
