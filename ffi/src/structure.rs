//! A structure of a table, where records are sealed and opened: the data path.

#![allow(unsafe_code, reason = "exported functions; the blocks only call boundary.rs")]

use crate::boundary::{self, Count, Input, Output};
use crate::status::{Failure, Status};

/// How many bytes longer a record is than its text.
pub const OVERHEAD: usize = 48;

/// Where the text begins in a record that is sealed or opened in place.
pub const TEXT_AT: usize = 32;

/// A base table or an index.
///
/// The context of a call is what the record belongs to: an item's primary key, a page's file and number. It is
/// authenticated and not stored, and the record opens with the same context only. Records of another structure or table
/// do not open here. Nonces are the library's business.
///
/// Where the keys are locked, any call waits for the KMS and may then answer ACCESS_DENIED, CLOSED, KEY_DISABLED,
/// KEY_NOT_FOUND, KEY_PENDING_DELETION or KEY_UNAVAILABLE.
pub struct Structure(pub(crate) envelope::Structure);

/// The length of the record of a text of this length; SIZE_MAX, which no buffer has, where that is no size_t.
#[unsafe(no_mangle)]
pub extern "C" fn tablecrypt_sealed_size(text_length: usize) -> usize {
    text_length.saturating_add(OVERHEAD)
}

/// The length of the text of a record of this length; 0 where that is no record's.
#[unsafe(no_mangle)]
pub extern "C" fn tablecrypt_opened_size(record_length: usize) -> usize {
    record_length.saturating_sub(OVERHEAD)
}

/// Seals `text` into the first bytes of `record`, TABLECRYPT_OVERHEAD more than the text's, and says in `record_length`
/// how many they are: that may be NULL. The output must not share a byte with the text or the context;
/// tablecrypt_structure_seal_in_place is for that.
///
/// Errors: NULL_ARGUMENT, LENGTH, OVERLAP, TOO_LONG, NO_RANDOM, and nothing was written. OUTPUT_TOO_SHORT, and
/// `record_length` says how many bytes it takes.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_structure_seal(
    structure: *const Structure,
    context: *const u8,
    context_length: usize,
    text: *const u8,
    text_length: usize,
    record: *mut u8,
    record_capacity: usize,
    record_length: *mut usize,
) -> Status {
    let needed = tablecrypt_sealed_size(text_length);
    let (input, output) = ((text, text_length), (record, record_capacity, needed));
    // SAFETY: the header's promise.
    unsafe {
        through(structure, (context, context_length), input, output, record_length, |structure, context, text, out| {
            structure.seal_into(context, text, out)
        })
    }
}

/// Opens a record into the first bytes of `text`, TABLECRYPT_OVERHEAD less than the record's, and says in `text_length`
/// how many they are: that may be NULL. The output must not share a byte with the record or the context;
/// tablecrypt_structure_open_in_place is for that.
///
/// Errors: UNAUTHENTIC, and the output was cleared. NULL_ARGUMENT, LENGTH, OVERLAP, TRUNCATED, UNKNOWN_KEY,
/// UNKNOWN_VERSION, and nothing was written. OUTPUT_TOO_SHORT, and `text_length` says how many bytes it takes.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_structure_open(
    structure: *const Structure,
    context: *const u8,
    context_length: usize,
    record: *const u8,
    record_length: usize,
    text: *mut u8,
    text_capacity: usize,
    text_length: *mut usize,
) -> Status {
    let needed = tablecrypt_opened_size(record_length);
    let (input, output) = ((record, record_length), (text, text_capacity, needed));
    // SAFETY: the header's promise.
    unsafe {
        through(structure, (context, context_length), input, output, text_length, |structure, context, record, out| {
            structure.open_into(context, record, out)
        })
    }
}

