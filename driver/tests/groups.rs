//! Groups: who is in them, on every node, wherever the workers run.
#![cfg(feature = "sim")]

mod support;

use skep::{GroupError, Node};
use support::{Begin, Echo, PATIENCE, World, name_owned_by};

/// The members of a group, as this node knows them.
fn names(node: &Node, group: &str) -> Vec<String> {
    node.members_of(group).into_iter().map(|member| member.name.to_string()).collect()
}

#[test]
fn who_joined_is_a_member_on_every_node_until_its_name_ends() {
    let world = World::new(1);
    world.runtime.run(async {
        let (a, b) = world.pair().await;
        let (here, there) = (name_owned_by(&a).await, name_owned_by(&b).await);
        for name in [&here, &there] {
            a.register::<Echo>(name, Begin::Well, PATIENCE).await.expect("it starts");
            assert_eq!(
                b.join_group("g", name, PATIENCE).await,
                Ok(()),
                "b asks for a name that it has yet to hear of"
            );
            assert_eq!(b.join_group("g", name, PATIENCE).await, Ok(()), "twice is once");
        }
        let mut both = [here.clone(), there.clone()];
        both.sort();
        assert_eq!(names(&b, "g"), both, "at once on the node that was asked");
        world.until("a knows", async || names(&a, "g") == both).await;
        for (node, local) in [(&a, &here), (&b, &there)] {
            let here: Vec<String> = node.local_members_of("g").iter().map(ToString::to_string).collect();
            assert_eq!(here, [local.clone()], "on {}", node.name());
            let member = node.members_of("g").into_iter().find(|member| member.name.as_str() == local);
            assert_eq!(member.and_then(|member| member.node).as_ref(), Some(node.name()));
        }
        assert_eq!(a.leave_group("g", &there, PATIENCE).await, Ok(()));
        assert_eq!(a.leave_group("g", &there, PATIENCE).await, Ok(()), "who is not there may leave");
        world.until("b knows", async || names(&b, "g") == [here.clone()]).await;
        a.unregister(&here, PATIENCE).await.expect("it is registered");
        world.until("it is gone", async || names(&a, "g").is_empty() && names(&b, "g").is_empty()).await;
    });
}

#[test]
fn who_cannot_join_hears_why() {
    let world = World::new(2);
    world.runtime.run(async {
        let (a, b) = world.pair().await;
        assert_eq!(a.join_group("g", "nobody", PATIENCE).await, Err(GroupError::NotFound));
        assert_eq!(b.leave_group("g", "nobody", PATIENCE).await, Err(GroupError::NotFound));
        assert_eq!(a.join_group("g", "", PATIENCE).await, Err(GroupError::NotFound), "nobody is called so");
        assert!(matches!(a.join_group("", "n", PATIENCE).await, Err(GroupError::BadGroup(_))));
        b.leave(PATIENCE).await;
        assert_eq!(b.join_group("g", "nobody", PATIENCE).await, Err(GroupError::Leaving));
        assert!(b.members_of("g").is_empty());
    });
}
