//! Measures the floor on each runtime: raw TCP between two processes. `--echo FLAVOUR` is the other process.

use std::env;
use std::error::Error;
use std::io::{BufRead, BufReader, Write, stdout};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use skep_examples::floor::{echo, multiplexed, ping_pong};
use skep_smol::SmolRuntime;
use skep_tcp::TcpSockets;
use skep_tokio::TokioRuntime;

type Outcome = Result<(), Box<dyn Error>>;

const FLAVOURS: [&str; 4] = ["tokio", "tokio-current-thread", "smol", "async-std"];

fn main() -> Outcome {
    match &env::args().skip(1).collect::<Vec<_>>()[..] {
        [] => FLAVOURS.iter().try_for_each(|flavour| measure(flavour)),
        [option, flavour] if option == "--echo" => on(flavour, None),
        [flavour] => measure(flavour),
        _ => Err("usage: floor [FLAVOUR]".into()),
    }
}

fn measure(flavour: &str) -> Outcome {
    let mut child =
        Command::new(env::current_exe()?).args(["--echo", flavour]).stdout(Stdio::piped()).spawn()?;
    let mut address = String::new();
    let told = BufReader::new(child.stdout.take().expect("asked for")).read_line(&mut address);
    let outcome = told.map_err(Into::into).and_then(|_| on(flavour, Some(address.trim().parse()?)));
    child.kill()?;
    child.wait()?;
    outcome
}

/// Runs this flavour as the echo, or against the echo at this address.
fn on(flavour: &str, address: Option<SocketAddr>) -> Outcome {
    let tokio = |mut builder: tokio::runtime::Builder| {
        let runtime = builder.enable_all().build()?;
        runtime.block_on(run(flavour, TokioRuntime::new(runtime.handle().clone()), address))
    };
    match flavour {
        "tokio" => tokio(tokio::runtime::Builder::new_multi_thread()),
        "tokio-current-thread" => tokio(tokio::runtime::Builder::new_current_thread()),
        "smol" => smol::block_on(run(flavour, SmolRuntime::global(), address)),
        "async-std" => async_std::task::block_on(run(flavour, SmolRuntime::async_std(), address)),
        _ => Err(format!("{flavour} is none of {FLAVOURS:?}").into()),
    }
}

async fn run<R: TcpSockets>(flavour: &str, runtime: R, address: Option<SocketAddr>) -> Outcome {
    let Some(address) = address else {
        // Whoever asked has gone if this cannot be said; then the next write ends us too.
        let say = |address| drop(writeln!(stdout(), "{address}").and_then(|()| stdout().flush()));
        return Ok(echo(&runtime, say).await?);
    };
    let times = ping_pong(&runtime, address, 20_000).await?;
    let at = |share: f64| micros(times[((times.len() - 1) as f64 * share) as usize]);
    let many = multiplexed(&runtime, address, 64, 10_000).await?;
    let (p50, p99) = (at(0.5), at(0.99));
    writeln!(stdout(), "{flavour:22} ping-pong p50 {p50:5.1} µs  p99 {p99:6.1} µs   64 tasks {many:9.0}/s")?;
    Ok(())
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
