//! The folder on disk: one lock, whole files, and nothing half-written. It knows no format.
//!
//! ```text
//! <folder>/            0700
//!   lock               flock(2): one call at a time, over all threads and processes
//!   aliases.json       alias -> key
//!   audit.jsonl        one line a call
//!   cover.json         where the keys are covered: by what (cover.rs)
//!   draft              the next aliases.json, while it is written
//!   keys/              0700
//!     <uuid>.json      a key, its material in clear unless it is covered
//!     draft            the next key file, while it is written
//! ```
//!
//! All files are 0600. flock(2) works between open file descriptions: every call opens `lock` anew, so two threads
//! exclude each other as two processes do. There is one draft a folder because there is one writer, and what a crash
//! left of it (it may hold a key) is removed by the next call.

use core::ops::Deref;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use zeroize::Zeroize;

use super::cover::Cover;
use crate::kms::KmsError;

/// The folder of one local KMS, by its absolute path: a process that changes its directory keeps its keys.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    cover: Option<Cover>,
}

impl Folder {
    /// The folder, if its keys are not covered.
    pub(super) fn open(path: &Path) -> Result<Self, KmsError> {
        let folder = Self::create(path)?;
        let cover = folder.path.join(COVER);
        if cover.exists() { Err(FileError::Covered { path: cover }.into()) } else { Ok(folder) }
    }

    /// The folder whose keys this covers.
    #[cfg(feature = "passphrase")]
    pub(super) fn open_covered(path: &Path, protection: &super::Protection) -> Result<Self, KmsError> {
        let mut folder = Self::create(path)?;
        let cover = Cover::of(&mut folder.lock()?, protection)?;
        folder.cover = Some(cover);
        Ok(folder)
    }

    /// Creates what is missing. The mode of a folder that is there already is its owner's business.
    fn create(path: &Path) -> Result<Self, KmsError> {
        let keys = path.join(KEYS);
        let missing = !keys.is_dir();
        DirBuilder::new().recursive(true).mode(0o700).create(&keys).map_err(at(path))?;
        let path = path.canonicalize().map_err(at(path))?;
        if missing {
            sync(&path)?;
            path.parent().map_or(Ok(()), sync)?;
        }
        Ok(Self { path, cover: None })
    }

    /// Waits for the lock. It is held until the result is dropped.
    pub(super) fn lock(&self) -> Result<LockedFolder<'_>, KmsError> {
        let path = self.path.join("lock");
        let lock = private().read(true).write(true).create(true).open(&path).map_err(at(&path))?;
        while let Err(error) = lock.lock() {
            if error.kind() != ErrorKind::Interrupted {
                return Err(at(&path)(error));
            }
        }
        let folder = LockedFolder { path: &self.path, cover: self.cover.as_ref(), lock, drafts: Vec::new() };
        remove(&folder.path_of(DRAFT))?;
        remove(&folder.path_of(KEYS).join(DRAFT))?;
        Ok(folder)
    }
}

/// The folder while this call has it for itself. Drafts that were not committed are removed when it is dropped.
#[derive(Debug)]
pub(super) struct LockedFolder<'a> {
    path: &'a Path,
    cover: Option<&'a Cover>,
    lock: File,
    drafts: Vec<PathBuf>,
}

impl LockedFolder<'_> {
    /// The path of a file of this folder.
    pub(super) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The bytes of a file, which is refused where it is longer than `longest`; none where there is no such file.
    pub(super) fn read(&self, name: &str, longest: u64) -> Result<Option<FileBytes>, KmsError> {
        let path = self.path_of(name);
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file.map_err(at(&path))?,
        };
        let length = file.metadata().map_err(at(&path))?.len();
        if length > longest {
            return Err(FileError::TooLong { path }.into());
        }
        // One byte of room is left, so that the end is found without growing.
        let mut bytes = FileBytes(Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1));
        file.take(length).read_to_end(&mut bytes.0).map_err(at(&path))?;
        Ok(Some(bytes))
    }

    /// The bytes of a key's file, uncovered; none where there is no such file.
    pub(super) fn read_key(&self, name: &str) -> Result<Option<FileBytes>, KmsError> {
        match (self.read(name, LONGEST)?, self.cover) {
            (Some(bytes), Some(cover)) => cover.open(&self.path_of(name), name, &bytes).map(Some),
            (bytes, _) => Ok(bytes),
        }
    }

    /// Stages a key's file, covered if this folder's are.
    pub(super) fn stage_key(&mut self, name: &str, bytes: &[u8]) -> Result<(), KmsError> {
        match self.cover {
            Some(cover) => self.stage(name, &cover.seal(name, bytes)?),
            None => self.stage(name, bytes),
        }
    }

    /// Writes and syncs what the file shall hold once [`LockedFolder::commit`] is called.
    pub(super) fn stage(&mut self, name: &str, bytes: &[u8]) -> Result<(), KmsError> {
        let path = self.path_of(name);
        if bytes.len() as u64 > LONGEST {
            return Err(FileError::TooLong { path }.into());
        }
        let draft = path.with_file_name(DRAFT);
        let mut file = private().write(true).create_new(true).open(&draft).map_err(at(&draft))?;
        self.drafts.push(path);
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(at(&draft))
    }

    /// Puts all that was staged in its place, in that order.
    pub(super) fn commit(&mut self) -> Result<(), KmsError> {
        while let Some(path) = self.drafts.first() {
            fs::rename(path.with_file_name(DRAFT), path).map_err(at(path))?;
            let path = self.drafts.remove(0);
            path.parent().map_or(Ok(()), sync)?;
        }
        Ok(())
    }

    /// Removes a file, if it is there, for good.
    pub(super) fn remove(&self, name: &str) -> Result<(), KmsError> {
        let path = self.path_of(name);
        remove(&path)?;
        path.parent().map_or(Ok(()), sync)
    }
}

