//! Arrays of C's.

use core::ops::Range;

use super::check;
use crate::status::{Failure, Status};

/// Values that a call reads and writes back, one at a time: no reference to them is made.
pub(crate) struct Array<T> {
    start: *mut T,
    count: usize,
}

impl<T: Copy> Array<T> {
    /// NULL stands for none, if the count says so too.
    #[inline]
    pub(crate) fn new(start: *mut T, count: usize) -> Result<Self, Failure> {
        check(start.cast(), count.checked_mul(size_of::<T>()).ok_or(Status::Length)?)?;
        Ok(Self { start, count })
    }

    /// One value, which NULL stands for the lack of.
    pub(crate) fn optional(start: *mut T) -> Result<Self, Failure> {
        Self::new(start, usize::from(!start.is_null()))
    }

    #[inline]
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    #[inline]
    pub(crate) fn range(&self) -> Range<usize> {
        self.start.addr()..self.start.addr() + self.count * size_of::<T>()
    }

    /// The value at this index.
    ///
    /// # Safety
    /// The header's promise; `T` takes any bytes, also those that were never written.
    #[inline]
    pub(crate) unsafe fn read(&self, index: usize) -> T {
        assert!(index < self.count);
        // SAFETY: one of `count`, as promised.
        unsafe { self.start.wrapping_add(index).read_unaligned() }
    }

    /// Writes the value at this index.
    ///
    /// # Safety
    /// The header's promise; and no reference leads there.
    #[inline]
    pub(crate) unsafe fn write(&self, index: usize, value: T) {
        assert!(index < self.count);
        // SAFETY: one of `count`, as promised.
        unsafe { self.start.wrapping_add(index).write_unaligned(value) };
    }

    /// Writes all of them.
    ///
    /// # Safety
    /// As [`Array::write`].
    #[inline]
    pub(crate) unsafe fn fill(&self, value: T) {
        for index in 0..self.count {
            // SAFETY: as this function.
            unsafe { self.write(index, value) };
        }
    }
}
