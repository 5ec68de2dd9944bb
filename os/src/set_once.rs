//! A place that is set once, by whoever comes first, and never waited for.
//!
//! `OnceLock` has a thread wait for another that is about to set it; a child that is forked at that instant would wait for a
//! thread that it has not got. Here everybody makes a value, and one of them is kept.

use core::fmt;
use core::marker::PhantomData;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

/// A place for a `T` on the heap. Reading it is one load.
pub struct SetOnce<T> {
    value: AtomicPtr<T>,
    owner: PhantomData<*mut T>,
}

// SAFETY: what it holds is a boxed `T`.
unsafe impl<T: Send> Send for SetOnce<T> {}
// SAFETY: a shared reference gives shared references to the `T`, and may take in one of another thread's.
unsafe impl<T: Send + Sync> Sync for SetOnce<T> {}

impl<T> SetOnce<T> {
    /// Nothing is set yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { value: AtomicPtr::new(ptr::null_mut()), owner: PhantomData }
    }

    /// The value, if it is set.
    #[inline]
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        // SAFETY: null, or `Box::into_raw` gave it and it was stored with release; it is not freed while `self` is shared.
        unsafe { self.value.load(Ordering::Acquire).as_ref() }
    }

    /// Sets it to this if it is not set; the value that is there then.
    pub fn set(&self, value: T) -> &T {
        let made = Box::into_raw(Box::new(value));
        let winner = match self.value.compare_exchange(ptr::null_mut(), made, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => made,
            Err(others) => {
                // SAFETY: it came from `Box::into_raw` above, and nobody else has seen it.
                drop(unsafe { Box::from_raw(made) });
                others
            }
        };
        // SAFETY: as in `get`; it is not null.
        unsafe { &*winner }
    }

    /// Takes the value out.
    pub fn take(&mut self) -> Option<Box<T>> {
        let value = core::mem::replace(self.value.get_mut(), ptr::null_mut());
        // SAFETY: what is not null came from `Box::into_raw`, and nobody has a reference to it while `self` is exclusive.
        (!value.is_null()).then(|| unsafe { Box::from_raw(value) })
    }
}

impl<T> Drop for SetOnce<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

impl<T> Default for SetOnce<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for SetOnce<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SetOnce").field(&self.get()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_race_to_set_it_agree_on_one_value() {
        for _ in 0..1000 {
            let place = SetOnce::new();
            let seen = std::thread::scope(|scope| {
                let threads = [0, 1, 2, 3].map(|number| {
                    scope.spawn({
                        let place = &place;
                        move || *place.set(number)
                    })
                });
                threads.map(|thread| thread.join().unwrap())
            });
            assert!(seen.iter().all(|number| Some(number) == place.get()));
        }
    }
}
