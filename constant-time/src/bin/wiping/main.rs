//! Searches a process's memory for its keys: while they live each must be found, and after they were dropped none.
//!
//! Of the core's keys, which stand where their caller puts them. Those of a hierarchy stand in memory that cannot be read
//! from here: `admin/key-memory` looks for them.
//!
//! `wiping <victim command>...`: the program `victim`, perhaps behind an emulator's name. `wiping --external <name> <bytes>
//! <command>...`: any other program that follows the same stages with one AES-256-GCM key, as those in C and Python do.

mod memory;
mod patterns;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use memory::search;
use patterns::{Word, Words};

/// Words and places that are shown.
const SHOWN: usize = 8;
/// Keys of each kind: what one run leaves by chance another may not.
const ROUNDS: usize = 4;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut total = Total::default();
    match arguments.as_slice() {
        [flag, name, command @ ..] if flag == "--external" && !command.is_empty() => {
            total.core(
                name,
                || start(command, &[]),
                |key| Ok(Sought::of(patterns::of_key("key", key), BTreeSet::new())),
            )?;
        }
        command if !command.is_empty() => {
            let backends = output(command, &["backends"], &[])?;
            for backend in backends.split_whitespace() {
                total.core(
                    &format!("{backend} gcm"),
                    || start(command, &["gcm", backend]),
                    |key| of_cipher(command, backend, key),
                )?;
                total.core(
                    &format!("{backend} xaes"),
                    || start(command, &["xaes", backend]),
                    |key| of_xaes(command, backend, key),
                )?;
            }
        }
        _ => bail!("usage: wiping [--external <name>] <victim command>..."),
    }
    println!(
        "wiping: {} words searched in {} processes, {} MB; {} found while alive, {} left after the drop",
        total.words,
        total.processes,
        total.bytes / 1_000_000,
        total.alive,
        total.left
    );
    ensure!(total.left == 0 && total.missing == 0, "{} left, {} never found", total.left, total.missing);
    Ok(())
}

/// What to search in one process.
#[derive(Default)]
pub(crate) struct Sought {
    /// What must be there while the keys live.
    pub(crate) kept: BTreeSet<Word>,
    /// That, and what may be there.
    pub(crate) all: Words,
}

impl Sought {
    pub(crate) fn of(mut all: Words, kept: BTreeSet<Word>) -> Self {
        for (i, word) in kept.iter().enumerate() {
            all.entry(*word).or_insert_with(|| format!("word {i} of an expanded key"));
        }
        Self { all, kept }
    }

    /// The same, of a key that need not have made more than its schedule.
    pub(crate) fn with_no_more_than(mut self, schedule: &Words) -> Self {
        self.kept.retain(|word| schedule.contains_key(word));
        self
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.kept.extend(other.kept);
        self.all.extend(other.all);
    }
}

/// An expanded key of a backend.
pub(crate) fn of_cipher(command: &[String], backend: &str, key: &[u8; 32]) -> Result<Sought> {
    let lines = output(command, &["words", backend], key)?;
    let words = lines.lines().map(|line| hex::decode(line)?.try_into().ok().context("a word"));
    let kept: BTreeSet<Word> = words.collect::<Result<Vec<Word>>>()?.into_iter().filter(patterns::is_telling).collect();
    ensure!(kept.len() >= 30, "{backend}: an expanded key of {} words", kept.len());
    Ok(Sought::of(patterns::of_key("key", key), kept))
}

/// A key of XAES, and that which it derives for the victim's prefix.
fn of_xaes(command: &[String], backend: &str, key: &[u8; 32]) -> Result<Sought> {
    let mut sought = of_cipher(command, backend, key)?.with_no_more_than(&patterns::of_schedule("", key));
    sought.add(of_session(command, backend, key, &[0x77; 12])?);
    Ok(sought)
}

/// What a key of XAES has for one prefix.
pub(crate) fn of_session(command: &[String], backend: &str, key: &[u8; 32], prefix: &[u8; 12]) -> Result<Sought> {
    let (k1, derived) = patterns::derive(key, prefix);
    let mut sought = of_cipher(command, backend, &derived)?;
    // L, which K1 is made of, is H, and so among the others.
    sought.all.extend(patterns::of_block("K1", k1));
    sought.all.extend(patterns::of_block("K1, reversed", patterns::reversed(k1)));
    Ok(sought)
}

