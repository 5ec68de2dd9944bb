//! What the examples stand on: sorted files of sealed pages, written once and never in place.
//!
//! ```text
//! Writer, Reader    a sorted file                 pages/writer.rs  pages/reader.rs
//!   |- Page         the entries of one page       pages/page.rs
//!   |- Context      what a record is bound to     pages/context.rs
//!   `- Sealer       a table's structure, or none  sealer.rs
//! KeyEncoder        keys whose bytes sort as their values do     key.rs
//! ```
//!
//! It is the least store that shows Tablecrypt at work: no log, no updates, no compaction. A page that is overwritten
//! in place can be torn by a crash, so nothing here is.

mod error;
mod key;
mod pages;
mod sealer;

pub use error::Error;
pub use key::{KeyEncoder, KeyParts};
pub use pages::{Complete, PAGE, Reader, Writer};
pub use sealer::{Plain, Sealer};

/// What every call here gives that can fail.
pub type Result<T, E = Error> = core::result::Result<T, E>;
