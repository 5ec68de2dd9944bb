//! Every error's number in C, its sentence, and the last one of each thread.

#![allow(unsafe_code, reason = "exported functions; the blocks only call boundary.rs")]

use core::cell::RefCell;
use core::ffi::{CStr, c_char, c_int};
use core::fmt;

use envelope::core as gcm;
use envelope::kms::KmsError;

use crate::boundary::{self, Output};

/// What every call answers that can fail. A number, once given, never gets another meaning.
///
/// Unless a function says otherwise, a call that fails wrote nothing but NULL into a handle and 0 into a count.
#[repr(i32)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// It is done.
    Ok = 0,

    /// An argument is NULL that must not be; the caller repairs that.
    NullArgument = 1,
    /// A length is more than PTRDIFF_MAX, or passes the end of memory; the caller repairs that.
    Length = 2,
    /// An output shares bytes with an input or with another output; the caller takes them apart.
    Overlap = 3,
    /// A name is not UTF-8; the caller repairs that.
    InvalidUtf8 = 4,
    /// The output buffer is too short; the caller gives a longer one.
    OutputTooShort = 5,
    /// This library or this CPU has no such backend; the caller takes another.
    NoSuchBackend = 6,
    /// A setting is out of its range; the caller gives one within it. tablecrypt_last_error names both.
    InvalidSetting = 7,
    /// This library was built without it; take one that has it.
    NotBuiltIn = 8,

    /// The text or its context is longer than AES-256-GCM allows; the caller splits it.
    TooLong = 20,
    /// The record is shorter than any record; whoever stored it lost its end.
    Truncated = 21,
    /// The record is not what was sealed here: changed, moved, or its context is another. The output was cleared.
    Unauthentic = 22,
    /// The record's data key is none of this structure's: it is another's, or its key was dropped.
    UnknownKey = 23,
    /// The record or key file is of a version that this library does not know; take a newer one.
    UnknownVersion = 24,

    /// The connection was closed; the caller opens another.
    Closed = 40,
    /// A name is not 1 to 255 of A-Z a-z 0-9 _ - . or stands twice; the caller chooses another.
    InvalidName = 41,
    /// The table has no such structure; the caller names one that it was created with.
    NoSuchStructure = 42,
    /// There is no such table; the caller creates it or names another.
    NoSuchTable = 43,
    /// There is such a table already; the caller opens it or chooses another name.
    TableExists = 44,
    /// The table has such a structure already; the caller opens it or chooses another name.
    StructureExists = 45,
    /// The generation of a data key still seals, or may still seal in another process; retire it later.
    GenerationInUse = 46,
    /// A table cannot be without its base table, or without any KMS key; the caller names another, or deletes the table.
    Indispensable = 47,
    /// The table is under this KMS key already, beside the one that was to be replaced; the caller removes that one.
    AlreadyUnderKmsKey = 48,
    /// The table is not under this KMS key; the caller names one that its description has.
    NoSuchKmsKey = 49,
    /// The table, its connection or the service was locked by hand; who locked it unlocks it.
    Locked = 50,

    /// The KMS denies this caller the use of the key; whoever writes the key's policy decides.
    AccessDenied = 60,
    /// The KMS key is disabled; its administrator can enable it.
    KeyDisabled = 61,
    /// The table's key file is damaged or not this table's; restore it, or the one before it.
    KeyFileCorrupt = 62,
    /// The KMS has no such key: it was never made there, or it is destroyed.
    KeyNotFound = 63,
    /// The KMS key is pending deletion; its administrator can still cancel that.
    KeyPendingDeletion = 64,
    /// The KMS fails, and the last permission has run out; try again when it is back.
    KeyUnavailable = 65,
    /// The KMS cannot take what it was given, such as the name of a KMS key; the caller names one that encrypts, by its id, ARN or
    /// alias, and the service default key by an alias.
    KmsRequestInvalid = 66,
    /// The key file is another table's or subscriber's: its encryption context differs.
    WrongContext = 67,
    /// Others changed the table's key file again and again; nothing was done, and the caller tries again.
    KeyFileBusy = 68,

    /// A file cannot be read or written; whoever owns the machine repairs that. tablecrypt_last_error names it.
    Io = 80,
    /// The operating system gives no random bytes; whoever owns the machine repairs that.
    NoRandom = 81,

    /// The library panicked, which is a bug of the library; please report it.
    Panic = 100,
    /// The library met an error that this header has no number for, which is a bug of the library; please report it.
    Unnumbered = 101,
}

/// One sentence on a status: what it is and who can put it right. For a number that is no status it says so. Static.
#[unsafe(no_mangle)]
pub extern "C" fn tablecrypt_status_message(status: i32) -> *const c_char {
    let status = Status::ALL.iter().find(|known| **known as i32 == status);
    status.map_or(c"this number is no status of this version of the library", |status| status.message()).as_ptr()
}

