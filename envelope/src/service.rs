//! The front door: a KMS, a store of key files and a clock, from which tables are created and connections made.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, Weak};
use std::time::SystemTime;

use tablecrypt_os::PerProcess;
use uuid::Uuid;

use crate::audit::Recorder;
use crate::automatic::Rotating;
use crate::builder::ServiceBuilder;
use crate::bytes::Base64;
use crate::clock::Clock;
use crate::connection::Connection;
use crate::counters::Counters;
use crate::date::Date;
use crate::keyfile::{DataKeyEntry, KeyFile, Parsed, StructureEntry, Wrapping};
use crate::keys::{Keys, RootKey};
use crate::kms::{Kms, KmsError, LocalKms};
use crate::log::{Log, TableName, operation};
use crate::metrics::{Event, Tally};
use crate::refresh::Refresher;
use crate::scope::Scoped;
use crate::store::{FolderStore, KeyStore};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard};
use crate::table::{KeyStatus, SseType, StructureName, Table, TableDescription, TableSpec, check_name};
use crate::timing::Timing;
use crate::watched::Watched;
use crate::{Error, Result};

/// The alias of the service default key: the KMS key of every table that names none.
pub const DEFAULT_KEY_ALIAS: &str = "alias/tablecrypt/default";

const DEFAULT_KEY_DESCRIPTION: &str = "Default key that protects Tablecrypt's tables when no other key is named";

/// Tables under a KMS. Clone it freely and use it from any thread.
#[derive(Clone, Debug)]
pub struct Service {
    pub(crate) inner: Arc<Inner>,
}

