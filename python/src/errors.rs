//! Rust's errors as Python's exceptions: one class a variant, of the same name. The classes are `tablecrypt/errors.py`.

use core::error::Error as StdError;
use core::iter;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use envelope::Error;
use envelope::kms::KmsError;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

/// What can go wrong in a call from Python.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The hierarchy says no.
    Hierarchy(Error),
    /// The KMS cannot do that with this key, or with this argument.
    InvalidRequest,
    /// AESGCM: the tag does not fit.
    InvalidTag,
    /// This build has not what was asked for.
    #[cfg_attr(feature = "aws", expect(dead_code, reason = "then it has"))]
    NotBuilt,
}

impl Failure {
    /// An error that an administrator's call to the local KMS in `folder` gave.
    pub(crate) fn of_kms(error: KmsError, folder: &Path) -> Self {
        Self::Hierarchy(match error {
            KmsError::AccessDenied => Error::AccessDenied,
            KmsError::Disabled => Error::KeyDisabled,
            KmsError::Invalid => return Self::InvalidRequest,
            KmsError::Io(source) => Error::Io { path: folder.to_owned(), source },
            KmsError::NotFound => Error::KeyNotFound,
            KmsError::PendingDeletion => Error::KeyPendingDeletion,
            KmsError::WrongContext => Error::WrongContext,
            _ => Error::KeyUnavailable { since: SystemTime::now() },
        })
    }

