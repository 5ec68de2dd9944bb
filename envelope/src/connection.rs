//! One client connection: what has a permission of its own, refreshed once every five minutes while it is used.

use std::sync::Arc;

use tablecrypt_os::SetOnce;

use crate::cache::Permission;
use crate::log::span;
use crate::metrics::Event;
use crate::service::Inner;
use crate::sync::atomic::{AtomicBool, Ordering};
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
    closed: AtomicBool,
    /// Its permissions: a list that only grows, without a lock, which could be held at the instant of a fork.
    first: SetOnce<Node>,
}

#[derive(Debug)]
struct Node {
    permission: Arc<Permission>,
    next: SetOnce<Self>,
}

impl Connection {
    pub(crate) fn new(service: Arc<Inner>) -> Self {
        Self { service, closed: AtomicBool::new(false), first: SetOnce::new() }
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
        span!("open_table", table = %self.service.names.of(table));
        let structures = permission
            .with_keys(|keys| Ok(keys.structures().map(|(id, name)| (id, name.clone())).collect::<Arc<[_]>>()))?;
        self.service.tally.count(Event::OpenedTable);
        Ok(Table::new(permission, structures))
    }

    /// Closes the connection: its permissions end now, also for the tables and structures that it gave out, and their
    /// keys are wiped unless another connection of this process has them too. What runs at this moment still ends well.
    ///
    /// Dropping a connection does the same when its last table and structure are dropped.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        let mut place = &self.first;
        while let Some(node) = place.get() {
            node.permission.close();
            place = &node.next;
        }
    }

    /// The connection's permission for a table; there is never a second one.
    fn permission(&self, table: &str) -> Result<Arc<Permission>> {
        let mut place = &self.first;
        let permission = loop {
            let new = || place.set(Node { permission: Permission::new(&self.service, table), next: SetOnce::new() });
            // Who was first may have set it for another table.
            let node = place.get().unwrap_or_else(new);
            if node.permission.table() == table {
                break Arc::clone(&node.permission);
            }
            place = &node.next;
        };
        // After it was set: then either this sees that the connection is closed, or `close` sees the permission.
        if self.closed.load(Ordering::SeqCst) {
            permission.close();
            return Err(Error::Closed);
        }
        Ok(permission)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // One by one: as deep as they are many, they would take as much stack.
        let mut next = self.first.take();
        while let Some(mut node) = next {
            next = node.next.take();
        }
    }
}
