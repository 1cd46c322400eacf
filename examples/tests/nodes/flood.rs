//! Who wants to use a node up, from outside and as one who has the secret: the others are served throughout, and memory
//! stays flat. The figures are printed with `--nocapture`.

#![expect(clippy::print_stdout, reason = "figures, for whoever asks for them")]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use skep::core::id::{Address, ClusterName, Life, NodeName};
use skep::core::placement::StrategyId;
use skep::core::wire::{Frame, Hello, MAX_FRAME, WIRE_MAX, WIRE_MIN};
use skep::link::{Link, LinkBounds, Report, Reports, hub_with};
use skep::secret::KeyRing;
use skep::transport::{Dialer, Listener, Transport};
use skep_tcp::{Tcp, TcpConfig, TcpDialer};
use skep_tokio::TokioRuntime;

use super::cluster::{Cluster, NodeProcess, Outcome, Trouble};
use super::security::{resident, write_secrets};

/// What a node may grow by while it is attacked, in bytes: each attack sends many times more.
const GROWTH: u64 = 48 << 20;

/// How long one call may take meanwhile: what the machine that tests does besides is in it.
const SLOWEST: Duration = Duration::from_secs(3);

/// Who has the secret, and a node's transport with no node behind it.
struct Insider {
    runtime: tokio::runtime::Runtime,
    dialer: TcpDialer<TokioRuntime>,
    reports: Reports,
}

impl Insider {
    fn new(secret: &Path, life: u64) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("tokio starts");
        let ours = TokioRuntime::new(runtime.handle().clone());
        let config = TcpConfig::new("127.0.0.1:0").secret(KeyRing::file(secret).expect("a good secret"));
        let listener = runtime.block_on(Tcp::new(config).bind(ours)).expect("a free port");
        let hello = Hello {
            wire_min: WIRE_MIN,
            wire_max: WIRE_MAX,
            cluster: ClusterName::new("skep").expect("a good name"),
            slot_bits: 19,
            strategy: StrategyId::Ring,
            node: NodeName::new("insider").expect("a good name"),
            life: Life(life),
            address: Listener::address(&listener),
        };
        let (hub, reports) = hub_with(LinkBounds { control: 1 << 20, ..LinkBounds::default() });
        let dialer = listener.serve(hello, hub);
        Self { runtime, dialer, reports }
    }

    /// A link with the node at this address.
    fn link(&mut self, address: &str) -> Link {
        self.dialer.dial(Address::new(address).expect("a good address"));
        loop {
            match self.runtime.block_on(self.reports.next()) {
                Report::LinkUp { link, .. } => return link,
                Report::DialFailed { failure, .. } => panic!("no link: {failure}"),
                Report::Frame { .. } | Report::Down { .. } => {} // of the link before
            }
        }
    }

    /// Sends until the node has had enough. How many frames that were.
    fn flood(&mut self, link: &Link, frame: &Frame) -> u64 {
        let mut frames = 0;
        while let Ok(()) = self.runtime.block_on(link.push_when_room(frame.clone())) {
            frames += 1;
            while self.reports.try_next().is_some() {}
        }
        frames
    }
}

/// What calls were like meanwhile.
struct Served {
    calls: u32,
    slowest: Duration,
}

/// Calls a worker on the one node from the other for as long as the attack goes on.
fn serve_until<T>(b: &mut NodeProcess, over: &Receiver<T>) -> Result<(Served, T), Trouble> {
    let begun = Instant::now();
    let mut served = Served { calls: 0, slowest: Duration::ZERO };
    loop {
        let asked = Instant::now();
        assert_eq!(b.ok("call n hello")?["reply"], "echo hello", "after {} calls", served.calls);
        served.slowest = served.slowest.max(asked.elapsed());
        served.calls += 1;
        match over.try_recv() {
            Ok(result) => return Ok((served, result)),
            Err(TryRecvError::Empty) => assert!(begun.elapsed().as_secs() < 90, "the attack never ends"),
            Err(TryRecvError::Disconnected) => panic!("the attack failed"),
        }
    }
}

fn limit(node: &mut NodeProcess, name: &str) -> Result<u64, Trouble> {
    Ok(node.ok("stats")?["limits"][name].as_u64().expect("a count"))
}

