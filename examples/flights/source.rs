//! Reads flights.csv.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use csv::{Reader, StringRecord};

use crate::item::{COLUMNS, Item};
use crate::progress::Progress;

/// The items of the file, in its order; the first `limit` if one is given.
pub fn items(path: &Path, limit: Option<u64>, progress: &Progress) -> Result<Vec<Item>> {
    progress.stage("Reading flights.csv", 0);
    let mut items = Vec::new();
    rows(path, limit, |row| {
        items.push(Item::of(row)?);
        Ok(())
    })?;
    ensure!(!items.is_empty(), "{}: no flights", path.display());
    Ok(items)
}

/// Calls `see` with each row.
pub fn rows(path: &Path, limit: Option<u64>, mut see: impl FnMut(&StringRecord) -> Result<()>) -> Result<()> {
    let place = || format!("{} (admin/setup data fetches it)", path.display());
    let mut reader = Reader::from_path(path).with_context(place)?;
    let columns = reader.headers().with_context(place)?;
    ensure!(columns == COLUMNS.as_slice(), "{}: its columns are others: {columns:?}", path.display());
    let mut row = StringRecord::new();
    for number in 1..=limit.unwrap_or(u64::MAX) {
        if !reader.read_record(&mut row).with_context(place)? {
            break;
        }
        see(&row).with_context(|| format!("{}, flight {number}", path.display()))?;
    }
    Ok(())
}