/// Whether a status says that the KMS refuses the key: ACCESS_DENIED, KEY_DISABLED, KEY_NOT_FOUND, KEY_PENDING_DELETION. 1 or
/// 0. It is a definite no, after which tablecrypt_settings_drain lets a table seal on. A KMS that fails says
/// KEY_UNAVAILABLE, which is none.
#[unsafe(no_mangle)]
pub extern "C" fn tablecrypt_status_is_refusal(status: i32) -> c_int {
    let refusals = [Status::AccessDenied, Status::KeyDisabled, Status::KeyNotFound, Status::KeyPendingDeletion];
    refusals.iter().any(|refusal| *refusal as i32 == status).into()
}

/// Writes what the last call of this thread that failed said, with names and paths, into `buffer`, cut to `capacity`
/// with its final NUL. Gives the whole length without the NUL; 0 if nothing failed yet.
///
/// It is text for people: programs take the status. A call that goes well leaves it as it is. `buffer` may be NULL.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_last_error(buffer: *mut c_char, capacity: usize) -> usize {
    let mut length = 0;
    boundary::call(|| {
        let said = last().map(|failure| failure.to_string()).unwrap_or_default();
        length = said.len();
        let fits = (0..=said.len()).rev().find(|end| *end < capacity && said.is_char_boundary(*end));
        if let (Some(end), false) = (fits, buffer.is_null()) {
            let out = Output::new(buffer.cast(), end + 1)?;
            // SAFETY: the header's promise; `end` is less than `capacity`.
            let out = unsafe { out.bytes() };
            out[..end].copy_from_slice(&said.as_bytes()[..end]);
            out[end] = 0;
        }
        Ok(())
    });
    length
}

/// Why a call failed: what the layer below said, or a status of the boundary's own.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    Gcm(gcm::Error),
    Kms(KmsError),
    Status(Status),
    Table(envelope::Error),
}

impl Failure {
    /// Keeps it for [`tablecrypt_last_error`], and gives its number.
    #[cold]
    pub(crate) fn remember(self) -> Status {
        let status = self.status();
        // A thread that ends has no last error any more.
        let _ = LAST.try_with(|last| last.replace(Some(self)));
        status
    }

    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Gcm(error) => of_gcm(*error),
            Self::Kms(error) => of_kms(error),
            Self::Status(status) => *status,
            Self::Table(error) => of_table(error),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gcm(error) => error.fmt(f),
            Self::Kms(error) => error.fmt(f),
            Self::Status(status) => status.message().to_string_lossy().fmt(f),
            Self::Table(error) => error.fmt(f),
        }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl From<gcm::Error> for Failure {
    fn from(error: gcm::Error) -> Self {
        Self::Gcm(error)
    }
}

impl From<KmsError> for Failure {
    fn from(error: KmsError) -> Self {
        Self::Kms(error)
    }
}

impl From<envelope::Error> for Failure {
    fn from(error: envelope::Error) -> Self {
        Self::Table(error)
    }
}

fn of_gcm(error: gcm::Error) -> Status {
    match error {
        gcm::Error::OutputLength => Status::OutputTooShort,
        gcm::Error::TooLong => Status::TooLong,
        gcm::Error::Truncated => Status::Truncated,
        gcm::Error::Unauthentic => Status::Unauthentic,
        _ => Status::Unnumbered,
    }
}

fn of_kms(error: &KmsError) -> Status {
    match error {
        KmsError::AccessDenied => Status::AccessDenied,
        KmsError::Audit(_) | KmsError::Io(_) => Status::Io,
        KmsError::Disabled => Status::KeyDisabled,
        KmsError::Internal | KmsError::Throttled | KmsError::Unreachable => Status::KeyUnavailable,
        KmsError::Invalid => Status::KmsRequestInvalid,
        KmsError::NotFound => Status::KeyNotFound,
        KmsError::PendingDeletion => Status::KeyPendingDeletion,
        KmsError::WrongContext => Status::WrongContext,
        _ => Status::Unnumbered,
    }
}

