//! Reads an audit log from its first line to its last, and says where it is not what was written.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tablecrypt_core::Key;

use super::Head;
use super::chain::{Line, Link, chain};

/// What a log says that is as it was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Verified {
    /// How many lines it has.
    pub lines: u64,
    /// Its last line: keep it where the writers of the log cannot change it.
    pub head: Option<Head>,
    /// Lines that were begun and not ended: a crash in the middle of one, or a last line that somebody cut. Known heads
    /// tell the one from the other.
    pub cut: u64,
}

/// Where a log is not what was written, the first such place.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// A line was changed, or it or the log was written under another key, or what stands there is no line.
    #[error("{}, line {line}: changed, or written under another key", .file.display())]
    Changed {
        /// In which file.
        file: PathBuf,
        /// Which line of this file, from 1.
        line: u64,
    },
    /// The log ends before a line that was there once.
    #[error("the log ends at number {ends}; number {known} was there once: lines were removed from its end")]
    Ends {
        /// The number of its last line.
        ends: u64,
        /// The number of a known head.
        known: u64,
    },
    /// A file cannot be read.
    #[error("{}: {source}", .file.display())]
    Io {
        /// Which.
        file: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// Lines are missing: they were removed, or stand in a file that was not given.
    #[error("{}, line {line}: the numbers {from} to {to} are missing: removed, or in a file that was not given", .file.display())]
    Missing {
        /// In which file.
        file: PathBuf,
        /// Before which line of this file, from 1.
        line: u64,
        /// The first number that is missing.
        from: u64,
        /// The last.
        to: u64,
    },
    /// A line stands after one that it came before: it was moved, or repeated.
    #[error("{}, line {line}: number {number} stands where {expected} should: moved, or repeated", .file.display())]
    Moved {
        /// In which file.
        file: PathBuf,
        /// Which line of this file, from 1.
        line: u64,
        /// Its number.
        number: u64,
        /// The number that should stand there.
        expected: u64,
    },
    /// The line of a known head is another now: the log was written anew.
    #[error("{}, line {line}: number {number} is not the line that was there once: the log was written anew", .file.display())]
    Rewritten {
        /// In which file.
        file: PathBuf,
        /// Which line of this file, from 1.
        line: u64,
        /// Its number.
        number: u64,
    },
}

/// Verifies a log: its files in the order in which they were written, the key that its lines are bound under, if there is
/// one, and heads that are known from elsewhere.
///
/// # Errors
/// The first [`Flaw`].
pub fn verify(files: &[impl AsRef<Path>], key: Option<&Key>, known: &[Head]) -> Result<Verified, Flaw> {
    let mut reader = Reader { key, known, last: Link::NONE, lines: 0, cut: 0 };
    for file in files {
        reader.read(file.as_ref())?;
    }
    let ends = reader.last.number;
    match known.iter().map(Head::number).filter(|known| *known > ends).max() {
        Some(known) => Err(Flaw::Ends { ends, known }),
        None => {
            let head = (ends > 0).then_some(Head(reader.last));
            Ok(Verified { lines: reader.lines, head, cut: reader.cut })
        }
    }
}

struct Reader<'a> {
    key: Option<&'a Key>,
    known: &'a [Head],
    last: Link,
    lines: u64,
    cut: u64,
}

impl Reader<'_> {
    fn read(&mut self, path: &Path) -> Result<(), Flaw> {
        let io = |source| Flaw::Io { file: path.into(), source: Arc::new(source) };
        let mut file = BufReader::new(File::open(path).map_err(io)?);
        let (mut bytes, mut torn, mut at) = (Vec::new(), Vec::new(), 0);
        while file.read_until(b'\n', &mut bytes).map_err(io)? > 0 {
            at += 1;
            match Line::parse(bytes.strip_suffix(b"\n").unwrap_or(&bytes)) {
                Some(line) => {
                    self.line(path, at, &line, &torn)?;
                    torn.clear();
                }
                None if self.is_cut(&bytes) => {
                    self.cut += 1;
                    torn.extend_from_slice(&bytes);
                }
                None => return Err(Flaw::Changed { file: path.into(), line: at }),
            }
            bytes.clear();
        }
        Ok(())
    }

    /// One line, after bytes that are none.
    fn line(&mut self, path: &Path, at: u64, line: &Line<'_>, torn: &[u8]) -> Result<(), Flaw> {
        let file = || path.to_owned();
        if line.torn != torn.len() || chain(self.key, torn, line.body) != line.link.chain {
            return Err(Flaw::Changed { file: file(), line: at });
        }
        let (number, expected) = (line.link.number, self.last.number + 1);
        if number > expected {
            return Err(Flaw::Missing { file: file(), line: at, from: expected, to: number - 1 });
        }
        if number < expected {
            return Err(Flaw::Moved { file: file(), line: at, number, expected });
        }
        if line.before != self.last.chain {
            // Each of the two is whole: the one before is another than was there.
            return Err(Flaw::Rewritten { file: file(), line: at, number });
        }
        if self.known.iter().any(|known| known.0.number == number && known.0.chain != line.link.chain) {
            return Err(Flaw::Rewritten { file: file(), line: at, number });
        }
        (self.last, self.lines) = (line.link, self.lines + 1);
        Ok(())
    }

    /// Whether a crash may have left these bytes of the line that comes next: its beginning, or the zeros of a write that
    /// was lost.
    fn is_cut(&self, bytes: &[u8]) -> bool {
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let (begins, is_whole) = (self.last.next_begins(), bytes.ends_with(b"}"));
        let shorter = written.min(begins.len());
        !bytes.is_empty() && !is_whole && bytes[..shorter] == begins.as_bytes()[..shorter]
    }
}
