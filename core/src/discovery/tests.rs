//! The book alone: sources add up, expire and fail, and addresses are dialled when they should be.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::Book;
use crate::Config;
use crate::config::Backoff;
use crate::error::Refusal;
use crate::event::{Event, Observation, SourceFailure, SourceFault};
use crate::id::{Address, ClusterName, Life, NodeName, Reason, Source};
use crate::time::Instant;

const BACKOFF: Backoff = Backoff { min: Duration::from_millis(50), max: Duration::from_secs(5) };
const SECOND: Duration = Duration::from_secs(1);

fn address(text: &str) -> Address {
    Address::new(text).expect("a good address")
}

fn source(text: &str) -> Source {
    Source::new(text).expect("a good source")
}

fn none(_: &Address, _: Option<Life>) -> bool {
    false
}

fn book(max: usize) -> Book {
    let (cluster, node) = (ClusterName::new("c").expect("good"), NodeName::new("n").expect("good"));
    let mut config = Config::new(cluster, node, Life(1), address("me"));
    config.redial = BACKOFF;
    config.max_addresses = max;
    Book::new(&config)
}

fn all(texts: &[&str]) -> Observation {
    Observation::all(texts.iter().map(|text| address(text)))
}

fn some(texts: &[&str], ttl: Duration) -> Observation {
    let peers = texts.iter().map(|text| address(text)).collect();
    Observation::Snapshot { peers, complete: false, ttl: Some(ttl) }
}

/// What would be dialled now, if nothing else had ever been.
fn known(book: &mut Book, now: Instant) -> Vec<Address> {
    book.expire(now);
    let due = book.take_due(now, none);
    due.iter().for_each(|address| book.reached(address));
    due
}

#[test]
fn sources_add_up_and_a_failure_takes_nothing_away() {
    let mut book = book(10);
    let (one, two) = (source("one"), source("two"));
    book.observe(&one, all(&["a", "b"]), Instant::ZERO);
    book.observe(&two, Observation::Upsert(address("b")), Instant::ZERO);
    book.observe(&one, Observation::transient("no answer"), Instant::ZERO);
    assert_eq!(known(&mut book, Instant::ZERO + SECOND * 1000), [address("a"), address("b")]);
    book.observe(&one, all(&["c"]), Instant::ZERO);
    assert_eq!(known(&mut book, Instant::ZERO), [address("b"), address("c")], "the other still names b");
    book.observe(&two, Observation::Gone(address("b")), Instant::ZERO);
    assert_eq!(known(&mut book, Instant::ZERO), [address("c")]);
}

#[test]
fn two_sources_that_disagree_are_counted_each() {
    let mut book = book(10);
    let (one, two) = (source("one"), source("two"));
    book.observe(&one, all(&["a"]), Instant::ZERO);
    book.observe(&two, all(&["a"]), Instant::ZERO);
    book.take_news();
    for _ in 0..3 {
        book.observe(&one, Observation::Gone(address("a")), Instant::ZERO);
        book.observe(&one, all(&["a"]), Instant::ZERO);
    }
    assert_eq!(book.take_news(), [], "what one says twice over is no news while the other names it");
    book.observe(&one, Observation::Gone(address("a")), Instant::ZERO);
    book.observe(&two, Observation::Gone(address("a")), Instant::ZERO);
    let withdrawn = Event::Withdrawn { address: address("a"), source: two };
    assert_eq!(book.take_news(), [withdrawn]);
}

#[test]
fn an_empty_answer_after_a_full_one_is_believed_after_a_while() {
    let mut book = book(10);
    let one = source("one");
    book.observe(&one, all(&[]), Instant::ZERO);
    assert_eq!(book.take_news(), [], "a source may begin with nothing");
    book.observe(&one, all(&["a"]), Instant::ZERO);
    book.take_news();
    book.observe(&one, all(&[]), Instant::ZERO);
    let reason = Reason::new("it names nobody any more");
    let failure = SourceFailure { fault: SourceFault::Empty, reason };
    let degraded = Event::SourceDegraded { source: one.clone(), failure };
    assert_eq!(book.take_news(), [degraded]);
    book.observe(&one, all(&[]), Instant::ZERO + SECOND * 29);
    assert_eq!(known(&mut book, Instant::ZERO + SECOND * 29), [address("a")]);
    assert_eq!(book.next_expiry(), Some(Instant::ZERO + SECOND * 30), "saying it again wins no time");
    assert_eq!(known(&mut book, Instant::ZERO + SECOND * 30), []);
    assert_eq!(book.take_news(), [Event::Withdrawn { address: address("a"), source: one.clone() }]);
    book.observe(&one, all(&[]), Instant::ZERO + SECOND * 31);
    assert_eq!(book.take_news(), [Event::SourceHealthy { source: one }]);
}