#[derive(Default)]
pub(crate) struct Total {
    pub(crate) processes: usize,
    words: usize,
    bytes: usize,
    alive: usize,
    left: usize,
    missing: usize,
}

impl Total {
    /// Processes that have one key each.
    fn core(
        &mut self,
        name: &str,
        start: impl Fn() -> Result<Victim>,
        sought: impl Fn(&[u8; 32]) -> Result<Sought>,
    ) -> Result<()> {
        for _ in 0..ROUNDS {
            let key = random()?;
            let mut sought = sought(&key)?;
            // The key itself is what stands there in every case.
            sought.kept.extend(
                patterns::of_schedule("", &key).into_keys().filter(|word| key.as_chunks::<8>().0.contains(word)),
            );
            let mut victim = start()?;
            victim.send(&key)?;
            victim.reaches("alive")?;
            self.alive(name, &victim, &sought)?;
            victim.send(&[0])?;
            victim.reaches("dropped")?;
            self.dropped(name, victim, &sought)?;
        }
        Ok(())
    }

    /// The control: all that the backend keeps is found.
    pub(crate) fn alive(&mut self, name: &str, victim: &Victim, sought: &Sought) -> Result<()> {
        let found = search(victim.child.id(), &sought.all)?;
        let missing = sought.kept.difference(&found.words).count();
        if missing > 0 {
            println!("NOT FOUND: {name}: {missing} of {} words that a live key must have", sought.kept.len());
        }
        self.missing += missing;
        self.alive += found.words.len();
        Ok(())
    }

    pub(crate) fn dropped(&mut self, name: &str, mut victim: Victim, sought: &Sought) -> Result<()> {
        let found = search(victim.child.id(), &sought.all)?;
        if !found.words.is_empty() {
            let what: BTreeSet<_> = found.words.iter().map(|word| sought.all[word].as_str()).collect();
            let what: Vec<_> = what.into_iter().take(SHOWN).collect();
            let places: Vec<_> = found.places.iter().take(SHOWN).map(String::as_str).collect();
            println!("LEFT: {name}: {} words: {}; at {}", found.words.len(), what.join(", "), places.join(", "));
        }
        self.processes += 1;
        self.words += sought.all.len();
        self.bytes += found.bytes;
        self.left += found.words.len();
        victim.send(&[0])?;
        ensure!(victim.child.wait()?.success(), "{name}: the victim failed");
        Ok(())
    }
}

/// A process to look into.
pub(crate) struct Victim {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Victim {
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.input.write_all(bytes)?)
    }

    /// The next line that it prints.
    pub(crate) fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    fn reaches(&mut self, stage: &str) -> Result<()> {
        let line = self.line()?;
        ensure!(line == stage, "a victim said {line:?}, not {stage:?}");
        Ok(())
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // It has ended, or something failed and it is of no more use.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

pub(crate) fn start(command: &[String], arguments: &[&str]) -> Result<Victim> {
    let mut child = Command::new(&command[0])
        .args(&command[1..])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", command[0]))?;
    let (input, output) = (child.stdin.take().context("its input")?, child.stdout.take().context("its output")?);
    Ok(Victim { child, input, output: BufReader::new(output) })
}

/// What a process prints, and no more of it.
fn output(command: &[String], arguments: &[&str], input: &[u8]) -> Result<String> {
    let mut victim = start(command, arguments)?;
    victim.send(input)?;
    let mut lines = String::new();
    while let line = victim.line()?
        && !line.is_empty()
    {
        lines = lines + &line + "\n";
    }
    ensure!(victim.child.wait()?.success(), "{command:?} {arguments:?} failed");
    Ok(lines)
}

/// A new key.
pub(crate) fn random() -> Result<[u8; 32]> {
    let mut key = [0; 32];
    getrandom::fill(&mut key)?;
    Ok(key)
}
