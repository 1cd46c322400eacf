//! What a runtime and a transport must do together: a cluster of two nodes, from its formation to its end.

use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, join, select};
use skep_core::event::{Status, StopReason};
use skep_core::id::{Payload, Reason};

use super::probe::{Add, Crash, Probe, Unheard, WhoAmI};
use crate::builder::NodeBuilder;
use crate::calls::{CallError, Handled};
use crate::node::Node;
use crate::runtime::Runtime;
use crate::start_error::StartError;
use crate::status::Ending;
use crate::transport::Transport;
use crate::worker::OneOf1;
use crate::{LookupError, RegisterError, UnregisterError};

const PATIENCE: Duration = Duration::from_secs(30);

/// Checks a runtime with a transport. `transport` makes one that takes an address of its own at each call.
pub async fn cluster<R: Runtime, T: Transport<R>>(runtime: &R, transport: impl Fn() -> T) {
    let checked = check(runtime, transport);
    match select(pin!(checked), pin!(runtime.sleep_until(runtime.now() + PATIENCE * 4))).await {
        Either::Left(_) => {}
        Either::Right(_) => panic!("the cluster suite did not end within {:?}", PATIENCE * 4),
    }
}

async fn check<R: Runtime, T: Transport<R>>(runtime: &R, transport: impl Fn() -> T) {
    let a = start(runtime, "a", transport(), None).await;
    let b = start(runtime, "b", transport(), Some(&a)).await;
    both_see_both_up(runtime, &a, &b).await;
    a_taken_name_is_taken_from_both(&a, &b).await;
    calls_reach_the_worker_from_both(runtime, &a, &b).await;
    a_failed_start_says_why(&a).await;
    a_worker_that_panics_is_started_again(runtime, &a, &b).await;
    an_attached_task_is_called_and_told(&a, &b).await;
    an_unregistered_name_is_free(runtime, &a, &b).await;
    a_third_node_of_a_taken_name_is_refused(runtime, &a, transport()).await;
    a_node_that_leaves_hands_its_workers_over(runtime, a, b).await;
}

async fn start<R: Runtime, T: Transport<R>>(
    runtime: &R,
    name: &str,
    transport: T,
    peer: Option<&Node>,
) -> Node {
    let builder = NodeBuilder::new(name, runtime.clone(), transport).cluster("conformance").worker::<Probe>();
    let builder = match peer {
        Some(peer) => builder.join(peer.address().as_str()),
        None => builder,
    };
    builder.start().await.unwrap_or_else(|error| panic!("{name} does not start: {error}"))
}

async fn both_see_both_up<R: Runtime>(runtime: &R, a: &Node, b: &Node) {
    for node in [a, b] {
        until(runtime, "both nodes up", async || {
            let members = node.members().await.expect("the node runs");
            members.iter().filter(|member| member.status == Status::Up).count() == 2
        })
        .await;
    }
}

async fn a_taken_name_is_taken_from_both(a: &Node, b: &Node) {
    for (n, (first, second)) in [(a, b), (b, a), (a, a), (b, b)].into_iter().enumerate() {
        for m in 0..8 {
            let name = format!("taken-{n}-{m}");
            let made = first.register::<Probe>(&name, Some(0), PATIENCE).await.expect("the name is free");
            let again = second.register::<Probe>(&name, Some(0), PATIENCE).await;
            assert_eq!(again, Err(RegisterError::AlreadyRegistered { holder: made.clone() }), "{name}");
            let found = second.whereis_consistent(&name, PATIENCE).await;
            assert_eq!(found.as_ref(), Ok(&made), "{name}");
            let found = second.whereis_or_register::<Probe>(&name, Some(0), PATIENCE).await;
            assert!(found.is_ok_and(|found| !found.started && found.registration == made), "{name}");
        }
    }
    let both = join(
        a.register::<Probe>("raced", Some(0), PATIENCE),
        b.register::<Probe>("raced", Some(0), PATIENCE),
    );
    match both.await {
        (Ok(holder), Err(RegisterError::AlreadyRegistered { holder: told }))
        | (Err(RegisterError::AlreadyRegistered { holder: told }), Ok(holder)) => assert_eq!(holder, told),
        other => panic!("of two who claim one name, one gets it and the other its holder, not {other:?}"),
    }
}

async fn calls_reach_the_worker_from_both<R: Runtime>(runtime: &R, a: &Node, b: &Node) {
    let mut hosts = Vec::new();
    for n in 0..16 {
        let name = format!("called-{n}");
        let made = a.register::<Probe>(&name, Some(10), PATIENCE).await.expect("the name is free");
        for (node, sum) in [(a, 11), (b, 12), (a, 13), (b, 14)] {
            assert_eq!(node.call(&name, Add(1), PATIENCE).await, Ok(sum), "{name} from {}", node.name());
        }
        let who = b.call(&name, WhoAmI, PATIENCE).await;
        assert_eq!(who, Ok((made.node.to_string(), made.epoch.0)));
        for node in [a, b] {
            node.send(&name, Add(100)).expect("it can be reached");
            assert_eq!(node.call(&name, Unheard, PATIENCE).await, Err(CallError::UnknownMessage));
        }
        until(runtime, "both sent messages", async || a.call(&name, Add(0), PATIENCE).await == Ok(214)).await;
        hosts.push(made.node);
    }
    hosts.sort_unstable();
    hosts.dedup();
    assert_eq!(hosts.len(), 2, "of 16 workers some run on each node");
    assert_eq!(a.call("nobody", Add(1), PATIENCE).await, Err(CallError::NotFound));
}

