//! A KMS to test, and what its tests have in common.

use core::time::Duration;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tablecrypt::clock::VirtualClock;
use tablecrypt::kms::{EncryptionContext, KmsError, LocalKms};
use tempfile::TempDir;

/// A KMS in a folder of its own, on a clock that only the test turns.
pub(crate) struct Fixture {
    pub(crate) folder: TempDir,
    /// The folder's path as errors name it: without symbolic links.
    pub(crate) path: PathBuf,
    pub(crate) clock: Arc<VirtualClock>,
    pub(crate) kms: LocalKms,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(VirtualClock::default());
        let kms = LocalKms::open_with(folder.path(), clock.clone()).unwrap();
        let path = folder.path().canonicalize().unwrap();
        Self { folder, path, clock, kms }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn key_files(&self) -> usize {
        fs::read_dir(self.path("keys")).unwrap().count()
    }

    /// The audit log as `operation outcome`.
    pub(crate) fn log(&self) -> Vec<String> {
        self.kms.audit().unwrap().iter().map(|entry| format!("{} {}", entry.operation, entry.outcome)).collect()
    }

    pub(crate) fn last(&self) -> String {
        self.log().pop().unwrap()
    }
}

pub(crate) fn flights() -> EncryptionContext {
    EncryptionContext::of_table("flights", "111122223333")
}

pub(crate) fn context(pairs: &[(&str, &str)]) -> EncryptionContext {
    pairs.iter().copied().collect()
}

#[track_caller]
pub(crate) fn assert_io<T: core::fmt::Debug>(result: Result<T, KmsError>, kind: ErrorKind, names: &Path) {
    match result {
        Err(KmsError::Io(error)) => {
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(names.to_str().unwrap()), "{error} does not name {}", names.display());
        }
        other => panic!("not an Io error: {other:?}"),
    }
}

/// This test binary once more, for one test that plays a child.
pub(crate) fn child(test: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--quiet"]).env(CHILD, folder);
    command
}

pub(crate) const ALIAS: &str = "alias/tablecrypt/default";
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The variable that makes this binary a child, with the folder to work in.
pub(crate) const CHILD: &str = "TABLECRYPT_TEST_LOCAL_KMS";