/// Seals in place: the text stands in `record` from byte TABLECRYPT_TEXT_AT to 16 before its end, and `record` becomes
/// the record. The context must not share a byte with it.
///
/// Errors: NULL_ARGUMENT, LENGTH, OVERLAP, TOO_LONG, NO_RANDOM; TRUNCATED if `record` is shorter than
/// TABLECRYPT_OVERHEAD. Nothing was written.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_structure_seal_in_place(
    structure: *const Structure,
    context: *const u8,
    context_length: usize,
    record: *mut u8,
    record_length: usize,
) -> Status {
    // SAFETY: the header's promise.
    unsafe {
        in_place(structure, (context, context_length), (record, record_length), |structure, context, record| {
            structure.seal_in_place(context, record)
        })
    }
}

/// Opens in place: the text then stands in `record` from byte TABLECRYPT_TEXT_AT to 16 before its end. The context must
/// not share a byte with it.
///
/// Errors: UNAUTHENTIC, and the place of the text was cleared. NULL_ARGUMENT, LENGTH, OVERLAP, TRUNCATED, UNKNOWN_KEY,
/// UNKNOWN_VERSION, and nothing was written.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_structure_open_in_place(
    structure: *const Structure,
    context: *const u8,
    context_length: usize,
    record: *mut u8,
    record_length: usize,
) -> Status {
    // SAFETY: the header's promise.
    unsafe {
        in_place(structure, (context, context_length), (record, record_length), |structure, context, record| {
            structure.open_in_place(context, record).map(drop)
        })
    }
}

/// Frees the structure; nothing for NULL.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_structure_free(structure: *mut Structure) {
    // SAFETY: the header's promise.
    unsafe { boundary::take_back(structure) };
}

/// From one buffer to the first `needed` bytes of another.
///
/// # Safety
/// The header's promise.
#[inline]
unsafe fn through(
    structure: *const Structure,
    context: (*const u8, usize),
    input: (*const u8, usize),
    (out, capacity, needed): (*mut u8, usize, usize),
    count: *mut usize,
    f: impl FnOnce(&envelope::Structure, &[u8], &[u8], &mut [u8]) -> envelope::Result<usize>,
) -> Status {
    boundary::call(|| {
        // SAFETY: the header's promise.
        let structure = unsafe { boundary::shared(structure) }?;
        let context = Input::new(context.0, context.1)?;
        let input = Input::new(input.0, input.1)?;
        let count = Count::new(count);
        // The whole capacity is checked as a place, and no more than `needed` of it becomes a reference.
        let out = Output::new(out, capacity)?.first(needed);
        let Some(out) = out else {
            // SAFETY: the header's promise; no reference was made yet.
            unsafe { count.set(needed) };
            return Err(envelope::Error::OutputTooShort { needed }.into());
        };
        out.apart_from([context.range(), input.range(), count.range()])?;
        // SAFETY: the header's promise; `out` is apart from it.
        let (context, input) = (unsafe { context.bytes() }, unsafe { input.bytes() });
        // SAFETY: the header's promise; `out` is apart from all others.
        let done = f(&structure.0, context, input, unsafe { out.bytes() });
        // SAFETY: the header's promise; the references are gone, and it is apart from the output.
        unsafe { count.set(*done.as_ref().unwrap_or(&0)) };
        done.map(drop).map_err(Failure::from)
    })
}

/// From a buffer to itself.
///
/// # Safety
/// The header's promise.
#[inline]
unsafe fn in_place(
    structure: *const Structure,
    context: (*const u8, usize),
    record: (*mut u8, usize),
    f: impl FnOnce(&envelope::Structure, &[u8], &mut [u8]) -> envelope::Result<()>,
) -> Status {
    boundary::call(|| {
        // SAFETY: the header's promise.
        let structure = unsafe { boundary::shared(structure) }?;
        let context = Input::new(context.0, context.1)?;
        let record = Output::new(record.0, record.1)?;
        record.apart_from([context.range()])?;
        // SAFETY: the header's promise; `record` is apart from it.
        let context = unsafe { context.bytes() };
        // SAFETY: the header's promise; apart from the context.
        f(&structure.0, context, unsafe { record.bytes() }).map_err(Failure::from)
    })
}

const _: () = assert!(OVERHEAD == envelope::OVERHEAD, "the header says another number than the envelope");
