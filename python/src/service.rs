//! `Service`: the front door.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use envelope::store::FolderStore;
use envelope::{Error, Rewrap, StructureName, TableSpec};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::connection::Connection;
use crate::errors::{Failure, not_picklable};
use crate::interpreter::end_with_the_program;
use crate::metrics::Metrics;
use crate::providers::provider;
use crate::python_kms::Failures;
use crate::rotation::{Generation, Rewrapping};
use crate::seconds::Seconds;
use crate::settings::{Auditing, Rotation, Settings};
use crate::table::{Table, TableDescription};
use crate::waiting::Waiting;

/// Tables under a KMS. Any number of threads may use it.
///
/// `kms` is a LocalKms, an AwsKms, a boto3 client of KMS as it is, a function that makes one (called once in each process, and
/// so in each forked child), Routes, or any object with the methods of tablecrypt.Kms. `tables` is the folder of the key files.
///
/// `subscriber`: whose tables they are, the value of tablecrypt:subscriber in every encryption context. `default_key`: the alias
/// of the service default key; with `require_default_key` it is never created. `refresh`: how old a permission is when traffic has
/// it refreshed, and how long that may take before the keys are wiped: (300, 30). `jitter`: how much earlier the first refresh may
/// be due. `outage_grace`: how much longer a table with traffic goes on with its old keys while the KMS fails, and says no no.
/// `drain`: how much longer a table that the KMS refuses still seals, and opens nothing. SECURITY.md tells what these two cost. `scope`: who shares a permission: "connection", "principal" or "process". `principals`: a
/// function from a principal's name to the KMS as that principal may use it. `rotate_after`: a RotationPolicy. `audit`: the path of
/// an audit log, or an AuditLog. Time spans are seconds or timedeltas.
///
/// What happens to its keys it tells the logger "tablecrypt" of logging: errors, warnings and infos, and each answer of the KMS
/// as debug. A table is told by its id, and by its name with `names_in_log`.
///
/// Raises InvalidSetting, Io.
#[pyclass(frozen, module = "tablecrypt")]
#[derive(Debug)]
pub(crate) struct Service {
    service: envelope::Service,
    waiting: Waiting,
    title: String,
}

