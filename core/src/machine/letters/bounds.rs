//! Bounds that a peer's letters reach: what it is told there, and that it is counted.

use super::*;
use crate::event::Bound;

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