async fn a_failed_start_says_why(a: &Node) {
    let failed = a.register::<Probe>("failing", None, PATIENCE).await;
    assert_eq!(failed, Err(RegisterError::StartFailed { reason: Reason::new("no first number") }));
    let unknown = a.register_raw("failing", "unheard-of", Payload::empty(), PATIENCE).await;
    assert_eq!(unknown, Err(RegisterError::UnknownKind));
    let again = a.register::<Probe>("failing", Some(1), PATIENCE).await;
    assert!(again.is_ok(), "a name whose start failed is free: {again:?}");
}

async fn a_worker_that_panics_is_started_again<R: Runtime>(runtime: &R, a: &Node, b: &Node) {
    for n in 0..4 {
        let name = format!("crashing-{n}");
        let made = a.register::<Probe>(&name, Some(5), PATIENCE).await.expect("the name is free");
        until(runtime, "the name is known", async || b.whereis(&name).is_some()).await;
        let crashed = b.call(&name, Crash, PATIENCE).await;
        assert_eq!(crashed, Err(CallError::WorkerFailed { handled: Handled::Maybe }));
        until(runtime, "a later epoch", async || {
            b.whereis(&name).is_some_and(|at| at.epoch > made.epoch && at.life == made.life)
        })
        .await;
        assert_eq!(b.call(&name, Add(1), PATIENCE).await, Ok(6), "it began again");
    }
}

async fn an_attached_task_is_called_and_told(a: &Node, b: &Node) {
    let mut attached = a.attach::<(Add,)>("attached", PATIENCE).await.expect("the name is free");
    assert!(attached.registration().attached);
    assert_eq!(&attached.registration().node, a.name());
    let taken = b.register::<Probe>("attached", Some(0), PATIENCE).await;
    let holder = attached.registration().clone();
    assert_eq!(taken, Err(RegisterError::AlreadyRegistered { holder }));
    let answering = async {
        let Some(OneOf1::First(call)) = attached.next().await else { panic!("a call comes") };
        call.answer(|Add(n)| n * 2);
    };
    // At once, although the caller of a registration hears of it before every other node does.
    let (answer, ()) = join(b.call("attached", Add(21), PATIENCE), answering).await;
    assert_eq!(answer, Ok(42));
    b.unregister("attached", PATIENCE).await.expect("the name is held");
    assert!(attached.next().await.is_none(), "it is told");
    assert_eq!(attached.stopping(), Some(StopReason::Unregistered));
}

async fn an_unregistered_name_is_free<R: Runtime>(runtime: &R, a: &Node, b: &Node) {
    for n in 0..4 {
        let name = format!("freed-{n}");
        a.register::<Probe>(&name, Some(0), PATIENCE).await.expect("the name is free");
        assert_eq!(b.unregister(&name, PATIENCE).await, Ok(()));
        assert_eq!(b.unregister(&name, PATIENCE).await, Err(UnregisterError::NotFound));
        assert_eq!(a.whereis_consistent(&name, PATIENCE).await, Err(LookupError::NotFound));
        for node in [a, b] {
            until(runtime, "the name is forgotten", async || node.whereis(&name).is_none()).await;
            until(runtime, "the worker is gone", async || {
                let workers = node.workers().await.expect("the node runs");
                workers.iter().all(|worker| worker.name.as_str() != name)
            })
            .await;
        }
        a.register::<Probe>(&name, Some(0), PATIENCE).await.expect("the name is free again");
    }
}

async fn a_third_node_of_a_taken_name_is_refused<R: Runtime, T: Transport<R>>(
    runtime: &R,
    a: &Node,
    transport: T,
) {
    let second = NodeBuilder::new("a", runtime.clone(), transport)
        .cluster("conformance")
        .join(a.address().as_str())
        .start()
        .await;
    match second {
        Err(StartError::NameInUse { address }) => assert_eq!(&address, a.address()),
        Err(other) => panic!("a second a should be told that its name is in use, not {other}"),
        Ok(_) => panic!("two live nodes have one name"),
    }
}

async fn a_node_that_leaves_hands_its_workers_over<R: Runtime>(runtime: &R, a: Node, b: Node) {
    let before = a.registered().await.expect("the node runs");
    b.leave(PATIENCE).await;
    assert_eq!(b.ended().await, Ending::Left);
    let alone = async || {
        let registered = a.registered().await.expect("the node runs");
        registered.iter().all(|name| name.node.as_ref() == Some(a.name()))
    };
    until(runtime, "all names on the node that stays", alone).await;
    let after = a.registered().await.expect("the node runs");
    let names = |registered: &[crate::Registered]| -> Vec<_> {
        registered.iter().map(|registered| registered.name.clone()).collect()
    };
    assert_eq!(names(&after), names(&before), "no name is lost");
    let workers = a.workers().await.expect("the node runs");
    let running: Vec<_> = workers.into_iter().map(|worker| worker.name).collect();
    assert_eq!(running, names(&after), "each name's worker runs here");
    for name in names(&after) {
        assert!(a.call(&name, Add(1), PATIENCE).await.is_ok(), "{name} answers");
    }
    assert_eq!(b.call("called-0", Add(1), PATIENCE).await, Err(CallError::Ended));
    a.leave(PATIENCE).await;
    assert_eq!(a.ended().await, Ending::Left);
}

/// Asks until it is so.
async fn until<R: Runtime>(runtime: &R, what: &str, so: impl AsyncFn() -> bool) {
    let deadline = runtime.now() + PATIENCE;
    while !so().await {
        assert!(runtime.now() < deadline, "{what} within {PATIENCE:?}");
        runtime.sleep_until(runtime.now() + Duration::from_millis(2)).await;
    }
}