#[test]
fn an_answer_that_rotates_withdraws_by_silence_alone() {
    let mut book = book(10);
    let one = source("one");
    book.observe(&one, some(&["a", "b"], SECOND * 10), Instant::ZERO);
    book.observe(&one, some(&["b", "c"], SECOND * 10), Instant::ZERO + SECOND * 5);
    assert_eq!(known(&mut book, Instant::ZERO + SECOND * 9), ["a", "b", "c"].map(address));
    assert_eq!(known(&mut book, Instant::ZERO + SECOND * 10), ["b", "c"].map(address));
    let seen = Observation::Seen { peer: address("b"), ttl: SECOND * 60 };
    book.observe(&one, seen, Instant::ZERO + SECOND * 10);
    assert_eq!(known(&mut book, Instant::ZERO + SECOND * 20), [address("b")]);
}

#[test]
fn what_a_source_said_does_not_expire_while_it_fails() {
    let mut book = book(10);
    let one = source("one");
    book.observe(&one, some(&["a", "b"], SECOND), Instant::ZERO);
    book.observe(&one, Observation::transient("no answer"), Instant::ZERO);
    assert_eq!(book.next_expiry(), None);
    assert_eq!(known(&mut book, Instant::ZERO + SECOND * 100), ["a", "b"].map(address));
    book.observe(&one, some(&["a"], SECOND), Instant::ZERO + SECOND * 100);
    assert_eq!(known(&mut book, Instant::ZERO + SECOND * 100), ["a", "b"].map(address), "b gets its time");
    book.observe(&one, some(&["a"], SECOND), Instant::ZERO + SECOND * 101);
    assert_eq!(known(&mut book, Instant::ZERO + SECOND * 101), [address("a")]);
}

#[test]
fn a_failure_is_told_once_and_so_is_its_end() {
    let mut book = book(10);
    let one = source("one");
    for reason in ["no answer", "no answer after 3 tries"] {
        book.observe(&one, Observation::transient(reason), Instant::ZERO);
    }
    let degraded = |fault, reason| {
        let failure = SourceFailure { fault, reason: Reason::new(reason) };
        Event::SourceDegraded { source: source("one"), failure }
    };
    assert_eq!(book.take_news(), [degraded(SourceFault::Transient, "no answer")]);
    book.observe(&one, Observation::failed(SourceFault::Auth, "403"), Instant::ZERO);
    assert_eq!(book.take_news(), [degraded(SourceFault::Auth, "403")]);
    assert_eq!(book.figures(), (0, 1, 1));
    book.observe(&one, all(&[]), Instant::ZERO);
    book.observe(&one, all(&[]), Instant::ZERO);
    assert_eq!(book.take_news(), [Event::SourceHealthy { source: one }]);
    assert_eq!(book.figures(), (0, 1, 0));
}

#[test]
fn who_begins_afresh_has_to_name_all_again() {
    let mut book = book(10);
    let one = source("one");
    book.observe(&one, all(&["a", "b"]), Instant::ZERO);
    book.observe(&one, Observation::Resync, Instant::ZERO);
    book.observe(&one, Observation::Upsert(address("b")), Instant::ZERO + SECOND);
    assert_eq!(known(&mut book, Instant::ZERO + SECOND * 29), ["a", "b"].map(address));
    assert_eq!(known(&mut book, Instant::ZERO + SECOND * 30), [address("b")]);
}

#[test]
fn a_failed_address_waits_and_the_others_do_not() {
    let mut book = book(10);
    book.observe(&source("one"), all(&["a", "b"]), Instant::ZERO);
    assert_eq!(book.take_due(Instant::ZERO, none), ["a", "b"].map(address));
    assert_eq!(book.take_due(Instant::ZERO, none), [], "each is dialled once at a time");
    assert_eq!(book.failed(&address("a"), Instant::ZERO, 0), Some((1, BACKOFF.min)));
    assert_eq!(book.next_due(none), Some(Instant::ZERO + BACKOFF.min));
    assert_eq!(book.take_due(Instant::ZERO + BACKOFF.min, none), [address("a")]);
}

