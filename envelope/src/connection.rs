//! One client connection: what has a permission of its own, refreshed once every five minutes while it is used.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use crate::cache::Permission;
use crate::service::Inner;
use crate::table::{Table, check_name};
use crate::{Error, Result};

/// A client connection. It makes no KMS call before it opens a table.
///
/// Each table that it opens has a permission: the KMS unwrapped the table's root key for this connection. While there is
/// traffic a real KMS call renews it every five minutes in the background; it ends at its deadline, thirty seconds
/// later, when its keys are wiped, unless another connection of this process still has its own.
#[derive(Debug)]
pub struct Connection {
    service: Arc<Inner>,
    permissions: Mutex<Option<HashMap<String, Arc<Permission>>>>,
}

impl Connection {
    pub(crate) fn new(service: Arc<Inner>) -> Self {
        Self { service, permissions: Mutex::new(Some(HashMap::new())) }
    }

    /// Opens a table. The first time that costs one KMS call; callers that come at once share it.
    ///
    /// # Errors
    /// [`Error::NoSuchTable`], [`Error::InvalidName`], [`Error::KeyFileCorrupt`], [`Error::UnknownVersion`],
    /// [`Error::WrongContext`], [`Error::Io`] for its key file; [`Error::AccessDenied`], [`Error::KeyDisabled`],
    /// [`Error::KeyNotFound`], [`Error::KeyPendingDeletion`], [`Error::KeyUnavailable`] for its KMS key;
    /// [`Error::Closed`].
    pub fn open_table(&self, table: &str) -> Result<Table> {
        check_name(table)?;
        let permission = {
            let mut permissions = self.permissions.lock().unwrap_or_else(PoisonError::into_inner);
            match permissions.as_mut().ok_or(Error::Closed)?.entry(table.to_owned()) {
                Entry::Occupied(known) => Arc::clone(known.get()),
                Entry::Vacant(new) => Arc::clone(new.insert(Permission::new(&self.service, table))),
            }
        };
        let structures = permission
            .with_keys(|keys| Ok(keys.structures().map(|(id, name)| (id, name.clone())).collect::<Arc<[_]>>()))?;
        Ok(Table::new(permission, structures))
    }

    /// Closes the connection: its permissions end now, also for the tables and structures that it gave out, and their
    /// keys are wiped unless another connection of this process has them too. What runs at this moment still ends well.
    ///
    /// Dropping a connection does the same when its last table and structure are dropped.
    pub fn close(&self) {
        let permissions = self.permissions.lock().unwrap_or_else(PoisonError::into_inner).take();
        for permission in permissions.into_iter().flat_map(HashMap::into_values) {
            permission.close();
        }
    }
}
