//! Waiting until nodes agree, on each other and on who runs what.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::{Value, json};
use skep_examples::process::PATIENCE;

use super::cluster::{NodeProcess, Trouble};

/// Asks until all nodes count each other as up, list the same names, and each of them runs once, where they say;
/// the names then. Each answer is the pace.
pub(super) fn settle(nodes: &mut [NodeProcess]) -> Result<BTreeSet<String>, Trouble> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut ups = Vec::new();
        let mut lists = Vec::new();
        let mut running = Vec::new();
        for node in &mut *nodes {
            let known = node.ok("nodes")?;
            ups.push(list(&known, "nodes").iter().filter(|member| member["status"] == "up").count());
            let registered = node.ok("registered")?;
            let names = list(&registered, "names").iter().map(|it| (text(it, "name"), text(it, "node")));
            lists.push(names.collect::<BTreeSet<_>>());
            let workers = node.ok("workers")?;
            running.extend(list(&workers, "workers").iter().map(|it| (text(it, "name"), node.name.clone())));
        }
        let once = running.len() == lists[0].len() && running.iter().all(|worker| lists[0].contains(worker));
        let agreed = lists.windows(2).all(|two| two[0] == two[1]);
        if once && agreed && ups.iter().all(|up| *up == ups.len()) {
            return Ok(lists.swap_remove(0).into_iter().map(|(name, _)| name).collect());
        }
        if Instant::now() > deadline {
            let answer = json!({ "up": ups, "registered": lists, "running": running });
            return Err(Trouble::Unexpected { node: "a".into(), asked: "to agree".into(), answer });
        }
    }
}

fn list<'a>(answer: &'a Value, key: &str) -> &'a [Value] {
    answer[key].as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().into()
}
