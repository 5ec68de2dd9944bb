//! Structs of C's that begin with their size, so that they can grow.

use super::{Input, Output};
use crate::status::{Failure, Status};

/// Fills a struct of the caller's, which begins with its size, from one of this version, which does too. A caller of an
/// older version gets the members that it knows; one of a newer version gets zeros for what this one does not know.
///
/// # Safety
/// The header's promise: it has as many bytes as it says. `T` has no padding.
pub(crate) unsafe fn fill_sized<T: Copy>(out: *mut T, value: &T) -> Result<(), Failure> {
    // SAFETY: the header's promise.
    let size = unsafe { size_of_struct(out) }?;
    let out = Output::new(out.cast(), size)?;
    let known = Input::new((&raw const *value).cast(), size_of::<T>())?;
    // SAFETY: as many bytes as the value has, all of them written, for there is no padding.
    let known = &unsafe { known.bytes() }[size_of::<usize>()..];
    // SAFETY: the header's promise; nothing else leads there.
    let out = &mut unsafe { out.bytes() }[size_of::<usize>()..];
    for (index, byte) in out.iter_mut().enumerate() {
        *byte = known.get(index).copied().unwrap_or_default();
    }
    Ok(())
}

/// What a struct of C's says of its own size.
///
/// # Safety
/// The header's promise.
pub(crate) unsafe fn size_of_struct<T>(start: *const T) -> Result<usize, Failure> {
    let size = Input::new(start.cast(), size_of::<usize>())?;
    // SAFETY: the header's promise: what is not NULL begins with its size.
    let size = unsafe { size.bytes() };
    let size = usize::from_ne_bytes(size.try_into().map_err(|_| Status::Length)?);
    if (size_of::<usize>()..=LARGEST).contains(&size) { Ok(size) } else { Err(Status::Length.into()) }
}

/// How large a struct of a later version may be: what is larger was never set.
const LARGEST: usize = 4096;
