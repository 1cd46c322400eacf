//! What no honest peer writes, and copies that arrive alone.

use super::*;

#[test]
fn an_answer_that_registers_and_holds_a_removed_entry_is_no_answer() {
    let mut letters = Letters::new();
    let theirs = letters.name_of(B);
    let call = letters.call(Request::Register { name: theirs.clone(), worker: managed() });
    let id = letters.claim();
    let entry = entry(B1, &theirs, 5, B).removed(Epoch(6 << 20));
    letters.tell(ClaimReply { id, verdict: Verdict::Registered { origin: B, seq: 1, entry } });
    assert_eq!(letters.answer(call), None, "it is answered by what says nothing of its wish");
    letters.pass(Duration::from_secs(6));
    assert_eq!(letters.answer(call), Some(Reply::Registered(Err(RegisterError::Timeout))));
}

#[test]
fn nobody_writes_into_our_log_by_an_answer() {
    let mut letters = Letters::new();
    let theirs = letters.name_of(B);
    letters.call(Request::Register { name: theirs.clone(), worker: managed() });
    let id = letters.claim();
    let forged = entry(Dot { life: B, seq: 1 }, &theirs, 5, B);
    letters.tell(ClaimReply { id, verdict: Verdict::Registered { origin: A, seq: 1, entry: forged } });
    assert_eq!(letters.a.registry.winner(&theirs), None, "our log holds what we did not write");
}

#[test]
fn nobody_ends_what_we_have_yet_to_register() {
    let mut letters = Letters::new();
    let ours = letters.name_of(A);
    let dot = Dot { life: A, seq: 1 };
    let removed = entry(dot, &name("other"), 5, B).removed(Epoch(6 << 20));
    letters.tell(delta(B, 1, [(1, removed)]));
    letters.call(Request::Register { name: ours.clone(), worker: WorkerSpec::Attached });
    assert_eq!(letters.a.registry.winner(&ours).map(|entry| entry.dot), Some(dot));
}

#[test]
fn a_letter_in_our_own_name_is_nobodys() {
    let mut letters = Letters::new();
    let ours = letters.name_of(A);
    let id = ClaimId { life: A, seq: 9 };
    let claim =
        Claim { id, name: ours.clone(), wish: Wish::Register(WorkerSpec::Attached), remaining_ms: 1000 };
    let Frame { kind, body } = Message::from(claim).encode(WIRE_MAX);
    letters.tell(Relay { to: A, from: A, kind, body: List(body) });
    assert_eq!(letters.a.registry.winner(&ours), None, "a claimed nothing");
}

#[test]
fn the_log_of_an_unknown_life_is_not_kept() {
    let mut letters = Letters::new();
    let stranger = Life(9_000_000);
    let dot = Dot { life: stranger, seq: 1 };
    letters.tell(delta(stranger, 1, [(1, entry(dot, &name("x"), 5, B))]));
    assert!(letters.a.registry.log(stranger).is_none(), "whoever invents lives makes us keep them");
}

#[test]
fn an_epoch_of_the_far_future_closes_its_link() {
    let mut letters = Letters::new();
    let mut entry = entry(B1, &name("x"), 5, B);
    entry.epoch = Epoch(u64::MAX - 3);
    letters.tell(delta(B, 1, [(1, entry)]));
    assert!(letters.was_closed_for(&Refusal::Malformed), "an epoch that leaves no later one was taken");
}

#[test]
fn the_last_epoch_of_a_peer_leaves_room_for_ours() {
    let mut letters = Letters::new();
    let last = Entry { epoch: Epoch::LAST, ..entry(B1, &name("x"), 5, B) };
    letters.tell(delta(B, 1, [(1, last)]));
    assert!(letters.a.next_epoch() > Epoch::LAST);
}

#[test]
fn a_removal_in_an_answer_counts_before_its_registration_is_known() {
    let mut letters = Letters::new();
    let theirs = letters.name_of(B);
    letters.call(Request::Unregister { name: theirs.clone() });
    let id = letters.claim();
    let registered = entry(B1, &theirs, 5, B);
    let removed = registered.removed(Epoch(6 << 20));
    letters.tell(ClaimReply { id, verdict: Verdict::Unregistered { origin: B, seq: 2, entry: removed } });
    letters.tell(delta(B, 1, [(1, registered)]));
    assert_eq!(letters.a.registry.winner(&theirs), None, "a removal that its caller heard of was undone");
}

#[test]
fn a_copy_that_comes_after_its_writer_died_is_shared_again() {
    let mut letters = Letters::new();
    let theirs = letters.name_of(B);
    letters.call(Request::Register { name: theirs.clone(), worker: managed() });
    let id = letters.claim();
    let dead = Record { health: Health::Refused, ..record("c", C) };
    letters.tell(Records { records: List([dead].into()) });
    let entry = entry(Dot { life: C, seq: 3 }, &theirs, 5, B);
    letters.tell(ClaimReply { id, verdict: Verdict::Registered { origin: C, seq: 3, entry } });
    let shared = letters.said.iter().any(
        |message| matches!(message, Message::Delta(delta) if delta.origin == A && delta.items.len() == 1),
    );
    assert!(shared, "the only copy stays where it is");
}
