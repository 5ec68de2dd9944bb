//! `Table` and what it says of itself.

use core::time::Duration;
use std::time::SystemTime;

use envelope::{KeyStatus, StructureName};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::errors::{Failure, not_picklable};
use crate::structure::Structure;
use crate::waiting::Waiting;

/// An opened table.
#[pyclass(frozen, module = "tablecrypt")]
#[derive(Debug)]
pub(crate) struct Table {
    table: envelope::Table,
    name: String,
    waiting: Waiting,
}

impl Table {
    pub(crate) const fn new(table: envelope::Table, name: String, waiting: Waiting) -> Self {
        Self { table, name, waiting }
    }

    fn of_name(&self, name: &StructureName) -> PyResult<Structure> {
        let structure = self.table.structure(name).map_err(Failure::from)?;
        let title = format!("{:?}, {:?}", self.name, name.to_string());
        Ok(Structure::new(structure, title, self.waiting.clone()))
    }
}

#[pymethods]
impl Table {
    /// The base table.
    fn base(&self) -> PyResult<Structure> {
        self.of_name(&StructureName::Base)
    }

    /// The local secondary index of this name. Raises NoSuchStructure.
    fn local(&self, name: String) -> PyResult<Structure> {
        self.of_name(&StructureName::Local(name))
    }

    /// The global secondary index of this name. Raises NoSuchStructure.
    fn global_(&self, name: String) -> PyResult<Structure> {
        self.of_name(&StructureName::Global(name))
    }

    /// The structure of this name: "base", "local:NAME", "global:NAME". Raises NoSuchStructure.
    fn structure(&self, name: &str) -> PyResult<Structure> {
        self.of_name(&name.parse().map_err(Failure::from)?)
    }

    /// The names of its structures, the base table first, as this handle knows them.
    #[getter]
    fn structures<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.table.structures().map(ToString::to_string).collect::<Vec<_>>())
    }

    /// What the table says of itself, and whether its key can be had. Raises Io, KeyFileCorrupt, NoSuchTable.
    fn describe(&self, py: Python<'_>) -> PyResult<TableDescription> {
        Ok(self.waiting.run(py, || self.table.describe())?.into())
    }

    /// Locks the table: its permission's keys are wiped now, and operations raise Locked until `unlock`. Under a shared scope
    /// it is locked for all connections that share it; other connections go on.
    fn lock(&self, py: Python<'_>) {
        py.detach(|| self.table.lock());
    }

    /// Takes back `lock`. The next operation asks the KMS.
    fn unlock(&self, py: Python<'_>) {
        py.detach(|| self.table.unlock());
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
    /// SSEDescription.Status: "ENABLED", or "UPDATING" while it moves to another KMS key.
    status: &'static str,
    /// SSEDescription.SSEType: "KMS".
    sse_type: String,
    /// SSEDescription.KMSMasterKeyArn: the KMS key that is asked first.
    kms_key: String,
    /// The ARNs of the others, any of which opens the table too.
    other_kms_keys: Names,
    /// While the status is "UPDATING": the KMS key that the table moves to, as the mover named it.
    switching_to: Option<String>,
    /// SSEDescription.InaccessibleEncryptionDateTime: since when the KMS key is found inaccessible; None while it is not.
    inaccessible_since: Option<SystemTime>,
    /// Since when the table goes on with old keys, by an outage grace; None while it does not.
    grace_since: Option<SystemTime>,
    /// Whether it was locked by hand.
    locked: bool,
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
            sse_type: description.sse_type.to_string(),
            kms_key: description.kms_key,
            other_kms_keys: Names(description.other_kms_keys),
            switching_to: description.switching_to,
            inaccessible_since: description.inaccessible_since,
            grace_since: description.grace_since,
            locked: description.locked,
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
