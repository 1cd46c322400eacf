use futures::executor::block_on;
use futures::{FutureExt, poll};
use skep_core::event::Way;
use skep_core::id::{Address, ClusterName, Life, LinkId, NodeName};
use skep_core::placement::StrategyId;
use skep_core::wire::{Deframer, Frame, Hello};

use super::*;
use crate::limits::Limit;

fn peer() -> Hello {
    Hello {
        wire_min: 1,
        wire_max: 1,
        cluster: ClusterName::new("orders").expect("a good name"),
        slot_bits: 19,
        strategy: StrategyId::Ring,
        node: NodeName::new("b").expect("a good name"),
        life: Life(2),
        address: Address::new("b").expect("a good address"),
    }
}

fn frame(kind: u16, length: usize) -> Frame {
    Frame { kind, body: vec![0; length] }
}

fn up(bounds: LinkBounds) -> (Link, LinkEnds, Reports) {
    let (hub, mut reports) = hub_with(bounds);
    let ends = hub.link_up(Way::Accepted, Life(1), peer());
    let Some(Report::LinkUp { link, .. }) = reports.try_next() else { panic!("the link is up") };
    (link, ends, reports)
}

fn small() -> LinkBounds {
    LinkBounds { control: 100, calls: 100, bulk: 100, unhandled: 100, ..LinkBounds::default() }
}

async fn kinds(outgoing: &mut Outgoing, limit: usize) -> Vec<u16> {
    let mut bytes = Vec::new();
    outgoing.take(&mut bytes, limit).await.expect("frames are there");
    let mut deframer = Deframer::default();
    deframer.push(&bytes);
    let mut kinds = Vec::new();
    while let Some(frame) = deframer.next_frame().expect("whole frames") {
        kinds.push(frame.kind);
    }
    kinds
}

#[test]
fn control_goes_before_calls_before_bulk() {
    let (link, mut ends, _reports) = up(LinkBounds::default());
    for kind in [0xc000, 0x8000, 1, 0xc001, 0x8001, 2] {
        link.push(frame(kind, 3)).expect("there is room");
    }
    assert_eq!(block_on(kinds(&mut ends.outgoing, 1000)), [1, 2, 0x8000, 0x8001, 0xc000, 0xc001]);
}

#[test]
fn a_probe_overtakes_state_that_waits() {
    let (link, mut ends, _reports) = up(LinkBounds::default());
    for _ in 0..4 {
        link.push(frame(0xc000, 60_000)).expect("there is room");
    }
    assert_eq!(block_on(kinds(&mut ends.outgoing, 50_000)), [0xc000]);
    link.push(frame(7, 1)).expect("there is room");
    assert_eq!(block_on(kinds(&mut ends.outgoing, 50_000)), [7, 0xc000]);
}

#[test]
fn too_much_control_ends_the_link_and_says_so_once() {
    let (link, mut ends, mut reports) = up(small());
    link.push(frame(1, 200)).expect("the first frame fits whatever its length");
    assert_eq!(link.push(frame(1, 1)), Err(PushError::Full));
    assert!(matches!(reports.try_next(), Some(Report::Down { link: LinkId(1) })));
    assert_eq!(reports.times_reached(Limit::ControlQueue), 1);
    assert_eq!(link.push(frame(1, 1)), Err(PushError::Ended));
    assert_eq!(block_on(ends.outgoing.take(&mut Vec::new(), 10)), Err(Ended));
    assert_eq!(block_on(ends.incoming.frame(frame(1, 1))), Err(Ended));
    drop(ends);
    assert!(reports.try_next().is_none());
}

#[test]
fn too_many_calls_are_refused_and_the_link_lives() {
    let (link, mut ends, mut reports) = up(small());
    link.push(frame(0x8000, 200)).expect("there is room");
    assert_eq!(link.push(frame(0x8000, 1)), Err(PushError::Full));
    link.push(frame(1, 1)).expect("another lane has room");
    assert!(reports.try_next().is_none());
    assert_eq!(block_on(kinds(&mut ends.outgoing, 1000)), [1, 0x8000]);
    link.push(frame(0x8000, 1)).expect("there is room again");
    assert_eq!(reports.times_reached(Limit::CallQueue), 1);
}

#[test]
fn bulk_waits_for_room() {
    let (link, mut ends, reports) = up(small());
    link.push(frame(0xc000, 200)).expect("there is room");
    let mut waiting = std::pin::pin!(link.push_when_room(frame(0xc001, 1)));
    block_on(async {
        assert!(poll!(&mut waiting).is_pending());
        assert_eq!(kinds(&mut ends.outgoing, 1000).await, [0xc000]);
        waiting.await.expect("the link is open");
        assert_eq!(kinds(&mut ends.outgoing, 1000).await, [0xc001]);
    });
    assert_eq!(reports.times_reached(Limit::BulkQueue), 1);
}