#[test]
fn an_address_whose_link_broke_is_dialled_soon_again_until_a_peer_greets() {
    let mut book = book(10);
    book.observe(&source("one"), Observation::Upsert(address("a")), Instant::ZERO);
    book.lost(&address("a"), Instant::ZERO);
    let mut now = Instant::ZERO;
    for milliseconds in [1, 2, 4, 8, 16, 32, 64] {
        assert_eq!(book.take_due(now, none), [address("a")]);
        book.failed(&address("a"), now, 0);
        now += Duration::from_millis(milliseconds);
        assert_eq!(book.next_due(none), Some(now));
    }
    assert_eq!(book.take_due(now, none), [address("a")]);
    book.reached(&address("a"));
    book.welcomed(&address("a"));
    book.failed(&address("a"), now, 0);
    assert_eq!(book.next_due(none), Some(now + BACKOFF.min), "its link did not break this time");
}

#[test]
fn a_refusal_is_news_once_until_a_peer_greets_there() {
    let mut book = book(10);
    book.observe(&source("one"), Observation::Upsert(address("a")), Instant::ZERO);
    let there = address("a");
    assert!(book.unwanted(&there, &Refusal::OtherCluster, Instant::ZERO));
    assert!(!book.unwanted(&there, &Refusal::OtherCluster, Instant::ZERO));
    assert!(book.unwanted(&there, &Refusal::OtherSlots, Instant::ZERO));
    assert_eq!(book.next_due(none), Some(Instant::ZERO + BACKOFF.max));
    book.welcomed(&there);
    assert!(book.unwanted(&there, &Refusal::OtherSlots, Instant::ZERO));
}

#[test]
fn past_its_bound_it_takes_no_more() {
    let mut book = book(1);
    book.observe(&source("one"), all(&["a", "b"]), Instant::ZERO);
    assert_eq!(known(&mut book, Instant::ZERO), [address("a")]);
}

#[test]
fn dials_in_flight_are_bounded_and_who_failed_least_goes_first() {
    let mut book = book(1000);
    let texts: Vec<_> = (0..300).map(|n| address(&alloc::format!("dead{n:03}"))).collect();
    book.observe(&source("one"), Observation::all(texts), Instant::ZERO);
    let first = book.take_due(Instant::ZERO, none);
    assert_eq!((first.len(), book.take_due(Instant::ZERO, none)), (128, vec![]));
    book.observe(&source("two"), Observation::Upsert(address("z")), Instant::ZERO);
    first.iter().for_each(|address| {
        book.failed(address, Instant::ZERO, 0);
    });
    let second = book.take_due(Instant::ZERO + SECOND * 60, none);
    assert!(first.iter().all(|failed| !second.contains(failed)), "others have not been tried yet");
    second.iter().for_each(|address| {
        book.failed(address, Instant::ZERO, 0);
    });
    let third = book.take_due(Instant::ZERO + SECOND * 60, none);
    assert_eq!(third.iter().position(|it| *it == address("z")), Some(44), "before all that failed");
}

/// A book in which `table` is an authority whose silence of ten seconds counts.
fn book_under(authority: &str) -> Book {
    let (cluster, node) = (ClusterName::new("c").expect("good"), NodeName::new("n").expect("good"));
    let mut config = Config::new(cluster, node, Life(1), address("me"));
    config.authorities.insert(source(authority), SECOND * 10);
    Book::new(&config)
}

/// Members at these addresses, with lives from 2 on.
fn settle(book: &mut Book, texts: &[&str]) {
    for (life, text) in (2..).map(Life).zip(texts) {
        book.belongs_to(&address(text), life, Instant::ZERO);
    }
}

fn at(seconds: u32) -> Instant {
    Instant::ZERO + SECOND * seconds
}

fn let_go(text: &str, life: u64) -> Event {
    Event::LetGo { address: address(text), life: Life(life) }
}

/// What it lets go of now, if all members are down.
fn pruned(book: &mut Book, now: Instant) -> Vec<Event> {
    book.expire(now);
    book.prune(now, |_| true);
    let is_of_pruning = |event: &Event| matches!(event, Event::LetGo { .. } | Event::LettingGoHeld { .. });
    book.take_news().into_iter().filter(is_of_pruning).collect()
}

#[test]
fn without_an_authority_nobody_is_let_go_of() {
    let (mut book, one) = (book(10), source("table"));
    book.observe(&one, all(&["a", "b", "c"]), at(0));
    settle(&mut book, &["a", "b", "c"]);
    book.observe(&one, all(&["a", "b"]), at(1));
    assert_eq!((pruned(&mut book, at(1000)), book.next_prune(|_| true)), (vec![], None));
}

