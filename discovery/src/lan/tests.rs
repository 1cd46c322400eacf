//! A station under a flood of what is no beacon, or none any more.

use skep::SimRuntime;
use skep::discovery::observations;
use skep::secret::{Key, Secret};
use skep_core::id::{Address, Life};

use super::window::MAX_SENDERS;
use super::*;
use crate::testing::me;

const OF_EACH: u64 = 10_000;

/// A source of one secret, and the key of that.
fn keyed() -> (Lan, Key) {
    let secret = Secret::new("0123456789abcdef0123456789abcdef").expect("a good secret");
    let key = secret.key(PURPOSE);
    (Lan::new(KeyRing::new([secret]).expect("one is enough")), key)
}

fn station<'a>(lan: &'a Lan, runtime: &SimRuntime, sink: ObservationSink) -> Station<'a, SimRuntime> {
    let (runtime, window) = (runtime.clone(), Window::new(lan.freshness));
    Station { lan, runtime, me: me(), sink, window, last_sent: 0, degraded: false }
}

/// SplitMix64, so that each run is the same.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[test]
fn ten_thousand_of_each_sort_of_bad_beacon_are_counted_and_the_next_good_one_is_heard() {
    let (lan, key) = keyed();
    let runtime = SimRuntime::new(1);
    let (sink, mut observed) = observations();
    let mut station = station(&lan, &runtime, sink);
    let beacon = |sent| Beacon {
        cluster: me().cluster,
        life: Life(77),
        address: Address::new("10.0.0.1:7000").expect("a good address"),
        sent,
    };
    let now = runtime.unix_micros();
    let good = beacon(now).seal(&key, [1; 12]);
    let seen = Observation::Seen { peer: beacon(now).address, ttl: lan.every * 5 };
    runtime.run(async {
        assert_eq!(station.on_packet(&good).await, Some(Verdict::New));
        assert_eq!(observed.try_recv().ok(), Some(seen.clone()));
        let mut state = 1;
        for _ in 0..OF_EACH {
            let length = random(&mut state) % 1500;
            let garbage: Vec<u8> = (0..length).map(|_| random(&mut state).to_le_bytes()[0]).collect();
            assert_eq!(station.on_packet(&garbage).await, None);
            let mut flipped = good.clone();
            let bit = usize::try_from(random(&mut state)).unwrap_or(usize::MAX) % (flipped.len() * 8);
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(station.on_packet(&flipped).await, None, "bit {bit}");
            assert_eq!(station.on_packet(&good).await, Some(Verdict::Replayed));
        }
        assert!(observed.try_recv().is_err(), "none of them says where a peer is");
        assert_eq!(station.on_packet(&beacon(now + 1).seal(&key, [2; 12])).await, Some(Verdict::Known));
        assert_eq!(observed.try_recv().ok(), Some(seen));
    });
    let BeaconFigures { sent, heard, garbage, forged, stale, replayed, forgotten } = lan.tally().read();
    assert_eq!((sent, heard, stale, replayed, garbage + forged), (0, 2, 0, OF_EACH, 2 * OF_EACH));
    assert_eq!(forgotten, 0);
}

#[test]
fn senders_without_end_are_heard_and_the_oldest_of_them_forgotten() {
    let (lan, key) = keyed();
    let runtime = SimRuntime::new(1);
    let (sink, mut observed) = observations();
    let mut station = station(&lan, &runtime, sink);
    let now = runtime.unix_micros();
    runtime.run(async {
        for life in 1..=MAX_SENDERS as u64 + 7 {
            let beacon = Beacon {
                cluster: me().cluster,
                life: Life(life << 32),
                address: Address::new("10.0.0.1:7000").expect("a good address"),
                sent: now + life,
            };
            assert_eq!(station.on_packet(&beacon.seal(&key, [1; 12])).await, Some(Verdict::New));
            assert!(observed.try_recv().is_ok(), "{life} is heard");
        }
    });
    let BeaconFigures { heard, forgotten, .. } = lan.tally().read();
    assert_eq!((heard, forgotten), (MAX_SENDERS as u64 + 7, 7));
}
