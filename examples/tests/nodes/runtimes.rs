//! One cluster of nodes on different runtimes.

use super::cluster::{Cluster, Outcome, who};

#[test]
fn nodes_on_tokio_smol_and_async_std_form_one_cluster() -> Outcome {
    let cluster = Cluster::new();
    let on = |runtime| [("--runtime", runtime)].map(|(option, runtime)| [option, runtime]).concat();
    let (tokio, smol, async_std) = (on("tokio"), on("smol"), on("async-std"));
    for (first, second, third) in
        [(&tokio, &smol, &async_std), (&smol, &async_std, &tokio), (&async_std, &tokio, &smol)]
    {
        let [mut a, mut b, mut c] = cluster.form_with([("a", first), ("b", second), ("c", third)])?;
        assert_eq!(b.ok("register n counter")?["node"], "a");
        assert_eq!(b.ok("call n add 4")?["reply"], "4");
        assert_eq!(c.error("register n")?["kind"], "already_registered");
        a.kill()?;
        b.event("member_down", |event| event["node"] == "a")?;
        c.event("member_down", |event| event["node"] == "a")?;
        b.ok("register m")?;
        let holder = c.ok("whereis-consistent m")?["node"].clone();
        assert_eq!(who(&c.ok("call m whoami")?)["node"], holder);
        for node in [&mut b, &mut c] {
            node.tell("quit")?;
            assert_eq!(node.wait()?.code(), Some(0), "{} on {second:?} or {third:?}", node.name);
        }
    }
    Ok(())
}
