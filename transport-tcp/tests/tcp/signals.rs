//! What `run` makes of signals, seen from outside: each node is a process, this very test in the role of a child.

use std::env;
use std::io::{BufRead, BufReader, Write, stdout};
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use skep::transport::Transport;
use skep::{Context, Failure, NodeBuilder, Runtime, Stopping, Worker};

const ROLE: &str = "SKEP_TEST_ROLE";
const FLAVOURS: [&str; 3] = ["tokio", "smol", "async-std"];

/// Takes its time to stop.
struct Slow;

impl Worker for Slow {
    const KIND: &'static str = "slow";
    type Args = ();
    type Messages = ();

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, Failure> {
        say("started");
        Ok(Self)
    }

    async fn stopping(&mut self, _: Stopping, _: &mut Context<Self>) {
        say("stopping");
        std::future::pending().await
    }
}

/// Not a test when it is run as one; otherwise a node that runs until a signal.
#[test]
fn a_child() {
    let Ok(role) = env::var(ROLE) else { return };
    let (flavour, worker) = role.split_once(' ').expect("flavour and worker");
    let name = format!("{flavour}-{worker}");
    let outcome = match flavour {
        "tokio" => {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("tokio starts");
            runtime.block_on(async { run(skep_tokio::node(name), worker).await })
        }
        "smol" => smol::block_on(run(skep_smol::node(name), worker)),
        _ => async_std::task::block_on(run(skep_smol::on_async_std::node(name), worker)),
    };
    outcome.expect("the node leaves in order");
}

async fn run<R: Runtime, T: Transport<R>>(node: NodeBuilder<R, T>, worker: &str) -> Result<(), Failure> {
    let node = node.cluster(format!("signals-{}", std::process::id()));
    if worker == "slow" {
        // The grace outlasts the test: only the second signal ends it.
        let node =
            node.worker::<Slow>().configure(|config| config.stop_grace = std::time::Duration::from_secs(60));
        let until_told = node.singleton("registers", async |context| {
            let registered =
                context.node().register::<Slow>("slow", (), std::time::Duration::from_secs(5)).await;
            registered.expect("the name is free");
            context.cancelled().await;
        });
        return until_told.run().await;
    }
    node.singleton("idle", async |context| {
        say("started");
        context.cancelled().await;
    })
    .run()
    .await
}

fn say(word: &str) {
    writeln!(stdout(), "{word}").and_then(|()| stdout().flush()).expect("the parent listens");
}

struct Node {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Node {
    fn spawn(role: &str) -> Self {
        let mut command = Command::new(env::current_exe().expect("a test is a program"));
        command.args(["--exact", "signals::a_child", "--nocapture"]).env(ROLE, role).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it runs again");
        let said = BufReader::new(child.stdout.take().expect("asked for"));
        Self { child, said }
    }

    /// Reads on to this word.
    fn hear(&mut self, word: &str) {
        let mut line = String::new();
        while !line.trim_end().ends_with(word) {
            line.clear();
            assert!(self.said.read_line(&mut line).expect("text") > 0, "it ended without saying {word}");
        }
    }

    fn signal(&self, signal: Signal) {
        let id = Pid::from_child(&self.child);
        kill_process(id, signal).expect("it runs");
    }

    fn exit_code(mut self) -> Option<i32> {
        self.child.wait().expect("it is our child").code()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it has exited, unless a check failed
        let _ = self.child.wait();
    }
}

#[test]
fn one_signal_ends_a_node_in_order() {
    for flavour in FLAVOURS {
        for signal in [Signal::TERM, Signal::INT] {
            let mut node = Node::spawn(&format!("{flavour} idle"));
            node.hear("started");
            node.signal(signal);
            assert_eq!(node.exit_code(), Some(0), "{flavour}");
        }
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for flavour in FLAVOURS {
        let mut node = Node::spawn(&format!("{flavour} slow"));
        node.hear("started");
        node.signal(Signal::TERM);
        node.hear("stopping");
        node.signal(Signal::INT);
        assert_eq!(node.exit_code(), Some(128 + Signal::INT.as_raw()), "{flavour}");
    }
}
