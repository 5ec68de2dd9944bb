//! The log of every call: one line of JSON each, in `audit.jsonl`.
//!
//! It says who asked for what, and how that ended; no key is in it. Each line is bound to the one before, so that
//! [`verify`](crate::audit::verify) finds what was changed or removed; but not under a key: who can write the folder can
//! write the log anew, with the KMS keys that lie beside it.

use core::fmt;
use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::folder::{FileError, LockedFolder, at};
use super::key::random_id;
use crate::audit::chain::{self, Link};
use crate::date;
use crate::kms::{EncryptionContext, KmsError};

/// One line of the audit log of a [`LocalKms`](super::LocalKms): a call, or the destruction of a key that was due.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AuditEntry {
    /// When, by the clock of the process that called; in the file as RFC 3339.
    #[serde(with = "date")]
    pub time: SystemTime,
    /// A UUID of this call alone. A second line with it corrects the first: the change, once logged, could not be made.
    pub request: String,
    /// The process that called.
    pub pid: u32,
    /// What it asked for.
    pub operation: Operation,
    /// The ARN of the key; or what the caller named it, where there is no such key; none for a list.
    pub key: Option<String>,
    /// [`Operation::ReEncrypt`] only: the key to wrap under, named as in `key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The alias that was created, deleted or ensured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// The encryption context; empty for calls that have none.
    pub context: BTreeMap<String, String>,
    /// `ok`, or the name of the [`KmsError`].
    pub outcome: String,
}

impl AuditEntry {
    /// The entry of a call that goes well, under a new request id.
    pub(super) fn new(
        operation: Operation,
        key: Option<&str>,
        context: Option<&EncryptionContext>,
        time: SystemTime,
    ) -> Result<Self, KmsError> {
        Ok(Self {
            time,
            request: random_id()?.to_string(),
            pid: std::process::id(),
            operation,
            key: key.map(Into::into),
            to: None,
            alias: None,
            context: context.map(EncryptionContext::pairs).unwrap_or_default(),
            outcome: outcome(&Ok(())).into(),
        })
    }
}

/// What a call asked for, in the words of AWS KMS.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub enum Operation {
    /// A deletion was called off.
    CancelKeyDeletion,
    /// An alias was made.
    CreateAlias,
    /// A key was made, and the alias that was to name one with it.
    CreateKey,
    /// A wrapped key was unwrapped.
    Decrypt,
    /// An alias was removed.
    DeleteAlias,
    /// A key whose deletion date had come was destroyed. Nobody calls this; the next call that meets the key does it.
    DeleteKey,
    /// A key was looked up.
    DescribeKey,
    /// A key was disabled.
    DisableKey,
    /// A key was enabled.
    EnableKey,
    /// A data key was made.
    GenerateDataKey,
    /// The aliases were listed.
    ListAliases,
    /// The keys were listed.
    ListKeys,
    /// A wrapped key was wrapped under another KMS key.
    ReEncrypt,
    /// A key was scheduled for deletion.
    ScheduleKeyDeletion,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The name of a call's end.
pub(super) fn outcome<T>(result: &Result<T, KmsError>) -> &'static str {
    result.as_ref().err().map_or("ok", KmsError::name)
}

/// Adds a line, durably, or nothing.
pub(super) fn append(folder: &LockedFolder<'_>, entry: &AuditEntry) -> Result<(), KmsError> {
    let path = folder.path_of(AUDIT);
    chain::append(&path, None, Link::NONE, entry).map_err(at(&path))?;
    Ok(())
}

/// Every entry, the oldest first. Skips what a crash cut off: the start of a line, or the zeros of a write that was lost.
pub(super) fn read(folder: &LockedFolder<'_>) -> Result<Vec<AuditEntry>, KmsError> {
    let Some(bytes) = folder.read(AUDIT, LONGEST)? else {
        return Ok(Vec::new());
    };
    let mut entries = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        match serde_json::from_slice(line) {
            Ok(entry) => entries.push(entry),
            Err(error) if error.is_eof() || line.contains(&0) => {}
            Err(_) => return Err(FileError::Malformed { path: folder.path_of(AUDIT) }.into()),
        }
    }
    Ok(entries)
}

const AUDIT: &str = "audit.jsonl";
/// A log that is longer is written, and no longer read as a whole: 256 MiB are about a million calls.
const LONGEST: u64 = 256 << 20;
