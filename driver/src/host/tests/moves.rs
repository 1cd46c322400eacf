//! What a host does with the orders of a move.

use std::pin::pin;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{Either, select};
use skep_core::event::{Exit, Handoff, Input, MoveReason, Placement, StopReason, Stopped};
use skep_core::id::{Epoch, Life, Name, Payload, Reason};

use super::{Add, MAX_STATE, MINUTE, NEW, OLD, Side, Way, args, kind, name};
use crate::host::Copy;
use crate::runtime::Runtime;
use crate::sim::SimRuntime;
use crate::worker::Beaten;

fn prepared(result: Result<(), Reason>) -> Input {
    Input::WorkerPrepared { name: name(), epoch: NEW, result }
}

#[test]
fn a_worker_goes_on_elsewhere_with_its_state() {
    let runtime = SimRuntime::new(1);
    runtime.run(async {
        for (way, total) in
            [(Way::Resume, 5), (Way::Long(0), 1), (Way::Long(65_537), 1), (Way::Long(MAX_STATE), 1)]
        {
            let [mut a, mut b] = Side::pair(&runtime).await;
            a.run(way).await;
            assert_eq!(a.add(5).await, Some((5, OLD)));
            let Handoff::Resume { bytes } = a.begin_handoff().await else { panic!("{way:?} resumes") };
            let copy = Copy { state: Some(bytes), from: Life(1) };
            b.host.prepare(name(), NEW, kind("tally"), args(way), &copy);
            a.host.send_state(name(), OLD, Life(2), NEW);
            assert_eq!(b.report().await, prepared(Ok(())));
            assert_eq!((a.host.workers().len(), b.host.workers().len()), (1, 0), "only the source is active");
            a.host.freeze(&name(), OLD, Life(2), NEW);
            b.host.activate(name(), NEW, NEW);
            assert_eq!((a.host.workers().len(), b.host.workers().len()), (0, 1), "only the target is active");
            a.place(&b, NEW);
            assert_eq!(a.add(3).await, Some((total + 3, NEW)), "{way:?}");
            a.host.stop(runtime.now(), name(), OLD, MINUTE, StopReason::HandedOver);
            let stopped = Input::WorkerStopped { name: name(), epoch: OLD, outcome: Stopped::Kindly };
            assert_eq!(a.report().await, stopped);
        }
    });
}

#[test]
fn a_worker_says_how_it_moves() {
    let runtime = SimRuntime::new(1);
    runtime.run(async {
        for (way, handoff) in [
            (Way::Stay, Handoff::Stay),
            (Way::Restart, Handoff::Restart),
            (Way::Resume, Handoff::Resume { bytes: 1 }),
            (Way::Long(MAX_STATE + 1), Handoff::Stay),
        ] {
            let [mut a, _b] = Side::pair(&runtime).await;
            a.run(way).await;
            assert_eq!(a.begin_handoff().await, handoff, "{way:?}");
            let is_held = handoff != Handoff::Stay;
            assert_eq!(a.add(1).await.is_none(), is_held, "{way:?}: what may move is held, and nothing else");
        }
    });
}

#[test]
fn a_worker_that_would_rather_stay_can_say_what_it_knows_to_the_copy_that_beat_it() {
    let runtime = SimRuntime::new(1);
    runtime.run(async {
        let [mut a, _b] = Side::pair(&runtime).await;
        a.run(Way::StayUnlessBeaten).await;
        assert_eq!(a.begin_handoff_for(MoveReason::Balance).await, Handoff::Stay);
        assert_eq!(a.begin_handoff_for(MoveReason::Draining).await, Handoff::Restart);
        a.host.go_on(&name(), OLD);
        assert_eq!(a.begin_handoff_for(MoveReason::Conflict).await, Handoff::Resume { bytes: 1 });
    });
}

#[test]
fn what_is_not_there_or_was_stopped_stays() {
    let runtime = SimRuntime::new(1);
    runtime.run(async {
        let [mut a, _b] = Side::pair(&runtime).await;
        assert_eq!(a.begin_handoff().await, Handoff::Stay);
        a.host.send_state(name(), OLD, Life(2), NEW);
        assert_eq!(a.report().await, Input::StateLost { name: name(), epoch: OLD });
        a.host.go_on(&name(), OLD);
        a.host.freeze(&name(), OLD, Life(2), NEW);
        a.host.activate(name(), OLD, NEW);
        assert_eq!(a.host.workers(), []);
    });
}

