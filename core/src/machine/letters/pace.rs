//! Nothing spins, nothing is asked once for each letter, nothing is larger than a frame.

use super::*;
use crate::config::Backoff;
use crate::error::ConfigError;
use crate::id::Role;
use crate::wire::MAX_FRAME;
use crate::wire::message::{Goodbye, PingFor};

#[test]
fn a_node_alone_does_not_spin_until_it_forms() {
    let mut config = config("a", A);
    config.form_after = Duration::from_secs(30);
    let start = Instant::from_nanos(1);
    let mut machine = Machine::new(config, start).expect("a good config");
    let late = start + Duration::from_secs(5);
    let mut wakes = 0;
    while let Some(due) = machine.poll_timeout().filter(|&due| due <= late) {
        machine.handle(due.max(start), Input::Timeout);
        wakes += 1;
        assert!(wakes < 1000, "it wakes again and again to wait");
    }
}

#[test]
fn all_that_is_said_at_once_fits_a_frame() {
    let mut letters = Letters::new();
    let long = |number: u64| Record {
        life: Life(number),
        kinds: List((0..1024).map(|n| Kind::new(format!("{n:0>128}")).expect("a good kind")).collect()),
        ..record(&format!("node-{number}"), Life(number))
    };
    for number in 10_000_000..10_000_020 {
        letters.tell(Records { records: List([long(number)].into()) });
    }
    letters.said.clear();
    letters.input(Input::LinkUp { link: LinkId(2), way: Way::Accepted, peer: Hello::of(&config("c", C)) });
    let mut told = 0;
    for message in letters.said.drain(..) {
        let length = message.encode(WIRE_MAX).body.len();
        assert!(length <= MAX_FRAME as usize, "{length} bytes in one frame close the link for ever");
        told += match message {
            Message::Greet(greet) => {
                assert!(greet.records.iter().any(|record| record.life == A), "it does not introduce itself");
                greet.records.len()
            }
            Message::Records(records) => records.records.len(),
            _ => 0,
        };
    }
    assert_eq!(told, 22, "the peer is told of all");
}

#[test]
fn each_who_asks_after_a_member_waits_for_its_own_ping() {
    let mut letters = Letters::new();
    let link = LinkId(2);
    letters.input(Input::LinkUp { link, way: Way::Accepted, peer: Hello::of(&config("c", C)) });
    let greet = Greet {
        records: List([record("c", C)].into()),
        positions: List::default(),
        forgotten: List::default(),
    };
    letters.input(Input::Message { link, frame: Message::from(greet).encode(WIRE_MAX) });
    let wait = letters.a.config.detection.probe_timeout * 3 / 4;
    let until = letters.now + wait;
    // Two askers may well use one number: here c asks twice by it, the second time half a wait later.
    let question = Message::from(PingFor { seq: 7, subject: B }).encode(WIRE_MAX);
    letters.input(Input::Message { link, frame: question.clone() });
    letters.now += wait / 2;
    letters.input(Input::Message { link, frame: question });
    letters.said.clear();
    letters.now = until;
    letters.input(Input::Timeout);
    let answers = letters.said.iter().filter(|said| matches!(said, Message::PongFor(_))).count();
    assert_eq!(answers, 1, "only the first has waited for long enough");
}

#[test]
fn after_a_pause_the_peers_are_pinged_once_not_once_for_each_letter() {
    let mut letters = Letters::new();
    letters.pass(Duration::from_secs(1));
    letters.now += Duration::from_secs(20);
    letters.said.clear();
    for _ in 0..50 {
        letters.tell(Pong { seq: 0, records_hash: 0, positions_hash: 0 });
    }
    let pings = letters.said.iter().filter(|said| matches!(said, Message::Ping(_))).count();
    assert!((1..=2).contains(&pings), "{pings} pings for one pause");
}

