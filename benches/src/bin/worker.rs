//! A process with some libraries, which answers questions on its standard input; `case.rs` describes them.
//!
//! `worker [cpu [other]]`: stays on that CPU; its second thread on the other.

use std::io::{BufRead, Write};

use anyhow::{Context, Result, bail};
use tablecrypt_benches::bench::{Memory, Subject, pin};
use tablecrypt_benches::case::Case;
use tablecrypt_benches::libraries;

fn main() -> Result<()> {
    let cpus: Vec<usize> = std::env::args().skip(1).map(|cpu| cpu.parse()).collect::<Result<_, _>>()?;
    if let Some(&cpu) = cpus.first() {
        pin(&[cpu]);
    }
    let mut memory = Memory::default();
    memory.cpus = cpus.first_chunk().copied();
    let libraries = libraries::all();
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let answer = match answer(&line?, &libraries, &mut memory) {
            Ok(answer) => answer,
            Err(error) => format!("error {error:#}"),
        };
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

fn answer(line: &str, libraries: &[Box<dyn Subject>], memory: &mut Memory) -> Result<String> {
    if line == "list" {
        let names: Vec<_> = libraries.iter().map(|library| library.name() + "\n").collect();
        return Ok(names.concat() + ".");
    }
    let (verb, line) = line.split_once(' ').context("what of it?")?;
    let (name, line) = line.split_once(' ').context("of which library?")?;
    let library = libraries.iter().find(|library| library.name() == name).context("no such library here")?;
    match verb {
        "check" => {
            let out = library.check(&line.parse::<Case>()?, memory)?;
            Ok(out.map_or_else(|| "no".into(), |out| format!("ok {}", hex(&out))))
        }
        "time" => {
            let (case, calls) = line.rsplit_once(' ').context("how many calls?")?;
            let calls: u64 = calls.parse()?;
            let time = library.time(&case.parse()?, calls, memory)?;
            Ok(time.map_or_else(|| "no".into(), |time| format!("ok {}", time.as_nanos() as f64 / calls as f64)))
        }
        _ => bail!("there is list, check and time"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| char::from(b"0123456789abcdef"[nibble as usize]))
        .collect()
}
