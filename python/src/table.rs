//! `Table` and what it says of itself.

use core::time::Duration;
use std::time::SystemTime;

use envelope::{KeyStatus, StructureName};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::errors::{Failure, not_picklable};
use crate::structure::Structure;

/// An opened table.
#[pyclass(frozen, module = "tablecrypt")]
#[derive(Debug)]
pub(crate) struct Table {
    table: envelope::Table,
    name: String,
}

impl Table {
    pub(crate) const fn new(table: envelope::Table, name: String) -> Self {
        Self { table, name }
    }

    fn structure(&self, name: &StructureName) -> PyResult<Structure> {
        let structure = self.table.structure(name).map_err(Failure::from)?;
        Ok(Structure::new(structure, format!("{:?}, {:?}", self.name, name.to_string())))
    }
}

#[pymethods]
impl Table {
    /// The base table.
    fn base(&self) -> PyResult<Structure> {
        self.structure(&StructureName::Base)
    }

    /// The local secondary index of this name. Raises NoSuchStructure.
    fn local(&self, name: String) -> PyResult<Structure> {
        self.structure(&StructureName::Local(name))
    }

    /// The global secondary index of this name. Raises NoSuchStructure.
    fn global_(&self, name: String) -> PyResult<Structure> {
        self.structure(&StructureName::Global(name))
    }

    /// What the table says of itself, and whether its key can be had. Raises Io, KeyFileCorrupt, NoSuchTable.
    fn describe(&self, py: Python<'_>) -> PyResult<TableDescription> {
        Ok(py.detach(|| self.table.describe()).map_err(Failure::from)?.into())
    }

    /// For how long the keys stay usable if the KMS does not answer again; None while they are locked.
    #[getter]
    fn permitted_for(&self) -> Option<Duration> {
        self.table.permitted_for()
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_picklable("Table"))
    }

    fn __repr__(&self) -> String {
        format!("Table({:?})", self.name)
    }
}

/// What a table says of itself, in DynamoDB's terms.
#[pyclass(frozen, eq, get_all, module = "tablecrypt")]
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct TableDescription {
    /// Its name.
    name: String,
    /// Its id: another one for a table that was deleted and created again.
    table_id: String,
    /// When it was created, in UTC.
    created: SystemTime,
    /// SSEDescription.Status: "ENABLED".
    status: &'static str,
    /// SSEDescription.KMSMasterKeyArn.
    kms_key: String,
    /// SSEDescription.InaccessibleEncryptionDateTime: since when the KMS says no; None while it does not.
    inaccessible_since: Option<SystemTime>,
    /// Its structures, the base table first: "base", "local:NAME", "global:NAME".
    structures: Names,
}

#[pymethods]
impl TableDescription {
    fn __repr__(&self) -> String {
        format!("TableDescription(name={:?}, table_id={:?}, status={:?})", self.name, self.table_id, self.status)
    }
}

impl From<envelope::TableDescription> for TableDescription {
    fn from(description: envelope::TableDescription) -> Self {
        Self {
            name: description.table,
            table_id: description.table_id,
            created: description.created,
            status: match description.status {
                KeyStatus::Enabled => "ENABLED",
                KeyStatus::Updating => "UPDATING",
                _ => "UNKNOWN",
            },
            kms_key: description.kms_key,
            inaccessible_since: description.inaccessible_since,
            structures: Names(description.structures.iter().map(ToString::to_string).collect()),
        }
    }
}

/// A tuple of strings.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Names(Vec<String>);

impl<'py> IntoPyObject<'py> for &Names {
    type Target = PyTuple;
    type Output = Bound<'py, PyTuple>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        PyTuple::new(py, &self.0)
    }
}
