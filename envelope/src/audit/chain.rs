//! A file that only grows: one line of JSON an entry, each bound to the one before.
//!
//! ```text
//! {"number":7,"before":"5f0c..","time":"2026-..", the entry ,"chain":"91ab.."}
//!          |           |                                             |
//!          |           the chain of line 6; zeros for line 1         SHA-256, or HMAC-SHA-256 under a key, of all before it
//!          counts up by one
//! ```
//!
//! Several processes may write one file: each append has the file locked (flock), reads the last line, adds its own with
//! one write(2), and syncs it. What a crash left of a line stays where it is: the next line says by `"torn"` how many bytes
//! before it are no lines, and its chain covers them. So nothing in the file is outside the chain.
//!
//! Who writes remembers its last line, and goes on from there where the file has lost it: the gap shows in the numbers.
//! A last line that was changed, or was written under another key, is not gone on from.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tablecrypt_core::Key;

/// A line's number and chain: who knows them knows what all lines up to it were.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Link {
    pub(crate) number: u64,
    pub(crate) chain: [u8; 32],
}

impl Link {
    /// What the first line comes after.
    pub(crate) const NONE: Self = Self { number: 0, chain: [0; 32] };

    /// The first bytes of the line that comes next.
    pub(crate) fn next_begins(&self) -> String {
        format!(r#"{{"number":{},"before":"{}""#, self.number + 1, hex::encode(self.chain))
    }
}

/// Adds a line, durably, or nothing at all. `remembered` is the last line that this writer knows of.
///
/// # Errors
/// [`ErrorKind::InvalidData`] where the last line is not as it was written; or what the system says.
pub(crate) fn append(path: &Path, key: Option<&Key>, remembered: Link, entry: &impl Serialize) -> io::Result<Link> {
    let entry = serde_json::to_vec(entry)?;
    let file = lock(path)?;
    let added = add(path, &file, key, remembered, &entry);
    // Closing is not enough: a process that was forked meanwhile holds the same open file description.
    let _ = file.unlock();
    added
}

fn add(path: &Path, file: &File, key: Option<&Key>, remembered: Link, entry: &[u8]) -> io::Result<Link> {
    let end = file.metadata()?.len();
    let tail = Tail::read(file, end, key)?;
    let last = if remembered.number > tail.last.number { remembered } else { tail.last };
    let mut line = last.next_begins().into_bytes();
    if !tail.torn.is_empty() {
        line.extend_from_slice(format!(r#","torn":{}"#, tail.torn.len()).as_bytes());
    }
    line.push(b',');
    line.extend_from_slice(entry.get(1..entry.len() - 1).unwrap_or_default());
    let link = Link { number: last.number + 1, chain: chain(key, &tail.torn, &line) };
    line.extend_from_slice(format!("{CHAIN}{}\"}}\n", hex::encode(link.chain)).as_bytes());
    if tail.is_open {
        line.insert(0, b'\n');
    }
    if let Err(error) = write_whole(file, &line) {
        // If this fails too, the line is torn, and the next one says so.
        let _ = file.set_len(end);
        return Err(error);
    }
    if end == 0 {
        sync_folder_of(path)?;
    }
    Ok(link)
}

/// Puts the file aside as `to`, with a last line, and begins a new one, with a first line; gives that.
pub(crate) fn rotate<T: Serialize>(
    path: &Path,
    to: &Path,
    key: Option<&Key>,
    remembered: Link,
    (ends, begins): (&T, &T),
) -> io::Result<Link> {
    let (ends, begins) = (serde_json::to_vec(ends)?, serde_json::to_vec(begins)?);
    let file = lock(path)?;
    let next = path.with_extension("next");
    let rotated = (|| {
        // A name that a crash left from here to the rename is this file's own.
        match (file.metadata()?, to.symlink_metadata()) {
            (ours, Ok(there)) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => {}
            (_, Ok(_)) => return Err(ErrorKind::AlreadyExists.into()),
            (_, Err(error)) if error.kind() == ErrorKind::NotFound => fs::hard_link(path, to)?,
            (_, Err(error)) => return Err(error),
        }
        let last = add(path, &file, key, remembered, &ends)?;
        // Whole before it has its name, so that nobody begins another: who waits for the lock finds this one.
        let new = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&next)?;
        let first = add(&next, &new, key, last, &begins)?;
        fs::rename(&next, path)?;
        [path, to].into_iter().try_for_each(sync_folder_of)?;
        Ok(first)
    })();
    let _ = file.unlock();
    rotated
}

/// The file of this path, locked; created, for its owner alone, where it is missing.
pub(crate) fn lock(path: &Path) -> io::Result<File> {
    loop {
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        while let Err(error) = file.lock() {
            if error.kind() != ErrorKind::Interrupted {
                return Err(error);
            }
        }
        // It may have been put aside while this waited.
        let (ours, there) = (file.metadata()?, path.metadata());
        if there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())) {
            return Ok(file);
        }
        let _ = file.unlock();
    }
}

/// One write(2), so that a line is whole or taken back.
fn write_whole(mut file: &File, line: &[u8]) -> io::Result<()> {
    let written = loop {
        match file.write(line) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            written => break written?,
        }
    };
    if written < line.len() {
        return Err(ErrorKind::StorageFull.into());
    }
    file.sync_data()
}

