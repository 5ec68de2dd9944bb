//! A value that is made when it is first asked for, and never waited for.
//!
//! The first thread that asks makes the value in its place. Whoever asks meanwhile makes one of its own: nobody waits, so
//! it needs no operating system, and a thread that stops in the middle holds up no other. Once it stands it is only read.

#![allow(unsafe_code, reason = "CONTRIBUTING.md: a place that is written once, behind a shared reference")]

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU8, Ordering};

use zeroize::Zeroize;

use crate::ct::clear_stack;

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

    /// The value, if it stands.
    #[inline]
    pub(super) fn get(&self) -> Option<&T> {
        if self.state.load(Ordering::Acquire) != READY {
            return None;
        }
        // SAFETY: the pointer is that of a cell which lives as long as `self`; nobody writes it after READY.
        let value = unsafe { &*self.value.get() };
        // SAFETY: READY was loaded with acquire, so the write of the value happened before.
        Some(unsafe { value.assume_init_ref() })
    }

    /// The value, which [`Lazy::get`] did not find, for `then`: made in its place by the first thread that comes here, and
    /// for itself alone by another that comes meanwhile.
    ///
    /// Filled in its place, from `blank`: a value that is made elsewhere and moved here stays there.
    #[cold]
    pub(super) fn make<R>(&self, blank: T, fill: impl FnOnce(&mut T), then: impl FnOnce(&T) -> R) -> R {
        if self.state.compare_exchange(EMPTY, CLAIMED, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            let mut made = blank;
            fill(&mut made);
            let answer = then(&made);
            made.zeroize();
            return answer;
        }
        // SAFETY: this thread alone claimed the place, and nobody reads it before READY.
        let value = unsafe { &mut *self.value.get() }.write(blank);
        fill(value);
        self.state.store(READY, Ordering::Release);
        then(value)
    }
}

impl<T: Zeroize> Drop for Lazy<T> {
    fn drop(&mut self) {
        if *self.state.get_mut() == READY {
            // SAFETY: READY says that the value was written.
            unsafe { self.value.get_mut().assume_init_mut() }.zeroize();
            // The kernels that need it, the long ones, take 5.5 KiB of the stack.
            clear_stack::<6144>();
        }
    }
}
