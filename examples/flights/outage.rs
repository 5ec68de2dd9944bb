//! Disables the KMS key under a warm connection, and enables it again.

use core::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use tablecrypt::{DEFAULT_KEY_ALIAS, Error, Table};

use crate::layout::Files;
use crate::progress::Progress;
use crate::site::{Site, TABLE};

/// What happened; all times are virtual seconds.
#[derive(Debug, Default, Serialize)]
pub struct Outage {
    /// A cold connection got `KeyDisabled`.
    pub refused_cold: bool,
    /// When the warm connection failed for the first time, counted from the last time that the KMS said yes.
    pub warm_failed_after_s: u64,
    /// With which error.
    pub warm_error: &'static str,
    /// It went on to fail, no key is left, and the table says since when.
    pub failed_closed: bool,
    /// Everything works again: the same connection, and a cold one; and the table says so.
    pub recovered: bool,
    /// When the warm connection did, counted from when the key was enabled.
    pub recovered_after_s: u64,
}

/// Longer than any deadline or pause is.
const PATIENCE: u64 = 400;
/// For how long it is to go on failing.
const CLOSED: u64 = 60;

/// Has it all happen. The connection must have been refreshed just now.
pub fn outage(site: &Site, table: &Table, files: &mut Files, progress: &Progress) -> Result<Outage> {
    progress.stage("The key is disabled", 0);
    let kms = site.kms()?;
    kms.disable_key(DEFAULT_KEY_ALIAS)?;
    let refused_cold = matches!(site.service()?.open_table(TABLE), Err(Error::KeyDisabled));
    let (warm_failed_after_s, warm_error) = first_failure(site, files)?;
    let mut failed_closed = table.permitted_for().is_none() && table.describe()?.inaccessible_since.is_some();
    for _ in 0..CLOSED {
        site.clock.advance(SECOND);
        failed_closed &= files.one().is_err();
    }

    kms.enable_key(DEFAULT_KEY_ALIAS)?;
    let recovered_after_s = first_success(site, files)?;
    let cold = site.service()?.open_table(TABLE)?;
    let asked_cold = Files::open(site, &cold)?.one()?;
    let recovered =
        asked_cold.is_some() && asked_cold == files.one()? && table.describe()?.inaccessible_since.is_none();
    Ok(Outage { refused_cold, warm_failed_after_s, warm_error, failed_closed, recovered, recovered_after_s })
}

/// Reads every second until a read fails.
fn first_failure(site: &Site, files: &mut Files) -> Result<(u64, &'static str)> {
    for second in 0..=PATIENCE {
        if second > 0 {
            site.clock.advance(SECOND);
        }
        if let Err(error) = files.one() {
            let refusal = error.downcast_ref().and_then(tablecrypt_examples::Error::refusal);
            return match refusal {
                Some(Error::KeyDisabled) => Ok((second, "KeyDisabled")),
                Some(Error::KeyUnavailable { .. }) => Ok((second, "KeyUnavailable")),
                _ => Err(error).context("not the error of a disabled key"),
            };
        }
    }
    bail!("the key was disabled {PATIENCE} s ago, and the warm connection still reads")
}

/// Reads every second until a read succeeds.
fn first_success(site: &Site, files: &mut Files) -> Result<u64> {
    let mut second = 0;
    while let Err(error) = files.one() {
        ensure!(
            second < PATIENCE,
            "the key was enabled {PATIENCE} s ago, and the warm connection still fails: {error:#}"
        );
        site.clock.advance(SECOND);
        second += 1;
    }
    Ok(second)
}

const SECOND: Duration = Duration::from_secs(1);
