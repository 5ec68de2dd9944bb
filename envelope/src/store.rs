//! Where key files live: a folder for each table, written so that a crash leaves the old file or the new one.
//!
//! ```text
//! tables/flights/keys.json            the key file
//! tables/flights/keys.previous.json   the one before
//! tables/flights/.keys.*.tmp          left by a crash; never read, swept by the next write
//! tables/flights/.lock                one writer at a time; it stays when the table is deleted, so that there is only one
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

    /// As [`KeyStore::replace`], but nothing of `before` is kept, nor what an earlier one kept: for a change that destroys
    /// a key.
    ///
    /// # Errors
    /// As [`KeyStore::replace`].
    fn supersede(&self, table: &str, before: &[u8], file: &[u8]) -> io::Result<()>;

    /// Removes a table's key file, and whatever was kept of it, durably.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] where there is none; or what the system says.
    fn remove(&self, table: &str) -> io::Result<()>;

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
        Self::at(folder.into())
    }

    #[inline(never)]
    fn at(folder: PathBuf) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        Ok(Self { folder })
    }

    fn table_folder(&self, table: &str) -> PathBuf {
        self.folder.join(table)
    }

    /// Puts a file under this name, whole: written under one that nobody reads, synced, renamed.
    fn put(folder: &Path, name: &str, file: &[u8], flags: RenameFlags) -> io::Result<()> {
        if file.len() as u64 > LONGEST {
            // It could not be read again.
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let path = folder.join(format!(".keys.{}.tmp", Uuid::new_v4()));
        let put = (|| {
            step()?;
            let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            step().inspect_err(|_| _ = out.write_all(&file[..file.len() / 2]))?;
            out.write_all(file)?;
            step()?;
            out.sync_all()?;
            step()?;
            Ok(renameat_with(CWD, &path, CWD, folder.join(name), flags)?)
        })();
        // Best effort: a full disk must not keep half a file as well.
        put.inspect_err(|_| _ = remove(&path))
    }

    /// Puts `file` in the place of `before`; `kept` is what the kept file holds then. The kept one first: so once the key
    /// file is the new one, the kept one is what it shall be.
    fn exchange(&self, table: &str, before: &[u8], file: &[u8], kept: &[u8]) -> io::Result<()> {
        let folder = self.table_folder(table);
        let _lock = Self::lock(&folder)?;
        if self.read(table)?.as_deref() != Some(before) {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        Self::put(&folder, PREVIOUS, kept, RenameFlags::empty())?;
        sync_folder(&folder)?;
        Self::put(&folder, FILE, file, RenameFlags::empty())?;
        sync_folder(&folder)
    }

    /// One writer at a time; the lock ends with the file. What crashed writers left is swept.
    fn lock(folder: &Path) -> io::Result<File> {
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(folder.join(LOCK))?;
        lock.lock()?;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| name.starts_with(".keys.") && name.ends_with(".tmp")) {
                remove(&entry.path())?;
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
        step()?;
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        sync_folder(&self.folder)?;
        let _lock = Self::lock(&folder)?;
        Self::put(&folder, FILE, file, RenameFlags::NOREPLACE)?;
        sync_folder(&folder)
    }

    fn replace(&self, table: &str, before: &[u8], file: &[u8]) -> io::Result<()> {
        self.exchange(table, before, file, before)
    }

    fn supersede(&self, table: &str, before: &[u8], file: &[u8]) -> io::Result<()> {
        self.exchange(table, before, file, file)
    }

    fn remove(&self, table: &str) -> io::Result<()> {
        let folder = self.table_folder(table);
        let _lock = Self::lock(&folder)?;
        match remove(&folder.join(PREVIOUS)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
        sync_folder(&folder)?;
        remove(&folder.join(FILE))?;
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
    step()?;
    File::open(folder)?.sync_all()
}

fn remove(path: &Path) -> io::Result<()> {
    step()?;
    fs::remove_file(path)
}

/// Before each change of the file system. In a test it is where the machine may stop; here it is nothing.
#[cfg(not(test))]
const fn step() -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(crate) use stop::step;

/// A machine that stops at a step that a test chooses: from there on this thread changes no file.
#[cfg(test)]
pub(crate) mod stop {
    use core::cell::Cell;
    use std::io;

    std::thread_local! {
        static LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
    }

    pub(crate) fn step() -> io::Result<()> {
        let left = LEFT.get();
        LEFT.set(left.saturating_sub(1));
        if left == 0 { Err(io::Error::other("the machine has stopped")) } else { Ok(()) }
    }

    /// Runs `f` on a machine that stops after so many steps; whether it stopped.
    pub(crate) fn after(steps: usize, f: impl FnOnce()) -> bool {
        LEFT.set(steps);
        f();
        LEFT.replace(usize::MAX) == 0
    }
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
    fn superseding_and_removing_keep_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::open(folder.path()).unwrap();
        let files = || -> Vec<Vec<u8>> {
            let entries = fs::read_dir(folder.path().join("t")).unwrap().map(|entry| fs::read(entry.unwrap().path()));
            entries.map(Result::unwrap).collect()
        };
        assert_eq!(store.remove("t").unwrap_err().kind(), io::ErrorKind::NotFound);
        store.create("t", b"one").unwrap();
        store.replace("t", b"one", b"two").unwrap();
        assert!(files().contains(&b"one".to_vec()), "the control");
        store.supersede("t", b"two", b"three").unwrap();
        assert!(files().iter().all(|file| file.is_empty() || file == b"three"));
        assert_eq!(store.supersede("t", b"two", b"four").unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        store.remove("t").unwrap();
        assert!(files().iter().all(Vec::is_empty), "only the lock");
        assert_eq!((store.read("t").unwrap(), store.tables().unwrap().len()), (None, 0));
        assert_eq!(store.remove("t").unwrap_err().kind(), io::ErrorKind::NotFound);
        store.create("t", b"five").expect("the name is free");
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
