//! The folder that all of it lies in, and the clock that all of it goes by.
//!
//! ```text
//! kms/      the KMS: with it anyone reads the table      tables/   key files      data/   sorted files
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use tablecrypt::Service;
use tablecrypt::clock::VirtualClock;
use tablecrypt::kms::{AuditEntry, LocalKms};
use tablecrypt::store::FolderStore;
use tempfile::TempDir;

use crate::layout::Layout;

/// The table.
pub const TABLE: &str = "flights";

/// The folder and the clock.
#[derive(Debug)]
pub struct Site {
    folder: PathBuf,
    pub clock: Arc<VirtualClock>,
    /// Removes the folder at the end, if it is a temporary one.
    _temporary: Option<TempDir>,
}

impl Site {
    /// In this folder, new or empty, or in a temporary one.
    pub fn new(folder: Option<&Path>) -> Result<Self> {
        let temporary = match folder {
            Some(_) => None,
            None => Some(TempDir::with_prefix("tablecrypt-flights-").context("cannot make a temporary folder")?),
        };
        let folder = temporary.as_ref().map(TempDir::path).or(folder).unwrap_or(Path::new(".")).to_owned();
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let empty = fs::read_dir(&folder).with_context(|| folder.display().to_string())?.next().is_none();
        ensure!(empty, "{}: not empty; name a new folder", folder.display());
        fs::create_dir(folder.join("data")).with_context(|| folder.display().to_string())?;
        Ok(Self { folder, clock: Arc::default(), _temporary: temporary })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The sorted file of a structure.
    pub fn path(&self, layout: Layout) -> PathBuf {
        self.folder.join("data").join(layout.file())
    }

    /// A folder beside the sealed files, on the same disk, for the plaintext ones; it does not stay.
    pub fn plaintext(&self) -> Result<TempDir> {
        TempDir::with_prefix_in("plaintext-", &self.folder).with_context(|| self.folder.display().to_string())
    }

    /// The KMS, as its administrator has it.
    pub fn kms(&self) -> Result<LocalKms> {
        Ok(LocalKms::open_with(self.folder.join("kms"), self.clock.clone())?)
    }

    /// A service that knows nothing but the folder.
    pub fn service(&self) -> Result<Service> {
        let store = FolderStore::open(self.folder.join("tables")).context("the key files' folder")?;
        Ok(Service::builder(Arc::new(self.kms()?), Arc::new(store)).clock(self.clock.clone()).build())
    }

    /// Every call that the KMS has logged.
    pub fn calls(&self) -> Result<Vec<AuditEntry>> {
        Ok(self.kms()?.audit()?)
    }
}

/// How many of these calls there are of each operation.
pub fn count(calls: &[AuditEntry]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for call in calls {
        *counts.entry(call.operation.to_string()).or_default() += 1;
    }
    counts
}
