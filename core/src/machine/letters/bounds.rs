//! Bounds that a peer's letters reach: what it is told there, and that it is counted.

use super::late::running_here;
use super::*;
use crate::error::GroupError;
use crate::event::{Bound, Observation};
use crate::id::{Group, Source};
use crate::wire::message::{Offer, Readiness, Reception, Surrender, Withdraw};

impl Letters {
    /// Names whose arbiter a is.
    fn names_of_a(&self, count: usize) -> Vec<Name> {
        let names = (0..).map(|n| name(&format!("name-{n}")));
        names.filter(|name| self.a.owns(self.a.ring.slot_of(name))).take(count).collect()
    }

    /// b claims it.
    fn claims(&mut self, seq: u64, name: &Name, wish: Wish) {
        self.tell(Claim { id: ClaimId { life: B, seq }, name: name.clone(), wish, remaining_ms: 5000 });
    }

    /// What b was answered to this claim since somebody last looked.
    fn verdict(&mut self, seq: u64) -> Option<Verdict> {
        let mut replies = self.said.drain(..).filter_map(|said| match said {
            Message::ClaimReply(reply) if reply.id.seq == seq => Some(reply.verdict),
            _ => None,
        });
        replies.next_back()
    }

    fn reached(&self, bound: Bound) -> usize {
        self.outputs.iter().filter(|output| **output == Output::Reached(bound)).count()
    }
}

#[test]
fn names_that_are_being_started_count_and_what_others_granted_is_taken_all_the_same() {
    let mut config = config("a", A);
    config.max_names = 2;
    let mut letters = Letters::with(config);
    let names = letters.names_of_a(5);
    letters.claims(1, &names[0], Wish::Register(managed()));
    letters.claims(2, &names[1], Wish::Register(managed()));
    assert!(
        !letters.said.iter().any(|said| matches!(said, Message::ClaimReply(_))),
        "they are being started"
    );
    assert_eq!(letters.a.registry.len(), 0);
    let full = Some(Verdict::TooManyNames { max: 2 });
    letters.claims(3, &names[2], Wish::Register(managed()));
    assert_eq!(letters.verdict(3), full);
    letters.claims(4, &names[2], Wish::Register(WorkerSpec::Attached));
    assert_eq!(letters.verdict(4), full);
    letters.claims(4, &names[2], Wish::Register(WorkerSpec::Attached));
    assert_eq!(letters.verdict(4), full, "a retry hears the same");
    assert_eq!(letters.reached(Bound::Names), 2, "and is not counted again");

    let granted = (1..=4).map(|seq| {
        let dot = Dot { life: B, seq };
        (seq, entry(dot, &name(&format!("by-b-{seq}")), seq, B))
    });
    letters.tell(delta(B, 4, granted));
    assert_eq!(letters.a.registry.len(), 4, "b granted them");
    letters.claims(5, &names[3], Wish::Restore(managed()));
    assert!(matches!(letters.verdict(5), Some(Verdict::Registered { .. })), "it ran before");
    letters.claims(6, &names[4], Wish::Register(managed()));
    assert_eq!(letters.verdict(6), full);
    assert_eq!(letters.reached(Bound::Names), 3);
}

#[test]
fn a_start_that_came_to_nothing_counts_no_longer() {
    let mut config = config("a", A);
    config.max_names = 1;
    let mut letters = Letters::with(config);
    let names = letters.names_of_a(2);
    letters.claims(1, &names[0], Wish::Register(managed()));
    letters.claims(2, &names[1], Wish::Register(managed()));
    assert_eq!(letters.verdict(2), Some(Verdict::TooManyNames { max: 1 }));
    letters.pass(Duration::from_secs(6)); // b gives up, and a with it
    assert_eq!(letters.verdict(1), Some(Verdict::TooLate));
    letters.claims(3, &names[1], Wish::Register(managed()));
    assert_eq!(letters.verdict(3), None, "it is being started");
    assert_eq!(letters.reached(Bound::Names), 1);
}

