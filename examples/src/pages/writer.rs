//! Writes a sorted file, once.

use core::mem;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::context::{Context, FileId, Kind};
use super::page::{Page, entry_length, room};
use super::{PAGE, head};
use crate::{Error, Result, Sealer};

/// A sorted file in the making; dropped before its end, it leaves nothing.
#[derive(Debug)]
pub struct Writer<S> {
    sealer: S,
    path: PathBuf,
    out: BufWriter<NamedTempFile>,
    id: FileId,
    /// How many pages are written.
    pages: u64,
    entries: u64,
    page: Page,
    /// The last key, and the first key of each data page.
    last: Vec<u8>,
    firsts: Vec<Vec<u8>>,
    context: Context,
    /// Buffers of an item's record and of a page's.
    record: Vec<u8>,
    sealed: Vec<u8>,
}

impl<S: Sealer> Writer<S> {
    /// Begins the file that will stand at `path`, where there must be none.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn new(path: impl Into<PathBuf>, sealer: S) -> Result<Self> {
        let path = path.into();
        let mut id = FileId::default();
        getrandom::fill(&mut id).map_err(|error| Error::at(&path)(error.into()))?;
        let temporary = NamedTempFile::new_in(folder(&path)).map_err(Error::at(&path))?;
        let mut out = BufWriter::with_capacity(BUFFER, temporary);
        out.write_all(&head(&id)).map_err(Error::at(&path))?;
        Ok(Self {
            sealer,
            path,
            out,
            id,
            pages: 1,
            entries: 0,
            page: Page::new(PAGE - S::OVERHEAD),
            last: Vec::new(),
            firsts: Vec::new(),
            context: Context::default(),
            record: vec![0; PAGE],
            sealed: vec![0; PAGE],
        })
    }

    /// Adds an item, whose key must sort after the one before it.
    ///
    /// # Errors
    /// [`Error::ItemTooLong`], [`Error::OutOfOrder`]: it was not added. [`Error::Io`], [`Error::Seal`].
    pub fn push(&mut self, key: &[u8], item: &[u8]) -> Result<()> {
        let (length, limit) = (entry_length(key.len(), item.len() + S::OVERHEAD), room(PAGE - S::OVERHEAD));
        if length > limit {
            return Err(Error::ItemTooLong { length, limit });
        }
        if self.entries > 0 && key <= self.last.as_slice() {
            return Err(Error::OutOfOrder);
        }
        let length = self.sealer.seal_into(self.context.item(key), item, &mut self.record).map_err(Error::Seal)?;
        if !self.page.push(key, &self.record[..length]) {
            self.write_page(Kind::Data)?;
            self.page.push(key, &self.record[..length]);
        }
        if self.firsts.len() as u64 != self.pages {
            self.firsts.push(key.to_vec());
        }
        self.entries += 1;
        self.last.clear();
        self.last.extend_from_slice(key);
        Ok(())
    }

    /// Writes what is left. The file is not there yet: [`Complete::publish`].
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Seal`].
    pub fn finish(mut self) -> Result<Complete> {
        if !self.page.is_empty() {
            self.write_page(Kind::Data)?;
        }
        let data = self.pages - 1;
        for first in mem::take(&mut self.firsts) {
            // A key that fitted with an item fits alone.
            if !self.page.push(&first, &[]) {
                self.write_page(Kind::Index)?;
                self.page.push(&first, &[]);
            }
        }
        if !self.page.is_empty() {
            self.write_page(Kind::Index)?;
        }
        let index = self.pages - 1 - data;
        let counts = [data, index, self.entries].map(u64::to_be_bytes);
        self.page.push(&[], counts.as_flattened());
        self.write_page(Kind::Footer)?;
        let length = self.pages * PAGE as u64;
        let file = self.out.into_inner().map_err(|error| Error::at(&self.path)(error.into_error()))?;
        Ok(Complete { file, path: self.path, length })
    }

    /// Seals and writes the page, and begins the next.
    fn write_page(&mut self, kind: Kind) -> Result<()> {
        let context = self.context.page(kind, &self.id, self.pages);
        let length = self.sealer.seal_into(context, self.page.text(), &mut self.sealed).map_err(Error::Seal)?;
        self.out.write_all(&self.sealed[..length]).map_err(Error::at(&self.path))?;
        self.page.clear();
        self.pages += 1;
        Ok(())
    }
}

/// A file that is written and not there yet; dropped, it leaves nothing.
#[derive(Debug)]
pub struct Complete {
    file: NamedTempFile,
    path: PathBuf,
    length: u64,
}

impl Complete {
    /// Syncs the file and puts it in its place, for good. Gives its length in bytes.
    ///
    /// # Errors
    /// [`Error::Io`], also where there is a file already: it stays as it is.
    pub fn publish(self) -> Result<u64> {
        let Self { file, path, length } = self;
        file.as_file().sync_all().map_err(Error::at(&path))?;
        file.persist_noclobber(&path).map_err(|error| Error::at(&path)(error.error))?;
        File::open(folder(&path)).and_then(|folder| folder.sync_all()).map_err(Error::at(&path))?;
        Ok(length)
    }
}

/// The folder that a file lies in.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

const BUFFER: usize = 1 << 18;
