//! The audit log: who had which key of which table, when, for what, and how that ended.
//!
//! ```text
//! {"number":2,"before":"0b3c..","time":"2026-01-01T00:00:00Z","pid":812,"user":1000,"who":"billing",
//!  "operation":"open_table","call":"Decrypt","table":"flights","subscriber":"default","key":"arn:..","request":"9f..",
//!  "outcome":"ok","chain":"77d1.."}
//! ```
//!
//! One line for each call of the KMS, on disk before its answer is used; and one for each change of a table, when it is
//! made. So whoever had a key is in the log, and what the KMS's own log knows of the same call is found by `request`.
//!
//! The file only grows, and each line is bound to the one before (chain.rs). [`verify`] finds what was changed, removed,
//! moved or inserted. Two things need what is kept elsewhere. *A log that was written anew* by someone who can write the
//! file looks well, unless its lines are bound under a key ([`AuditLog::with_key`]) that this someone has not. *Lines that
//! were removed from the end* leave a log that looks well and is shorter; so keep its [`Head`], from time to time, where
//! the writers of the log cannot change it: [`verify`] then says that lines are missing. A process that still runs goes on
//! where it was, so that the gap shows as soon as it writes again.

pub(crate) mod chain;
mod recorder;
mod verify;

use core::fmt;
use core::str::FromStr;
use core::sync::atomic::{AtomicU64, Ordering};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use tablecrypt_core::Key;
use tablecrypt_os::{KeyBox, PerProcess};

use self::chain::Link;
pub(crate) use self::recorder::{Asked, Recorder, Recording};
pub use self::verify::{Flaw, Verified, verify};
use crate::date;

/// Takes what a service does with keys. [`AuditLog`] is a file; another may be a log that the organisation has.
pub trait Audit: Send + Sync + fmt::Debug {
    /// Takes an entry, for good. It is called on the thread of the operation, which waits for it.
    ///
    /// # Errors
    /// What the system says. Then the operation fails and its key is not used, unless the audit is not required.
    fn record(&self, entry: &Entry) -> io::Result<()>;

    /// Whether an operation fails that cannot be recorded. It does, unless this is overridden.
    fn is_required(&self) -> bool {
        true
    }
}

/// What was done with the keys of a table: a call of the KMS, or a change of the table.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Entry {
    /// When it ended, by the service's calendar.
    #[serde(with = "date")]
    pub time: SystemTime,
    /// What the caller asked for: `create_table`, `open_table`, `refresh` and so on.
    pub operation: String,
    /// The call of the KMS; None for a change of a table, which follows on its calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// The table; None where the call is about none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Whose table it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscriber: Option<String>,
    /// The KMS key, as it was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The KMS key that it was wrapped under anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The principal that the connection is for, where it is for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// The KMS's id of the request, if it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// `ok`, or the name of the error; `begun` for a change that asks no KMS, before it is made.
    pub outcome: String,
}

/// An audit log in a file. Any number of processes may write one at once.
#[derive(Debug)]
pub struct AuditLog {
    path: PathBuf,
    key: Option<KeyBox<Key>>,
    who: Option<String>,
    required: bool,
    written: PerProcess<Written>,
}

/// What this process knows of the file. A forked child begins anew.
#[derive(Debug)]
struct Written {
    last: Mutex<Link>,
    /// Entries that could not be written since the last that could.
    lost: AtomicU64,
}

impl Default for Written {
    fn default() -> Self {
        Self { last: Mutex::new(Link::NONE), lost: AtomicU64::new(0) }
    }
}

