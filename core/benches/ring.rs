//! The ring's figures over a million names, one line for each size: balance, moves, look-up, join and leave.
//!
//! `cargo bench -p skep-core --bench ring`. Medians over several sets of lives.

#![allow(clippy::print_stdout, reason = "a bench tells its figures")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use skep_core::id::{Life, Name, Slot};
use skep_core::ring::Ring;

const NAMES: u32 = 1_000_000;
const SLOT_BITS: u8 = 19;
const SETS: u64 = 7;

fn main() {
    let names: Vec<Name> =
        (0..NAMES).map(|n| Name::new(format!("device-{n}")).expect("a short name")).collect();
    let ring = Ring::new(SLOT_BITS);
    let hashing = median((0..SETS).map(|_| {
        let start = Instant::now();
        let sum = names.iter().fold(0, |sum: u32, name| sum.wrapping_add(ring.slot_of(name).0));
        black_box(sum);
        start.elapsed().as_nanos() as f64 / f64::from(NAMES)
    }));
    println!("hash of a name (slot_of): {hashing:.1} ns");
    let slots: Vec<Slot> = names.iter().map(|name| ring.slot_of(name)).collect();

    for (what, weight) in
        [("equal weights", (|_| 1) as fn(u64) -> u16), ("weights 1 to 4", |n| (n % 4) as u16 + 1)]
    {
        println!("{what}, {NAMES} names, 2^{SLOT_BITS} slots:");
        for count in [3, 10, 100, 1000] {
            let figures: Vec<Figures> = (1..=SETS).map(|set| measure(&slots, count, weight, set)).collect();
            let of = |figure: fn(&Figures) -> f64| median(figures.iter().map(figure));
            println!(
                "  {count:>4} nodes: max/avg {:.3} (worst {:.3}) | a join moves {:.4} of ideal, {} needless | look-up {:.1} ns | join {:.2} ms, leave {:.2} ms",
                of(|f| f.over),
                figures.iter().map(|f| f.over).fold(0.0, f64::max),
                of(|f| f.moved),
                figures.iter().map(|f| f.needless).sum::<u32>(),
                of(|f| f.lookup_ns),
                of(|f| f.join_ms),
                of(|f| f.leave_ms),
            );
        }
    }
}

struct Figures {
    /// The largest number of names on a node, each divided by its weight, over the average.
    over: f64,
    /// The share of the names that a newcomer takes, over the newcomer's share of the weights.
    moved: f64,
    /// Names that changed their owner and did not go to the newcomer, or not from the leaver.
    needless: u32,
    lookup_ns: f64,
    join_ms: f64,
    leave_ms: f64,
}

fn measure(slots: &[Slot], count: u64, weight: fn(u64) -> u16, set: u64) -> Figures {
    let life = |n: u64| Life(1_795_400_000_000_000 + set * 86_400_000_000 + n * 1_003);
    let mut ring = Ring::new(SLOT_BITS);
    for n in 0..count {
        ring.join(life(n), weight(n), |_, _| {});
    }
    let total: f64 = ring.members().map(|(_, weight)| f64::from(weight)).sum();
    let owners = |ring: &Ring| slots.iter().map(|&slot| ring.owner(slot)).collect::<Vec<_>>();
    let before = owners(&ring);

    let mut held = BTreeMap::<Life, f64>::new();
    for owner in before.iter().flatten() {
        *held.entry(*owner).or_default() += 1.0;
    }
    let over = (0..count)
        .map(|n| held.get(&life(n)).copied().unwrap_or(0.0) / f64::from(weight(n)))
        .fold(0.0, f64::max)
        / (f64::from(NAMES) / total);

    let newcomer = life(count);
    let join_ms = time(|| ring.join(newcomer, weight(count), |slot, former| _ = black_box((slot, former))));
    let after = owners(&ring);
    let changed = || before.iter().zip(&after).filter(|(before, after)| before != after);
    let share = f64::from(weight(count)) / (total + f64::from(weight(count)));
    let moved = changed().count() as f64 / f64::from(NAMES) / share;
    let mut needless = changed().filter(|&(_, &after)| after != Some(newcomer)).count();

    let leave_ms = time(|| ring.leave(newcomer, |slot, heir| _ = black_box((slot, heir))));
    needless += before.iter().zip(&owners(&ring)).filter(|(before, after)| before != after).count();

    let lookup_ns = 1e6 / f64::from(NAMES)
        * time(|| {
            let sum = slots
                .iter()
                .fold(0, |sum: u64, &slot| sum.wrapping_add(ring.owner(slot).map_or(0, |owner| owner.0)));
            black_box(sum);
        });
    Figures { over, moved, needless: needless as u32, lookup_ns, join_ms, leave_ms }
}

/// In milliseconds.
fn time(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e3
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