impl Service {
    /// A service on embedded defaults: a [`LocalKms`] in `folder/kms`, key files in `folder/tables`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn local(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        if folder.as_os_str().is_empty() {
            // An unset variable must not scatter keys over the working folder.
            return Err(Error::io(folder, io::ErrorKind::InvalidInput.into()));
        }
        let (kms, tables) = (folder.join("kms"), folder.join("tables"));
        let kms = LocalKms::open(&kms).map_err(|error| match error {
            KmsError::Io(source) => Error::Io { path: kms, source },
            _ => Error::AccessDenied,
        })?;
        let store = FolderStore::open(&tables).map_err(|error| Error::io(tables, error))?;
        Ok(Self::builder(Arc::new(kms), Arc::new(store)).build())
    }

    /// A service over any KMS and any store.
    #[must_use]
    pub fn builder(kms: Arc<dyn Kms>, store: Arc<dyn KeyStore>) -> ServiceBuilder {
        ServiceBuilder::new(kms, store)
    }

    /// The ARN of the service default key, which is created if it is missing. [`Service::create_table`] does this by
    /// itself when it has to.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] where it is to be created and [`ServiceBuilder::default_key`] is no alias to the KMS;
    /// [`Error::AccessDenied`], [`Error::KeyUnavailable`], [`Error::Io`]; [`Error::KeyNotFound`] after
    /// [`ServiceBuilder::require_default_key`].
    pub fn default_key(&self) -> Result<String> {
        operation!("default_key");
        self.inner.default_key()
    }

    /// Creates a table's keys: one KMS call, or two more if the default key is missing. All structures of the spec are
    /// encrypted from then on; there is no table without. However the call ends, the table is there or is not.
    ///
    /// # Errors
    /// [`Error::TableExists`], [`Error::InvalidName`], [`Error::Io`], [`Error::NoRandom`]; [`Error::InvalidRequest`] for a KMS
    /// key that the KMS cannot take; [`Error::AccessDenied`], [`Error::KeyDisabled`], [`Error::KeyNotFound`],
    /// [`Error::KeyPendingDeletion`], [`Error::KeyUnavailable`].
    pub fn create_table(&self, spec: &TableSpec) -> Result<TableDescription> {
        self.inner.changed("create_table", &spec.table, self.inner.create_table(spec))
    }

    /// A new client connection. It costs nothing before it opens a table.
    #[must_use]
    pub fn connect(&self) -> Connection {
        Connection::new(Arc::clone(&self.inner), None)
    }

    /// A new client connection of somebody: of a user or a role, by a name that the caller has authenticated. By
    /// [`Scope`](crate::Scope) it shares the permissions of that principal; with
    /// [`principals`](ServiceBuilder::principals) the KMS is asked as that principal.
    #[must_use]
    pub fn connect_as(&self, principal: &str) -> Connection {
        Connection::new(Arc::clone(&self.inner), Some(principal.into()))
    }

    /// Locks all tables of all connections of this service and its clones: no key of theirs is left in this process when
    /// this returns but those of operations that run at this moment, and every other operation fails with
    /// [`Error::Locked`] until [`Service::unlock`]. Tables can be created and described.
    pub fn lock(&self) {
        self.inner.locked.store(true, Ordering::SeqCst);
        self.inner.refresher.permissions().iter().for_each(|permission| permission.wipe());
    }

    /// Takes back [`Service::lock`]; what was locked by itself stays locked. The next operation on each table asks the KMS.
    pub fn unlock(&self) {
        self.inner.locked.store(false, Ordering::SeqCst);
    }

    /// Opens a table over a connection of its own.
    ///
    /// # Errors
    /// As [`Connection::open_table`].
    pub fn open_table(&self, table: &str) -> Result<Table> {
        self.connect().open_table(table)
    }

    /// What a table's key file says, without asking the KMS; so nothing proves yet that nobody changed it. And what this
    /// service knows of its KMS key: what the last answer to any connection was, and since when the first of them is on an
    /// outage grace. [`Table::describe`] says it of one connection.
    ///
    /// # Errors
    /// [`Error::NoSuchTable`], [`Error::InvalidName`], [`Error::KeyFileCorrupt`], [`Error::UnknownVersion`],
    /// [`Error::Io`].
    #[inline(never)]
    pub fn describe_table(&self, table: &str) -> Result<TableDescription> {
        check_name(table)?;
        let description = self.inner.describe_table(table)?;
        let watched = self.inner.refresher.permissions();
        let of_table = watched.iter().filter(|permission| permission.table() == table);
        Ok(TableDescription {
            inaccessible_since: self.inner.inaccessible().get(table).copied(),
            grace_since: of_table.filter_map(|permission| permission.grace_since()).min(),
            locked: self.inner.locked.load(Ordering::Relaxed),
            ..description
        })
    }

    /// The names of all tables, sorted.
    ///
    /// # Errors
    /// [`Error::Io`].
    #[inline(never)]
    pub fn tables(&self) -> Result<Vec<String>> {
        self.inner.store.tables().map_err(|error| Error::io(self.inner.store.path(""), error))
    }
}

/// What a service and everything that came from it share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) kms: Arc<Watched>,
    pub(crate) store: Arc<dyn KeyStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) subscriber: String,
    pub(crate) default_key: String,
    pub(crate) require_default_key: bool,
    pub(crate) timing: Timing,
    pub(crate) refresher: Refresher,
    pub(crate) scoped: Scoped,
    /// Whether all of it was locked by hand.
    pub(crate) locked: AtomicBool,
    /// Live keys by table, so that the permissions of one table share them. They are the permissions' to keep alive.
    pub(crate) live: PerProcess<Mutex<HashMap<String, Weak<Keys>>>>,
    /// Tables whose KMS key was found inaccessible, and not accessible since then.
    pub(crate) inaccessible: PerProcess<Mutex<HashMap<String, SystemTime>>>,
    pub(crate) audit: Option<Arc<dyn Recorder>>,
    pub(crate) automatic: Option<Arc<dyn Rotating>>,
    pub(crate) counters: Counters,
    pub(crate) tally: Arc<PerProcess<Tally>>,
    #[cfg(feature = "metrics")]
    pub(crate) published: PerProcess<crate::facade::Published>,
}

impl Inner {
    fn default_key(&self) -> Result<String> {
        let alias = &self.default_key;
        let key = if self.require_default_key {
            self.kms.describe_key(alias)
        } else {
            self.kms.ensure_key(alias, DEFAULT_KEY_DESCRIPTION)
        };
        Ok(key.map_err(|error| self.kms_failure(error))?.arn)
    }