#[test]
fn who_panics_when_it_is_asked_how_it_moves_starts_anew_there_or_has_ended_here() {
    let runtime = SimRuntime::new(1);
    runtime.run(async {
        let [mut a, _b] = Side::pair(&runtime).await;
        a.run(Way::Panic).await;
        assert_eq!(a.begin_handoff().await, Handoff::Restart);
        a.host.freeze(&name(), OLD, Life(2), NEW);
        a.host.stop(runtime.now(), name(), OLD, MINUTE, StopReason::HandedOver);
        let stopped = Input::WorkerStopped { name: name(), epoch: OLD, outcome: Stopped::Kindly };
        assert_eq!(a.report().await, stopped, "it moved");
        a.run(Way::Panic).await;
        assert_eq!(a.begin_handoff().await, Handoff::Restart);
        a.host.go_on(&name(), OLD);
        let exit = Exit::Failed(Reason::new("panicked: this panic is part of a test"));
        assert_eq!(a.report().await, Input::WorkerExited { name: name(), epoch: OLD, exit }, "it did not");
    });
}

#[test]
fn a_worker_whose_move_is_off_goes_on_with_what_it_had() {
    let runtime = SimRuntime::new(1);
    runtime.run(async {
        let [mut a, _b] = Side::pair(&runtime).await;
        a.run(Way::Resume).await;
        assert_eq!(a.add(5).await, Some((5, OLD)));
        for n in 1..4 {
            assert_eq!(a.begin_handoff().await, Handoff::Resume { bytes: 1 });
            a.host.go_on(&name(), OLD);
            assert_eq!(a.add(1).await, Some((5 + n, OLD)));
        }
        a.host.begin_handoff(name(), OLD, MoveReason::Balance);
        a.host.go_on(&name(), OLD); // before it has answered
        assert_eq!(a.add(1).await, Some((9, OLD)));
        assert!(a.host.report().is_none(), "a late answer concerns nobody");
    });
}

#[test]
fn an_answer_to_a_move_that_was_given_up_is_not_that_to_the_next() {
    let runtime = SimRuntime::new(1);
    runtime.run(async {
        let [mut a, _b] = Side::pair(&runtime).await;
        a.run(Way::Resume).await;
        a.host.begin_handoff(name(), OLD, MoveReason::Balance);
        a.shared.platform.sleep(Duration::from_millis(1)).await; // it has answered, and nobody has read that
        a.host.go_on(&name(), OLD);
        assert_eq!(a.add(200).await, Some((200, OLD)));
        assert_eq!(a.begin_handoff().await, Handoff::Resume { bytes: 2 }, "what it knows now");
    });
}

#[test]
fn a_frozen_worker_goes_on_as_a_later_start_when_its_target_died() {
    let runtime = SimRuntime::new(1);
    runtime.run(async {
        for way in [Way::Resume, Way::Restart] {
            let [mut a, b] = Side::pair(&runtime).await;
            a.run(way).await;
            assert_eq!(a.add(5).await, Some((5, OLD)));
            a.begin_handoff().await;
            a.host.freeze(&name(), OLD, Life(2), NEW);
            a.place(&b, NEW);
            assert_eq!(a.add(5).await, None, "it moved, to where nothing is");
            a.host.activate(name(), OLD, Epoch(30));
            a.place(&a, Epoch(30));
            assert_eq!(a.add(3).await, Some((8, Epoch(30))), "{way:?}");
            a.host.stop(runtime.now(), name(), Epoch(30), MINUTE, StopReason::Unregistered);
            let stopped = Input::WorkerStopped { name: name(), epoch: Epoch(30), outcome: Stopped::Kindly };
            assert_eq!(a.report().await, stopped, "by its present epoch");
        }
    });
}

#[test]
fn a_call_that_left_with_its_mailbox_and_arrived_nowhere_is_tried_again() {
    let runtime = SimRuntime::new(1);
    runtime.run(async {
        let [mut a, b] = Side::pair(&runtime).await;
        a.run(Way::Resume).await;
        a.begin_handoff().await;
        let node = a.shared.node();
        let mut call = pin!(node.call("n", Add(5), MINUTE));
        assert!(call.as_mut().now_or_never().is_none(), "it waits in the mailbox of a worker that is held");
        a.host.freeze(&name(), OLD, Life(2), NEW);
        a.place(&b, NEW);
        let sleep = pin!(runtime.sleep_until(runtime.now() + Duration::from_secs(1)));
        let waited = select(&mut call, sleep).await;
        assert!(matches!(waited, Either::Right(_)), "b knows nothing of it");
        a.host.activate(name(), OLD, Epoch(30));
        a.place(&a, Epoch(30));
        assert_eq!(call.await, Ok((5, Epoch(30))));
    });
}