#[test]
fn a_peer_s_claims_beyond_those_that_may_wait_are_told_that_its_arbiter_is_busy() {
    let mut config = config("a", A);
    config.max_claims = 2;
    let mut letters = Letters::with(config);
    let ours = letters.name_of(A);
    for seq in 1..=3 {
        letters.claims(seq, &ours, Wish::Register(managed())); // the second and the third wait for the first
    }
    assert!(
        !letters.said.iter().any(|said| matches!(said, Message::ClaimReply(_))),
        "nothing is decided yet"
    );
    for seq in [4, 5] {
        letters.claims(seq, &ours, Wish::Register(managed()));
        assert_eq!(letters.verdict(seq), Some(Verdict::Busy));
    }
    assert_eq!(letters.reached(Bound::Claims), 2);
    letters.claims(2, &ours, Wish::Register(managed()));
    assert_eq!(letters.verdict(2), None, "a retry of one that waits is no other claim");
    letters.pass(Duration::from_secs(6));
    letters.claims(6, &ours, Wish::Register(managed()));
    assert_eq!(letters.verdict(6), None, "there is room again");
    assert_eq!(letters.reached(Bound::Claims), 2);
}

#[test]
fn this_node_s_own_requests_are_bounded_alike() {
    let mut config = config("a", A);
    config.max_claims = 1;
    let mut letters = Letters::with(config);
    let theirs = letters.name_of(B);
    let register = || Request::Register { name: theirs.clone(), worker: managed() };
    let first = letters.call(register());
    let second = letters.call(register());
    assert_eq!(letters.answer(second), Some(Reply::Registered(Err(RegisterError::Busy))));
    assert_eq!(letters.answer(first), None, "b has not answered");
    assert_eq!(letters.reached(Bound::Claims), 1);
    let here = letters.name_of(A);
    running_here(&mut letters, &here);
    let group = Group::new("g").expect("a good name");
    letters.call(Request::JoinGroup { group: group.clone(), name: here.clone() }); // b is to hold it
    let second = letters.call(Request::JoinGroup { group, name: here });
    assert_eq!(letters.answer(second), Some(Reply::Grouped(Err(GroupError::Busy))));
    assert_eq!(letters.reached(Bound::Claims), 2);
}

#[test]
fn a_name_is_let_into_so_many_groups_and_no_more() {
    let mut config = config("a", A);
    config.max_groups = 3;
    let mut letters = Letters::with(config);
    let ours = letters.name_of(A);
    running_here(&mut letters, &ours);
    for number in 0..5 {
        let group = Group::new(format!("g{number}")).expect("a good name");
        let call = letters.call(Request::JoinGroup { group, name: ours.clone() });
        let refused = Some(Reply::Grouped(Err(GroupError::TooMany { max: 3 })));
        assert_eq!(letters.answer(call), if number < 3 { None } else { refused });
    }
    assert_eq!(letters.reached(Bound::Groups), 2);
}

#[test]
fn so_many_copies_are_prepared_here_and_no_more() {
    let mut config = config("a", A);
    config.max_moves = 2;
    let mut letters = Letters::with(config);
    letters.tell(Records {
        records: List(
            [Record { revision: Revision(1), announced: Announced::Leaving, ..record("b", B) }].into(),
        ),
    });
    let offers = |seq: u64| Offer {
        name: name(&format!("moves-{seq}")),
        dot: Dot { life: B, seq },
        claim: ClaimId { life: B, seq },
        spec: managed(),
        replaces: Epoch(seq << 20),
        epoch: Epoch((100 + seq) << 20),
        state: None,
    };
    for seq in 1..=10 {
        letters.said.clear();
        letters.tell(offers(seq));
        let refused = letters
            .said
            .iter()
            .any(|said| matches!(said, Message::OfferReply(reply) if reply.answer == Readiness::Refused));
        assert_eq!(refused, seq > 8, "offer {seq}");
    }
    let prepared = letters.outputs.iter().filter(|output| matches!(output, Output::Prepare { .. })).count();
    assert_eq!((prepared, letters.reached(Bound::Copies)), (8, 2));
    letters.tell(Withdraw { name: name("moves-1"), epoch: Epoch(101 << 20) });
    let stops = letters.outputs.iter().any(|output| matches!(output, Output::Stop { .. }));
    assert!(stops, "it is dropped");
    letters.input(Input::WorkerStopped {
        name: name("moves-1"),
        epoch: Epoch(101 << 20),
        outcome: Stopped::Kindly,
    });
    letters.tell(offers(9));
    let prepared = letters.outputs.iter().filter(|output| matches!(output, Output::Prepare { .. })).count();
    assert_eq!((prepared, letters.reached(Bound::Copies)), (9, 2), "there is room again");
}

