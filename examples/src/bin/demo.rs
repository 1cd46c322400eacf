//! `cargo run --release --bin demo`: two nodes, one worker, a kill, a takeover. Exits 0, or says what went wrong.

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use skep_examples::{demo, node};

fn main() -> ExitCode {
    let arguments = env::args_os().collect::<Vec<_>>();
    if arguments.get(1).is_some_and(|argument| argument == demo::NODE) {
        return node::main(arguments.into_iter().skip(1), []); // it is told all on its command line
    }
    let played = env::current_exe().map_err(Into::into).and_then(|program| demo::play(&program));
    match played {
        Ok(_) => ExitCode::SUCCESS,
        Err(trouble) => {
            // Nobody is left to be told if stderr is gone.
            let _ = writeln!(io::stderr(), "the scene went wrong: {trouble}");
            ExitCode::FAILURE
        }
    }
}
