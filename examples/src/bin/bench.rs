//! `cargo run --release --bin bench`: the figures of skep on this machine, with real processes.

use std::env;
use std::process::ExitCode;

use skep_examples::{bench, node};

fn main() -> ExitCode {
    let arguments = env::args_os().collect::<Vec<_>>();
    if arguments.get(1).is_some_and(|argument| argument == bench::NODE) {
        return node::main(arguments.into_iter().skip(1), []); // it is told all on its command line
    }
    bench::main(arguments)
}
