//! Strings of C's, and strings for it.

use core::ffi::{CStr, c_char};

use super::{Array, Output};
use crate::status::{Failure, Status};

/// A string of C's, without its NUL.
///
/// # Safety
/// The header's promise: it ends with a NUL.
pub(crate) unsafe fn string<'a>(start: *const c_char) -> Result<&'a CStr, Failure> {
    if start.is_null() {
        return Err(Status::NullArgument.into());
    }
    // SAFETY: not NULL, and ended by a NUL, as promised.
    Ok(unsafe { CStr::from_ptr(start) })
}

/// A string of C's that is a name.
///
/// # Safety
/// As [`string`].
pub(crate) unsafe fn text<'a>(start: *const c_char) -> Result<&'a str, Failure> {
    // SAFETY: as this function.
    let string = unsafe { string(start) }?;
    string.to_str().map_err(|_| Status::InvalidUtf8.into())
}

/// A name that may be NULL.
///
/// # Safety
/// As [`string`], if it is not NULL.
pub(crate) unsafe fn optional_text<'a>(start: *const c_char) -> Result<Option<&'a str>, Failure> {
    if start.is_null() {
        return Ok(None);
    }
    // SAFETY: as this function.
    unsafe { text(start) }.map(Some)
}

/// An array of names; NULL stands for none, if the count says so too.
///
/// # Safety
/// The header's promise, for the array and for each string.
pub(crate) unsafe fn texts<'a>(start: *const *const c_char, count: usize) -> Result<Vec<&'a str>, Failure> {
    let names = Array::new(start.cast_mut(), count)?;
    let name = |index| {
        // SAFETY: as this function.
        let name = unsafe { names.read(index) };
        // SAFETY: as this function.
        unsafe { text(name) }
    };
    (0..count).map(name).collect()
}

/// Copies a string with its NUL to the first bytes of `buffer`, and says in `length`, which may be NULL, how long it is
/// without that; also where the buffer is too short, and nothing is written there.
///
/// # Safety
/// The header's promise.
pub(crate) unsafe fn copy_text(
    text: &str,
    buffer: *mut c_char,
    capacity: usize,
    length: *mut usize,
) -> Result<(), Failure> {
    let length = Array::optional(length)?;
    let out = Output::new(buffer.cast(), capacity)?;
    out.apart_from([length.range()])?;
    // SAFETY: the header's promise; no reference was made yet.
    unsafe { length.fill(text.len()) };
    let Some(out) = out.first(text.len().saturating_add(1)) else {
        return Err(Status::OutputTooShort.into());
    };
    // SAFETY: the header's promise; nothing else leads there.
    let out = unsafe { out.bytes() };
    out[..text.len()].copy_from_slice(text.as_bytes());
    out[text.len()] = 0;
    Ok(())
}
