//! Names in groups: they stay there wherever they run, leave with their registration, and every node says the same.

use skep_core::error::GroupError;
use skep_core::event::{Bound, Reply, Request, WorkerSpec};
use skep_core::id::Name;

use super::{cluster, millis};
use crate::calls::{managed, name};
use crate::faults::kind;
use crate::groups::group;
use crate::network::Told;
use crate::world::{ProcessId, World};

#[test]
pub fn a_name_stays_in_its_groups_when_it_moves_and_leaves_them_when_it_ends() {
    let (mut world, nodes) = cluster(1, 3);
    for text in ["x", "y"] {
        assert!(world.register(nodes[0], text).is_ok());
        for (node, group) in nodes.iter().zip(["g", "h", "i"]) {
            assert_eq!(world.join(*node, group, text), Ok(()));
        }
    }
    world.rest();
    let holder = world.runs_on("x").expect("it runs");
    world.crash(holder, Told::ByEnd);
    world.rest();
    let left = world.all_running()[0];
    assert_eq!(["g", "h", "i"].map(|group| world.names_in(left, group)), [["x", "y"]; 3].map(Vec::from));
    assert_eq!(world.unregister(left, "x"), Ok(()));
    world.rest();
    assert_eq!(["g", "h", "i"].map(|group| world.names_in(left, group)), [["y"]; 3].map(Vec::from));
    assert!(world.register(left, "x").is_ok());
    world.rest();
    assert_eq!(world.names_in(left, "g"), ["y"], "who is registered again begins without groups");
}

/// Of Swarm: a group that was called like one of its own keys crashed every failover.
#[test]
pub fn a_group_may_be_called_as_anything_else_is() {
    let (mut world, nodes) = cluster(2, 2);
    let long = "g".repeat(255);
    for text in ["x", "members", "attached", kind::PLAIN, "a", "swarm_names", long.as_str()] {
        if text != long {
            assert!(world.register(nodes[0], text).is_ok());
            assert_eq!(world.join(nodes[1], text, text), Ok(()), "a group and its member of one name");
        }
        assert_eq!(world.join(nodes[0], text, "x"), Ok(()));
    }
    world.crash(nodes[0], Told::ByEnd);
    world.rest();
    assert_eq!(world.names_in(nodes[1], "members"), ["members", "x"]);
    assert_eq!(world.names_in(nodes[1], &long), ["x"]);
}

/// Of Swarm: each join scans the registry.
#[test]
pub fn joins_cost_the_same_in_a_group_of_any_size() {
    let (mut world, nodes) = cluster(3, 2);
    let names: Vec<String> = (0..2000).map(|number| format!("n{number}")).collect();
    let claims: Vec<_> = (names.iter())
        .map(|text| Request::Register { name: name(text), worker: WorkerSpec::Attached })
        .map(|register| world.ask_and_keep(nodes[0], millis(5000), register))
        .collect();
    for claim in claims {
        assert!(matches!(world.answer(claim), Reply::Registered(Ok(_))));
    }
    world.rest();
    let mut costs = Vec::new();
    for hundred in names.chunks(100) {
        let before: u64 = nodes.iter().map(|&node| world[node].bytes_sent).sum();
        for text in hundred {
            assert_eq!(world.join(nodes[0], "all", text), Ok(()));
        }
        let after: u64 = nodes.iter().map(|&node| world[node].bytes_sent).sum();
        costs.push(after - before);
    }
    let (first, last) = (costs[0], costs[costs.len() - 1]);
    println!("bytes for a hundred joins: {first} in an empty group, {last} in one of 1900");
    assert!(last < first + first / 5, "{first} bytes for the first hundred joins, {last} for the last");
    world.rest();
    assert_eq!(world.names_in(nodes[1], "all").len(), 2000);
}

#[test]
pub fn an_acknowledged_place_survives_the_kill_of_any_node_at_the_moment_of_its_acknowledgement() {
    for seed in 0..60 {
        let (mut world, nodes) = cluster(seed, 2 + seed as usize % 3);
        let (victim, caller) = (nodes[seed as usize / 3 % nodes.len()], nodes[seed as usize % nodes.len()]);
        for text in ["x", "y"] {
            assert!(world.register(nodes[0], text).is_ok());
            world.rest();
        }
        assert_eq!(world.join(nodes[0], "g", "y"), Ok(()));
        world.rest();
        let is_in = seed % 2 == 0;
        let done = if is_in { world.join(caller, "g", "x") } else { world.leave(caller, "g", "y") };
        if done.is_ok() {
            world.crash(victim, Told::ByReset);
            world.rest();
            let expected = if is_in { vec!["x", "y"] } else { vec![] };
            assert_eq!(world.names_in(world.all_running()[0], "g"), expected, "seed {seed}");
        }
    }
}

