//! What can go wrong with a sorted file, and who can put it right.

use std::io;
use std::path::{Path, PathBuf};

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file does not end with its footer; whoever owns it restores it whole.
    #[error("{path}: no footer at its end: it was cut short, or its first or last page was changed", path = path.display())]
    Cut {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read or written; whoever owns the machine repairs that.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An item's record does not open, or not at this moment; `source` says who can repair that.
    #[error("{path}, page {page}, an item: {source}", path = path.display())]
    Item {
        /// The file.
        path: PathBuf,
        /// The page that the record lies in.
        page: u64,
        /// What the structure said.
        source: tablecrypt::Error,
    },
    /// An item does not fit into a page with its key; the caller splits it.
    #[error(
        "an item of {length} bytes, its key and its overhead counted, does not fit into a page, which holds {limit}"
    )]
    ItemTooLong {
        /// What it takes.
        length: usize,
        /// What a page holds.
        limit: usize,
    },
    /// A page opened, and what it holds is no page; whoever wrote the writer repairs it.
    #[error("{path}, page {page}: not laid out as a page", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The page.
        page: u64,
    },
    /// The file is none of this format, or of a later one; the caller names another file.
    #[error("{path}: not a file of sealed pages, version 1", path = path.display())]
    NotPages {
        /// The file.
        path: PathBuf,
    },
    /// A text of a key holds a NUL, which ends texts there; the caller chooses another key.
    #[error("a text with a NUL cannot be part of a key")]
    NulInKey,
    /// A key does not sort after the one before it; the caller sorts them, each once.
    #[error("the keys are not in order, or one stands twice")]
    OutOfOrder,
    /// A page does not open, or not at this moment; `source` says who can repair that.
    #[error("{path}, page {page}: {source}", path = path.display())]
    Page {
        /// The file.
        path: PathBuf,
        /// The page.
        page: u64,
        /// What the structure said.
        source: tablecrypt::Error,
    },
    /// The structure did not seal; it says who can repair that.
    #[error("cannot seal: {0}")]
    Seal(#[source] tablecrypt::Error),
}

impl Error {
    /// What a structure said, if it was one that said it.
    #[must_use]
    pub fn refusal(&self) -> Option<&tablecrypt::Error> {
        match self {
            Self::Item { source, .. } | Self::Page { source, .. } | Self::Seal(source) => Some(source),
            _ => None,
        }
    }

    /// Names the file in an error of the operating system.
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Io { path: path.into(), source }
    }
}
