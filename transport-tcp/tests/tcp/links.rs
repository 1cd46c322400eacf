//! Links between two transports on real sockets: who the other is, what arrives, how they end.

use skep::core::error::DialFailure;
use skep::core::event::Way;
use skep::core::id::Life;
use skep::core::wire::{Frame, Lane, MAX_FRAME};
use skep::link::Report;
use skep::transport::Dialer;
use skep_tcp::TcpSockets;

use crate::common::*;

on_every_runtime!(
    both_sides_learn_who_the_other_is,
    frames_of_each_lane_arrive_whole_and_in_order,
    the_longest_frame_passes,
    the_last_frame_before_a_close_arrives,
    a_close_is_told_to_the_peer_once_and_not_to_us,
    links_outlive_their_listener,
    a_later_handshake_says_the_later_hello,
    many_dials_are_answered_once_each,
);

async fn both_sides_learn_who_the_other_is<R: TcpSockets>(runtime: R) {
    let mut a = node(&runtime, "a", 1).await;
    let mut b = node(&runtime, "b", 2).await;
    a.dialer.dial(b.address());
    let (way, peer, _link) = a.next_link().await;
    assert_eq!((way, peer), (Way::Dialled(b.address()), b.hello.clone()));
    let (way, peer, _link) = b.next_link().await;
    assert_eq!((way, peer), (Way::Accepted, a.hello.clone()));
}

async fn frames_of_each_lane_arrive_whole_and_in_order<R: TcpSockets>(runtime: R) {
    const EACH: u32 = 400;
    let kinds = [(Lane::Control, 0x0001_u16), (Lane::Calls, 0x8001), (Lane::Bulk, 0xc001)];
    let mut a = node(&runtime, "a", 1).await;
    let mut b = node(&runtime, "b", 2).await;
    let (from_a, from_b) = linked(&mut a, &mut b).await;
    for (link, other) in [(&from_a, &mut b), (&from_b, &mut a)] {
        let sending = async {
            for number in 0..EACH {
                for (_, kind) in kinds {
                    let mut body = vec![kind as u8; (number * number % 3000) as usize];
                    body.extend(number.to_le_bytes());
                    link.push_when_room(Frame { kind, body }).await.expect("the link is open");
                }
            }
        };
        let receiving = async {
            let mut next = [0; 3];
            for _ in 0..3 * EACH {
                let frame = other.next_frame().await;
                let lane = frame.lane() as usize;
                let number: u32 = next[lane];
                let (padding, tail) = frame.body.split_at((number * number % 3000) as usize);
                assert_eq!(tail, number.to_le_bytes(), "in the lane {:?}", frame.lane());
                assert!(padding.iter().all(|byte| *byte == frame.kind as u8));
                next[lane] += 1;
            }
            assert_eq!(next, [EACH; 3]);
        };
        futures::join!(sending, receiving);
    }
}

async fn the_longest_frame_passes<R: TcpSockets>(runtime: R) {
    let mut a = node(&runtime, "a", 1).await;
    let mut b = node(&runtime, "b", 2).await;
    let (from_a, _from_b) = linked(&mut a, &mut b).await;
    let longest = Frame { kind: 7, body: vec![0xa5; MAX_FRAME as usize] };
    from_a.push(longest.clone()).expect("there is room");
    from_a.push(Frame { kind: 8, body: vec![] }).expect("there is room");
    assert_eq!(b.next_frame().await, longest);
    assert_eq!(b.next_frame().await, Frame { kind: 8, body: vec![] });
}

/// The peer writes all the while: closing a socket with unread bytes sends a reset, which must not overtake.
async fn the_last_frame_before_a_close_arrives<R: TcpSockets>(runtime: R) {
    let mut b = node(&runtime, "b", 2).await;
    for life in 0..20 {
        let mut a = node(&runtime, "a", 100 + life).await;
        let (from_a, from_b) = linked(&mut a, &mut b).await;
        for _ in 0..20 {
            from_b.push(Frame { kind: 0x8000, body: vec![1; 50_000] }).expect("there is room");
            from_a.push(Frame { kind: 1, body: vec![2; 50_000] }).expect("there is room");
        }
        from_a.push(Frame { kind: 99, body: vec![] }).expect("there is room");
        from_a.close();
        let mut frames = 0;
        while b.next_frame().await.kind != 99 {
            frames += 1;
        }
        assert_eq!(frames, 20, "in round {life}");
        b.is_down_next().await;
    }
}

