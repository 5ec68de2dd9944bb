//! One job, sealed or in plaintext by the same code: writes a sorted file, and reads all of it.

use core::ops::{AddAssign, ControlFlow};
use core::time::Duration;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use tablecrypt_examples::{Reader, Sealer, Writer};

use crate::layout::Entry;
use crate::progress::Progress;

/// What it took to write.
#[derive(Clone, Copy, Debug, Default)]
pub struct Writing {
    /// Until all was handed to the system.
    pub time: Duration,
    /// And from then on until it was on the disk.
    pub sync: Duration,
    pub bytes: u64,
}

/// What it took to read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading {
    pub time: Duration,
    pub entries: u64,
    /// Of keys and values.
    pub bytes: u64,
}

/// Writes these entries to a new file.
pub fn write<S: Sealer>(path: &Path, sealer: S, entries: &[Entry], progress: &Progress, how: &str) -> Result<Writing> {
    progress.stage(&format!("Writing {}, {how}", name(path)), entries.len() as u64);
    let began = Instant::now();
    let mut writer = Writer::new(path, sealer)?;
    for entries in entries.chunks(STEP) {
        for (key, value) in entries {
            writer.push(key, value)?;
        }
        progress.add(entries.len() as u64);
    }
    let complete = writer.finish()?;
    let time = began.elapsed();
    let bytes = complete.publish()?;
    Ok(Writing { time, sync: began.elapsed() - time, bytes })
}

/// Reads the whole file.
pub fn read<S: Sealer>(path: &Path, sealer: S, progress: &Progress, how: &str) -> Result<Reading> {
    let began = Instant::now();
    let mut reader = Reader::open(path, sealer)?;
    progress.stage(&format!("Reading {}, {how}", name(path)), reader.entries());
    let (mut entries, mut bytes) = (0, 0);
    reader.scan(&[], |key, value| {
        entries += 1;
        bytes += (key.len() + value.len()) as u64;
        if entries % STEP as u64 == 0 {
            progress.add(STEP as u64);
        }
        ControlFlow::Continue(())
    })?;
    Ok(Reading { time: began.elapsed(), entries, bytes })
}

impl AddAssign for Writing {
    fn add_assign(&mut self, other: Self) {
        self.time += other.time;
        self.sync += other.sync;
        self.bytes += other.bytes;
    }
}

impl AddAssign for Reading {
    fn add_assign(&mut self, other: Self) {
        self.time += other.time;
        self.entries += other.entries;
        self.bytes += other.bytes;
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().display().to_string()
}

/// How many entries make one step of progress.
const STEP: usize = 4096;