    fn exception(&self, py: Python<'_>) -> PyResult<PyErr> {
        match self {
            Self::Hierarchy(error) => exception_of(py, error),
            Self::InvalidRequest => plain(
                py,
                "InvalidRequest",
                "the KMS cannot do this with this key in its state; see what describe_key says, and that days are 7 to 30",
            ),
            Self::InvalidTag => plain(
                py,
                "_invalid_tag",
                "the tag does not match: wrong key, nonce or associated data, or changed or missing bytes",
            ),
            Self::NotBuilt => plain(
                py,
                "NotBuilt",
                "this wheel has no AWS client: give Service a boto3 client, boto3.client(\"kms\"), or build a wheel that has one, by \
                 `make wheel ARGS=aws`",
            ),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Hierarchy(error)
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        Python::attach(|py| failure.exception(py).unwrap_or_else(|error| error))
    }
}

fn exception_of(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let message = format!("{error}{}", hint(error));
    let plain = |name| plain(py, name, &message);
    match error {
        Error::AccessDenied => plain("AccessDenied"),
        Error::AlreadyUnderKmsKey { key } => with(py, "AlreadyUnderKmsKey", &message, "key", key),
        Error::Closed => plain("Closed"),
        Error::GenerationInUse { number, until } => {
            let exception = with(py, "GenerationInUse", &message, "number", number)?;
            exception.value(py).setattr("until", until)?;
            Ok(exception)
        }
        Error::Indispensable { part } => with(py, "Indispensable", &message, "part", part),
        Error::InvalidName { name } => with(py, "InvalidName", &message, "name", name),
        Error::InvalidRequest => plain("InvalidRequest"),
        Error::InvalidSetting { setting, range } => {
            let exception = with(py, "InvalidSetting", &message, "setting", setting)?;
            exception.value(py).setattr("range", range)?;
            Ok(exception)
        }
        Error::Io { path, source } => match os_error(source) {
            // Three arguments make errno, strerror and filename of an OSError.
            Some(code) => {
                let text = py.import("os")?.call_method1("strerror", (code,))?;
                Ok(PyErr::from_value(class(py, "Io")?.call1((code, text, path.as_os_str()))?))
            }
            None => with(py, "Io", &message, "filename", path.as_os_str()),
        },
        Error::KeyDisabled => plain("KeyDisabled"),
        Error::KeyFileBusy { table } => with(py, "KeyFileBusy", &message, "table", table),
        Error::KeyFileCorrupt { path } => with(py, "KeyFileCorrupt", &message, "path", path.as_os_str()),
        Error::KeyNotFound => plain("KeyNotFound"),
        Error::KeyPendingDeletion => plain("KeyPendingDeletion"),
        Error::KeyUnavailable { since } => with(py, "KeyUnavailable", &message, "since", since),
        Error::Locked => plain("Locked"),
        Error::NoSuchKmsKey { key } => with(py, "NoSuchKmsKey", &message, "key", key),
        Error::NoSuchStructure { name } => with(py, "NoSuchStructure", &message, "name", name),
        Error::NoSuchTable { table } => with(py, "NoSuchTable", &message, "table", table),
        Error::NoRandom => plain("NoRandom"),
        Error::OutputTooShort { needed } => with(py, "OutputTooShort", &message, "needed", needed),
        // Rust may seal in place; here no overlap is right.
        Error::Overlap => self::plain(py, "Overlap", "the output overlaps an input; give a buffer of its own"),
        Error::StructureExists { name } => with(py, "StructureExists", &message, "name", name),
        Error::TableExists { table } => with(py, "TableExists", &message, "table", table),
        Error::TooLong => plain("TooLong"),
        Error::Truncated => plain("Truncated"),
        Error::Unauthentic => plain("Unauthentic"),
        Error::UnknownKey { number } => with(py, "UnknownKey", &message, "number", number),
        Error::UnknownVersion { version } => with(py, "UnknownVersion", &message, "version", version),
        Error::WrongContext => plain("WrongContext"),
        _ => plain("TablecryptError"),
    }
}

/// What to do, where Rust's sentence does not say it.
const fn hint(error: &Error) -> &'static str {
    match error {
        Error::AlreadyUnderKmsKey { .. } => "; remove the other one with remove_kms_key",
        Error::Indispensable { .. } => "; name another, or delete the table",
        Error::NoRandom => "; whoever owns the machine repairs that",
        Error::NoSuchKmsKey { .. } => "; describe_table tells under which it is",
        Error::NoSuchStructure { .. } => "; describe_table tells which it has, and add_structure adds one",
        Error::NoSuchTable { .. } => "; create it, or name one that tables() has",
        Error::OutputTooShort { .. } => "; give a longer one",
        Error::StructureExists { .. } | Error::TableExists { .. } => "; open it, or choose another name",
        Error::TooLong => "; split it",
        Error::Truncated => "; whoever stored it lost its end",
        Error::Unauthentic => "; give the context that it was sealed with, or restore it",
        Error::UnknownKey { .. } => "; it is another structure's, or its key was dropped",
        Error::UnknownVersion { .. } => "; take a newer one, or see whether these are bytes of Tablecrypt at all",
        Error::WrongContext => "; put each key file where it belongs, or name its subscriber",
        _ => "",
    }
}

fn plain(py: Python<'_>, name: &str, message: &str) -> PyResult<PyErr> {
    Ok(PyErr::from_value(class(py, name)?.call1((message,))?))
}

/// With one attribute.
fn with<'py>(
    py: Python<'py>,
    name: &str,
    message: &str,
    attribute: &str,
    value: impl IntoPyObject<'py>,
) -> PyResult<PyErr> {
    let exception = class(py, name)?.call1((message,))?;
    exception.setattr(attribute, value)?;
    Ok(PyErr::from_value(exception))
}

pub(crate) fn class<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("tablecrypt.errors")?.getattr(name)
}

/// The system's number, of an error or of what is under it.
fn os_error(error: &io::Error) -> Option<i32> {
    let causes = iter::successors(Some::<&dyn StdError>(error), |error| (*error).source());
    causes.filter_map(|error| error.downcast_ref::<io::Error>()).find_map(io::Error::raw_os_error)
}

/// What pickle and copy get from whatever holds a key or leads to one.
pub(crate) fn not_picklable(class: &str) -> PyErr {
    PyTypeError::new_err(format!("cannot pickle or copy a {class}: it works in this process only; make another there"))
}