#[test]
fn a_winner_looks_once_at_what_a_beaten_copy_hands_over() {
    let runtime = SimRuntime::new(1);
    runtime.run(async {
        let [mut a, mut b] = Side::pair(&runtime).await;
        a.run(Way::Resume).await;
        assert_eq!(a.add(5).await, Some((5, OLD)));
        b.run(Way::Resume).await;
        b.place(&b, OLD);
        assert_eq!(b.add(2).await, Some((2, OLD)));
        a.begin_handoff().await;
        let beaten = Beaten { epoch: OLD, at: Life(1) };
        b.host.resolve_conflict(name(), OLD, beaten);
        a.host.send_state(name(), OLD, Life(2), OLD);
        let resolved =
            |result| Input::ConflictResolved { name: name(), epoch: OLD, beaten: OLD, from: Life(1), result };
        assert_eq!(b.report().await, resolved(Ok(())));
        assert_eq!(b.add(0).await, Some((7, OLD)));
        b.host.resolve_conflict(name(), OLD, beaten);
        assert_eq!(b.report().await, resolved(Err(Reason::new("its state did not come"))));
        b.begin_handoff().await;
        b.host.resolve_conflict(name(), OLD, beaten);
        a.host.send_state(name(), OLD, Life(2), OLD);
        let reason = Reason::new("the worker is on its way to another node");
        assert_eq!(b.report().await, resolved(Err(reason)), "what it hands over is written already");
    });
}

#[test]
fn a_copy_that_cannot_be_prepared_says_why() {
    let runtime = SimRuntime::new(1);
    runtime.run(async {
        let [mut a, mut b] = Side::pair(&runtime).await;
        a.run(Way::Long(4)).await;
        for (kind_name, way, reason) in [
            ("other", Way::Resume, "this node has no code for kind other"),
            ("tally", Way::Resume, "the state does not decode"),
        ] {
            a.begin_handoff().await;
            let copy = Copy { state: Some(4), from: Life(1) };
            b.host.prepare(name(), NEW, kind(kind_name), args(way), &copy);
            a.host.send_state(name(), OLD, Life(2), NEW);
            assert_eq!(b.report().await, prepared(Err(Reason::new(reason))));
            a.host.go_on(&name(), OLD);
        }
        let copy = Copy { state: Some(4), from: Life(1) };
        b.host.prepare(name(), Epoch(21), kind("tally"), args(Way::Long(4)), &copy);
        let reason = Reason::new("its state did not come");
        let failed = Input::WorkerPrepared { name: name(), epoch: Epoch(21), result: Err(reason) };
        assert_eq!(b.report().await, failed);
        assert_eq!(b.host.workers(), []);
    });
}

#[test]
fn a_copy_that_is_not_wanted_any_more_is_stopped_like_any_start() {
    let runtime = SimRuntime::new(1);
    runtime.run(async {
        let [_a, mut b] = Side::pair(&runtime).await;
        let stopped = Input::WorkerStopped { name: name(), epoch: NEW, outcome: Stopped::Kindly };
        let copy = Copy { state: None, from: Life(1) };
        b.host.prepare(name(), NEW, kind("tally"), args(Way::Restart), &copy);
        assert_eq!(b.report().await, prepared(Ok(())));
        b.host.stop(runtime.now(), name(), NEW, MINUTE, StopReason::Cancelled);
        assert_eq!(b.report().await, stopped);
        b.host.prepare(name(), NEW, kind("cron"), Payload::empty(), &copy);
        assert_eq!(b.report().await, prepared(Ok(())));
        b.host.stop(runtime.now(), name(), NEW, MINUTE, StopReason::Cancelled);
        assert_eq!(b.report().await, stopped);
    });
}

#[test]
fn a_closure_begins_when_it_is_activated_and_sleeps_on_while_it_is_frozen() {
    let runtime = SimRuntime::new(1);
    runtime.run(async {
        let [mut a, b] = Side::pair(&runtime).await;
        let beat = Name::new("beat").expect("a name");
        let copy = Copy { state: None, from: Life(2) };
        a.host.start(beat.clone(), OLD, kind("tally"), args(Way::Stay));
        a.report().await;
        let placement = Placement { holder: Some(Life(1)), epoch: OLD, kind: kind("tally"), attached: false };
        a.shared.router.lookup.place(beat, Some(placement));
        a.host.prepare(name(), NEW, kind("cron"), Payload::empty(), &copy);
        assert_eq!(a.report().await, prepared(Ok(())));
        let wait = || runtime.sleep_until(runtime.now() + MINUTE * 2);
        let beats = async |a: &Side| a.shared.node().call("beat", Add(0), MINUTE).await.expect("it runs").0;
        wait().await;
        assert_eq!(beats(&a).await, 0, "it is only prepared");
        a.host.activate(name(), NEW, NEW);
        runtime.sleep_until(runtime.now() + Duration::from_secs(1)).await;
        assert_eq!(beats(&a).await, NEW.0);
        a.host.begin_handoff(name(), NEW, MoveReason::Balance);
        let restart = Input::HandoffBegun { name: name(), epoch: NEW, handoff: Handoff::Restart };
        assert_eq!(a.report().await, restart);
        a.host.freeze(&name(), NEW, Life(2), Epoch(30));
        wait().await;
        assert_eq!(beats(&a).await, NEW.0, "it sleeps on");
        a.host.activate(name(), NEW, Epoch(30));
        let Input::WorkerExited { epoch: Epoch(30), .. } = a.report().await else { panic!("it is done") };
        assert_eq!(beats(&a).await, NEW.0 + 30);
        drop(b);
    });
}
