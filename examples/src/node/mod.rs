//! A node from its arguments to its exit code.

mod execute;
mod session;
mod start;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use tracing::warn;

use crate::logging::Log;
use crate::options::{Options, OptionsError};
use crate::prompt::Prompt;
use crate::runtime;
use start::Life;

/// Runs a node with these arguments, the program's name first, and these variables. 0 when it ended as it was told to, 2
/// for a mistake in them, else 1; all but 0 with a line on stderr.
pub fn main(
    arguments: impl IntoIterator<Item = OsString>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> ExitCode {
    let read = Options::read(arguments, variables)
        .and_then(|options| Ok((options.transport()?, options.beacons()?, options)));
    let (transport, beacons, options) = match read {
        Ok(read) => read,
        Err(OptionsError::Help(text)) => return say(io::stdout(), &text, ExitCode::SUCCESS),
        Err(OptionsError::Mistake(line)) => return say(io::stderr(), &line, ExitCode::from(2)),
    };
    let log = Log::begin(options.log_format);
    if !options.unknown_variables.is_empty() {
        warn!(variables = options.unknown_variables.join(" "), "no option is called so");
    }
    let lived = Prompt::open(options.output).and_then(|(prompt, page)| {
        runtime::block_on(options.runtime, Life { options, transport, beacons, prompt, page })
    });
    log.flush();
    match lived {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(fault)) => say(io::stderr(), &fault.to_string(), ExitCode::FAILURE),
        Err(error) => say(io::stderr(), &error.to_string(), ExitCode::FAILURE),
    }
}

fn say(mut to: impl Write, words: &str, code: ExitCode) -> ExitCode {
    // The exit code says it to whoever does not read.
    let _ = writeln!(to, "{}", words.trim_end());
    code
}
