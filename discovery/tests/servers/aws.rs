//! EC2 and ECS against moto, which speaks as they do: who runs is found, and signatures and policies are checked.

use std::io::{self, BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use skep_core::event::SourceFault;
use skep_discovery::{AwsAccount, Ec2, Ecs};

use super::looking::Looking;

/// A running moto. Dropping it ends it, because its input ends.
struct Moto {
    process: Child,
    asks: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
    url: String,
}

impl Moto {
    /// `None`, after a line that says why, where it is not installed. Python is `SKEP_PYTHON`, else `python3`.
    fn start() -> Option<Self> {
        let python = std::env::var("SKEP_PYTHON").unwrap_or_else(|_| "python3".into());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/amazon.py");
        let mut command = Command::new(&python);
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Not by a macro that tests capture: ci.sh shows it.
        let skipped = |why: &str| writeln!(io::stderr(), "skipped: {}", why.trim());
        let Ok(mut process) = command.spawn() else {
            let _ = skipped(&format!("{python} is not installed"));
            return None;
        };
        let mut answers = BufReader::new(process.stdout.take().expect("asked for")).lines();
        let Some(Ok(url)) = answers.next() else {
            let ended = process.wait_with_output().expect("it ended");
            let _ = skipped(&String::from_utf8_lossy(&ended.stderr));
            return None;
        };
        let errors = process.stderr.take().expect("asked for");
        std::thread::spawn(move || io::copy(&mut { errors }, &mut io::sink())); // one line a request
        let asks = process.stdin.take();
        Some(Self { process, asks, answers, url })
    }

    fn ask(&mut self, line: &str) -> String {
        writeln!(self.asks.as_mut().expect("it runs"), "{line}").expect("it runs");
        self.answers.next().expect("it answers").expect("text")
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.asks = None;
        let _ = self.process.wait(); // it has ended then
    }
}

const OFTEN: Duration = Duration::from_millis(200);

fn account(url: &str, id: &str, secret: &str) -> AwsAccount {
    AwsAccount::of_process().region("eu-west-1").endpoint(url).keys(id, secret)
}

fn at(ip: &str) -> String {
    format!("{ip}:7000")
}

#[test]
fn instances_with_a_tag_are_found_and_those_that_end_are_not() {
    let Some(mut moto) = Moto::start() else { return };
    let (url, user) = (moto.url.clone(), moto.ask("user ec2:DescribeInstances"));
    let (id, secret) = user.split_once(' ').expect("keys");
    let source = |id: &str, secret: &str| {
        Ec2::tagged("skep:cluster", "orders", 7000).account(account(&url, id, secret)).every(OFTEN)
    };
    let looking = Looking::begin(source(id, secret));
    looking.until_peers(&[]);
    let (one, two) = (moto.ask("instance orders"), moto.ask("instance orders"));
    let _other = moto.ask("instance others");
    looking.until_peers(&[&at(&one), &at(&two)]);
    moto.ask(&format!("terminate {two}"));
    looking.until_peers(&[&at(&one)]);

    let nobody = moto.ask("user ecs:ListTasks");
    let (nobodys_id, nobodys_secret) = nobody.split_once(' ').expect("keys");
    moto.ask("guard");
    let trusted = Looking::begin(source(id, secret));
    trusted.until_peers(&[&at(&one)]); // so that its signature is a good one
    let forged = Looking::begin(source(id, "another secret"));
    forged.until_failed(SourceFault::Auth, "HTTP 401");
    let unknown = Looking::begin(source("AKIAUNKNOWN", secret));
    unknown.until_failed(SourceFault::Auth, "HTTP 401");
    let unlicensed = Looking::begin(source(nobodys_id, nobodys_secret));
    unlicensed.until_failed(SourceFault::Auth, "not authorized to perform");
    drop(moto);
    trusted.until_failed(SourceFault::Transient, &url);
}

#[test]
fn tasks_of_a_family_are_found_and_those_that_end_are_not() {
    let Some(mut moto) = Moto::start() else { return };
    let (url, user) = (moto.url.clone(), moto.ask("user ecs:ListTasks,ecs:DescribeTasks"));
    let (id, secret) = user.split_once(' ').expect("keys");
    let source = |cluster: &str, family: &str, secret: &str| {
        Ecs::family(family, 7000).cluster(cluster).account(account(&url, id, secret)).every(OFTEN)
    };
    moto.ask("cluster shop");
    let looking = Looking::begin(source("shop", "shop", secret));
    looking.until_peers(&[]);
    let (one, two) = (moto.ask("task shop"), moto.ask("task shop"));
    looking.until_peers(&[&at(&one), &at(&two)]);
    moto.ask(&format!("stop {two}"));
    looking.until_peers(&[&at(&one)]);
    Looking::begin(source("nowhere", "shop", secret))
        .until_failed(SourceFault::Config, "ClusterNotFoundException");
    moto.ask("guard");
    Looking::begin(source("shop", "shop", secret)).until_peers(&[&at(&one)]);
    let forged = source("shop", "shop", "another secret");
    Looking::begin(forged).until_failed(SourceFault::Auth, "SignatureDoesNotMatch");
}

#[test]
fn an_endpoint_without_tls_that_is_none_is_a_mistake() {
    let source = Ec2::tagged("a", "b", 1).account(account("ftp://nowhere", "id", "secret"));
    Looking::begin(source).until_failed(SourceFault::Config, "'ftp://nowhere' is no URL of HTTP");
}
