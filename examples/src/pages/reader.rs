//! Reads a sorted file.

use core::ops::ControlFlow;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::context::{Context, FileId, Kind};
use super::page::Entries;
use super::{MAGIC, PAGE, head};
use crate::{Error, Result, Sealer};

/// An opened sorted file: its index is in memory, and a page is read and opened whenever one is asked for.
#[derive(Debug)]
pub struct Reader<S> {
    pages: Pages<S>,
    entries: u64,
    /// The first key of each data page; the first of these is page 1.
    firsts: Vec<Vec<u8>>,
    /// A buffer of one item.
    item: Vec<u8>,
}

impl<S: Sealer> Reader<S> {
    /// Opens the file: reads its head, its footer and its index.
    ///
    /// # Errors
    /// [`Error::Cut`], [`Error::Io`], [`Error::Malformed`], [`Error::NotPages`], [`Error::Page`].
    pub fn open(path: impl Into<PathBuf>, sealer: S) -> Result<Self> {
        let mut pages = Pages::open(path.into(), sealer)?;
        let [data, index, entries] = pages.footer()?;
        let footer = pages.count - 1;
        if data.checked_add(index).and_then(|sum| sum.checked_add(1)) != Some(footer) {
            return Err(pages.malformed(footer));
        }
        let mut firsts = Vec::new();
        for number in data + 1..footer {
            pages.read(Kind::Index, number)?;
            for entry in Entries::new(&pages.text) {
                let (first, _) = entry.ok_or_else(|| pages.malformed(number))?;
                firsts.push(first.to_vec());
            }
        }
        if firsts.len() as u64 != data {
            return Err(pages.malformed(footer));
        }
        Ok(Self { pages, entries, firsts, item: vec![0; PAGE] })
    }

    /// How many entries it has.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// The item under this key, or None where there is none.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Item`], [`Error::Malformed`], [`Error::Page`].
    pub fn find(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let mut item = None;
        self.scan(key, |found, text| {
            item = (found == key).then(|| text.to_vec());
            ControlFlow::Break(())
        })?;
        Ok(item)
    }

    /// Calls `see` with each key from `from` on, in their order, and its item, until `see` breaks. Gives how many
    /// it saw.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Item`], [`Error::Malformed`], [`Error::Page`].
    pub fn scan(&mut self, from: &[u8], mut see: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>) -> Result<u64> {
        let mut seen = 0;
        // The key may lie in the page before the first one that begins after it.
        let first = self.firsts.partition_point(|first| first.as_slice() <= from).max(1) as u64;
        for page in first..=self.firsts.len() as u64 {
            self.pages.read(Kind::Data, page)?;
            for entry in Entries::new(&self.pages.text) {
                let (key, record) = entry.ok_or_else(|| self.pages.malformed(page))?;
                if key < from {
                    continue;
                }
                let (context, item) = (self.pages.context.item(key), &mut self.item[..]);
                let opened = self.pages.sealer.open_into(context, record, item);
                let length = opened.map_err(|source| Error::Item { path: self.pages.path.clone(), page, source })?;
                seen += 1;
                if see(key, &item[..length]).is_break() {
                    return Ok(seen);
                }
            }
        }
        Ok(seen)
    }
}

/// The pages of a file, one at a time.
#[derive(Debug)]
struct Pages<S> {
    sealer: S,
    path: PathBuf,
    file: File,
    id: FileId,
    /// How many there are by the file's length.
    count: u64,
    context: Context,
    /// Buffers of a sealed page and of its text.
    sealed: Vec<u8>,
    text: Vec<u8>,
}

impl<S: Sealer> Pages<S> {
    fn open(path: PathBuf, sealer: S) -> Result<Self> {
        let file = File::open(&path).map_err(Error::at(&path))?;
        let length = file.metadata().map_err(Error::at(&path))?.len();
        let id = read_head(&path, &file, length)?;
        Ok(Self {
            sealer,
            path,
            file,
            id,
            count: length / PAGE as u64,
            context: Context::default(),
            sealed: vec![0; PAGE],
            text: vec![0; PAGE - S::OVERHEAD],
        })
    }

    /// The counts of the last page.
    fn footer(&mut self) -> Result<[u64; 3]> {
        let number = self.count - 1;
        let counts = match self.read(Kind::Footer, number) {
            Ok(()) => Entries::new(&self.text)
                .next()
                .flatten()
                .and_then(|(_, counts)| counts.as_chunks().0.first_chunk().copied()),
            // Any page but the footer looks like this in the footer's place.
            Err(Error::Page { source: tablecrypt::Error::Unauthentic, path, .. }) => return Err(Error::Cut { path }),
            Err(error) => return Err(error),
        };
        let counts: [[u8; 8]; 3] = counts.ok_or_else(|| self.malformed(number))?;
        Ok(counts.map(u64::from_be_bytes))
    }

    /// Reads and opens a page into `text`.
    fn read(&mut self, kind: Kind, number: u64) -> Result<()> {
        self.file.read_exact_at(&mut self.sealed, number * PAGE as u64).map_err(Error::at(&self.path))?;
        let context = self.context.page(kind, &self.id, number);
        let opened = self.sealer.open_into(context, &self.sealed, &mut self.text);
        opened.map_err(|source| Error::Page { path: self.path.clone(), page: number, source })?;
        Ok(())
    }

    fn malformed(&self, page: u64) -> Error {
        Error::Malformed { path: self.path.clone(), page }
    }
}

/// The file's id, if it has the head of a file of whole pages.
fn read_head(path: &Path, file: &File, length: u64) -> Result<FileId> {
    let mut page = vec![0; length.min(PAGE as u64) as usize];
    file.read_exact_at(&mut page, 0).map_err(Error::at(path))?;
    let begun = page.len().min(MAGIC.len());
    if page[..begun] != MAGIC[..begun] {
        return Err(Error::NotPages { path: path.into() });
    }
    if !length.is_multiple_of(PAGE as u64) || length < 2 * PAGE as u64 {
        return Err(Error::Cut { path: path.into() });
    }
    // After the id the head is zeros.
    let id = page[MAGIC.len()..].first_chunk().copied().filter(|id| page == head(id));
    id.ok_or_else(|| Error::NotPages { path: path.into() })
}
