//! One node of a cluster, with a prompt: `cargo run --release --bin node -- --name a`.

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    skep_examples::node::main(env::args_os(), env::vars_os())
}