fn of_table(error: &envelope::Error) -> Status {
    use envelope::Error;
    match error {
        Error::AccessDenied => Status::AccessDenied,
        Error::AlreadyUnderKmsKey { .. } => Status::AlreadyUnderKmsKey,
        Error::Closed => Status::Closed,
        Error::GenerationInUse { .. } => Status::GenerationInUse,
        Error::Indispensable { .. } => Status::Indispensable,
        Error::InvalidName { .. } => Status::InvalidName,
        Error::InvalidRequest => Status::KmsRequestInvalid,
        Error::InvalidSetting { .. } => Status::InvalidSetting,
        Error::Io { .. } => Status::Io,
        Error::KeyDisabled => Status::KeyDisabled,
        Error::KeyFileBusy { .. } => Status::KeyFileBusy,
        Error::KeyFileCorrupt { .. } => Status::KeyFileCorrupt,
        Error::KeyNotFound => Status::KeyNotFound,
        Error::KeyPendingDeletion => Status::KeyPendingDeletion,
        Error::KeyUnavailable { .. } => Status::KeyUnavailable,
        Error::Locked => Status::Locked,
        Error::NoRandom => Status::NoRandom,
        Error::NoSuchKmsKey { .. } => Status::NoSuchKmsKey,
        Error::NoSuchStructure { .. } => Status::NoSuchStructure,
        Error::NoSuchTable { .. } => Status::NoSuchTable,
        Error::OutputTooShort { .. } => Status::OutputTooShort,
        Error::Overlap => Status::Overlap,
        Error::StructureExists { .. } => Status::StructureExists,
        Error::TableExists { .. } => Status::TableExists,
        Error::TooLong => Status::TooLong,
        Error::Truncated => Status::Truncated,
        Error::Unauthentic => Status::Unauthentic,
        Error::UnknownKey { .. } => Status::UnknownKey,
        Error::UnknownVersion { .. } => Status::UnknownVersion,
        Error::WrongContext => Status::WrongContext,
        _ => Status::Unnumbered,
    }
}

thread_local! {
    static LAST: RefCell<Option<Failure>> = const { RefCell::new(None) };
}

fn last() -> Option<Failure> {
    LAST.try_with(|last| last.borrow().clone()).ok().flatten()
}

impl Status {
    const ALL: &[Self] = &[
        Self::Ok,
        Self::NullArgument,
        Self::Length,
        Self::Overlap,
        Self::InvalidUtf8,
        Self::OutputTooShort,
        Self::NoSuchBackend,
        Self::InvalidSetting,
        Self::NotBuiltIn,
        Self::TooLong,
        Self::Truncated,
        Self::Unauthentic,
        Self::UnknownKey,
        Self::UnknownVersion,
        Self::Closed,
        Self::InvalidName,
        Self::NoSuchStructure,
        Self::NoSuchTable,
        Self::TableExists,
        Self::StructureExists,
        Self::GenerationInUse,
        Self::Indispensable,
        Self::AlreadyUnderKmsKey,
        Self::NoSuchKmsKey,
        Self::Locked,
        Self::AccessDenied,
        Self::KeyDisabled,
        Self::KeyFileCorrupt,
        Self::KeyNotFound,
        Self::KeyPendingDeletion,
        Self::KeyUnavailable,
        Self::KmsRequestInvalid,
        Self::WrongContext,
        Self::KeyFileBusy,
        Self::Io,
        Self::NoRandom,
        Self::Panic,
        Self::Unnumbered,
    ];