#[test]
fn an_address_is_let_go_of_when_nobody_named_it_for_the_time_of_its_authority() {
    let (mut book, table, other) = (book_under("table"), source("table"), source("other"));
    book.observe(&table, all(&["a", "b", "c"]), at(0));
    book.observe(&other, all(&["c", "d"]), at(0));
    settle(&mut book, &["a", "b", "c", "d"]);
    book.observe(&table, all(&["a", "b"]), at(1));
    assert_eq!(pruned(&mut book, at(100)), [], "another source names c");
    book.observe(&other, all(&["me"]), at(100));
    assert_eq!(book.next_prune(|_| true), None, "the authority has not spoken since");
    assert_eq!(pruned(&mut book, at(104)), []);
    book.observe(&table, all(&["a", "b"]), at(105));
    assert_eq!(book.next_prune(|_| true), Some(at(110)), "d was never named by an authority");
    assert_eq!(book.next_prune(|_| false), None, "who is up is not let go of");
    assert_eq!(pruned(&mut book, at(109)), []);
    book.prune(at(110), |_| false);
    assert_eq!(book.take_news(), []);
    assert_eq!(pruned(&mut book, at(110)), [let_go("c", 4)]);
    assert_eq!(known(&mut book, at(110)), ["a", "b", "d", "me"].map(address));
    book.observe(&table, all(&["a", "b", "c"]), at(111));
    assert_eq!(known(&mut book, at(111)), ["a", "b", "d", "me", "c"].map(address), "it is dialled again");
}

#[test]
fn what_ends_by_silence_is_gone_once_its_authority_has_spoken() {
    let (mut book, table) = (book_under("table"), source("table"));
    book.observe(&table, some(&["a", "b"], SECOND), at(0));
    settle(&mut book, &["a", "b"]);
    book.observe(&table, Observation::Seen { peer: address("a"), ttl: SECOND * 1000 }, at(0));
    assert_eq!(pruned(&mut book, at(100)), [], "it may have been silent about all");
    book.observe(&table, Observation::Seen { peer: address("a"), ttl: SECOND * 1000 }, at(101));
    assert_eq!(pruned(&mut book, at(111)), [let_go("b", 3)]);
}

#[test]
fn a_source_that_fails_or_is_suddenly_empty_lets_nobody_go() {
    for trouble in [Observation::transient("no answer"), all(&[])] {
        let (mut book, table, other) = (book_under("table"), source("table"), source("other"));
        book.observe(&other, all(&["x"]), at(0));
        book.observe(&table, all(&["a", "b"]), at(0));
        settle(&mut book, &["a", "b"]);
        book.observe(&table, all(&["a"]), at(1));
        book.observe(&other, trouble.clone(), at(5));
        assert_eq!(pruned(&mut book, at(20)), [], "{trouble:?}");
        assert_eq!(book.next_prune(|_| true), None);
        book.observe(&other, all(&["x"]), at(20));
        assert_eq!(pruned(&mut book, at(29)), [], "{trouble:?}: the time begins again");
        assert_eq!(book.next_prune(|_| true), Some(at(30)));
        assert_eq!(pruned(&mut book, at(30)), [let_go("b", 3)], "{trouble:?}");
    }
}

#[test]
fn no_more_than_a_third_is_let_go_of_at_once() {
    let (mut book, table) = (book_under("table"), source("table"));
    book.observe(&table, all(&["a", "b", "c", "d", "e"]), at(0));
    settle(&mut book, &["a", "b", "c", "d", "e"]);
    book.observe(&table, all(&["a", "b"]), at(1));
    let held = Event::LettingGoHeld { wanted: 3, members: 6 };
    assert_eq!(pruned(&mut book, at(11)), [held]);
    assert_eq!(pruned(&mut book, at(12)), [], "it is told once");
    book.observe(&table, all(&["a", "b", "c"]), at(13));
    assert_eq!(pruned(&mut book, at(20)), [], "their time began anew");
    assert_eq!(pruned(&mut book, at(21)), [let_go("d", 5), let_go("e", 6)]);
    book.observe(&table, all(&["a", "b"]), at(22));
    book.observe(&table, all(&["a"]), at(30));
    assert_eq!(
        pruned(&mut book, at(32)),
        [let_go("c", 4)],
        "the others were let go of before: four are left"
    );
    let held = Event::LettingGoHeld { wanted: 2, members: 4 };
    assert_eq!(pruned(&mut book, at(40)), [held], "c was let go of a moment ago");
    assert_eq!(book.next_prune(|_| true), Some(at(50)));
    assert_eq!(pruned(&mut book, at(50)), [let_go("b", 3)]);
}