#[test]
pub fn both_sides_of_a_cut_settle_on_the_later_word() {
    for seed in 0..10 {
        let (mut world, nodes) = cluster(seed, 4);
        assert!(world.register(nodes[0], "x").is_ok());
        assert_eq!(world.join(nodes[0], "left", "x"), Ok(()));
        world.rest();
        world.oracle.split(world.now);
        for (here, there) in [(0, 2), (0, 3), (1, 2), (1, 3)].map(|(here, there)| (nodes[here], nodes[there]))
        {
            let (here, there) = (world[here].site, world[there].site);
            world.cut(here, there);
            world.cut(there, here);
        }
        world.wait(millis(3000));
        assert_eq!(world.leave(nodes[0], "left", "x"), Ok(()));
        assert_eq!(world.join(nodes[0], "joined", "x"), Ok(()));
        world.wait(millis(50));
        assert_eq!(world.join(nodes[3], "left", "x"), Ok(()));
        assert_eq!(world.leave(nodes[3], "joined", "x"), Ok(()));
        world.mend_network();
        world.oracle.heal(world.now);
        world.rest();
        assert_eq!(world.names_in(nodes[1], "left"), ["x"], "seed {seed}: it joined after it left");
        assert!(world.names_in(nodes[1], "joined").is_empty(), "seed {seed}: it left after it joined");
    }
}

#[test]
pub fn what_joined_and_left_is_forgotten() {
    let (mut world, nodes) = cluster(4, 3);
    for number in 0..30 {
        assert!(world.register(nodes[0], &format!("n{number}")).is_ok());
    }
    world.rest();
    for number in 0..30 {
        for group in 0..number % 4 {
            let node = nodes[(number + group) % 3];
            assert_eq!(world.join(node, &format!("g{group}"), &format!("n{number}")), Ok(()));
        }
    }
    world.rest();
    let kept = |world: &mut World, node| match world.call(node, Request::Counters) {
        Reply::Counters(counters) => counters.enrolments,
        reply => world.give_up(&format!("{reply:?}")),
    };
    assert_eq!(nodes.iter().map(|&node| kept(&mut world, node)).collect::<Vec<_>>(), [43; 3]);
    for number in 0..30 {
        let text = format!("n{number}");
        if number % 2 == 0 {
            assert_eq!(world.unregister(nodes[1], &text), Ok(()));
        } else {
            for group in 0..4 {
                assert_eq!(world.leave(nodes[2], &format!("g{group}"), &text), Ok(()));
            }
        }
    }
    world.wait(millis(20_000));
    assert_eq!(world.join(nodes[2], "g0", "n1"), Ok(())); // a log's next record says what may be forgotten of it
    world.rest();
    assert_eq!(nodes.iter().map(|&node| kept(&mut world, node)).collect::<Vec<_>>(), [1; 3]);
}

#[test]
pub fn a_worker_that_asks_before_it_is_registered_joins_when_it_is() {
    let (mut world, nodes) = cluster(5, 2);
    let register = Request::Register { name: name("x"), worker: managed(kind::SLOW) };
    let claim = world.ask_and_keep(nodes[0], millis(5000), register);
    let is_starting = |process: &ProcessId, world: &World| !world[*process].workers.is_empty();
    world.wait_until(millis(100), "it starts", |world| nodes.iter().any(|node| is_starting(node, world)));
    let (host, other) =
        if is_starting(&nodes[0], &world) { (nodes[0], nodes[1]) } else { (nodes[1], nodes[0]) };
    let join = Request::JoinGroup { group: group("g"), name: name("x") };
    let early = world.ask_and_keep(host, millis(5000), join.clone());
    assert_eq!(world.call(other, join), Reply::Grouped(Err(GroupError::NotFound)), "it does not run there");
    assert!(matches!(world.answer(claim), Reply::Registered(Ok(_))));
    assert_eq!(world.answer(early), Reply::Grouped(Ok(())));
    world.rest();
    assert_eq!(world.names_in(other, "g"), ["x"]);
}

#[test]
pub fn a_name_is_in_so_many_groups_and_no_more() {
    let (mut world, nodes) = cluster(6, 2);
    assert!(world.register(nodes[0], "x").is_ok());
    for number in 0..256 {
        assert_eq!(world.join(nodes[0], &format!("g{number}"), "x"), Ok(()));
    }
    assert_eq!(world.join(nodes[0], "one more", "x"), Err(GroupError::TooMany { max: 256 }));
    assert_eq!(world[nodes[0]].reached, [Bound::Groups], "it is counted once");
    assert_eq!(world.join(nodes[0], "g7", "x"), Ok(()), "where it is already it stays");
    assert_eq!(world.leave(nodes[0], "g7", "x"), Ok(()));
    assert_eq!(world.join(nodes[0], "one more", "x"), Ok(()));
    world.rest();
}

impl World {
    pub(super) fn join(&mut self, node: ProcessId, to: &str, text: &str) -> Result<(), GroupError> {
        self.group_wish(node, Request::JoinGroup { group: group(to), name: name(text) })
    }

    fn leave(&mut self, node: ProcessId, from: &str, text: &str) -> Result<(), GroupError> {
        self.group_wish(node, Request::LeaveGroup { group: group(from), name: name(text) })
    }

    fn group_wish(&mut self, node: ProcessId, request: Request) -> Result<(), GroupError> {
        match self.call(node, request) {
            Reply::Grouped(result) => result,
            reply => self.give_up(&format!("{reply:?}")),
        }
    }

    pub(super) fn names_in(&self, node: ProcessId, text: &str) -> Vec<&str> {
        let names = self[node].groups.get(&group(text)).into_iter().flatten();
        let mut names: Vec<&str> = names.map(Name::as_str).collect();
        names.sort_unstable();
        names
    }
}