#[test]
fn scanners_and_random_bytes_cost_nobody_a_call() -> Outcome {
    const CONNECTIONS: u64 = 3000;
    let cluster = Cluster::new();
    let [mut a, mut b] = cluster.form(["a", "b"])?;
    a.ok("register n")?;
    let attack = |address: String, connections: u64| {
        let (sender, over) = channel();
        thread::spawn(move || {
            let mut random = 0x9e37_79b9_7f4a_7c15_u64;
            for number in 0..connections {
                let Ok(mut stream) = TcpStream::connect(&address) else { return };
                match number % 4 {
                    0 => {} // connects and goes
                    1 => {
                        // Half-closes, and listens to the end.
                        let _ = stream.shutdown(Shutdown::Write);
                        let _ = stream.read_to_end(&mut Vec::new());
                    }
                    kind => {
                        let bytes: Vec<u8> = (0..number % 3000)
                            .map(|_| {
                                random ^= random << 13; // xorshift64
                                random ^= random >> 7;
                                random ^= random << 17;
                                random as u8
                            })
                            .collect();
                        // It may be hung up on before all is written.
                        let _ = stream.write_all(if kind == 2 { b"" } else { b"skep\x01" });
                        let _ = stream.write_all(&bytes);
                    }
                }
            }
            let _ = sender.send(()); // the test may have failed
        });
        over
    };
    serve_until(&mut b, &attack(a.address().to_owned(), 300))?; // what is allocated once is not counted
    let before = resident(&a);
    let (served, ()) = serve_until(&mut b, &attack(a.address().to_owned(), CONNECTIONS))?;
    let after = resident(&a);
    let Served { calls, slowest } = served;
    println!("{CONNECTIONS} strangers: {calls} calls, the slowest {slowest:?}; {before} to {after} bytes");
    assert!(slowest < SLOWEST, "{slowest:?}");
    assert!(after < before + GROWTH, "from {before} to {after} bytes");
    assert!(limit(&mut a, "handshake_bytes")? > CONNECTIONS / 4);
    Ok(())
}

#[test]
fn who_has_the_secret_and_floods_costs_nobody_a_call() -> Outcome {
    let cluster = Cluster::new();
    let file = write_secrets(&cluster, "secrets", &[1]);
    let options = ["--secret-file", file.to_str().expect("a path of ours is text")];
    let [mut a, mut b] = cluster.form_with([("a", &options[..]), ("b", &options[..])])?;
    a.ok("register n")?;
    let before = resident(&a);
    let address = a.address().to_owned();
    let (sender, over) = channel();
    thread::spawn(move || {
        let mut insider = Insider::new(&file, 1);
        let link = insider.link(&address);
        // A ping, as any member sends, with hashes of its own, until its link ends.
        let frames = insider.flood(&link, &Frame { kind: 0x0010, body: vec![1, 1, 1] });
        let _ = sender.send(frames); // the test may have failed
    });
    let (served, frames) = serve_until(&mut b, &over)?;
    let after = resident(&a);
    let Served { calls, slowest } = served;
    println!(
        "{frames} frames of a member: {calls} calls, the slowest {slowest:?}; {before} to {after} bytes"
    );
    assert!(slowest < SLOWEST, "{slowest:?}");
    // It reads no answers: its link ends when as many wait as may, or by the rule for floods, whichever comes first.
    let waits = LinkBounds::default().control as u64;
    assert!(after < before + waits + GROWTH, "from {before} to {after} bytes");
    assert!(limit(&mut a, "control_queue")? + limit(&mut a, "flood")? > 0, "why was it dropped?");
    assert_eq!(b.ok("call n hello")?["reply"], "echo hello");
    Ok(())
}

#[test]
fn a_frame_that_is_too_long_costs_its_sender_his_link() -> Outcome {
    let cluster = Cluster::new();
    let file = write_secrets(&cluster, "secrets", &[1]);
    let options = ["--secret-file", file.to_str().expect("a path of ours is text")];
    let [mut a, mut b] = cluster.form_with([("a", &options[..]), ("b", &options[..])])?;
    a.ok("register n")?;
    let mut insider = Insider::new(&file, 1);
    for round in 1..=20 {
        let link = insider.link(a.address());
        let long = Frame { kind: 0x8000, body: vec![0; MAX_FRAME as usize + 1] };
        insider.flood(&link, &long); // it ends, which is what is claimed
        assert_eq!(b.ok("call n hello")?["reply"], "echo hello", "round {round}");
    }
    assert_eq!(limit(&mut a, "frame_bytes")?, 20);
    Ok(())
}
