//! Where C's pointers become references: all checks of NULL, lengths and overlap, and the end of every panic.
//!
//! What can be checked is checked before a reference is made, on addresses alone. What cannot is the caller's promise,
//! the same for every function of the header: a pointer that is not NULL leads to what its parameter says, as many bytes
//! as its length says, which nobody changes during the call; and a handle came from this library and is not freed yet.
//! The `SAFETY` comments of this crate call it *the header's promise*.

#![allow(unsafe_code, reason = "pointers from C; CONTRIBUTING.md names this file")]

use core::mem::{self, MaybeUninit};
use core::ops::Range;
use core::panic::AssertUnwindSafe;
use core::ptr::NonNull;
use core::slice;
use std::panic::catch_unwind;

use envelope::core::InOutBuf;

pub(crate) use self::array::Array;
pub(crate) use self::sized::{fill_sized, size_of_struct};
pub(crate) use self::text::{copy_text, optional_text, string, text, texts};
use crate::status::{Failure, Status};

mod array;
mod sized;
mod text;

#[cfg(not(panic = "unwind"))]
compile_error!("a panic has to be caught before it reaches C, so it has to unwind");

/// The body of an exported function: its failure, or its panic, as a number.
#[inline]
pub(crate) fn call(body: impl FnOnce() -> Result<(), Failure>) -> Status {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => Status::Ok,
        Ok(Err(failure)) => failure.remember(),
        Err(payload) => {
            // Its drop might panic as well.
            mem::forget(payload);
            Failure::from(Status::Panic).remember()
        }
    }
}

/// Bytes that a call reads: an address and a length that fit together, no reference yet.
#[derive(Clone, Copy)]
pub(crate) struct Input {
    start: NonNull<u8>,
    length: usize,
}

impl Input {
    /// NULL stands for no bytes, if the length says so too.
    #[inline]
    pub(crate) fn new(start: *const u8, length: usize) -> Result<Self, Failure> {
        Ok(Self { start: check(start.cast_mut(), length)?, length })
    }

    #[inline]
    pub(crate) fn range(self) -> Range<usize> {
        range(self.start, self.length)
    }

