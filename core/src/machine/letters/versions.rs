//! Which words a letter is written in: those that its receiver understands, whoever carries it.

use super::*;
use crate::wire::WIRE_MIN;

/// What a says to c by way of b, when it knows that c speaks up to this version.
fn relayed(known: u16) -> Relay {
    let mut letters = Letters::new();
    letters.tell(Records { records: List([Record { wire: known, ..record("c", C) }].into()) });
    letters.said.clear();
    assert!(letters.a.send_to(C, Records { records: List::default() }), "b has a link");
    letters.input(Input::Timeout);
    let relay = letters.said.iter().find_map(|message| match message {
        Message::Relay(relay) if relay.to == C => Some((**relay).clone()),
        _ => None,
    });
    relay.expect("it goes by way of b")
}

#[test]
fn a_letter_by_way_of_another_is_in_words_of_its_receiver() {
    for (known, kind) in [(WIRE_MIN, 0x0003), (WIRE_MAX, 0x0008), (u16::MAX, 0x0008), (0, 0x0003)] {
        assert_eq!(relayed(known).kind, kind, "for who speaks up to {known}");
    }
}

#[test]
fn who_is_limited_to_an_old_version_neither_says_nor_hears_a_newer_one() {
    let mut old = config("a", A);
    old.wire_version = WIRE_MIN;
    let mut letters = Letters::with(old); // its peer greets it in new words, which are skipped
    assert_eq!(letters.a.counters.unknown_frames, 1);
    letters.tell(Records { records: List([record("c", C)].into()) });
    assert_eq!(letters.a.counters.unknown_frames, 2);
    assert!(letters.a.table.of(C).is_none());
    let frame = Message::from(Records { records: List([record("c", C)].into()) }).encode(WIRE_MIN);
    letters.input(Input::Message { link: LINK, frame });
    assert_eq!(
        letters.a.table.of(C).map(|record| record.wire),
        Some(WIRE_MIN),
        "whoever told has no word for it"
    );
}
