//! Who shares a permission: nobody, the connections of one principal, or all connections of a service.

use core::fmt;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, Weak};

use tablecrypt_os::PerProcess;

use crate::cache::Permission;
use crate::kms::Kms;
use crate::service::Inner;
use crate::sync::{Mutex, MutexGuard};

/// How far a permission goes: who shares one KMS call every five minutes, one deadline, and a refusal.
///
/// A permission is for one table whatever its scope. The expanded keys of a table are in memory once in any case.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Scope {
    /// Each connection has permissions of its own.
    #[default]
    Connection,
    /// The connections of a principal share theirs: those of [`Service::connect_as`](crate::Service::connect_as) with
    /// one name, and those of [`Service::connect`](crate::Service::connect).
    Principal,
    /// All connections of a service and of its clones share theirs. The KMS is asked as the service, whoever connects.
    Process,
}

/// The KMS as somebody may use it, by the name of the principal.
pub(crate) type Principals = dyn Fn(&str) -> Arc<dyn Kms> + Send + Sync;

/// The permissions of a service that more than one connection may share.
pub(crate) struct Scoped {
    scope: Scope,
    principals: Option<Arc<Principals>>,
    /// A forked child begins with none; those that it inherited are put in when they are first used there.
    shared: PerProcess<Mutex<HashMap<Sharers, Weak<Permission>>>>,
}

/// Whose permission, for which table.
pub(crate) type Sharers = (Option<Arc<str>>, String);

impl Scoped {
    pub(crate) fn new(scope: Scope, principals: Option<Arc<Principals>>) -> Self {
        Self { scope, principals, shared: PerProcess::new() }
    }

    /// The permission for a table of somebody who connects: the one that the scope shares, or a new one.
    pub(crate) fn permission(
        &self,
        service: &Arc<Inner>,
        principal: Option<&Arc<str>>,
        table: &str,
    ) -> Arc<Permission> {
        let principal = principal.filter(|_| self.scope != Scope::Process);
        let sharers = (self.scope != Scope::Connection).then(|| (principal.cloned(), table.to_owned()));
        if let Some(permission) = sharers.as_ref().and_then(|sharers| self.shared().get(sharers)?.upgrade()) {
            return permission;
        }
        // Not under the lock: a caller's function may do anything.
        let kms: Arc<dyn Kms> = match principal {
            Some(principal) => {
                let own = self.principals.as_ref().map(|kms_of| kms_of(principal));
                Arc::new(service.kms.of_principal(principal, own))
            }
            None => Arc::clone(&service.kms) as _,
        };
        self.share(&Permission::new(service, kms, table, sharers))
    }

    /// The permission that those who share it have: this one, unless there is one already.
    pub(crate) fn share(&self, new: &Arc<Permission>) -> Arc<Permission> {
        let Some(sharers) = new.sharers() else { return Arc::clone(new) };
        let mut shared = self.shared();
        #[cfg(shuttle)]
        let is_planted = crate::sync::Planted::SharedTwice.is_planted();
        #[cfg(not(shuttle))]
        let is_planted = false;
        match shared.get(sharers).and_then(Weak::upgrade) {
            Some(permission) if !is_planted => permission,
            _ => {
                shared.insert(sharers.clone(), Arc::downgrade(new));
                Arc::clone(new)
            }
        }
    }

    /// A shared permission is dropped; another may have come in its place.
    pub(crate) fn forget(&self, sharers: &Sharers) {
        let mut shared = self.shared();
        if shared.get(sharers).is_some_and(|permission| permission.strong_count() == 0) {
            shared.remove(sharers);
        }
    }

    fn shared(&self) -> MutexGuard<'_, HashMap<Sharers, Weak<Permission>>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Scoped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scoped({:?})", self.scope)
    }
}
