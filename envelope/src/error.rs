//! What can go wrong, and who can put it right. The same in Rust, C and Python.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use crate::date;
use crate::kms::KmsError;

/// Why a call failed. Unless a variant says otherwise nothing was written.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The KMS denies this caller the use of the key; whoever writes the key's policy decides.
    #[error("the KMS denies the use of the table's key; ask whoever writes the key's policy")]
    AccessDenied,
    /// The table is under this KMS key already, beside the one that was to be replaced; the caller removes that one.
    #[error("the table is under the KMS key {key} already")]
    AlreadyUnderKmsKey {
        /// Its ARN.
        key: String,
    },
    /// The connection was closed; the caller opens another.
    #[error("the connection is closed; open another")]
    Closed,
    /// A generation of a data key still seals, or may still seal in a process that has not seen the next one; whoever
    /// retires it waits.
    #[error("data key {number} is in use{}; retire it later", until.map(|date| format!(" until {}", date::text(date))).unwrap_or_default())]
    GenerationInUse {
        /// Its number.
        number: u32,
        /// When nothing seals with it any more; None if that is not known yet.
        until: Option<SystemTime>,
    },
    /// A table cannot be without its base table, or without any KMS key; the caller names another, or deletes the table.
    #[error("a table cannot be without {part}")]
    Indispensable {
        /// What was to be taken away.
        part: String,
    },
    /// A table's or index's name is not 1 to 255 of `A-Z a-z 0-9 _ - .`, or stands twice; the caller chooses another.
    #[error("the name {name:?} cannot be used: a name is 1 to 255 of A-Z a-z 0-9 _ - . and stands once")]
    InvalidName {
        /// The name.
        name: String,
    },
    /// The KMS does not take the request, with no key file in it: a KMS key is not named as the KMS names keys, or is none that can
    /// encrypt; the caller names another, and the service default key by an alias.
    #[error(
        "the KMS does not take this request; name a KMS key that encrypts by its id, ARN or alias, and the default key by an alias"
    )]
    InvalidRequest,
    /// A setting of the service is out of its range; the caller gives one within it.
    #[error("the setting {setting} is out of its range: {range}")]
    InvalidSetting {
        /// Its name.
        setting: &'static str,
        /// What it may be.
        range: &'static str,
    },
    /// A file cannot be read or written; whoever owns the machine repairs that.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The KMS key is disabled; its administrator enables it.
    #[error("the table's KMS key is disabled; its administrator can enable it")]
    KeyDisabled,
    /// Others changed the table's key file at the same time, again and again; nothing was done, and the caller tries again.
    #[error("the key file of table {table:?} was changed by others meanwhile; nothing was done, try again")]
    KeyFileBusy {
        /// The table.
        table: String,
    },
    /// The table's key file is damaged, forged, or unreadable to its KMS key; restore it or the one before it.
    #[error("the key file {path} is damaged or not this table's; restore it, or the one before it", path = path.display())]
    KeyFileCorrupt {
        /// The key file.
        path: PathBuf,
    },
    /// The KMS has no such key: it was never made, or it is destroyed.
    #[error("the KMS has no such key; it was never made there, or it is destroyed")]
    KeyNotFound,
    /// The KMS key waits for its destruction; its administrator can still cancel that.
    #[error("the table's KMS key is pending deletion; its administrator can still cancel that")]
    KeyPendingDeletion,
    /// The KMS cannot be reached, and the last permission has run out; try again when it is back.
    #[error("the KMS has failed since {since} and the last permission has run out; try again when it is back", since = date::text(*since))]
    KeyUnavailable {
        /// The first failure of those that have not ended yet.
        since: SystemTime,
    },
    /// The table, its connection or the service was locked by hand; who locked it unlocks it.
    #[error("the table was locked by hand; unlock it where it was locked")]
    Locked,
    /// The table is not under this KMS key; the caller names one that its description has.
    #[error("the table is not under the KMS key {key}")]
    NoSuchKmsKey {
        /// The KMS key, as the caller named it.
        key: String,
    },
    /// The table has no structure of this name; the caller names one that its spec had.
    #[error("the table has no such structure: {name}")]
    NoSuchStructure {
        /// Its name.
        name: String,
    },
    /// There is no table of this name; the caller creates it or names another.
    #[error("there is no table {table:?}")]
    NoSuchTable {
        /// Its name.
        table: String,
    },
    /// The operating system gave no random bytes; whoever owns the machine repairs that.
    #[error("the operating system gives no random bytes")]
    NoRandom,
    /// The output buffer is too short; the caller gives one of `needed` bytes.
    #[error("the output buffer is too short: {needed} bytes are needed")]
    OutputTooShort {
        /// How many bytes it takes.
        needed: usize,
    },
    /// The output lies partly over the input; the caller gives the same place or another one.
    #[error("the output buffer lies partly over the input")]
    Overlap,
    /// The table has a structure of this name already; the caller opens it or chooses another name.
    #[error("the table has the structure {name} already")]
    StructureExists {
        /// Its name.
        name: String,
    },
    /// There is a table of this name already; the caller opens it or chooses another name.
    #[error("there is a table {table:?} already")]
    TableExists {
        /// Its name.
        table: String,
    },
    /// The text or its context is longer than AES-256-GCM allows; the caller splits it.
    #[error("the text or its context is longer than AES-256-GCM allows")]
    TooLong,
    /// The record is shorter than any record; whoever stored it lost its end.
    #[error("the record is cut short")]
    Truncated,
    /// The record is not what was sealed here with this context: changed, moved, or of another table or structure.
    /// The output was cleared.
    #[error("the record is not what was sealed here: it was changed, or moved, or its context is another")]
    Unauthentic,
    /// The record names a data key that this structure does not have; it is another's, or its key was dropped.
    #[error("the record's data key {number} is none of this structure's")]
    UnknownKey {
        /// The number in the record.
        number: u32,
    },
    /// The record or key file is of a version that this library does not know; take a newer one.
    #[error("version {version} is not known to this library")]
    UnknownVersion {
        /// The version that it says.
        version: u32,
    },
    /// The key file is of another table or subscriber: its root key was wrapped with another encryption context.
    #[error("the key file is another table's or subscriber's: the encryption context differs")]
    WrongContext,
}