/// A line as it is written: who, and the entry.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    entry: &'a Entry,
    pid: u32,
    user: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    who: Option<&'a str>,
    /// Entries before this one that could not be written.
    #[serde(skip_serializing_if = "is_zero")]
    lost: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl AuditLog {
    /// The log in this file, which is created (mode 0600) with its first line.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), key: None, who: None, required: true, written: PerProcess::new() }
    }

    /// Binds the lines under this key, so that only who has it can write a log that [`verify`] takes. All writers of a
    /// file have the same.
    #[must_use]
    pub fn with_key(mut self, key: KeyBox<Key>) -> Self {
        self.key = Some(key);
        self
    }

    /// Who this process is, in words of the caller. Each line has this beside the process's and the user's number.
    #[must_use]
    pub fn who(mut self, who: impl Into<String>) -> Self {
        self.who = Some(who.into());
        self
    }

    /// Lets operations go on that cannot be logged. They are counted, and the next line tells how many they were.
    #[must_use]
    pub const fn best_effort(mut self) -> Self {
        self.required = false;
        self
    }

    /// Where the log is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The last line that this process wrote: keep it where the writers of the log cannot change it.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        let last = *self.last();
        (last.number > 0).then_some(Head(last))
    }

    /// Puts the file aside, under the name `to` in the same file system, where there must be nothing yet, and begins a new
    /// one, whose first line goes on from the last of the old one: so verify them together, in order. Gives that first
    /// line, whose number is the next after the last of the file put aside.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`], or what the system says.
    pub fn rotate(&self, to: impl AsRef<Path>, time: SystemTime) -> io::Result<Head> {
        let mut last = self.last();
        let (ends, begins) = (Entry::new("end_file", time, "ok"), Entry::new("begin_file", time, "ok"));
        let lines = (&self.line(&ends, 0), &self.line(&begins, 0));
        *last = chain::rotate(&self.path, to.as_ref(), self.key()?, *last, lines).map_err(|error| self.at(error))?;
        Ok(Head(*last))
    }

    fn append(&self, last: Link, entry: &Entry) -> io::Result<Link> {
        let lost = self.written.lost.load(Ordering::Relaxed);
        let line = self.line(entry, lost);
        let link = chain::append(&self.path, self.key()?, last, &line).map_err(|error| self.at(error))?;
        self.written.lost.fetch_sub(lost, Ordering::Relaxed);
        Ok(link)
    }

    fn line<'a>(&'a self, entry: &'a Entry, lost: u64) -> Line<'a> {
        let user = rustix::process::getuid().as_raw();
        Line { entry, pid: std::process::id(), user, who: self.who.as_deref(), lost }
    }

    /// Names the file in an error of the operating system.
    fn at(&self, error: io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("{}: {error}", self.path.display()))
    }

    /// The key, if lines are bound under one; in a forked child, which has no keys, an error.
    fn key(&self) -> io::Result<Option<&Key>> {
        let gone = || io::Error::other("a forked child has not the audit log's key; it opens the log anew");
        self.key.as_ref().map(|key| key.get().ok_or_else(gone)).transpose()
    }

    fn last(&self) -> MutexGuard<'_, Link> {
        self.written.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Audit for AuditLog {
    fn record(&self, entry: &Entry) -> io::Result<()> {
        let mut last = self.last();
        match self.append(*last, entry) {
            Ok(link) => {
                *last = link;
                Ok(())
            }
            Err(error) => {
                self.written.lost.fetch_add(1, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    fn is_required(&self) -> bool {
        self.required
    }
}

impl Entry {
    pub(crate) fn new(operation: &str, time: SystemTime, outcome: &str) -> Self {
        let (operation, outcome) = (operation.to_owned(), outcome.to_owned());
        Self {
            time,
            operation,
            call: None,
            table: None,
            subscriber: None,
            key: None,
            to: None,
            principal: None,
            request: None,
            outcome,
        }
    }
}

/// The last line of a log: its number and its chain, which stand for all lines up to it. Not secret. `NUMBER:HEX`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head(Link);

impl Head {
    /// The line's number; the first is 1.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.0.number
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0.number, hex::encode(self.0.chain))
    }
}

impl FromStr for Head {
    type Err = io::Error;

    /// Reads what `Display` writes.
    fn from_str(text: &str) -> io::Result<Self> {
        let parse = || {
            let (number, chain) = text.split_once(':')?;
            Some(Self(Link { number: number.parse().ok()?, chain: hex::decode(chain).ok()?.try_into().ok()? }))
        };
        parse().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a head is NUMBER:64 hexadecimal digits"))
    }
}
