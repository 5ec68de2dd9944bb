//! A value that is made when it is first asked for, and never waited for.
//!
//! The first thread that asks makes the value in its place. Whoever asks meanwhile makes one of its own: nobody waits, so
//! it needs no operating system, and a thread that stops in the middle holds up no other. Once it stands it is only read.

#![allow(unsafe_code, reason = "CONTRIBUTING.md: a place that is written once, behind a shared reference")]

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU8, Ordering};

use zeroize::Zeroize;

const EMPTY: u8 = 0;
const CLAIMED: u8 = 1;
const READY: u8 = 2;

/// A place for a `T`; wiped when it is dropped.
pub(super) struct Lazy<T: Zeroize> {
    state: AtomicU8,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: the value is written by the one thread that moved `state` from EMPTY to CLAIMED, before READY was stored with
// release; it is read only after READY was loaded with acquire. So references to it are shared, never exclusive, and T
// has to be Sync for that and Send because another thread may drop it.
unsafe impl<T: Zeroize + Send + Sync> Sync for Lazy<T> {}

impl<T: Zeroize> Lazy<T> {
    pub(super) const fn new() -> Self {
        Self { state: AtomicU8::new(EMPTY), value: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    /// The value; made by `make` if it does not stand yet, in `spare` if another thread is making it now.
    #[inline]
    pub(super) fn get<'a>(&'a self, spare: &'a mut Option<T>, make: impl FnOnce() -> T) -> &'a T {
        if self.state.load(Ordering::Acquire) == READY {
            // SAFETY: READY was loaded with acquire, so the write happened before, and there is no other.
            return unsafe { (*self.value.get()).assume_init_ref() };
        }
        self.fill(spare, make)
    }

    #[cold]
    fn fill<'a>(&'a self, spare: &'a mut Option<T>, make: impl FnOnce() -> T) -> &'a T {
        if self.state.compare_exchange(EMPTY, CLAIMED, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return spare.insert(make());
        }
        // SAFETY: this thread alone claimed the place, and nobody reads it before READY.
        let value = unsafe { (*self.value.get()).write(make()) };
        self.state.store(READY, Ordering::Release);
        value
    }
}

impl<T: Zeroize> Drop for Lazy<T> {
    fn drop(&mut self) {
        if *self.state.get_mut() != EMPTY {
            // Never CLAIMED for good: `make` does not unwind, and if it did, what stands there is bytes all the same.
            if *self.state.get_mut() == READY {
                // SAFETY: READY says that the value was written.
                unsafe { self.value.get_mut().assume_init_mut() }.zeroize();
            }
        }
    }
}