/// Makes a new name last.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// How a file ends.
struct Tail {
    /// Its last line that is one.
    last: Link,
    /// What stands after that, and the newline that it gets.
    torn: Vec<u8>,
    /// Whether the last byte is no newline.
    is_open: bool,
}

impl Tail {
    fn read(file: &File, end: u64, key: Option<&Key>) -> io::Result<Self> {
        // Lines are shorter than this; where they are not, or many are torn, the whole file is read.
        for length in [end.min(NEAR), end] {
            if length > LONGEST {
                break;
            }
            let mut bytes = vec![0; usize::try_from(length).map_err(|_| ErrorKind::FileTooLarge)?];
            file.read_exact_at(&mut bytes, end - length)?;
            if let Some(tail) = Self::of(&bytes, length == end, key)? {
                return Ok(tail);
            }
        }
        Err(ErrorKind::FileTooLarge.into())
    }

    /// None where the bytes, the last of the file, begin too late to tell.
    fn of(bytes: &[u8], is_whole: bool, key: Option<&Key>) -> io::Result<Option<Self>> {
        let is_open = bytes.last().is_some_and(|last| *last != b'\n');
        let mut end = bytes.len();
        while end > 0 {
            let start = bytes[..end - 1].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
            if start == 0 && !is_whole {
                return Ok(None);
            }
            let line = bytes[start..end].strip_suffix(b"\n").unwrap_or(&bytes[start..end]);
            if let Some(line) = Line::parse(line) {
                let Some(before) = start.checked_sub(line.torn) else {
                    return if is_whole { Err(changed()) } else { Ok(None) };
                };
                if chain(key, &bytes[before..start], line.body) != line.link.chain {
                    return Err(changed());
                }
                let is_last = end == bytes.len();
                let mut torn = bytes[end..].to_vec();
                torn.extend((is_open && !is_last).then_some(b'\n'));
                return Ok(Some(Self { last: line.link, torn, is_open }));
            }
            end = start;
        }
        if !is_whole {
            return Ok(None);
        }
        let mut torn = bytes.to_vec();
        torn.extend(is_open.then_some(b'\n'));
        Ok(Some(Self { last: Link::NONE, torn, is_open }))
    }
}

fn changed() -> io::Error {
    io::Error::new(
        ErrorKind::InvalidData,
        "its last line was changed, or written under another key; put the file aside",
    )
}

/// A line taken apart; whether its chain is right is not known yet.
pub(crate) struct Line<'a> {
    pub(crate) link: Link,
    /// The chain of the line before.
    pub(crate) before: [u8; 32],
    /// How many bytes before it are no lines.
    pub(crate) torn: usize,
    /// What its chain is of.
    pub(crate) body: &'a [u8],
}

impl<'a> Line<'a> {
    /// None where the bytes are no whole line. Only what binds the line is read, from the places where it is written.
    pub(crate) fn parse(line: &'a [u8]) -> Option<Self> {
        let (number, rest) = digits(line.strip_prefix(br#"{"number":"#)?)?;
        let (before, rest) = rest.strip_prefix(br#","before":""#)?.split_first_chunk::<64>()?;
        let rest = rest.strip_prefix(b"\",")?;
        let torn = rest.strip_prefix(br#""torn":"#).map_or(Some(0), |rest| Some(digits(rest)?.0))?;
        // The chain stands last, so that nothing escapes it.
        let (body, chain) = line.strip_suffix(b"\"}")?.split_last_chunk::<64>()?;
        let body = body.strip_suffix(CHAIN.as_bytes())?;
        let bytes = |text| {
            let mut bytes = [0; 32];
            hex::decode_to_slice(text, &mut bytes).ok()?;
            Some(bytes)
        };
        let link = Link { number, chain: bytes(chain)? };
        Some(Self { link, before: bytes(before)?, torn: usize::try_from(torn).ok()?, body })
    }
}

/// The number that the text begins with, and what follows.
fn digits(text: &[u8]) -> Option<(u64, &[u8])> {
    let (digits, rest) = text.split_at(text.iter().position(|byte| !byte.is_ascii_digit())?);
    Some((core::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

/// What binds a line to all before it: `body` has the chain of the line before in it.
pub(crate) fn chain(key: Option<&Key>, torn: &[u8], body: &[u8]) -> [u8; 32] {
    match key {
        None => Sha256::new().chain_update(LABEL).chain_update(torn).chain_update(body).finalize().into(),
        Some(key) => {
            let mut block = zeroize::Zeroizing::new([0; 64]);
            block[..32].copy_from_slice(key.expose());
            let mac = <Hmac<Sha256> as KeyInit>::new((&*block).into());
            mac.chain_update(LABEL).chain_update(torn).chain_update(body).finalize().into_bytes().into()
        }
    }
}

const LABEL: &[u8] = b"tablecrypt audit v1\n";
/// What stands between a line's body and its chain.
const CHAIN: &str = r#","chain":""#;
const NEAR: u64 = 64 << 10;
/// A file whose last 256 MiB hold no line is none of ours.
const LONGEST: u64 = 256 << 20;
