//! A sorted file of sealed pages.
//!
//! ```text
//! page 0            head     in clear: what the file is, and its id, 16 random bytes
//! pages 1..=d       data     sealed: entries in the order of their keys, each a key and an item's record
//! pages d+1..=d+i   index    sealed: the first key of each data page
//! page d+i+1        footer   sealed: d, i and the number of entries
//! ```
//!
//! Each page takes 4096 bytes on disk. A sealed one is a record (docs/FORMAT.md), so it holds 48 bytes less; it is
//! full to its end, with zeros if need be, and does not show how much it holds. Whoever reads the disk
//! sees no key and no item, only how many pages there are.
//!
//! **What a page is bound to**: its kind, the file's id and its number, so a page in another place of the file, or of
//! another file, does not open. The footer is found by the file's length, and its number is bound too: a file that was
//! cut, or that got pages more, has none. A byte changed anywhere, in the head too, is found when it is read.
//!
//! **What an item is bound to**: it is a record of its own, inside the sealed page, bound to its primary key. That
//! costs 48 bytes and one more GCM message an item. In return an item stays sealed from its writer to whoever asks for
//! it: a page cache and a scan over keys never hold its text, a merge of files moves it as it is, and no mistake in
//! the code of pages can give an item out under another's key. A page alone would be enough against whoever holds the
//! disk.
//!
//! **What is not found**: an older file of the same structure, whole, in the place of a newer one. That a table goes
//! back in time is for a log or a manifest to find.
//!
//! A file is written under another name, synced and renamed, and never changed after that; it never replaces another.

mod context;
mod page;
mod reader;
mod writer;

pub use reader::Reader;
pub use writer::{Complete, Writer};

/// How many bytes a page takes on disk.
pub const PAGE: usize = 4096;

/// What a file begins with; its id follows, then zeros.
const MAGIC: [u8; 32] = *b"tablecrypt sorted pages, v1\n\0\0\0\0";

/// The page that says what the file is.
fn head(id: &context::FileId) -> [u8; PAGE] {
    let mut head = [0; PAGE];
    head[..MAGIC.len()].copy_from_slice(&MAGIC);
    head[MAGIC.len()..][..id.len()].copy_from_slice(id);
    head
}
