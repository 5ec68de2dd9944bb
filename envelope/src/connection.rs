//! One client connection: what has a permission of its own, refreshed once every five minutes while it is used; or, by
//! the service's scope, shares one.

use core::iter;
use std::sync::Arc;

use tablecrypt_os::SetOnce;

use crate::access::{Access, Purpose};
use crate::log::operation;
use crate::metrics::Event;
use crate::service::Inner;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::table::{Table, check_name};
use crate::{Error, Result};

/// A client connection. It makes no KMS call before it opens a table.
///
/// Each table that it opens has a permission: the KMS unwrapped the table's root key for this connection. While there is
/// traffic a real KMS call renews it every five minutes in the background; it ends at its deadline, thirty seconds
/// later, when its keys are wiped, unless another connection of this process still has its own. With another
/// [`Scope`](crate::Scope) than the default one, several connections have one permission for a table between them.
#[derive(Debug)]
pub struct Connection {
    service: Arc<Inner>,
    principal: Option<Arc<str>>,
    closed: AtomicBool,
    locked: AtomicBool,
    /// What it opened: a list that only grows, without a lock, which could be held at the instant of a fork.
    first: SetOnce<Node>,
}

#[derive(Debug)]
struct Node {
    access: Arc<Access>,
    next: SetOnce<Self>,
}

impl Connection {
    pub(crate) fn new(service: Arc<Inner>, principal: Option<Arc<str>>) -> Self {
        let (closed, locked) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { service, principal, closed, locked, first: SetOnce::new() }
    }

    /// Who connected, by [`Service::connect_as`](crate::Service::connect_as); None for the service itself.
    #[must_use]
    pub fn principal(&self) -> Option<&str> {
        self.principal.as_deref()
    }

    /// Opens a table. The first time that costs one KMS call; callers that come at once share it.
    ///
    /// # Errors
    /// [`Error::NoSuchTable`], [`Error::InvalidName`], [`Error::KeyFileCorrupt`], [`Error::UnknownVersion`],
    /// [`Error::WrongContext`], [`Error::Io`] for its key file; [`Error::AccessDenied`], [`Error::KeyDisabled`],
    /// [`Error::KeyNotFound`], [`Error::KeyPendingDeletion`], [`Error::KeyUnavailable`] for its KMS key;
    /// [`Error::Closed`], [`Error::Locked`].
    #[inline(never)]
    pub fn open_table(&self, table: &str) -> Result<Table> {
        check_name(table)?;
        let access = self.access(table)?;
        operation!("open_table", table = %self.service.log().table(access.permission().name()));
        let structures = access.with_keys(Purpose::Open, |keys| {
            Ok(keys.structures().map(|(id, name)| (id, name.clone())).collect::<Arc<[_]>>())
        })?;
        self.service.tally.count(Event::OpenedTable);
        Ok(Table::new(access, structures))
    }

    /// Locks all tables that it opened, as [`Table::lock`] does, and opens no table before [`Connection::unlock`].
    pub fn lock(&self) {
        self.locked.store(true, Ordering::SeqCst);
        self.accesses().for_each(|access| access.permission().lock());
    }

    /// Takes back [`Connection::lock`], and [`Table::lock`] for each of its tables.
    pub fn unlock(&self) {
        self.locked.store(false, Ordering::SeqCst);
        self.accesses().for_each(|access| access.permission().unlock());
    }

    /// Closes the connection: what it opened ends now, also for the tables and structures that it gave out, and the keys
    /// are wiped unless another connection of this process has them too. What runs at this moment still ends well. Other
    /// connections go on, also those that share its permissions.
    ///
    /// Dropping a connection does the same when its last table and structure are dropped.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.accesses().for_each(|access| access.close());
    }

    /// The connection's hold on a table's permission; there is never a second one.
    fn access(&self, table: &str) -> Result<Arc<Access>> {
        let mut place = &self.first;
        let access = loop {
            let new = || {
                let permission = self.service.scoped.permission(&self.service, self.principal.as_ref(), table);
                place.set(Node { access: Access::new(permission), next: SetOnce::new() })
            };
            // Who was first may have set it for another table.
            let node = place.get().unwrap_or_else(new);
            if node.access.permission().table() == table {
                break Arc::clone(&node.access);
            }
            place = &node.next;
        };
        // After it was set: then either this sees that the connection is closed or locked, or `close` and `lock` see it.
        if self.closed.load(Ordering::SeqCst) {
            access.close();
            return Err(Error::Closed);
        }
        if self.locked.load(Ordering::SeqCst) {
            return Err(Error::Locked);
        }
        Ok(access)
    }

    fn accesses(&self) -> impl Iterator<Item = &Arc<Access>> {
        iter::successors(self.first.get(), |node| node.next.get()).map(|node| &node.access)
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
