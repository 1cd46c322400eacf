//! Clusters of real node processes, each with a run directory of its own.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
pub(crate) use skep_examples::process::{NodeProcess, Trouble};

/// What a test returns: any trouble fails it, in words.
pub(crate) type Outcome = Result<(), Trouble>;

const NODE: &str = env!("CARGO_BIN_EXE_node");

/// A run directory; the nodes in it find each other and nobody else.
pub(crate) struct Cluster {
    directory: PathBuf,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("skep-nodes-{}-{number}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&directory).expect("a fresh directory");
        Self { directory }
    }

    /// A file in its directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The node's program with these options, and nothing else from around here.
    pub(crate) fn command(&self, options: &[&str]) -> Command {
        self.command_of(NODE.as_ref(), options)
    }

    /// The same of another program.
    fn command_of(&self, program: &OsStr, options: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(options).env("XDG_RUNTIME_DIR", &self.directory);
        for (variable, _) in std::env::vars_os().filter(|(it, _)| it.to_string_lossy().starts_with("SKEP_")) {
            command.env_remove(variable); // each may be an option
        }
        command.env("XDG_STATE_HOME", &self.directory); // the history of a prompt
        command.env("RUST_BACKTRACE", "0"); // workers are told to panic, and a trace takes a busy machine a second
        command.env("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "warn".into()));
        command
    }

    /// A node that is being started.
    pub(crate) fn begin(&self, name: &str, options: &[&str]) -> Result<NodeProcess, Trouble> {
        self.begin_of(NODE.as_ref(), name, options)
    }

    /// The same of another program.
    pub(crate) fn begin_of(
        &self,
        program: &OsStr,
        name: &str,
        options: &[&str],
    ) -> Result<NodeProcess, Trouble> {
        let options = [&["--name", name, "--output", "json"], options].concat();
        NodeProcess::spawn(name, &mut self.command_of(program, &options))
    }

    /// A node that is ready.
    pub(crate) fn start(&self, name: &str, options: &[&str]) -> Result<NodeProcess, Trouble> {
        let mut node = self.begin(name, options)?;
        node.ready()?;
        Ok(node)
    }

    /// Nodes that count each other as up, all started together. The first one owns nearly all of the ring.
    pub(crate) fn form<const N: usize>(&self, names: [&str; N]) -> Result<[NodeProcess; N], Trouble> {
        self.form_with(names.map(|name| (name, &[][..])))
    }

    pub(crate) fn form_with<const N: usize>(
        &self,
        nodes: [(&str, &[&str]); N],
    ) -> Result<[NodeProcess; N], Trouble> {
        let mut started = Vec::new();
        for (at, (name, options)) in nodes.iter().enumerate() {
            let weight = if at == 0 { "65535" } else { "1" };
            started.push(self.begin(name, &[*options, &["--weight", weight]].concat())?);
        }
        for node in &mut started {
            node.ready()?;
            for (other, _) in nodes {
                if other != node.name {
                    node.member_up(other)?;
                }
            }
        }
        Ok(started.try_into().expect("as many as were asked for"))
    }

    /// Runs a node to its end with this input.
    pub(crate) fn run(&self, options: &[&str], input: &str) -> Output {
        let mut command = self.command(options);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program is there");
        // A node that does not start reads nothing.
        let _ = child.stdin.take().expect("asked for").write_all(input.as_bytes());
        child.wait_with_output().expect("it ends")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A leftover in the directory for temporary files harms nobody.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// `value` without the keys of which only the presence can be known; they have to be numbers.
pub(crate) fn without_numbers(mut value: Value, keys: &[&str]) -> Value {
    for key in keys {
        let number = value.as_object_mut().and_then(|object| object.remove(*key));
        assert!(
            number.as_ref().is_some_and(Value::is_u64),
            "'{key}' is a whole number in {value}, not {number:?}"
        );
    }
    value
}

/// What `whoami` answered.
pub(crate) fn who(reply: &Value) -> Value {
    let text = reply["reply"].as_str().expect("a reply is text");
    serde_json::from_str(text).expect("whoami answers with JSON")
}