impl Drop for LockedFolder<'_> {
    fn drop(&mut self) {
        for path in &self.drafts {
            // The next call tries again.
            let _ = remove(&path.with_file_name(DRAFT));
        }
        // Closing is not enough: a process that was forked meanwhile holds the same open file description.
        let _ = self.lock.unlock();
    }
}

/// The bytes of a file, which may be a key's: wiped when they are dropped, and wherever they were before they grew.
/// (`Zeroizing<Vec<u8>>` leaves a copy behind at every growth.)
pub(super) struct FileBytes(Vec<u8>);

impl FileBytes {
    /// A value as JSON that a person can read.
    pub(super) fn of<T: serde::Serialize>(path: &Path, value: &T) -> Result<Self, KmsError> {
        let mut bytes = Self(Vec::new());
        serde_json::to_writer_pretty(&mut bytes, value).map_err(|_| FileError::Malformed { path: path.into() })?;
        bytes.0.push(b'\n');
        Ok(bytes)
    }

    /// The value, if the file is whole and of this version. What serde says is dropped: it may quote the key.
    pub(super) fn parse<'a, T: Deserialize<'a>>(&'a self, path: &Path, known: u32) -> Result<T, KmsError> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let malformed = |_| FileError::Malformed { path: path.into() };
        let Head { version } = serde_json::from_slice(self).map_err(malformed)?;
        if version != known {
            return Err(FileError::UnknownVersion { path: path.into(), version }.into());
        }
        Ok(serde_json::from_slice(self).map_err(malformed)?)
    }
}

#[cfg(feature = "passphrase")]
impl FileBytes {
    /// Room for so many bytes.
    pub(super) fn zeros(length: usize) -> Self {
        Self(vec![0; length])
    }

    pub(super) fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Deref for FileBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for FileBytes {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
    }
}

impl Write for FileBytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // One byte is kept for the newline that ends a file.
        if self.0.capacity() <= self.0.len() + bytes.len() {
            let mut grown = Self(Vec::with_capacity(2 * (self.0.len() + bytes.len()).max(512)));
            grown.0.extend_from_slice(&self.0);
            *self = grown;
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is wrong with a file, and which one it is. Goes into a [`KmsError::Io`].
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// Keys lie here in clear already; its owner covers those of a new folder.
    #[cfg(feature = "passphrase")]
    #[error("{}: a key in clear, which a cover would not cover", .path.display())]
    Clear { path: PathBuf },
    /// A passphrase or another file covers these keys; whoever has that opens it so.
    #[error("{}: a passphrase or a key file covers these keys", .path.display())]
    Covered { path: PathBuf },
    /// It is no file of ours, or it was damaged; its owner restores it.
    #[error("{}: malformed", .path.display())]
    Malformed { path: PathBuf },
    /// The operating system refused; the machine's owner sees to it.
    #[error("{}: {source}", .path.display())]
    System { path: PathBuf, source: io::Error },
    /// It is no file of ours, or holds more than one call may read; its owner looks into it.
    #[error("{}: too long", .path.display())]
    TooLong { path: PathBuf },
    /// A later release wrote it; use that one.
    #[error("{}: version {version} is not known here", .path.display())]
    UnknownVersion { path: PathBuf, version: u32 },
}

impl From<FileError> for KmsError {
    fn from(error: FileError) -> Self {
        let kind = match &error {
            FileError::System { source, .. } => source.kind(),
            FileError::TooLong { .. } => ErrorKind::FileTooLarge,
            FileError::Malformed { .. } | FileError::UnknownVersion { .. } => ErrorKind::InvalidData,
            FileError::Covered { .. } => ErrorKind::PermissionDenied,
            #[cfg(feature = "passphrase")]
            FileError::Clear { .. } => ErrorKind::AlreadyExists,
        };
        io::Error::new(kind, error).into()
    }
}

/// Names the file in an error of the operating system.
pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> KmsError {
    |source| FileError::System { path: path.into(), source }.into()
}

/// How every file here is opened: what it creates is 0600.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Makes renames, new files and removals in a folder last.
pub(super) fn sync(folder: &Path) -> Result<(), KmsError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
}

fn remove(path: &Path) -> Result<(), KmsError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(at(path)(error)),
        _ => Ok(()),
    }
}

/// There if and only if the key files are covered.
pub(super) const COVER: &str = "cover.json";
/// The subfolder of the key files.
pub(super) const KEYS: &str = "keys";
/// No file but the log is longer: 16 MiB hold 50,000 aliases.
pub(super) const LONGEST: u64 = 16 << 20;
const DRAFT: &str = "draft";
