//! `AuditLog`: who had which key of which table, when, for what.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use envelope::KeyBox;
use envelope::audit;
use envelope::core::Key;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::buffers::Input;
use crate::errors::{Failure, not_picklable};

/// An audit log in a file: a line for each KMS call, on disk before its answer is used, and for each change of a table; each line
/// bound to the one before. `tablecrypt audit verify` finds what was changed, removed, moved or inserted.
///
/// `key` (32 bytes) binds the lines under a key, so that only who has it can write a log that verifies. `who` stands in each
/// line. With `best_effort` operations go on that cannot be logged; they are counted.
#[pyclass(frozen, module = "tablecrypt")]
#[derive(Debug)]
pub(crate) struct AuditLog {
    log: Arc<audit::AuditLog>,
}

#[pymethods]
impl AuditLog {
    #[new]
    #[pyo3(signature = (path, *, key = None, who = None, best_effort = false))]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        key: Option<Input<'_>>,
        who: Option<String>,
        best_effort: bool,
    ) -> PyResult<Self> {
        let mut log = audit::AuditLog::new(path);
        if let Some(bytes) = key {
            let wrong = || PyValueError::new_err(format!("the key of an audit log has 32 bytes, not {}", bytes.len()));
            log = log.with_key(KeyBox::fill(Key::zeroed(), |key| {
                bytes.to_array(py, key.expose_mut()).then_some(()).ok_or_else(wrong)
            })?);
        }
        if let Some(who) = who {
            log = log.who(who);
        }
        Ok(Self { log: Arc::new(if best_effort { log.best_effort() } else { log }) })
    }

    /// Where the log is.
    #[getter]
    fn path(&self) -> PathBuf {
        self.log.path().to_owned()
    }

    /// The last line that this process wrote, as `tablecrypt audit verify --head` takes it: keep it where the writers of the log
    /// cannot change it. None before the first.
    fn head(&self) -> Option<String> {
        self.log.head().map(|head| head.to_string())
    }

    /// Puts the file aside, under the name `to` in the same file system, and begins a new one, which goes on from it. Gives the
    /// head of the new one. Raises Io.
    fn rotate(&self, py: Python<'_>, to: PathBuf) -> PyResult<String> {
        let rotated = py.detach(|| self.log.rotate(&to, SystemTime::now()));
        let failed = |source| Failure::from(envelope::Error::Io { path: to, source: Arc::new(source) });
        Ok(rotated.map_err(failed)?.to_string())
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_picklable("AuditLog"))
    }

    fn __repr__(&self) -> String {
        format!("AuditLog({:?})", self.log.path())
    }
}

impl AuditLog {
    pub(crate) fn log(&self) -> Arc<audit::AuditLog> {
        Arc::clone(&self.log)
    }
}
