//! Where key files live: a folder for each table, written so that a crash leaves the old file or the new one.
//!
//! ```text
//! tables/flights/keys.json            the key file
//! tables/flights/keys.previous.json   the one before
//! tables/flights/.keys.*.tmp          left by a crash; never read, swept by the next write
//! ```

use core::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use uuid::Uuid;

/// Keeps the key files of tables. Nothing in them is secret without the KMS key; all of them are needed.
pub trait KeyStore: Send + Sync + fmt::Debug {
    /// The table's key file, or None where there is none.
    ///
    /// # Errors
    /// What the system says.
    fn read(&self, table: &str) -> io::Result<Option<Vec<u8>>>;

    /// Stores the key file of a new table, durably, wholly or not at all.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] where there is one already; or what the system says.
    fn create(&self, table: &str, file: &[u8]) -> io::Result<()>;

    /// Puts `file` in the place of `before`, durably, wholly or not at all, and keeps the one before.
    ///
    /// # Errors
    /// [`io::ErrorKind::ResourceBusy`] where the key file is no longer `before`; or what the system says.
    fn replace(&self, table: &str, before: &[u8], file: &[u8]) -> io::Result<()>;

    /// The names of all tables, sorted.
    ///
    /// # Errors
    /// What the system says.
    fn tables(&self) -> io::Result<Vec<String>>;

    /// Where a table's key file is, for messages.
    fn path(&self, table: &str) -> PathBuf;
}

/// Key files in a folder. Several processes may use it at once.
#[derive(Debug)]
pub struct FolderStore {
    folder: PathBuf,
}

const FILE: &str = "keys.json";
const PREVIOUS: &str = "keys.previous.json";
const LOCK: &str = ".lock";
/// A key file longer than this is none: 16 MiB hold 50,000 data keys.
const LONGEST: u64 = 16 << 20;

impl FolderStore {
    /// Uses `folder`, which is created, for its owner alone, if it is missing.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        Ok(Self { folder })
    }

    fn table_folder(&self, table: &str) -> PathBuf {
        self.folder.join(table)
    }

    /// Writes a file of its own beside the key file, durable but under a name that nobody reads.
    fn write_beside(folder: &Path, file: &[u8]) -> io::Result<PathBuf> {
        if file.len() as u64 > LONGEST {
            // It could not be read again.
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let path = folder.join(format!(".keys.{}.tmp", Uuid::new_v4()));
        let written = (|| {
            let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            out.write_all(file)?;
            out.sync_all()
        })();
        if let Err(error) = written {
            // Best effort: a full disk must not keep half a file as well.
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        Ok(path)
    }

    /// One writer at a time; the lock ends with the file. What crashed writers left is swept.
    fn lock(folder: &Path) -> io::Result<File> {
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(folder.join(LOCK))?;
        lock.lock()?;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| name.starts_with(".keys.") && name.ends_with(".tmp")) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(lock)
    }
}

impl KeyStore for FolderStore {
    fn read(&self, table: &str) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(self.path(table)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(LONGEST).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn create(&self, table: &str, file: &[u8]) -> io::Result<()> {
        let folder = self.table_folder(table);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        sync_folder(&self.folder)?;
        let _lock = Self::lock(&folder)?;
        let written = Self::write_beside(&folder, file)?;
        if let Err(error) = renameat_with(CWD, &written, CWD, folder.join(FILE), RenameFlags::NOREPLACE) {
            let _ = fs::remove_file(&written);
            return Err(error.into());
        }
        sync_folder(&folder)
    }

    fn replace(&self, table: &str, before: &[u8], file: &[u8]) -> io::Result<()> {
        let folder = self.table_folder(table);
        let _lock = Self::lock(&folder)?;
        if self.read(table)?.as_deref() != Some(before) {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        let previous = Self::write_beside(&folder, before)?;
        fs::rename(previous, folder.join(PREVIOUS))?;
        let next = Self::write_beside(&folder, file)?;
        fs::rename(next, folder.join(FILE))?;
        sync_folder(&folder)
    }

    fn tables(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.path().join(FILE).is_file() {
                names.extend(entry.file_name().into_string().ok());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn path(&self, table: &str) -> PathBuf {
        self.table_folder(table).join(FILE)
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_many_creators_wins_and_its_file_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::open(folder.path()).unwrap();
        let wins: usize = std::thread::scope(|scope| {
            let store = &store;
            let threads: Vec<_> =
                (0..16_u8).map(|i| scope.spawn(move || usize::from(store.create("t", &[i; 1000]).is_ok()))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(wins, 1);
        let file = store.read("t").unwrap().unwrap();
        assert_eq!(file, [file[0]; 1000]);
        assert_eq!(store.tables().unwrap(), ["t"]);
    }

    #[test]
    fn replacing_keeps_the_one_before_and_refuses_a_stale_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::open(folder.path()).unwrap();
        store.create("t", b"one").unwrap();
        store.replace("t", b"one", b"two").unwrap();
        assert_eq!(store.read("t").unwrap().unwrap(), b"two");
        assert_eq!(fs::read(folder.path().join("t").join(PREVIOUS)).unwrap(), b"one");
        let error = store.replace("t", b"one", b"three").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
        assert_eq!(store.read("t").unwrap().unwrap(), b"two");
    }

    #[test]
    fn a_file_that_could_not_be_read_again_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::open(folder.path()).unwrap();
        let mut file = vec![7; (16 << 20) + 1];
        assert_eq!(store.create("t", &file).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(store.read("t").unwrap(), None);
        file.truncate(16 << 20);
        store.create("t", &file).unwrap();
        assert!(store.read("t").unwrap().unwrap() == file);
    }

    #[test]
    fn what_a_crash_left_is_no_table_and_is_swept() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::open(folder.path()).unwrap();
        fs::create_dir(folder.path().join("t")).unwrap();
        let torn = folder.path().join("t/.keys.torn.tmp");
        fs::write(&torn, b"half").unwrap();
        assert_eq!(store.read("t").unwrap(), None);
        assert!(store.tables().unwrap().is_empty());
        store.create("t", b"one").unwrap();
        assert!(!torn.exists());
        assert_eq!(store.read("t").unwrap().unwrap(), b"one");
    }

    #[test]
    fn key_files_are_their_owner_s_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::open(folder.path().join("tables")).unwrap();
        store.create("t", b"one").unwrap();
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(store.path("t")), 0o600);
        assert_eq!(mode(folder.path().join("tables/t")), 0o700);
    }
}