    #[inline(never)]
    fn create_table(&self, spec: &TableSpec) -> Result<TableDescription> {
        spec.check()?;
        operation!("create_table");
        let table = &spec.table;
        // Asked first to spare the KMS; the store decides.
        if self.read(table)?.is_some() {
            return Err(Error::TableExists { table: table.clone() });
        }
        let created = Date(self.clock.date());
        let mut file = KeyFile::new(table, Uuid::new_v4().into_bytes(), &self.subscriber, created);
        let (root, wrappings) = self.generate_root_key(spec, &file.table_id)?;
        for name in &spec.structures {
            self.push_structure(&mut file, &root, name)?;
        }
        let bytes = file.to_bytes(&wrappings, |bytes| root.mac(bytes))?;
        self.store.create(table, &bytes).map_err(|error| self.unwritten(table, error))?;
        Ok(describe(file, wrappings))
    }

    /// A new structure with its first data key, which seals at once.
    pub(crate) fn push_structure(&self, file: &mut KeyFile, root: &RootKey, name: &StructureName) -> Result<()> {
        let number = file.take_number().map_err(|error| self.unwritten(&file.table, error))?;
        let wrapped = Base64(root.new_data_key(&file.table_id, name, number)?);
        let key = DataKeyEntry { number, created: Date(self.clock.date()), seals_from: None, wrapped };
        file.structures.push(StructureEntry { id: number, name: name.clone(), data_keys: vec![key] });
        Ok(())
    }

    /// A root key under the spec's KMS keys, or under the default one, which is created if it is missing.
    fn generate_root_key(&self, spec: &TableSpec, table_id: &[u8; 16]) -> Result<(RootKey, Vec<Wrapping>)> {
        let others = spec.other_kms_keys.iter().map(String::as_str);
        let generate = |first: &str| {
            let keys: Vec<&str> = [first].into_iter().chain(others.clone()).collect();
            self.new_root(&spec.table, table_id, &keys)
        };
        let generated = match &spec.kms_key {
            Some(key) => generate(key),
            None => match generate(&self.default_key) {
                Err(KmsError::NotFound) => generate(&self.default_key()?),
                other => other,
            },
        };
        generated.map_err(|error| self.kms_failure(error))
    }

    /// A table's live keys by one KMS call, or why not. None instead of an error if it may pass by itself.
    pub(crate) fn unwrap_table(self: &Arc<Self>, kms: &dyn Kms, table: &TableName) -> Result<Arc<Keys>, Option<Error>> {
        let bytes = self.read_existing(table)?;
        self.unwrap_file(kms, table, &bytes).or_else(|error| {
            // A table that has moved to another KMS key meanwhile asks that one.
            let now = self.read_existing(table)?;
            if now == bytes { Err(error) } else { self.unwrap_file(kms, table, &now) }
        })
    }

    fn unwrap_file(
        self: &Arc<Self>,
        kms: &dyn Kms,
        table: &TableName,
        bytes: &[u8],
    ) -> Result<Arc<Keys>, Option<Error>> {
        let parsed = self.parse(table, bytes)?;
        self.log().note(table, &parsed.file.table_id);
        let root = self.open_root(kms, table, &parsed)?;
        let keys = self.adopt(table, &parsed, &root)?;
        if let Some(automatic) = &self.automatic {
            Arc::clone(automatic).look(self, &parsed.file);
        }
        Ok(keys)
    }

    /// The live keys of an authentic file: those that live already, if they are the same.
    pub(crate) fn adopt(&self, table: &str, parsed: &Parsed<'_>, root: &RootKey) -> Result<Arc<Keys>> {
        let date = self.clock.date();
        // An equal MAC under the key that the KMS has just given: what lives is what the file says.
        if let Some(keys) = self.live().get(table).and_then(Weak::upgrade)
            && keys.mac == parsed.mac
            && keys.until.is_none_or(|until| date < until)
        {
            return Ok(keys);
        }
        let count = |number| self.automatic.as_ref().map(|automatic| automatic.count(&parsed.file.table_id, number));
        let keys = Keys::unwrap(root, &parsed.file, parsed.mac, date, |number| count(number).unwrap_or_default());
        let keys = Arc::new(keys.map_err(|_| self.corrupt(table))?);
        let mut live = self.live();
        live.retain(|_, keys| keys.strong_count() > 0);
        live.insert(table.to_owned(), Arc::downgrade(&keys));
        Ok(keys)
    }

