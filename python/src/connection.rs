//! `Connection`: one client connection, and a context manager.

use pyo3::prelude::*;

use crate::errors::not_picklable;
use crate::table::Table;
use crate::waiting::Waiting;

/// A client connection: its permission to use a table's keys is renewed by one KMS call every five minutes, while it is
/// used. `with service.connect() as connection:` closes it.
#[pyclass(frozen, module = "tablecrypt")]
#[derive(Debug)]
pub(crate) struct Connection {
    connection: envelope::Connection,
    waiting: Waiting,
}

impl Connection {
    pub(crate) const fn new(connection: envelope::Connection, waiting: Waiting) -> Self {
        Self { connection, waiting }
    }
}

#[pymethods]
impl Connection {
    /// Opens a table. The first time that costs one KMS call; threads that come at once share it.
    ///
    /// Raises NoSuchTable, InvalidName, KeyFileCorrupt, UnknownVersion, WrongContext, Io for its key file; AccessDenied,
    /// KeyDisabled, KeyNotFound, KeyPendingDeletion, KeyUnavailable for its KMS key; Closed, Locked.
    fn open_table(&self, py: Python<'_>, name: String) -> PyResult<Table> {
        let waiting = self.waiting.of(&name);
        let table = waiting.run(py, || self.connection.open_table(&name))?;
        Ok(Table::new(table, name, waiting))
    }

    /// Who connected; None for the service itself.
    #[getter]
    fn principal(&self) -> Option<&str> {
        self.connection.principal()
    }

    /// Locks all tables that it opened: their keys are wiped now, and operations raise Locked, as opening does, until `unlock`.
    fn lock(&self, py: Python<'_>) {
        py.detach(|| self.connection.lock());
    }

    /// Takes back `lock`, and Table.lock for each of its tables.
    fn unlock(&self, py: Python<'_>) {
        py.detach(|| self.connection.unlock());
    }

    /// Closes the connection and whatever came from it: their keys are wiped, unless another connection has them too.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.connection.close());
    }

    fn __enter__(this: Py<Self>) -> Py<Self> {
        this
    }

    #[pyo3(signature = (*_exception))]
    #[pyo3(text_signature = "($self, exc_type, exc_value, traceback, /)")]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyAny>) {
        self.close(py);
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_picklable("Connection"))
    }

    fn __repr__(&self) -> &'static str {
        "Connection(...)"
    }
}
