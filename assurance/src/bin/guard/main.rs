//! Every alignment and length with pages beside each buffer that nobody may touch: a byte too far ends the program.
//!
//! ```text
//!  ends        text, output, AAD, nonce and tag, each right before such a page, then each right behind one
//!  alignments  every pair of distances from a multiple of 64 for text and output, at most 63 bytes from the page
//!  batches     each text of a batch beside pages of its own
//!  XAES        as ends, with the nonce of 24 bytes
//! ```
//!
//! What comes out is compared, too, and the bytes between an output and the page have to be as they were.

mod alignments;
mod batches;
mod ends;

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode};
use std::time::Instant;
use std::{env, thread};

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use tablecrypt_assurance::pages::{Pages, Touch};
use tablecrypt_assurance::{backends, names};

/// The core between pages that nobody may touch.
#[derive(Parser)]
struct Asked {
    /// Touches such a page and nothing else: the control, whose end is a signal
    #[arg(long, value_enum)]
    touch: Option<Control>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Control {
    ReadBefore,
    ReadPast,
    WriteBefore,
    WritePast,
}

const SIGSEGV: i32 = 11;

fn main() -> ExitCode {
    match run(&Asked::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("guard: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(asked: &Asked) -> Result<()> {
    if let Some(control) = asked.touch {
        Pages::new(1).touch(match control {
            Control::ReadBefore => Touch::ReadBefore,
            Control::ReadPast => Touch::ReadPast,
            Control::WriteBefore => Touch::WriteBefore,
            Control::WritePast => Touch::WritePast,
        });
        return Ok(());
    }
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let backends = backends();
    println!("guard: {}, {threads} threads", names(&backends));
    let mut sum = 0;
    sum += timed("each buffer at a page", || ends::at_pages(&backends, threads))?;
    sum += timed("XAES, each buffer at a page", || ends::xaes_at_pages(&backends, threads))?;
    sum += timed("every pair of alignments", || alignments::every_pair(&backends, threads))?;
    sum += timed("batches, each text at a page", || batches::at_pages(&backends))?;
    for control in Control::value_variants() {
        caught(*control)?;
    }
    println!("guard: {sum} calls touched no byte that is not theirs; controls: 4 planted, 4 caught");
    Ok(())
}

/// What a part made, and what it was to make.
struct Calls {
    counted: u64,
    expected: u64,
}

fn timed(name: &str, part: impl FnOnce() -> Result<Calls>) -> Result<u64> {
    let start = Instant::now();
    let Calls { counted, expected } = part()?;
    println!("{name}: {counted} calls ({} s)", start.elapsed().as_secs());
    ensure!(counted == expected, "{name}: {expected} calls were to be made");
    Ok(counted)
}

/// A child that touches a page dies of it.
fn caught(control: Control) -> Result<()> {
    let name = control.to_possible_value().context("a control has a name")?;
    let status = Command::new(env::current_exe()?).arg("--touch").arg(name.get_name()).status()?;
    ensure!(status.signal() == Some(SIGSEGV), "{} was not caught: {status}", name.get_name());
    Ok(())
}

/// Where a buffer stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Edge {
    /// It ends where nobody may read.
    End,
    /// It begins behind what nobody may read.
    Start,
}

impl Edge {
    const BOTH: [Self; 2] = [Self::End, Self::Start];

    /// So many bytes right there.
    fn at(self, pages: &mut Pages, length: usize) -> &mut [u8] {
        match self {
            Self::End => pages.at_end(length, 0),
            Self::Start => pages.at_start(length, 0),
        }
    }

    /// These bytes right there.
    fn hold<'a>(self, pages: &'a mut Pages, bytes: &[u8]) -> &'a mut [u8] {
        let place = self.at(pages, bytes.len());
        place.copy_from_slice(bytes);
        place
    }
}