impl Error {
    /// What the KMS's error means for a table whose key file is at `path`; None if it may pass by itself.
    pub(crate) fn from_kms(error: KmsError, path: impl FnOnce() -> PathBuf) -> Option<Self> {
        match error {
            KmsError::AccessDenied => Some(Self::AccessDenied),
            KmsError::Audit(source) => Some(Self::Io { path: "the audit log".into(), source }),
            KmsError::Disabled => Some(Self::KeyDisabled),
            KmsError::Invalid => Some(Self::KeyFileCorrupt { path: path() }),
            KmsError::Io(source) => Some(Self::Io { path: "the local KMS".into(), source }),
            KmsError::NotFound => Some(Self::KeyNotFound),
            KmsError::PendingDeletion => Some(Self::KeyPendingDeletion),
            KmsError::WrongContext => Some(Self::WrongContext),
            KmsError::Internal | KmsError::Throttled | KmsError::Unreachable => None,
        }
    }

    /// Whether the KMS refuses the key, and nobody else anything: a definite no, after which a table may
    /// [drain](crate::ServiceBuilder::drain). A KMS that fails is [`Error::KeyUnavailable`], which is none.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::AccessDenied | Self::KeyDisabled | Self::KeyNotFound | Self::KeyPendingDeletion)
    }

    /// Its name alone: its sentence may name a table.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::AccessDenied => "AccessDenied",
            Self::AlreadyUnderKmsKey { .. } => "AlreadyUnderKmsKey",
            Self::Closed => "Closed",
            Self::GenerationInUse { .. } => "GenerationInUse",
            Self::Indispensable { .. } => "Indispensable",
            Self::InvalidName { .. } => "InvalidName",
            Self::InvalidRequest => "InvalidRequest",
            Self::InvalidSetting { .. } => "InvalidSetting",
            Self::Io { .. } => "Io",
            Self::KeyDisabled => "KeyDisabled",
            Self::KeyFileBusy { .. } => "KeyFileBusy",
            Self::KeyFileCorrupt { .. } => "KeyFileCorrupt",
            Self::KeyNotFound => "KeyNotFound",
            Self::KeyPendingDeletion => "KeyPendingDeletion",
            Self::KeyUnavailable { .. } => "KeyUnavailable",
            Self::Locked => "Locked",
            Self::NoSuchKmsKey { .. } => "NoSuchKmsKey",
            Self::NoSuchStructure { .. } => "NoSuchStructure",
            Self::NoSuchTable { .. } => "NoSuchTable",
            Self::NoRandom => "NoRandom",
            Self::OutputTooShort { .. } => "OutputTooShort",
            Self::Overlap => "Overlap",
            Self::StructureExists { .. } => "StructureExists",
            Self::TableExists { .. } => "TableExists",
            Self::TooLong => "TooLong",
            Self::Truncated => "Truncated",
            Self::Unauthentic => "Unauthentic",
            Self::UnknownKey { .. } => "UnknownKey",
            Self::UnknownVersion { .. } => "UnknownVersion",
            Self::WrongContext => "WrongContext",
        }
    }

    /// An error of the file system at `path`.
    pub(crate) fn io(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io { path: path.into(), source: Arc::new(source) }
    }
}

impl From<tablecrypt_core::Error> for Error {
    fn from(error: tablecrypt_core::Error) -> Self {
        match error {
            tablecrypt_core::Error::TooLong => Self::TooLong,
            tablecrypt_core::Error::Truncated => Self::Truncated,
            _ => Self::Unauthentic,
        }
    }
}
