//! How a call of Python's waits for the KMS, or for a file: without the GIL.

use std::sync::Arc;

use envelope::Error;
use pyo3::prelude::*;

use crate::errors::Failure;
use crate::interpreter;
use crate::python_kms::Failures;

/// What a call has to know to tell the caller why it failed: whose it is, and what a KMS in Python raised.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) failures: Option<Arc<Failures>>,
    pub(crate) principal: Option<Arc<str>>,
    pub(crate) table: Option<Arc<str>>,
}

impl Waiting {
    /// The same, for this table.
    pub(crate) fn of(&self, table: &str) -> Self {
        Self { table: Some(table.into()), ..self.clone() }
    }

    /// The same, for this principal.
    pub(crate) fn by(&self, principal: Option<&str>) -> Self {
        Self { principal: principal.map(Into::into), ..self.clone() }
    }

    /// Calls Rust without the GIL, which a KMS in Python may take meanwhile.
    pub(crate) fn run<T: Send>(&self, py: Python<'_>, call: impl FnOnce() -> Result<T, Error> + Send) -> PyResult<T> {
        let (answered, interrupt) = py.detach(|| interpreter::waiting(call));
        if let Some(interrupt) = interrupt {
            return Err(interrupt);
        }
        answered.map_err(|error| self.error(py, error))
    }

    /// The exception of an error; if the KMS may have had a part in it, with what that raised as its cause.
    pub(crate) fn error(&self, py: Python<'_>, error: Error) -> PyErr {
        let of_kms = matches!(
            error,
            Error::AccessDenied
                | Error::InvalidRequest
                | Error::KeyDisabled
                | Error::KeyFileCorrupt { .. }
                | Error::KeyNotFound
                | Error::KeyPendingDeletion
                | Error::KeyUnavailable { .. }
                | Error::WrongContext
        );
        let raised = PyErr::from(Failure::from(error));
        let whose = (self.principal.as_deref(), self.table.as_deref());
        let cause = self.failures.as_ref().filter(|_| of_kms).and_then(|failures| failures.last(py, whose));
        if let Some(cause) = cause {
            raised.set_cause(py, Some(PyErr::from_value(cause)));
        }
        raised
    }
}
