//! A key in memory that is locked, not dumped, wiped when it is dropped, and not there in a forked child.

use core::alloc::Layout;
use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

use crate::clear_stack;
use crate::slab::{Class, Slot};

/// A `T`, at most 2,112 bytes long, in the best memory that the system gives: see [`key_memory`](crate::key_memory).
///
/// A forked child has the box and not the key: [`KeyBox::get`] gives None there, and dropping it does nothing.
pub struct KeyBox<T> {
    value: NonNull<T>,
    slot: Slot,
    owned: PhantomData<T>,
}

// SAFETY: it owns the `T` behind its pointer, as a Box does; a slot may be given back by any thread.
unsafe impl<T: Send> Send for KeyBox<T> {}
// SAFETY: a shared reference to it gives shared references to the `T` only.
unsafe impl<T: Sync> Sync for KeyBox<T> {}

impl<T> KeyBox<T> {
    const CLASS: Class = Class::of(Layout::new::<T>());

    /// What `make` makes; where its stack was is overwritten afterwards, for a value that is returned may be moved.
    pub fn new(make: impl FnOnce() -> T) -> Self {
        let this = Self::holding(make);
        clear_stack();
        this
    }

    /// `empty`, filled where it lies, so that what it is filled with lies nowhere else.
    ///
    /// # Errors
    /// What `fill` returns; what it wrote is wiped.
    pub fn fill<E>(empty: T, fill: impl FnOnce(&mut T) -> Result<(), E>) -> Result<Self, E> {
        let this = Self::holding(|| empty);
        // SAFETY: the value was written, in this process, and nobody else has a reference to it.
        fill(unsafe { &mut *this.value.as_ptr() })?;
        Ok(this)
    }

    // Not inlined, so that its stack lies where `new` overwrites it.
    #[inline(never)]
    fn holding(make: impl FnOnce() -> T) -> Self {
        let slot = Self::CLASS.take();
        let value = slot.pointer().cast();
        // SAFETY: the slot is as long and as aligned as `CLASS` says, mapped, and nobody else's.
        unsafe { value.write(make()) };
        Self { value, slot, owned: PhantomData }
    }

    /// The key; None in a forked child of the process that made it.
    #[inline]
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        if !self.slot.is_own() {
            return None;
        }
        // SAFETY: it was written by this process, and lives until `drop`.
        Some(unsafe { self.value.as_ref() })
    }
}

impl<T> Drop for KeyBox<T> {
    fn drop(&mut self) {
        if self.get().is_some() {
            // SAFETY: it was written by this process, and nobody has a reference to it any more. The slot is wiped after.
            unsafe { self.value.drop_in_place() };
        }
    }
}

impl<T> fmt::Debug for KeyBox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyBox(..)")
    }
}
