//! Counts the KMS's calls: an hour with a read every second, then an hour without any.

use core::time::Duration;

use anyhow::{Result, ensure};
use serde::Serialize;

use crate::layout::Files;
use crate::progress::Progress;
use crate::site::Site;

/// How many calls there were.
#[derive(Debug, Default, Serialize)]
pub struct Traffic {
    #[serde(rename = "kms_calls_in_a_virtual_hour")]
    pub busy: u64,
    #[serde(rename = "kms_calls_in_an_idle_hour")]
    pub idle: u64,
    /// The first read after the idle hour, for which the keys were wiped.
    #[serde(rename = "kms_calls_by_the_first_read_after_it")]
    pub after_idle: u64,
}

const HOUR: u64 = 3600;
const STEP: u64 = 60;

/// Lets two hours pass, and one read more.
pub fn hours(site: &Site, files: &mut Files, progress: &Progress) -> Result<Traffic> {
    let calls = || -> Result<u64> { Ok(site.calls()?.len() as u64) };
    let before = calls()?;
    progress.stage("An hour of traffic", HOUR);
    for second in 1..=HOUR {
        site.clock.advance(Duration::from_secs(1));
        ensure!(files.one()?.is_some(), "the item that is read every second is not in the table");
        if second % STEP == 0 {
            progress.add(STEP);
        }
    }
    site.clock.settle();
    let busy = calls()?;
    site.clock.advance(Duration::from_secs(HOUR));
    let idle = calls()?;
    files.one()?;
    Ok(Traffic { busy: busy - before, idle: idle - busy, after_idle: calls()? - idle })
}
