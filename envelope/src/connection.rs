//! One client connection: what has a permission of its own, refreshed once every five minutes while it is used.

use std::sync::Arc;

use crate::cache::Permission;
use crate::service::Inner;
use crate::sync::Swap;
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
    /// None once it is closed. Changed by swapping, for a lock could be held at the instant of a fork.
    permissions: Swap<Permissions>,
}

type Permissions = Vec<Arc<Permission>>;

impl Connection {
    pub(crate) fn new(service: Arc<Inner>) -> Self {
        Self { service, permissions: Swap::from_pointee(Permissions::new()) }
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
        let permission = self.permission(table)?;
        let structures = permission
            .with_keys(|keys| Ok(keys.structures().map(|(id, name)| (id, name.clone())).collect::<Arc<[_]>>()))?;
        Ok(Table::new(permission, structures))
    }

    /// Closes the connection: its permissions end now, also for the tables and structures that it gave out, and their
    /// keys are wiped unless another connection of this process has them too. What runs at this moment still ends well.
    ///
    /// Dropping a connection does the same when its last table and structure are dropped.
    pub fn close(&self) {
        if let Some(permissions) = self.permissions.swap(None) {
            permissions.iter().for_each(|permission| permission.close());
        }
    }

    /// The connection's permission for a table; there is never a second one.
    fn permission(&self, table: &str) -> Result<Arc<Permission>> {
        let find = |permissions: &Permissions| permissions.iter().find(|known| known.table() == table).map(Arc::clone);
        let mut new = None;
        let before = self.permissions.rcu(|permissions| {
            let permissions = permissions.as_ref()?;
            if find(permissions).is_some() {
                return Some(Arc::clone(permissions));
            }
            let new = new.get_or_insert_with(|| Permission::new(&self.service, table));
            Some(Arc::new([&permissions[..], &[Arc::clone(new)]].concat()))
        });
        let before = before.ok_or(Error::Closed)?;
        find(&before).or(new).ok_or(Error::Closed)
    }
}
