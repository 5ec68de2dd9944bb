//! Every length, and messages at random, under every backend of this CPU: equal to what AWS-LC and RustCrypto make of them.
//!
//! Built with `--cfg tablecrypt_paths` it prints, too, which ways through the backends were taken, and fails if one was not
//! that this CPU has.

mod hits;
mod lengths;
mod random;
mod wrap;

use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use tablecrypt_assurance::check::Plant;
use tablecrypt_assurance::{backends, names, rivals};
use tablecrypt_core::Backend;

/// The core against two other implementations.
#[derive(Parser)]
struct Asked {
    /// What to do; all of it if nothing is said
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Random messages
    #[arg(long, default_value_t = 1_000_000)]
    messages: u64,
    /// Which random messages
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The number of the first random message: where a run that was stopped goes on
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// The portable backend takes part in one round of 64 random messages out of so many
    #[arg(long, default_value_t = 4)]
    portable_each: u64,
    /// Lengths around the edges of blocks and steps alone, for an emulator
    #[arg(long)]
    edges: bool,
    /// Backends by name; all that this CPU has if nothing is said
    #[arg(long, value_delimiter = ',', value_parser = backend)]
    backends: Vec<Backend>,
    /// Threads; as many as there are CPUs if nothing is said
    #[arg(long)]
    threads: Option<usize>,
    /// Puts a fault into the best backend's outputs of one length: seal:97; or tag, open, clear, past, seal-many, open-many
    #[arg(long)]
    plant: Option<Plant>,
}

/// A part of the sweep.
#[derive(Clone, Copy, Eq, PartialEq, ValueEnum)]
enum Part {
    /// Every length to 8,192, and around 64 KiB and 1 MiB
    Lengths,
    /// Counters that wrap
    Wrap,
    /// Random messages, alone and in batches
    Random,
}

/// What the parts share.
struct Sweep {
    backends: Vec<Backend>,
    threads: usize,
    seed: u64,
    edges: bool,
    plant: Option<Plant>,
}

fn main() -> ExitCode {
    match run(&Asked::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sweep: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(asked: &Asked) -> Result<()> {
    let threads = asked.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    let backends = if asked.backends.is_empty() { backends() } else { asked.backends.clone() };
    let sweep = Sweep { backends, threads, seed: asked.seed, edges: asked.edges, plant: asked.plant };
    println!("sweep: {} against {}, {threads} threads", names(&sweep.backends), rivals::NAMES);

    let wanted = |part| asked.only.is_empty() || asked.only.contains(&part);
    let mut sum = 0;
    if wanted(Part::Lengths) {
        sum += timed(|| lengths::every_length(&sweep))?;
        sum += timed(|| lengths::large(&sweep))?;
    }
    if wanted(Part::Wrap) {
        sum += timed(|| wrap::every_start(&sweep))?;
    }
    if wanted(Part::Random) {
        let random = random::Random { messages: asked.messages, from: asked.from, portable_each: asked.portable_each };
        sum += timed(|| random.run(&sweep))?;
    }
    hits::all_taken(&sweep.backends)?;
    println!("sweep: {sum} calls, each as it must be");
    Ok(())
}

/// One that this CPU has.
fn backend(name: &str) -> Result<Backend> {
    backends().into_iter().find(|backend| backend.name() == name).context("this CPU has no such backend")
}

/// What one part found: how many calls it says it made, how many it counted, and a line about them.
struct Found {
    line: String,
    expected: u64,
    counted: u64,
}

fn timed(part: impl FnOnce() -> Result<Found>) -> Result<u64> {
    let start = Instant::now();
    let Found { line, expected, counted } = part()?;
    println!("{line}: {counted} calls ({} s)", start.elapsed().as_secs());
    ensure!(counted == expected, "{line}: {expected} calls were to be made");
    Ok(counted)
}