#[test]
fn an_ordered_close_still_writes_what_was_pushed_before() {
    let (link, mut ends, mut reports) = up(LinkBounds::default());
    link.push(frame(1, 1)).expect("there is room");
    link.close();
    assert_eq!(link.push(frame(2, 1)), Err(PushError::Ended));
    assert!(ends.incoming.ended().now_or_never().is_some());
    ends.incoming.down();
    assert_eq!(block_on(kinds(&mut ends.outgoing, 1000)), [1]);
    assert_eq!(block_on(ends.outgoing.take(&mut Vec::new(), 10)), Err(Ended));
    drop(ends.outgoing);
    assert!(reports.try_next().is_none(), "the node closed it and needs not be told");
}

#[test]
fn the_reader_waits_while_the_node_is_behind() {
    let (_link, mut ends, mut reports) = up(small());
    block_on(async {
        ends.incoming.frame(frame(1, 200)).await.expect("the link is open");
        let mut second = std::pin::pin!(ends.incoming.frame(frame(2, 1)));
        assert!(poll!(&mut second).is_pending());
        assert!(matches!(reports.next().await, Report::Frame { frame: Frame { kind: 1, .. }, .. }));
        second.await.expect("the link is open");
        assert!(matches!(reports.next().await, Report::Frame { frame: Frame { kind: 2, .. }, .. }));
    });
    assert_eq!(reports.times_reached(Limit::Unhandled), 1);
}

#[test]
fn small_frames_weigh_too_and_a_reader_goes_on_only_when_there_is_room_for_some() {
    let bounds = LinkBounds { unhandled: 8 << 10, ..small() };
    let (_link, mut ends, mut reports) = up(bounds);
    block_on(async {
        for kind in 0..8 {
            ends.incoming.frame(frame(kind, 1)).await.expect("the link is open");
        }
        let mut next = std::pin::pin!(ends.incoming.frame(frame(9, 1)));
        assert!(poll!(&mut next).is_pending(), "8 KiB are taken by 8 frames");
        let waker = futures::task::noop_waker();
        assert!(next.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
        for _ in 0..3 {
            reports.next().await;
        }
        next.await.expect("the link is open");
    });
}

#[test]
fn calls_pass_while_control_waits() {
    let (_link, mut ends, mut reports) = up(small());
    block_on(async {
        ends.incoming.frame(frame(1, 200)).await.expect("the link is open");
        ends.incoming.frame(frame(0x8000, 200)).await.expect("the link is open");
    });
    assert!(matches!(reports.try_next(), Some(Report::Frame { frame: Frame { kind: 1, .. }, .. })));
    assert!(matches!(reports.try_next(), Some(Report::Frame { frame: Frame { kind: 0x8000, .. }, .. })));
}

#[test]
fn either_end_gone_is_reported_once_and_stops_the_other() {
    let (link, mut ends, mut reports) = up(LinkBounds::default());
    link.push(frame(1, 1)).expect("there is room");
    ends.incoming.down();
    assert!(matches!(reports.try_next(), Some(Report::Down { .. })));
    assert_eq!(block_on(ends.outgoing.take(&mut Vec::new(), 10)), Err(Ended));
    drop(ends.outgoing);
    assert!(reports.try_next().is_none());
    assert!(!link.is_open());
}

#[test]
fn a_new_link_brings_no_new_share_of_what_may_wait() {
    let (hub, mut reports) = hub_with(LinkBounds { parked: 400, ..LinkBounds::default() });
    let mut up = || {
        let ends = hub.link_up(Way::Accepted, Life(1), peer());
        loop {
            if let Some(Report::LinkUp { link, .. }) = reports.try_next() {
                return (link, ends);
            }
        }
    };
    let (first, ends) = up();
    let parked = first.park(100).expect("nothing waits");
    drop((first, ends));
    let (second, ends) = up();
    let more = second.park(100).expect("less than the bound waits");
    assert!(second.park(0).is_none());
    drop((second, ends, parked));
    let (third, _ends) = up();
    let last = third.park(0).expect("there is room again");
    assert!(third.park(0).is_none());
    drop((more, last));
    assert!(third.park(0).is_some());
    assert_eq!(reports.times_reached(Limit::Parked), 2);
}