#[pymethods]
impl Service {
    #[new]
    #[pyo3(signature = (kms, tables, *, subscriber = None, default_key = None, require_default_key = false, refresh = None,
        jitter = None, outage_grace = None, drain = None, scope = None, principals = None, rotate_after = None, audit = None,
        names_in_log = false))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords")]
    fn new(
        py: Python<'_>,
        kms: &Bound<'_, PyAny>,
        tables: PathBuf,
        subscriber: Option<String>,
        default_key: Option<String>,
        require_default_key: bool,
        refresh: Option<(Seconds, Seconds)>,
        jitter: Option<Seconds>,
        outage_grace: Option<Seconds>,
        drain: Option<Seconds>,
        scope: Option<String>,
        principals: Option<Py<PyAny>>,
        rotate_after: Option<PyRef<'_, Rotation>>,
        audit: Option<Auditing<'_>>,
        names_in_log: bool,
    ) -> PyResult<Self> {
        end_with_the_program(py)?;
        let failures = Failures::new(py);
        let provider = provider(kms, &failures, None)?;
        let store = py.detach(|| folder_store(&tables)).map_err(Failure::from)?;
        let settings = Settings {
            subscriber,
            default_key,
            require_default_key,
            refresh,
            jitter,
            outage_grace,
            drain,
            scope,
            principals,
            rotate_after,
            audit,
            names_in_log,
        };
        let builder = settings.set(envelope::Service::builder(provider, Arc::new(store)), &failures)?;
        let title = format!("Service({}, {tables:?})", kms.get_type().name()?);
        Ok(Self {
            service: builder.build(),
            waiting: Waiting { failures: Some(failures), ..Waiting::default() },
            title,
        })
    }

    /// A service on embedded defaults: a LocalKms in `folder/kms`, key files in `folder/tables`. It tells the logger nothing.
    ///
    /// Raises Io.
    #[staticmethod]
    fn local(py: Python<'_>, folder: PathBuf) -> PyResult<Self> {
        let service = py.detach(|| envelope::Service::local(&folder)).map_err(Failure::from)?;
        Ok(Self { service, waiting: Waiting::default(), title: format!("Service.local({folder:?})") })
    }

    /// Creates a table's keys: for the base table and for each index. The KMS key is the service's default one unless
    /// `kms_key` (id, ARN or alias) names another; with `other_kms_keys` the table is under those too, and any of them opens it.
    /// However the call ends, the table is there or is not.
    ///
    /// Raises TableExists, InvalidName, Io, NoRandom; InvalidRequest for a KMS key that the KMS does not take; AccessDenied,
    /// KeyDisabled, KeyNotFound, KeyPendingDeletion, KeyUnavailable.
    #[pyo3(signature = (name, *, local_indexes = Vec::new(), global_indexes = Vec::new(), kms_key = None,
        other_kms_keys = Vec::new()))]
    #[pyo3(text_signature = "($self, name, *, local_indexes=(), global_indexes=(), kms_key=None, other_kms_keys=())")]
    fn create_table(
        &self,
        py: Python<'_>,
        name: String,
        local_indexes: Vec<String>,
        global_indexes: Vec<String>,
        kms_key: Option<String>,
        other_kms_keys: Vec<String>,
    ) -> PyResult<TableDescription> {
        let waiting = self.waiting.of(&name);
        let spec = local_indexes.into_iter().fold(TableSpec::new(name), TableSpec::local);
        let spec = global_indexes.into_iter().fold(spec, TableSpec::global);
        let spec = kms_key.into_iter().fold(spec, TableSpec::kms_key);
        let spec = other_kms_keys.into_iter().fold(spec, TableSpec::also_under);
        Ok(waiting.run(py, || self.service.create_table(&spec))?.into())
    }

    /// A new client connection, of somebody if `principal` is given: a name that the caller has authenticated. It costs nothing
    /// before it opens a table.
    #[pyo3(signature = (principal = None))]
    fn connect(&self, principal: Option<&str>) -> Connection {
        let connection = principal.map_or_else(|| self.service.connect(), |name| self.service.connect_as(name));
        Connection::new(connection, self.waiting.by(principal))
    }

    /// Opens a table over a connection of its own. Raises as Connection.open_table.
    fn open_table(&self, py: Python<'_>, name: &str) -> PyResult<Table> {
        let waiting = self.waiting.of(name);
        let table = waiting.run(py, || self.service.open_table(name))?;
        Ok(Table::new(table, name.to_owned(), waiting))
    }

    /// The ARN of the service default key, which is created if it is missing.
    ///
    /// Raises AccessDenied, Io, KeyUnavailable; InvalidRequest where it is to be made and its name is no alias to the KMS;
    /// KeyNotFound with require_default_key.
    fn default_key(&self, py: Python<'_>) -> PyResult<String> {
        self.waiting.run(py, || self.service.default_key())
    }

    /// What a table's key file says, without asking the KMS; so nothing proves yet that nobody changed it.
    ///
    /// Raises NoSuchTable, InvalidName, KeyFileCorrupt, UnknownVersion, Io.
    fn describe_table(&self, py: Python<'_>, name: &str) -> PyResult<TableDescription> {
        Ok(self.waiting.run(py, || self.service.describe_table(name))?.into())
    }

    /// The names of all tables, sorted.
    ///
    /// Raises Io.
    fn tables(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.waiting.run(py, || self.service.tables())
    }

    /// What the service has done up to now, in this process. It asks neither the KMS nor the store.
    fn metrics(&self, py: Python<'_>) -> Metrics {
        py.detach(|| self.service.metrics()).into()
    }

    /// Locks all tables of all connections: their keys are wiped now, and operations raise Locked until `unlock`.
    fn lock(&self, py: Python<'_>) {
        py.detach(|| self.service.lock());
    }

    /// Takes back `lock`; what was locked by itself stays locked. The next operation on each table asks the KMS.
    fn unlock(&self, py: Python<'_>) {
        py.detach(|| self.service.unlock());
    }

    /// Adds an index ("local:NAME", "global:NAME") to a table, with a data key of its own. A table that is open finds it when it
    /// is opened again.
    ///
    /// Raises StructureExists, InvalidName, NoSuchStructure for another kind of name; and as `rotate`.
    fn add_structure(&self, py: Python<'_>, table: &str, structure: &str) -> PyResult<()> {
        let structure = named(structure)?;
        self.waiting.of(table).run(py, || self.service.add_structure(table, &structure))
    }

    /// Drops an index and destroys its data keys: its records open nowhere any more.
    ///
    /// Raises NoSuchStructure, Indispensable for the base table; and as `rotate`.
    fn drop_structure(&self, py: Python<'_>, table: &str, structure: &str) -> PyResult<()> {
        let structure = named(structure)?;
        self.waiting.of(table).run(py, || self.service.drop_structure(table, &structure))
    }

    /// Deletes a table's keys, all of them: its records open nowhere any more. It asks no KMS.
    ///
    /// Raises NoSuchTable, InvalidName, Io.
    fn delete_table(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        self.waiting.of(name).run(py, || self.service.delete_table(name))
    }

    /// A new generation of the data key of every structure, or of one. All former ones still open. It seals from the next refresh
    /// of each process on, once every process has it. Gives the new generations.
    ///
    /// Raises KeyFileBusy, NoRandom, NoSuchStructure; and as Connection.open_table.
    #[pyo3(signature = (table, structure = None))]
    fn rotate(&self, py: Python<'_>, table: &str, structure: Option<&str>) -> PyResult<Vec<Generation>> {
        let structure = structure.map(named).transpose()?;
        let made = self.waiting.of(table).run(py, || match &structure {
            Some(structure) => self.service.rotate_structure(table, structure),
            None => self.service.rotate(table),
        })?;
        Ok(made.into_iter().map(Generation::from).collect())
    }

    /// The generations of all structures' data keys, as the key file says. Raises as `describe_table`.
    fn generations(&self, py: Python<'_>, table: &str) -> PyResult<Vec<Generation>> {
        let found = self.waiting.of(table).run(py, || self.service.generations(table))?;
        Ok(found.into_iter().map(Generation::from).collect())
    }

    /// Destroys a former generation: what was sealed with it and not sealed anew opens nowhere any more. records_of_generation
    /// counts what that is.
    ///
    /// Raises GenerationInUse, UnknownKey; and as `rotate`.
    fn retire_generation(&self, py: Python<'_>, table: &str, number: u32) -> PyResult<()> {
        self.waiting.of(table).run(py, || self.service.retire_generation(table, number))
    }

    /// Has the KMS wrap a table's root key anew, under the key `to`, which may be the one that it is under; from the key `from_`
    /// if the table is under several. The root key comes to nobody and no data is touched. A dry run asks the KMS for the two keys
    /// and changes nothing.
    ///
    /// Raises NoSuchKmsKey, AlreadyUnderKmsKey, KeyFileBusy, InvalidRequest for a KMS key that the KMS does not take; and as
    /// Connection.open_table. The table is as before then.
    #[pyo3(signature = (table, to, *, from_ = None, dry_run = false))]
    fn rewrap(
        &self,
        py: Python<'_>,
        table: &str,
        to: &str,
        from_: Option<String>,
        dry_run: bool,
    ) -> PyResult<Rewrapping> {
        let rewrap = rewrap_of(to, from_);
        let waiting = self.waiting.of(table);
        let moved = waiting.run(py, || match dry_run {
            true => self.service.plan_rewrap(table, &rewrap),
            false => self.service.rewrap(table, &rewrap),
        })?;
        Ok(Rewrapping::new(py, moved, &waiting))
    }

    /// Rewraps every table whose root key is under `from_`, or every table. Gives a dict: each table has what was done to it, or
    /// the exception, which is not raised.
    ///
    /// Raises Io; KeyNotFound and others if `from_` cannot be found.
    #[pyo3(signature = (to, *, from_ = None, dry_run = false))]
    fn rewrap_all<'py>(
        &self,
        py: Python<'py>,
        to: &str,
        from_: Option<String>,
        dry_run: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        let rewrap = rewrap_of(to, from_);
        let moved = self.waiting.run(py, || match dry_run {
            true => self.service.plan_rewrap_all(&rewrap),
            false => self.service.rewrap_all(&rewrap),
        })?;
        let answers = PyDict::new(py);
        for (table, moved) in moved {
            let waiting = self.waiting.of(&table);
            match moved {
                Ok(moved) => answers.set_item(table, Rewrapping::new(py, moved, &waiting))?,
                Err(error) => answers.set_item(table, waiting.error(py, error))?,
            }
        }
        Ok(answers)
    }

    /// Moves a table to these KMS keys (ids, ARNs or aliases; the first is asked first) under a new root key. The data keys stay and
    /// are wrapped anew; no data is touched; who has the table open goes on.
    ///
    /// Raises KeyFileBusy, NoRandom, Indispensable for no key, InvalidRequest for one that the KMS does not take; and as
    /// Connection.open_table. The table is as before then.
    #[pyo3(signature = (table, *kms_keys))]
    fn switch_key(&self, py: Python<'_>, table: &str, kms_keys: Vec<String>) -> PyResult<TableDescription> {
        let kms_keys: Vec<_> = kms_keys.iter().map(String::as_str).collect();
        Ok(self.waiting.of(table).run(py, || self.service.switch_key(table, &kms_keys))?.into())
    }

    /// Puts a table under one more KMS key, such as one of another region: any of them opens it. Raises KeyFileBusy, NoRandom,
    /// InvalidRequest for one that the KMS does not take; and as Connection.open_table.
    fn add_kms_key(&self, py: Python<'_>, table: &str, kms_key: &str) -> PyResult<TableDescription> {
        Ok(self.waiting.of(table).run(py, || self.service.add_kms_key(table, kms_key))?.into())
    }

    /// Takes a KMS key (its ARN) from a table that has others, one of which opens it first. Raises NoSuchKmsKey, Indispensable for
    /// the last one, KeyFileBusy; and as Connection.open_table.
    fn remove_kms_key(&self, py: Python<'_>, table: &str, kms_key: &str) -> PyResult<TableDescription> {
        Ok(self.waiting.of(table).run(py, || self.service.remove_kms_key(table, kms_key))?.into())
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_picklable("Service"))
    }

    fn __repr__(&self) -> &str {
        &self.title
    }
}

fn folder_store(folder: &PathBuf) -> Result<FolderStore, Error> {
    let failed = |source: io::Error| Error::Io { path: folder.clone(), source: Arc::new(source) };
    if folder.as_os_str().is_empty() {
        // An unset variable must not scatter keys over the working folder.
        return Err(failed(io::ErrorKind::InvalidInput.into()));
    }
    FolderStore::open(folder).map_err(failed)
}

fn named(structure: &str) -> Result<StructureName, Failure> {
    Ok(structure.parse()?)
}

fn rewrap_of(to: &str, from: Option<String>) -> Rewrap {
    from.into_iter().fold(Rewrap::to(to), Rewrap::from)
}