async fn a_close_is_told_to_the_peer_once_and_not_to_us<R: TcpSockets>(runtime: R) {
    let mut a = node(&runtime, "a", 1).await;
    let mut b = node(&runtime, "b", 2).await;
    let (from_a, _from_b) = linked(&mut a, &mut b).await;
    from_a.close();
    b.is_down_next().await;
    // Whatever else were reported would come before what a second link brings.
    let (from_a, _from_b) = linked(&mut a, &mut b).await;
    from_a.push(Frame { kind: 1, body: vec![] }).expect("there is room");
    assert_eq!(b.next_frame().await.kind, 1);
    assert!(a.reports.try_next().is_none());
    assert!(b.reports.try_next().is_none());
}

async fn links_outlive_their_listener<R: TcpSockets>(runtime: R) {
    let mut a = node(&runtime, "a", 1).await;
    let mut b = node(&runtime, "b", 2).await;
    let (from_a, from_b) = linked(&mut a, &mut b).await;
    let Node { mut reports, hello, dialer, .. } = b;
    drop(dialer);
    // The listener closes as soon as its task runs; a dial that comes before that may still be taken, and dropped.
    let mut is_closed = false;
    while !is_closed {
        a.dialer.dial(hello.address.clone());
        is_closed = loop {
            match a.next().await {
                Report::DialFailed { failure, .. } => break failure == DialFailure::Refused,
                Report::LinkUp { .. } => break false,
                Report::Down { link } => assert_ne!(link, from_a.id()),
                Report::Frame { frame, .. } => panic!("a frame out of nowhere: {frame:?}"),
            }
        };
    }
    from_a.push(Frame { kind: 1, body: vec![1] }).expect("the first link lives");
    from_b.push(Frame { kind: 2, body: vec![2] }).expect("the first link lives");
    for (reports, kind) in [(&mut reports, 1), (&mut a.reports, 2)] {
        loop {
            match soon(&runtime, reports.next()).await {
                Report::Frame { frame, .. } => break assert_eq!(frame.kind, kind),
                Report::LinkUp { .. } | Report::Down { .. } => {} // of a dial that was taken after all
                Report::DialFailed { .. } => panic!("all dials are answered"),
            }
        }
    }
}

async fn a_later_handshake_says_the_later_hello<R: TcpSockets>(runtime: R) {
    let mut a = node(&runtime, "a", 1).await;
    let mut b = node(&runtime, "b", 2).await;
    let (_from_a, _from_b) = linked(&mut a, &mut b).await;
    a.hello.life = Life(3);
    a.dialer.introduce_as(a.hello.clone());
    a.dialer.dial(b.address());
    a.next_link().await;
    assert_eq!(b.next_link().await.1.life, Life(3));
    b.dialer.dial(a.address());
    assert_eq!(b.next_link().await.1.life, Life(3));
}

async fn many_dials_are_answered_once_each<R: TcpSockets>(runtime: R) {
    const EACH: usize = 30;
    let mut a = node(&runtime, "a", 1).await;
    let b = node(&runtime, "b", 2).await;
    let nobody = blocking(|| std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()).await;
    let nobody = nobody.expect("a free port").to_string();
    for _ in 0..EACH {
        a.dialer.dial(b.address());
        a.dial(&nobody);
    }
    let (mut up, mut failed) = (0, 0);
    let mut links = Vec::new();
    while up + failed < 2 * EACH {
        match a.next().await {
            Report::LinkUp { way, link, .. } => {
                assert_eq!(way, Way::Dialled(b.address()));
                links.push(link);
                up += 1;
            }
            Report::DialFailed { address, .. } => {
                assert_eq!(address.as_str(), nobody);
                failed += 1;
            }
            Report::Down { link } => panic!("{link:?} went down"),
            Report::Frame { frame, .. } => panic!("a frame out of nowhere: {frame:?}"),
        }
    }
    assert_eq!((up, failed), (EACH, EACH));
    assert!(a.reports.try_next().is_none());
}