#[test]
fn a_winner_hears_so_many_beaten_copies_and_no_more() {
    let mut letters = Letters::new();
    let ours = letters.name_of(B); // b orders it
    let winner = running_here(&mut letters, &ours);
    for beaten in 1..=70 {
        letters.said.clear();
        letters.tell(Surrender { name: ours.clone(), winner, beaten: Epoch(beaten), bytes: 8 });
        let answers: Vec<Reception> = (letters.said.iter())
            .filter_map(|said| match said {
                Message::SurrenderReply(reply) => Some(reply.answer),
                _ => None,
            })
            .collect();
        let expected = if beaten <= 64 { Reception::Accepted } else { Reception::Refused };
        assert_eq!(answers, [expected], "the copy {beaten}");
    }
    let heard =
        letters.outputs.iter().filter(|output| matches!(output, Output::ResolveConflict { .. })).count();
    assert_eq!((heard, letters.reached(Bound::Beaten)), (64, 6));
    assert!(letters.a.registry.winner(&ours).is_some_and(|entry| entry.epoch == winner), "it runs on");
}

#[test]
fn of_a_log_that_is_as_long_as_it_may_be_nobody_else_brings_more() {
    let mut config = config("a", A);
    config.max_log = 1;
    let mut letters = Letters::with(config);
    for seq in [1, 2, 1] {
        let dot = Dot { life: B, seq };
        letters.a.keep_copy(B, seq, entry(dot, &name(&format!("by-b-{seq}")), seq, B));
    }
    assert_eq!(letters.a.registry.len_of(B), 1);
    assert_eq!(letters.a.counters.malformed_frames, 1, "what it has already is no more");
}

#[test]
fn an_answer_that_is_forgotten_before_its_caller_gives_up_is_counted() {
    let mut config = config("a", A);
    config.max_claims = 2;
    let mut letters = Letters::with(config);
    for (seq, name) in (1..).zip(letters.names_of_a(3)) {
        letters.claims(seq, &name, Wish::Unregister);
        assert_eq!(letters.verdict(seq), Some(Verdict::NotFound));
        assert_eq!(letters.reached(Bound::Answers), usize::from(seq > 2));
    }
    letters.pass(Duration::from_secs(6));
    let name = letters.name_of(A);
    letters.claims(4, &name, Wish::Unregister);
    assert_eq!(letters.reached(Bound::Answers), 1, "the callers of the others have given up");
}

#[test]
fn addresses_for_which_there_is_no_room_are_counted_once_for_each_answer() {
    let mut config = config("a", A);
    config.max_addresses = 2;
    let mut letters = Letters::with(config);
    let source = Source::new("one").expect("a good source");
    for times in 1..=2 {
        let peers = (0..5).map(|number| Address::new(format!("n{number}:1")).expect("a good address"));
        let observation = Observation::all(peers);
        letters.input(Input::Observed { source: source.clone(), observation });
        assert_eq!(letters.reached(Bound::Addresses), times);
    }
}

#[test]
fn who_is_refused_with_a_retry_under_way_is_told_that_it_may_yet_be_done() {
    for (retries, refused) in [(false, RegisterError::Busy), (true, RegisterError::Timeout)] {
        let mut letters = Letters::with(config("a", A));
        let name = letters.name_of(B);
        let call = letters.call(Request::Register { name, worker: managed() });
        if retries {
            letters.pass(letters.a.config.retry_after);
        }
        let mut claims = letters.said.iter().filter_map(|said| match said {
            Message::Claim(claim) => Some(claim.id),
            _ => None,
        });
        let id = claims.next_back().expect("it claims the name");
        letters.tell(ClaimReply { id, verdict: Verdict::Busy });
        assert_eq!(letters.answer(call), Some(Reply::Registered(Err(refused))));
    }
}
