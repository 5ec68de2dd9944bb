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
    let message = error.to_string();
    match error {
        Error::AccessDenied => plain(py, "AccessDenied", &message),
        Error::Closed => plain(py, "Closed", &message),
        Error::InvalidName { name } => with(py, "InvalidName", &message, "name", name),
        Error::Io { path, source } => match os_error(source) {
            // Three arguments make errno, strerror and filename of an OSError.
            Some(code) => {
                let text = py.import("os")?.call_method1("strerror", (code,))?;
                Ok(PyErr::from_value(class(py, "Io")?.call1((code, text, path.as_os_str()))?))
            }
            None => with(py, "Io", &message, "filename", path.as_os_str()),
        },
        Error::KeyDisabled => plain(py, "KeyDisabled", &message),
        Error::KeyFileCorrupt { path } => with(py, "KeyFileCorrupt", &message, "path", path.as_os_str()),
        Error::KeyNotFound => plain(py, "KeyNotFound", &message),
        Error::KeyPendingDeletion => plain(py, "KeyPendingDeletion", &message),
        Error::KeyUnavailable { since } => {
            let since = since.into_pyobject(py)?;
            let message =
                format!("the KMS has failed since {since}, and no permission is left; try again when it is back");
            with(py, "KeyUnavailable", &message, "since", &since)
        }
        Error::NoSuchStructure { name } => with(py, "NoSuchStructure", &message, "name", name),
        Error::NoSuchTable { table } => with(py, "NoSuchTable", &message, "table", table),
        Error::NoRandom => plain(py, "NoRandom", &message),
        Error::OutputTooShort { needed } => with(py, "OutputTooShort", &message, "needed", needed),
        Error::Overlap => plain(py, "Overlap", "the output overlaps an input; give a buffer of its own"),
        Error::TableExists { table } => with(py, "TableExists", &message, "table", table),
        Error::TooLong => plain(py, "TooLong", &message),
        Error::Truncated => plain(py, "Truncated", &message),
        Error::Unauthentic => plain(py, "Unauthentic", &message),
        Error::UnknownKey { number } => with(py, "UnknownKey", &message, "number", number),
        Error::UnknownVersion { version } => with(py, "UnknownVersion", &message, "version", version),
        Error::WrongContext => plain(py, "WrongContext", &message),
        _ => plain(py, "TablecryptError", &message),
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

fn class<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
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
