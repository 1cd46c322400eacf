//! The figures that are promised, measured with real processes on this machine.

mod at_rest;
mod beside;
mod boots;
mod calls;
mod encryption;
mod flavour;
mod formation;
mod lookup;
mod nodes;
mod ping_pong;
mod protection;
mod register;
mod register_many;
mod summary;
mod takeover;
mod takeover_many;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::process::Trouble;
use flavour::Flavour;
use summary::Row;

/// The hidden first argument that makes the bench's program a node.
pub const NODE: &str = "node";

/// Measures skep with real processes: medians of several runs, in a plain table.
#[derive(Parser, Debug)]
#[command(name = "bench", disable_version_flag = true)]
struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    /// How often each is measured
    #[arg(long, global = true, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    runs: u32,
    /// How many simultaneous boots
    #[arg(long, global = true, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    boots: u32,
    /// How many names are registered in each run of `register`
    #[arg(long, global = true, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    names: u32,
}

#[derive(Subcommand, Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    /// 2, 3 and 10 nodes: from process start until all count all as up
    Formation,
    /// One name: from SIGKILL of its node until it runs elsewhere
    Kill,
    /// One name: from SIGSTOP of its node until it runs elsewhere, with default settings
    Freeze,
    /// Three nodes started at the same moment: how many clusters formed, and how fast
    Boots,
    /// `register` with a remote owner, beside a TCP ping-pong of the same runtime
    Register,
    /// `register` by 64 callers and by one call for many names, beside tasks that share one TCP link
    RegisterMany,
    /// Look-ups: one reader, two, and one beside a writer; next to a bare map
    Lookup,
    /// Calls of a remote worker by one caller and by 64, and of a local one; beside the floors of both
    Calls,
    /// Two nodes' formation, calls and sends over plaintext, with a secret, and with certificates
    Encryption,
    /// 1, 1,000 and 10,000 names on 2 and 3 nodes: from SIGKILL of one until all run
    KillMany,
    /// Bytes and wake-ups of a node while nothing happens
    AtRest,
    /// The other end of the floors
    #[command(hide = true)]
    Echo {
        #[arg(value_enum)]
        flavour: Flavour,
    },
}

/// What every measurement needs to know.
struct Bench {
    program: PathBuf,
    runs: u32,
    boots: u32,
    names: u32,
}

/// Measures what the arguments, the program's name first, ask for; all of it if they ask for nothing.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            // Nobody is left to be told if stderr is gone.
            let _ = writeln!(io::stderr(), "{trouble}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Trouble> {
    let Arguments { what, runs, boots, names } = *arguments;
    let bench = Bench { program: std::env::current_exe()?, runs, boots, names };
    if let Some(What::Echo { flavour }) = what {
        return Ok(ping_pong::echo(flavour)?);
    }
    summary::header()?;
    for (one, measure) in [
        (What::Formation, formation::measure as fn(&Bench) -> Result<Vec<Row>, Trouble>),
        (What::Kill, takeover::kill),
        (What::Freeze, takeover::freeze),
        (What::Boots, boots::measure),
        (What::Register, register::measure),
        (What::RegisterMany, register_many::measure),
        (What::Lookup, lookup::measure),
        (What::Calls, calls::measure),
        (What::Encryption, encryption::measure),
        (What::KillMany, takeover_many::measure),
        (What::AtRest, at_rest::measure),
    ] {
        if what.is_none_or(|what| what == one) {
            for row in measure(&bench)? {
                row.print()?;
            }
        }
    }
    Ok(())
}
