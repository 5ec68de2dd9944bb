//! All memory of another process that can be read, searched for many words at once.

use std::collections::BTreeSet;
use std::fs::{File, read_to_string};
use std::os::unix::fs::FileExt;

use aho_corasick::AhoCorasick;
use anyhow::{Context, Result};

use crate::patterns::{Word, Words};

/// What was found, and where.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) words: BTreeSet<Word>,
    pub(crate) places: BTreeSet<String>,
    pub(crate) bytes: usize,
}

/// Searches stack, heap, globals and every other mapping of a process: what a core dump would have in it, and more.
pub(crate) fn search(pid: u32, words: &Words) -> Result<Found> {
    let words: Vec<Word> = words.keys().copied().collect();
    let automaton = AhoCorasick::new(&words)?;
    let memory =
        File::open(format!("/proc/{pid}/mem")).context("a process's memory is its parent's to read, or root's")?;
    let mut found = Found::default();
    for line in read_to_string(format!("/proc/{pid}/maps"))?.lines() {
        let Some((range, rest)) = line.split_once(' ') else { continue };
        let name = rest.split_whitespace().nth(4).unwrap_or("unnamed");
        // The kernel's own pages in every process cannot be read that way.
        if !rest.starts_with('r') || ["[vvar]", "[vvar_vclock]", "[vsyscall]"].contains(&name) {
            continue;
        }
        let (start, end) = range.split_once('-').context("a range")?;
        let (start, end) = (u64::from_str_radix(start, 16)?, u64::from_str_radix(end, 16)?);
        let mut bytes = vec![0; (end - start) as usize];
        // Memory that is locked away even from this is not there for anybody else.
        if memory.read_exact_at(&mut bytes, start).is_err() {
            continue;
        }
        found.bytes += bytes.len();
        for hit in automaton.find_overlapping_iter(&bytes) {
            found.words.insert(words[hit.pattern()]);
            found.places.insert(format!("{name}+{:#x}", hit.start()));
        }
    }
    Ok(found)
}