    pub(crate) fn describe_table(&self, table: &str) -> Result<TableDescription> {
        let bytes = self.read_existing(table)?;
        let Parsed { file, wrappings, .. } = self.parse(table, &bytes)?;
        Ok(describe(file, wrappings))
    }

    /// Has the audit take how a change of a table ended. The KMS calls that it took stand there before it; so a change that
    /// is made is not taken back for want of this line, which is counted as lost.
    pub(crate) fn changed<T>(&self, operation: &'static str, table: &str, done: Result<T>) -> Result<T> {
        if let Some(audit) = &self.audit {
            self.record(&**audit, operation, table, done.as_ref().err());
        }
        done
    }

    /// Not for each type of answer anew.
    #[cold]
    #[inline(never)]
    fn record(&self, audit: &dyn Recorder, operation: &'static str, table: &str, error: Option<&Error>) {
        let of = (table, self.subscriber.as_str());
        if let Err(failure) = audit.change(operation, of, self.clock.date(), error) {
            self.log().lost(operation, &failure);
            self.tally.count(Event::AuditLost);
        }
    }

    /// Has the audit take that a change begins which asks no KMS: what cannot be recorded is not done.
    pub(crate) fn begins<T>(
        &self,
        operation: &'static str,
        table: &str,
        change: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        if let Some(audit) = &self.audit {
            let of = (table, self.subscriber.as_str());
            if let Err(error) = audit.begin(operation, of, self.clock.date()) {
                self.tally.count(Event::AuditLost);
                if audit.is_required() {
                    return Err(Error::io("the audit log", error));
                }
            }
        }
        change()
    }

    /// Whom it tells what happens: the KMS's answers as well, so it is there.
    pub(crate) fn log(&self) -> &Log {
        &self.kms.log
    }

    /// Data keys that are live, in all their generations.
    pub(crate) fn generations(&self) -> u64 {
        self.live().values().filter_map(Weak::upgrade).map(|keys| keys.generations() as u64).sum()
    }

    /// A connection was refused a table's key, or its deadline passed without an answer.
    pub(crate) fn found_inaccessible(&self, table: &str, since: SystemTime) {
        self.inaccessible().entry(table.to_owned()).or_insert(since);
    }

    /// A connection was given the key.
    pub(crate) fn found_accessible(&self, table: &str) {
        self.inaccessible().remove(table);
    }

    fn inaccessible(&self) -> MutexGuard<'_, HashMap<String, SystemTime>> {
        self.inaccessible.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn read(&self, table: &str) -> Result<Option<Vec<u8>>> {
        self.store.read(table).map_err(|error| Error::io(self.store.path(table), error))
    }

    fn live(&self) -> MutexGuard<'_, HashMap<String, Weak<Keys>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error of a KMS call that no permission stands behind, and that was given no wrapped key.
    pub(crate) fn kms_failure(&self, error: KmsError) -> Error {
        match error {
            // What it does not take is the request: of key files it has seen none.
            KmsError::Invalid | KmsError::WrongContext => Error::InvalidRequest,
            error => self.unavailable(Error::from_kms(error, Default::default)),
        }
    }
}

fn describe(file: KeyFile, wrappings: Vec<Wrapping>) -> TableDescription {
    let mut kms_keys = wrappings.into_iter().map(|wrapping| wrapping.kms_key);
    TableDescription {
        table: file.table,
        table_id: hex::encode(file.table_id),
        created: file.created.0,
        status: if file.switching_to.is_some() { KeyStatus::Updating } else { KeyStatus::Enabled },
        sse_type: SseType::Kms,
        kms_key: kms_keys.next().unwrap_or_default(),
        other_kms_keys: kms_keys.collect(),
        switching_to: file.switching_to,
        inaccessible_since: None,
        grace_since: None,
        locked: false,
        structures: file.structures.into_iter().map(|structure| structure.name).collect(),
    }
}