    /// The bytes.
    ///
    /// # Safety
    /// The header's promise; and no `&mut` to any of them lives as long as `'a`: [`Output::apart_from`].
    #[inline]
    pub(crate) unsafe fn bytes<'a>(self) -> &'a [u8] {
        // SAFETY: `check` saw a length up to isize::MAX that does not pass the end of memory; the rest is promised.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

/// Bytes that a call writes: an address and a length that fit together, no reference yet.
#[derive(Clone, Copy)]
pub(crate) struct Output {
    start: NonNull<u8>,
    length: usize,
}

impl Output {
    /// NULL stands for no bytes, if the length says so too.
    #[inline]
    pub(crate) fn new(start: *mut u8, length: usize) -> Result<Self, Failure> {
        Ok(Self { start: check(start, length)?, length })
    }

    #[inline]
    pub(crate) fn range(self) -> Range<usize> {
        range(self.start, self.length)
    }

    /// The first bytes of it; None where there are not so many.
    #[inline]
    pub(crate) fn first(self, length: usize) -> Option<Self> {
        (length <= self.length).then_some(Self { length, ..self })
    }

    /// Fails where it shares a byte with one of these.
    #[inline]
    pub(crate) fn apart_from<const N: usize>(self, others: [Range<usize>; N]) -> Result<(), Failure> {
        if others.iter().any(|other| overlap(&self.range(), other)) { Err(Status::Overlap.into()) } else { Ok(()) }
    }

    /// Fails where it shares a byte with `text`, unless it is the same place.
    #[inline]
    pub(crate) fn on_or_apart_from(self, text: Input) -> Result<(), Failure> {
        if self.start == text.start { Ok(()) } else { self.apart_from([text.range()]) }
    }

    /// The bytes.
    ///
    /// # Safety
    /// The header's promise; and no other reference to any of them lives as long as `'a`: [`Output::apart_from`].
    #[inline]
    pub(crate) unsafe fn bytes<'a>(self) -> &'a mut [u8] {
        // SAFETY: `check` saw a length up to isize::MAX that does not pass the end of memory; the rest is promised.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

/// From `text` to `out`, which are equally long.
///
/// # Safety
/// The header's promise; they are one place or apart ([`Output::on_or_apart_from`]), and `out` is apart from whatever else
/// a reference leads to.
#[inline]
pub(crate) unsafe fn in_out<'a>(text: Input, out: Output) -> InOutBuf<'a, 'a, u8> {
    assert_eq!(text.length, out.length);
    // SAFETY: `check` saw both, the lengths are equal, and the places one or apart; the rest is promised.
    unsafe { InOutBuf::from_raw(text.start.as_ptr(), out.start.as_ptr(), text.length) }
}

/// An array of a fixed length; copy it before an output that may lie over it is written.
///
/// # Safety
/// The header's promise; and no `&mut` to any of it lives as long as `'a`.
#[inline]
pub(crate) unsafe fn array<'a, const N: usize>(start: *const u8) -> Result<&'a [u8; N], Failure> {
    let input = Input::new(start, N)?;
    // SAFETY: as this function.
    let bytes = unsafe { input.bytes() };
    bytes.try_into().map_err(|_| Status::Length.into())
}

/// The object behind a handle.
///
/// # Safety
/// The header's promise.
#[inline]
pub(crate) unsafe fn shared<'a, T: Send + Sync>(handle: *const T) -> Result<&'a T, Failure> {
    // SAFETY: it is NULL or, as promised, a Box of `give` that `take_back` did not drop; nothing makes a `&mut` of it.
    unsafe { handle.as_ref() }.ok_or_else(|| Status::NullArgument.into())
}

/// The object behind a handle that may be NULL.
///
/// # Safety
/// The header's promise.
pub(crate) unsafe fn optional<'a, T: Send + Sync>(handle: *const T) -> Option<&'a T> {
    // SAFETY: as `shared`.
    unsafe { handle.as_ref() }
}

/// Makes an object and gives its handle; where that fails, the handle is NULL.
///
/// # Safety
/// The header's promise.
pub(crate) unsafe fn give<T: Send + Sync>(
    handle: *mut *mut T,
    make: impl FnOnce() -> Result<T, Failure>,
) -> Result<(), Failure> {
    if handle.is_null() {
        return Err(Status::NullArgument.into());
    }
    // SAFETY: not NULL, and writable, as promised.
    unsafe { handle.write_unaligned(core::ptr::null_mut()) };
    let made = Box::into_raw(Box::new(make()?));
    // SAFETY: as above.
    unsafe { handle.write_unaligned(made) };
    Ok(())
}

/// Drops the object behind a handle; nothing for NULL.
///
/// # Safety
/// The header's promise; and nobody uses the handle now or later.
pub(crate) unsafe fn take_back<T>(handle: *mut T) {
    if handle.is_null() {
        return;
    }
    call(|| {
        // SAFETY: it came from `Box::into_raw` in `give`, and nobody else has it, as promised.
        drop(unsafe { Box::from_raw(handle) });
        Ok(())
    });
}

/// What the caller wrote into a field that it need not write otherwise.
///
/// # Safety
/// The header's promise: it did.
pub(crate) unsafe fn written<T: Copy>(value: MaybeUninit<T>) -> T {
    // SAFETY: as this function.
    unsafe { value.assume_init() }
}

/// Whether a slice can start here and be this long. Another NULL than the empty one has no bytes.
#[inline]
fn check(start: *mut u8, length: usize) -> Result<NonNull<u8>, Failure> {
    match NonNull::new(start) {
        None if length == 0 => Ok(NonNull::dangling()),
        None => Err(Status::NullArgument.into()),
        Some(start) if length <= isize::MAX as usize && start.addr().get().checked_add(length).is_some() => Ok(start),
        Some(_) => Err(Status::Length.into()),
    }
}

#[inline]
fn range(start: NonNull<u8>, length: usize) -> Range<usize> {
    let start = start.addr().get();
    start..start + length
}

/// Whether two ranges share a byte; an empty one shares none.
#[inline]
fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    !a.is_empty() && !b.is_empty() && a.start < b.end && b.start < a.end
}

#[cfg(test)]
mod tests {
    use core::ptr;

    use super::*;

    fn status<T>(result: Result<T, Failure>) -> Status {
        result.map_or_else(|failure| failure.status(), |_| Status::Ok)
    }

    #[test]
    fn null_is_no_bytes_and_nothing_else() {
        assert_eq!(status(Input::new(ptr::null(), 0)), Status::Ok);
        assert_eq!(status(Input::new(ptr::null(), 1)), Status::NullArgument);
        assert_eq!(status(Input::new(ptr::null(), usize::MAX)), Status::NullArgument);
        assert_eq!(status(Output::new(ptr::null_mut(), 1)), Status::NullArgument);
    }

    #[test]
    fn length_that_no_slice_can_have_is_refused() {
        let byte = 0;
        for length in [isize::MAX as usize + 1, usize::MAX - 1, usize::MAX] {
            assert_eq!(status(Input::new(&raw const byte, length)), Status::Length);
        }
        let near_the_end = ptr::without_provenance(usize::MAX - 15);
        assert_eq!(status(Input::new(near_the_end, 15)), Status::Ok);
        assert_eq!(status(Input::new(near_the_end, 16)), Status::Length);
    }

    #[test]
    fn ranges_that_share_a_byte_overlap() {
        let output = |start: usize, length| Output::new(ptr::without_provenance_mut(start), length).unwrap();
        let input = |start: usize, length| Input::new(ptr::without_provenance(start), length).unwrap();
        for (start, expected) in [
            (84, Status::Ok),
            (85, Status::Overlap),
            (99, Status::Overlap),
            (101, Status::Overlap),
            (115, Status::Overlap),
            (116, Status::Ok),
        ] {
            assert_eq!(status(output(start, 16).apart_from([input(100, 16).range()])), expected, "{start}");
            assert_eq!(status(output(start, 16).on_or_apart_from(input(100, 16))), expected, "{start}");
        }
        assert_eq!(status(output(100, 16).on_or_apart_from(input(100, 16))), Status::Ok);
        assert_eq!(status(output(100, 16).apart_from([input(100, 16).range()])), Status::Overlap);
        assert_eq!(status(output(100, 16).apart_from([input(104, 0).range()])), Status::Ok);
    }

    #[test]
    fn panic_ends_as_a_status() {
        assert_eq!(call(|| panic!("as this test wants")), Status::Panic);
        assert_eq!(call(|| Err(Status::Overlap.into())), Status::Overlap);
        assert_eq!(call(|| Ok(())), Status::Ok);
    }

    #[test]
    fn handle_is_null_where_nothing_was_made() {
        let mut handle = ptr::without_provenance_mut::<u32>(1);
        // SAFETY: a pointer to a local variable.
        let given = unsafe { give(&raw mut handle, || Err(Status::Panic.into())) };
        assert_eq!(status(given), Status::Panic);
        assert!(handle.is_null());
        // SAFETY: as above.
        assert_eq!(status(unsafe { give(&raw mut handle, || Ok(7)) }), Status::Ok);
        // SAFETY: the handle that was just given.
        assert_eq!(unsafe { shared(handle) }.ok(), Some(&7));
        // SAFETY: as above, for the last time.
        unsafe { take_back(handle) };
    }
}
