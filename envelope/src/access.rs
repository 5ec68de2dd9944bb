//! One connection's hold on a permission: what every operation of its tables and structures goes through.
//!
//! ```text
//!              with_keys: one atomic read                        no keys: wait for one refresh, shared by all
//! operation -> access -------------------> permission: snapshot <--------------------------------- refresh.rs
//!     |  open, and this process's?              ^ wiped at the deadline, or at a definite no, by the timer
//!     +-- first one since a refresh is due ---> timer
//! ```
//!
//! Under a shared scope many holds are on one permission: closing one ends it for its connection only, and the last that
//! is closed or dropped wipes the keys.

use core::fmt;
use std::sync::Arc;

use tablecrypt_os::fork_generation;

use crate::cache::Permission;
use crate::keys::Keys;
use crate::metrics::Event;
use crate::sync::Guard;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::{Error, Result};

pub(crate) struct Access {
    permission: Arc<Permission>,
    /// The process that took it up, which a forked child has to do anew; or [`NEW`]; or [`CLOSED`], for every process.
    generation: AtomicU64,
}

/// What keys are wanted for.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Purpose {
    Open,
    Seal,
}

/// No process has taken it up yet.
const NEW: u64 = 0;
/// It was closed, and stays that.
const CLOSED: u64 = u64::MAX;

impl Access {
    pub(crate) fn new(permission: Arc<Permission>) -> Arc<Self> {
        permission.join();
        Arc::new(Self { permission, generation: AtomicU64::new(NEW) })
    }

    pub(crate) fn permission(&self) -> &Arc<Permission> {
        &self.permission
    }

    /// Calls `f` with the live keys; waits for a refresh first if there are none. With [`Purpose::Seal`] also while the table
    /// drains.
    #[inline]
    pub(crate) fn with_keys<T>(&self, purpose: Purpose, f: impl FnOnce(&Keys) -> Result<T>) -> Result<T> {
        // Acquire: what `take_up` had done to the keys is seen.
        if self.generation.load(Ordering::Acquire) != fork_generation() {
            self.take_up()?;
        }
        // `f` stands here once, so that it is inlined.
        let keys = match self.permission.snapshot().load() {
            Some(keys) => keys,
            None => Guard::from(self.ask(purpose)?),
        };
        self.permission.note_traffic();
        f(&keys)
    }

    /// The live keys, if there are some: waits for nothing.
    #[inline(always)]
    pub(crate) fn keys_now(&self) -> Option<Guard<'_, Keys>> {
        // As in `with_keys`; whoever is to be taken up first waits.
        if self.generation.load(Ordering::Acquire) != fork_generation() {
            return None;
        }
        let keys = self.permission.snapshot().load()?;
        self.permission.note_traffic();
        Some(keys)
    }

    /// The keys, after waiting for them as `with_keys` does.
    #[cold]
    pub(crate) fn wait(&self, purpose: Purpose) -> Result<Guard<'_, Keys>> {
        if self.generation.load(Ordering::Acquire) != fork_generation() {
            self.take_up()?;
        }
        let keys = match self.permission.snapshot().load() {
            Some(keys) => keys,
            None => Guard::from(self.ask(purpose)?),
        };
        self.permission.note_traffic();
        Ok(keys)
    }

    #[cold]
    fn ask(&self, purpose: Purpose) -> Result<Arc<Keys>> {
        match self.permission.ask(self) {
            Ok(keys) => {
                self.permission.count(Event::Unlocked);
                Ok(keys)
            }
            Err(error) if purpose == Purpose::Seal => self.permission.drain(error),
            Err(error) => Err(error),
        }
    }

    /// At its first operation, and at the first after a fork: has this process watch the permission.
    #[cold]
    fn take_up(&self) -> Result<()> {
        let mut before = self.generation.load(Ordering::Acquire);
        loop {
            if before == CLOSED {
                return Err(Error::Closed);
            }
            self.permission.watch()?;
            // Not over a close that came meanwhile.
            match self.generation.compare_exchange(before, fork_generation(), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(()),
                Err(now) if now == fork_generation() => return Ok(()),
                Err(now) => before = now,
            }
        }
    }

    #[inline]
    pub(crate) fn is_unlocked(&self) -> bool {
        !self.is_closed() && self.permission.snapshot().is_some()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.generation.load(Ordering::Acquire) == CLOSED
    }

    /// Ends it for good.
    pub(crate) fn close(&self) {
        if self.generation.swap(CLOSED, Ordering::AcqRel) != CLOSED {
            self.permission.leave();
        }
    }
}

impl Drop for Access {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Access({})", self.permission.table())
    }
}
