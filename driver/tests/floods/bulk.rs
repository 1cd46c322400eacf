//! Floods of state that nobody expects: they cost bounded memory, the others no call, and who moves meanwhile nothing.

use serde::{Deserialize, Serialize};
use skep::core::wire::{FIRST_BULK_KIND, Frame};
use skep::{Context, Failure, Handle, Handoff, Limit, Message, State, Worker};

use super::meddling::behind;
use super::support::{MILLI, PATIENCE, World, name_owned_by};
use super::three::{Three, limit, three};

/// The first bytes of so many states, each so long: 312 MiB.
const STATES: usize = 5000;
const LENGTH: usize = 64_000;

/// What a node has room for of those that nobody expects, in bytes.
const ROOM: usize = 1 << 20;

/// Has much to carry.
struct Porter {
    load: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Load(Vec<u8>);

impl Message for Load {
    const NAME: &'static str = "test.load";
    type Reply = usize;
}

impl Worker for Porter {
    const KIND: &'static str = "porter";
    type Args = ();
    type Messages = (Load,);

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, Failure> {
        Ok(Self { load: Vec::new() })
    }

    async fn begin_handoff(&mut self, _: &mut Context<Self>) -> Handoff {
        Handoff::resume(&self.load)
    }

    async fn end_handoff(&mut self, state: State, _: &mut Context<Self>) -> Result<(), Failure> {
        self.load = state.read()?;
        Ok(())
    }
}

impl Handle<Load> for Porter {
    async fn handle(&mut self, Load(more): Load, _: &mut Context<Self>) -> usize {
        self.load.extend(more);
        self.load.len()
    }
}

/// The first half of the state of a worker that nobody knows.
fn junk(number: usize) -> Frame {
    let (under, version, total, offset) = (1u64, 0u16, 2 * LENGTH as u64, 0u64);
    let header = (under, version, total, offset, format!("junk-{number}"));
    behind(&header, FIRST_BULK_KIND, &[7; LENGTH])
}

#[test]
fn states_that_nobody_expects_are_dropped_past_a_bound_and_a_worker_moves_with_its_own() {
    let world = World::new(1);
    let runtime = world.runtime.clone();
    runtime.run(async {
        let three = three(world, |node| node.worker::<Porter>().max_state(ROOM)).await;
        let Three { world, a, b, meddler, .. } = &three;
        let (name, theirs) = (three.echo().await, name_owned_by(b).await);
        a.register::<Porter>(&theirs, (), PATIENCE).await.expect("it starts");
        assert_eq!(a.call(&theirs, Load(vec![1; ROOM / 2]), PATIENCE).await, Ok(ROOM / 2));
        let flood = async {
            for number in 0..STATES {
                meddler.say("a", junk(number)).await;
                if number == STATES / 2 {
                    world.sleep(MILLI).await;
                    b.drain(PATIENCE).await.expect("all has somewhere to go");
                }
            }
            world.sleep(MILLI * 100).await;
        };
        three.served_during(&name, flood).await;
        let kept = STATES - usize::try_from(limit(a, Limit::EarlyStates)).expect("no more than were sent");
        assert_eq!(kept, ROOM / LENGTH);
        assert_eq!(a.whereis(&theirs).map(|at| at.life), Some(a.life()));
        assert_eq!(a.call(&theirs, Load(Vec::new()), PATIENCE).await, Ok(ROOM / 2), "it has its load");
    });
}