    fn message(self) -> &'static CStr {
        match self {
            Self::Ok => c"done",
            Self::NullArgument => c"an argument is NULL that must not be; the caller repairs that",
            Self::Length => c"a length is more than PTRDIFF_MAX or passes the end of memory; the caller repairs that",
            Self::Overlap => c"an output shares bytes with another buffer; the caller takes them apart",
            Self::InvalidUtf8 => c"a name is not UTF-8; the caller repairs that",
            Self::OutputTooShort => c"the output buffer is too short; the caller gives a longer one",
            Self::NoSuchBackend => c"this library or this CPU has no such backend; the caller takes another",
            Self::InvalidSetting => c"a setting is out of its range; the caller gives one within it",
            Self::NotBuiltIn => c"this library was built without it; take one that has it",
            Self::TooLong => c"the text or its context is longer than AES-256-GCM allows; the caller splits it",
            Self::Truncated => c"the record is cut short; whoever stored it lost its end",
            Self::Unauthentic => c"it is not what was sealed here: it was changed or moved, or its context is another",
            Self::UnknownKey => c"the record's data key is none of this structure's; it is another's, or was dropped",
            Self::UnknownVersion => {
                c"this library does not know the version of the record or key file; take a newer one"
            }
            Self::Closed => c"the connection is closed; the caller opens another",
            Self::InvalidName => c"a name is not 1 to 255 of A-Z a-z 0-9 _ - . or stands twice; the caller changes it",
            Self::NoSuchStructure => c"the table has no such structure; the caller names one that it was created with",
            Self::NoSuchTable => c"there is no such table; the caller creates it or names another",
            Self::TableExists => c"there is such a table already; the caller opens it or chooses another name",
            Self::StructureExists => c"the table has such a structure already; the caller opens it or renames its own",
            Self::GenerationInUse => {
                c"the generation of a data key seals, or may still seal elsewhere; retire it later"
            }
            Self::Indispensable => c"a table cannot be without its base table and a KMS key; the caller names another",
            Self::AlreadyUnderKmsKey => c"the table is under this KMS key already; the caller removes the other one",
            Self::NoSuchKmsKey => c"the table is not under this KMS key; the caller names one that its description has",
            Self::Locked => c"it was locked by hand; who locked it unlocks it",
            Self::AccessDenied => c"the KMS denies the use of the key; ask whoever writes the key's policy",
            Self::KeyDisabled => c"the KMS key is disabled; its administrator can enable it",
            Self::KeyFileCorrupt => c"the key file is damaged or not this table's; restore it, or the one before it",
            Self::KeyNotFound => c"the KMS has no such key; it was never made there, or it is destroyed",
            Self::KeyPendingDeletion => c"the KMS key is pending deletion; its administrator can still cancel that",
            Self::KeyUnavailable => c"the KMS fails and the last permission has run out; try again when it is back",
            Self::KmsRequestInvalid => {
                c"the KMS does not take this request; name a KMS key that encrypts, the default key by an alias"
            }
            Self::WrongContext => c"the key file is another table's or subscriber's; the caller finds its own",
            Self::KeyFileBusy => c"others changed the key file again and again, and nothing was done; try again",
            Self::Io => c"a file cannot be read or written; whoever owns the machine repairs that",
            Self::NoRandom => c"the operating system gives no random bytes; whoever owns the machine repairs that",
            Self::Panic => c"the library panicked, which is a bug of the library; please report it",
            Self::Unnumbered => c"the library met an error without a number, which is a bug of it; please report it",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_status_is_listed_and_has_a_sentence_of_its_own() {
        let declared =
            include_str!("status.rs").split("pub enum Status {").nth(1).unwrap().split("\n}").next().unwrap();
        let declared = declared.lines().filter(|line| line.ends_with(',') && line.contains(" = ")).count();
        assert_eq!(Status::ALL.len(), declared);
        let sentences: HashSet<_> = Status::ALL.iter().map(|status| status.message()).collect();
        assert_eq!(sentences.len(), declared);
    }

    /// `tests/status-numbers.txt` grows by a line for each new status, and no line of it ever changes.
    #[test]
    fn number_that_was_given_once_keeps_its_meaning() {
        let given = include_str!("../tests/status-numbers.txt").lines();
        let given: HashSet<_> = given.filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
        let known: HashSet<_> = Status::ALL.iter().map(|status| format!("{} {status:?}", *status as i32)).collect();
        assert_eq!(given, known);
    }

    /// The envelope says after which errors a table drains; an engine in C asks for their numbers.
    #[test]
    fn status_is_a_refusal_where_the_error_is_one() {
        use envelope::Error;
        let errors = [
            Error::AccessDenied,
            Error::Closed,
            Error::InvalidRequest,
            Error::KeyDisabled,
            Error::KeyFileCorrupt { path: "keys.json".into() },
            Error::KeyNotFound,
            Error::KeyPendingDeletion,
            Error::KeyUnavailable { since: std::time::UNIX_EPOCH },
            Error::Locked,
            Error::NoSuchTable { table: "flights".into() },
            Error::WrongContext,
        ];
        for error in errors {
            let is_refusal = tablecrypt_status_is_refusal(of_table(&error) as i32);
            assert_eq!(is_refusal != 0, error.is_refusal(), "{error}");
        }
        let all = (-1000..1000).filter(|status| tablecrypt_status_is_refusal(*status) != 0);
        assert_eq!(all.collect::<Vec<_>>(), [60, 61, 63, 64]);
    }

    #[test]
    fn last_error_says_which_table() {
        let error = envelope::Error::NoSuchTable { table: "fl\u{fc}ge".into() };
        assert_eq!(Failure::from(error).remember(), Status::NoSuchTable);
        let said = "there is no table \"fl\u{fc}ge\"";
        for capacity in 0..40 {
            let mut buffer = [0x55_u8; 40];
            // SAFETY: a local array and at most its length.
            let length = unsafe { tablecrypt_last_error(buffer.as_mut_ptr().cast(), capacity) };
            assert_eq!(length, said.len());
            assert!(buffer[capacity..].iter().all(|byte| *byte == 0x55));
            if capacity > 0 {
                let found = CStr::from_bytes_until_nul(&buffer).unwrap().to_str().unwrap();
                assert!(said.starts_with(found) && found.len() + 2 >= capacity.min(said.len() + 1));
            }
        }
    }
}
