//! `Service`: the front door.

use std::path::PathBuf;

use envelope::TableSpec;
use pyo3::prelude::*;

use crate::connection::Connection;
use crate::errors::{Failure, not_picklable};
use crate::table::TableDescription;

/// Tables under a KMS. Any number of threads may use it.
#[pyclass(frozen, module = "tablecrypt")]
#[derive(Debug)]
pub(crate) struct Service {
    service: envelope::Service,
    folder: PathBuf,
}

#[pymethods]
impl Service {
    /// A service on embedded defaults: a LocalKms in `folder/kms`, key files in `folder/tables`.
    ///
    /// Raises Io.
    #[staticmethod]
    fn local(py: Python<'_>, folder: PathBuf) -> PyResult<Self> {
        let service = py.detach(|| envelope::Service::local(&folder)).map_err(Failure::from)?;
        Ok(Self { service, folder })
    }

    /// Creates a table's keys: for the base table and for each index. The KMS key is the service's default one unless
    /// `kms_key` (id, ARN or alias) names another. However the call ends, the table is there or is not.
    ///
    /// Raises TableExists, InvalidName, Io, NoRandom; AccessDenied, KeyDisabled, KeyNotFound, KeyPendingDeletion,
    /// KeyUnavailable.
    #[pyo3(signature = (name, *, local_indexes = Vec::new(), global_indexes = Vec::new(), kms_key = None))]
    #[pyo3(text_signature = "($self, name, *, local_indexes=(), global_indexes=(), kms_key=None)")]
    fn create_table(
        &self,
        py: Python<'_>,
        name: String,
        local_indexes: Vec<String>,
        global_indexes: Vec<String>,
        kms_key: Option<String>,
    ) -> PyResult<TableDescription> {
        let spec = local_indexes.into_iter().fold(TableSpec::new(name), TableSpec::local);
        let spec = global_indexes.into_iter().fold(spec, TableSpec::global);
        let spec = kms_key.into_iter().fold(spec, TableSpec::kms_key);
        let description = py.detach(|| self.service.create_table(&spec)).map_err(Failure::from)?;
        Ok(description.into())
    }

    /// A new client connection. It costs nothing before it opens a table.
    fn connect(&self) -> Connection {
        Connection::new(self.service.connect())
    }

    /// The ARN of the service default key, which is created if it is missing.
    ///
    /// Raises AccessDenied, Io, KeyUnavailable.
    fn default_key(&self, py: Python<'_>) -> PyResult<String> {
        Ok(py.detach(|| self.service.default_key()).map_err(Failure::from)?)
    }

    /// What a table's key file says, without asking the KMS; so nothing proves yet that nobody changed it.
    ///
    /// Raises NoSuchTable, InvalidName, KeyFileCorrupt, UnknownVersion, Io.
    fn describe_table(&self, py: Python<'_>, name: &str) -> PyResult<TableDescription> {
        Ok(py.detach(|| self.service.describe_table(name)).map_err(Failure::from)?.into())
    }

    /// The names of all tables, sorted.
    ///
    /// Raises Io.
    fn tables(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(py.detach(|| self.service.tables()).map_err(Failure::from)?)
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_picklable("Service"))
    }

    fn __repr__(&self) -> String {
        format!("Service.local({:?})", self.folder)
    }
}
