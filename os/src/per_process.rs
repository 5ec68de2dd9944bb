//! A value that each process has for itself: a forked child starts with a new one.
//!
//! A mutex that another thread held at the instant of a fork stays locked in the child for ever, and what it guards may be
//! half-changed. So a child does not look at it: the parent's value is left where it is, not even dropped, and the first
//! call in the child makes another. Handlers of pthread_atfork that take every lock would do as well, but they would have
//! to know every lock there is and their order, and not every road to a new process runs them.

use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::fork_generation;

/// A `T` of this process, made by `T::default()` when it is first asked for, and anew in a forked child.
pub struct PerProcess<T> {
    made: AtomicPtr<Made<T>>,
    owner: PhantomData<*mut T>,
}

struct Made<T> {
    generation: u64,
    value: T,
}

// SAFETY: what it holds is a boxed `T`, which another thread may drop.
unsafe impl<T: Send> Send for PerProcess<T> {}
// SAFETY: a shared reference gives shared references to the `T`, and may make it on one thread for another to drop.
unsafe impl<T: Send + Sync> Sync for PerProcess<T> {}

impl<T> PerProcess<T> {
    /// Nothing is made yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { made: AtomicPtr::new(ptr::null_mut()), owner: PhantomData }
    }

    /// The value if this process has made it.
    fn own(&self) -> Result<&T, *mut Made<T>> {
        let made = self.made.load(Ordering::Acquire);
        // SAFETY: `made` is null or came from `Box::into_raw` and was stored with release; it is not freed before `drop`.
        match unsafe { made.as_ref() } {
            Some(own) if own.generation == fork_generation() => Ok(&own.value),
            _ => Err(made),
        }
    }
}

impl<T: Default> Deref for PerProcess<T> {
    type Target = T;

    fn deref(&self) -> &T {
        let before = match self.own() {
            Ok(own) => return own,
            Err(before) => before,
        };
        let made = Box::into_raw(Box::new(Made { generation: fork_generation(), value: T::default() }));
        let winner = match self.made.compare_exchange(before, made, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => made,
            Err(others) => {
                // SAFETY: `made` came from `Box::into_raw` above, and nobody else has seen it.
                drop(unsafe { Box::from_raw(made) });
                others
            }
        };
        // SAFETY: as in `own`; only threads of this process store there, so the winner is this process's.
        unsafe { &(*winner).value }
    }
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        if self.own().is_ok() {
            // SAFETY: it came from `Box::into_raw`, this process made it, and nobody else can see it any more.
            drop(unsafe { Box::from_raw(*self.made.get_mut()) });
        }
    }
}

impl<T> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for PerProcess<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PerProcess").field(&self.own().ok()).finish()
    }
}