#[test]
fn what_was_asked_on_a_lost_link_is_asked_again_on_the_next() {
    let mut letters = Letters::new();
    let dead = Record { health: Health::Refused, ..record("c", C) };
    letters.tell(Records { records: List([dead].into()) });
    let pulls =
        |letters: &Letters| letters.said.iter().filter(|said| matches!(said, Message::Pull(_))).count();
    letters.said.clear();
    let link = LinkId(2);
    let positions = List([(C, 5)].into());
    letters.tell(Digest { positions: positions.clone(), answer: false });
    assert_eq!(pulls(&letters), 1, "b has what c wrote");
    letters.input(Input::LinkUp { link, way: Way::Accepted, peer: Hello::of(&config("b", B)) });
    letters.input(Input::LinkDown { link: LINK });
    let greet = Greet { records: List([record("b", B)].into()), positions, forgotten: List::default() };
    letters.input(Input::Message { link, frame: Message::from(greet).encode(WIRE_MAX) });
    assert_eq!(pulls(&letters), 2, "the question may have died with its link");
}

#[test]
fn a_config_that_no_message_can_carry_is_refused() {
    let mut many = config("a", A);
    many.roles = (0..65).map(|n| Role::new(format!("{n}")).expect("a good role")).collect();
    assert_eq!(many.check(), Err(ConfigError::TooMany { field: "roles", max: 64 }));
    let mut crowd = config("a", A);
    crowd.max_members = 4097;
    assert_eq!(crowd.check(), Err(ConfigError::TooMany { field: "max_members", max: 4096 }));
}

#[test]
fn the_longest_pause_is_a_pause() {
    let backoff = Backoff { min: Duration::from_secs(1), max: Duration::MAX };
    assert!(backoff.pause(u32::MAX, u64::MAX) > Duration::from_secs(500_000));
    let backoff = Backoff { min: Duration::MAX, max: Duration::MAX };
    assert!(backoff.pause(9, u64::MAX) > Duration::MAX / 2);
}

#[test]
fn what_several_inputs_led_to_is_told_in_one_message() {
    let mut letters = Letters::new();
    letters.said.clear();
    let ours: Vec<Name> = (0..)
        .map(|n| name(&format!("name-{n}")))
        .filter(|name| letters.a.owns(letters.a.ring.slot_of(name)))
        .take(20)
        .collect();
    for (number, name) in ours.into_iter().enumerate() {
        let request = Request::Register { name, worker: WorkerSpec::Attached };
        let (call, deadline) = (CallId(100 + number as u64), letters.now + Duration::from_secs(5));
        letters.a.handle(letters.now, Input::Call { call, deadline, request });
    }
    letters.input(Input::Timeout);
    let entries = |message: &Message| match message {
        Message::Delta(delta) => Some(delta.items.len()),
        _ => None,
    };
    assert_eq!(letters.said.iter().filter_map(entries).collect::<Vec<_>>(), [20]);
}

#[test]
fn members_that_come_and_go_without_end_close_a_bounded_number_of_gates() {
    let mut letters = Letters::new();
    for revision in 0..200 {
        let (up, down) = (record("c", C), Record { health: Health::Silent, ..record("c", C) });
        for record in [up, down] {
            let record = Record { revision: Revision(revision), ..record };
            letters.tell(Records { records: List([record].into()) });
        }
    }
    let holdings = letters.a.holdings();
    let gates = holdings.iter().find(|(what, _)| *what == "gates").expect("they are counted").1;
    assert!((1..=64).contains(&gates), "{gates} gates, and b has agreed to none");
}

#[test]
fn a_peer_that_has_let_us_in_does_not_end_our_life_for_its_tag() {
    let mut letters = Letters::new();
    letters.tell(Goodbye { refusal: Refusal::TagClash });
    let is_over = letters.outputs.iter().any(|output| matches!(output, Output::Retire(_)));
    assert!(!is_over, "b greeted, and then finds a tag that it knew all the time");
}
