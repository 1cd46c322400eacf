//! Orders, reports and claims that come late, or twice.

use super::*;

/// A worker of b's wish that runs here, and is recorded.
pub(super) fn running_here(letters: &mut Letters, name: &Name) -> Epoch {
    let epoch = Epoch(5 << 20);
    letters.tell(order(name, epoch, None));
    letters.input(Input::WorkerStarted { name: name.clone(), epoch, result: Ok(()) });
    letters.tell(delta(B, 1, [(1, entry(B1, name, 5, A))]));
    epoch
}

fn order(name: &Name, epoch: Epoch, dot: Option<Dot>) -> StartOrder {
    StartOrder { name: name.clone(), dot, claim: ClaimId { life: B, seq: 77 }, spec: managed(), epoch }
}

#[test]
fn a_start_that_was_cancelled_while_it_waited_for_a_stop_never_runs() {
    let mut letters = Letters::new();
    let theirs = letters.name_of(B);
    let first = running_here(&mut letters, &theirs);
    let second = Epoch(8 << 20);
    letters.tell(order(&theirs, second, None)); // of another registration: of this one it would go on
    letters.said.clear();
    letters.tell(StopOrder { name: theirs.clone(), dot: None, epoch: second, why: Halt::Cancelled });
    let confirmed =
        |letters: &Letters| letters.said.iter().any(|said| matches!(said, Message::StopReport(_)));
    let early = confirmed(&letters);
    letters.outputs.clear();
    letters.input(Input::WorkerStopped { name: theirs.clone(), epoch: first, outcome: Stopped::Kindly });
    assert!(early || confirmed(&letters), "its arbiter waits for the word that it does not run");
    assert!(!letters.starts().contains(&second), "it was confirmed as stopped, and runs");
}

#[test]
fn a_start_that_waited_for_a_stop_is_refused_when_its_arbiter_is_none_any_more() {
    let mut letters = Letters::new();
    let theirs = letters.name_of(B);
    let first = running_here(&mut letters, &theirs);
    letters.tell(order(&theirs, Epoch(8 << 20), None));
    letters
        .tell(Records { records: List([Record { announced: Announced::Leaving, ..record("b", B) }].into()) });
    letters.outputs.clear();
    letters.input(Input::WorkerStopped { name: theirs.clone(), epoch: first, outcome: Stopped::Kindly });
    assert!(!letters.starts().contains(&Epoch(8 << 20)), "an order of the former arbiter runs in our name");
}

#[test]
fn a_late_report_of_a_start_does_not_bring_a_removed_name_back() {
    let mut letters = Letters::new();
    let ours = letters.name_of(A);
    letters.tell(StartReport {
        name: ours.clone(),
        dot: None,
        claim: ClaimId { life: B, seq: 77 },
        spec: managed(),
        epoch: Epoch(5 << 20),
        progress: Progress::Running,
    });
    assert_eq!(letters.a.registry.winner(&ours), None, "it is written down before its host was asked");
}

#[test]
fn reports_for_slots_that_are_lost_before_their_gate_passes_are_forgotten() {
    let mut letters = Letters::new();
    let ours = letters.name_of(A);
    letters.tell(Records { records: List([record("c", C)].into()) });
    assert!(!letters.a.gates.are_passed(), "the registry of a new member is not known yet");
    let ours = if letters.a.owns(letters.a.ring.slot_of(&ours)) { ours } else { letters.name_of(A) };
    letters.tell(StartReport {
        name: ours,
        dot: None,
        claim: ClaimId { life: B, seq: 77 },
        spec: managed(),
        epoch: Epoch(5 << 20),
        progress: Progress::Running,
    });
    assert_eq!(letters.a.gates.stashed(), 1);
    let call = letters.call(Request::Drain);
    assert_eq!(letters.a.gates.stashed(), 0, "a node that owns nothing keeps reports for what it lost");
    let _ = letters.answer(call); // drained or not: there was nothing to hand over
}

#[test]
fn a_claim_that_was_answered_is_not_decided_again() {
    let mut letters = Letters::new();
    let ours = letters.name_of(A);
    let claim =
        |seq, wish| Claim { id: ClaimId { life: B, seq }, name: ours.clone(), wish, remaining_ms: 1000 };
    letters.tell(claim(1, Wish::Register(WorkerSpec::Attached)));
    letters.tell(claim(2, Wish::Unregister));
    letters.tell(claim(3, Wish::Register(WorkerSpec::Attached)));
    letters.said.clear();
    letters.tell(claim(2, Wish::Unregister)); // its answer was lost
    let again = letters.said.iter().any(|message| {
        matches!(message, Message::ClaimReply(reply) if matches!(reply.verdict, Verdict::Unregistered { .. }))
    });
    assert!(again, "it was done, and its caller is told so");
    assert!(letters.a.registry.winner(&ours).is_some(), "it ended a registration that came after it");
}

#[test]
fn an_answer_is_remembered_only_while_its_caller_may_ask_again() {
    let mut letters = Letters::new();
    let ours = letters.name_of(A);
    let claim =
        |seq, wish| Claim { id: ClaimId { life: B, seq }, name: ours.clone(), wish, remaining_ms: 1000 };
    letters.tell(claim(1, Wish::Register(WorkerSpec::Attached)));
    letters.pass(Duration::from_secs(2));
    letters.tell(claim(2, Wish::Unregister));
    assert_eq!(letters.a.desk.remembered(), 1, "the first one's caller is gone");
}
