//! A structure of a table, where records are sealed and opened: the data path.

#![allow(unsafe_code, reason = "exported functions; the blocks only call boundary.rs")]

use core::mem::MaybeUninit;

use crate::boundary::{self, Array, Input, Output};
use crate::places;
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
/// Where the keys are locked, any call waits for the KMS, and may then answer as tablecrypt_connection_open_table but for
/// INVALID_UTF8 and INVALID_NAME. A call may also answer NO_SUCH_STRUCTURE, for an index that was dropped.
pub struct Structure(pub(crate) envelope::Structure);

/// One text to seal, or one record to open, of tablecrypt_structure_seal_many or tablecrypt_structure_open_many.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Item {
    /// What the record belongs to.
    pub context: *const u8,
    /// The length of the context.
    pub context_length: usize,
    /// The text to seal, or the record to open.
    pub input: *const u8,
    /// The length of the input.
    pub input_length: usize,
    /// Where the record or the text goes: the first bytes of it.
    pub output: *mut u8,
    /// How many bytes the output has room for.
    pub output_capacity: usize,
    /// Given: how many bytes the output has; for OUTPUT_TOO_SHORT how many it takes; 0 for any other error.
    pub output_length: MaybeUninit<usize>,
    /// Given: what tablecrypt_structure_seal or tablecrypt_structure_open would have answered.
    pub status: MaybeUninit<Status>,
}

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
/// Errors: UNAUTHENTIC, and the output was cleared. NULL_ARGUMENT, LENGTH, OVERLAP, TOO_LONG, TRUNCATED, UNKNOWN_KEY,
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
/// Errors: UNAUTHENTIC, and the place of the text was cleared. NULL_ARGUMENT, LENGTH, OVERLAP, TOO_LONG, TRUNCATED,
/// UNKNOWN_KEY, UNKNOWN_VERSION, and nothing was written.
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

/// Seals many texts, each as tablecrypt_structure_seal does: short ones faster, up to 64 of them together. OK if all are
/// sealed; else the status of the first item that is not, and the others are sealed all the same.
///
/// No output may share a byte with another one, or with the context or input of any item; no buffer with the items.
///
/// Errors: each item's own is its status: OUTPUT_TOO_SHORT, TOO_LONG, NO_RANDOM. NULL_ARGUMENT, LENGTH and OVERLAP, of
/// any item, are the status of all of them, and nothing was written but that.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_structure_seal_many(
    structure: *const Structure,
    items: *mut Item,
    count: usize,
) -> Status {
    // SAFETY: the header's promise.
    unsafe { many(structure, items, count, tablecrypt_sealed_size, envelope::Structure::seal_many_into) }
}

/// Opens many records, each as tablecrypt_structure_open does: short ones faster, up to 64 of them together. OK if all
/// are opened; else the status of the first item that is not, and the others are opened all the same.
///
/// No output may share a byte with another one, or with the context or input of any item; no buffer with the items.
///
/// Errors: each item's own is its status: UNAUTHENTIC, and its output was cleared; OUTPUT_TOO_SHORT, TOO_LONG, TRUNCATED,
/// UNKNOWN_KEY, UNKNOWN_VERSION. NULL_ARGUMENT, LENGTH and OVERLAP, of any item, are the status of all of them, and
/// nothing was written but that.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_structure_open_many(
    structure: *const Structure,
    items: *mut Item,
    count: usize,
) -> Status {
    // SAFETY: the header's promise.
    unsafe { many(structure, items, count, tablecrypt_opened_size, envelope::Structure::open_many_into) }
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
        let count = Array::optional(count)?;
        // The whole capacity is checked as a place, and no more than `needed` of it becomes a reference.
        let out = Output::new(out, capacity)?.first(needed);
        let Some(out) = out else {
            // SAFETY: the header's promise; no reference was made yet.
            unsafe { count.fill(needed) };
            return Err(envelope::Error::OutputTooShort { needed }.into());
        };
        out.apart_from([context.range(), input.range(), count.range()])?;
        // SAFETY: the header's promise; `out` is apart from it.
        let (context, input) = (unsafe { context.bytes() }, unsafe { input.bytes() });
        // SAFETY: the header's promise; `out` is apart from all others.
        let done = f(&structure.0, context, input, unsafe { out.bytes() });
        // SAFETY: the header's promise; the references are gone, and it is apart from the output.
        unsafe { count.fill(*done.as_ref().unwrap_or(&0)) };
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

/// Each item from its input to its output.
///
/// # Safety
/// The header's promise.
#[inline(never)] // once for both
unsafe fn many(
    structure: *const Structure,
    items: *mut Item,
    count: usize,
    size: extern "C" fn(usize) -> usize,
    f: fn(&envelope::Structure, &mut [envelope::Item<'_>]) -> envelope::Result<()>,
) -> Status {
    boundary::call(|| {
        let items = Array::new(items, count)?;
        let answer = |index, status, length| {
            // SAFETY: the header's promise.
            let mut item = unsafe { items.read(index) };
            (item.status, item.output_length) = (MaybeUninit::new(status), MaybeUninit::new(length));
            // SAFETY: the header's promise; references lead to inputs and outputs only, and both are apart from it.
            unsafe { items.write(index, item) };
        };
        let buffers = |index| {
            // SAFETY: the header's promise; what is not written yet may be any bytes.
            unsafe { items.read(index) }.buffers(size)
        };
        // SAFETY: the header's promise.
        let checked = unsafe { boundary::shared(structure) }.and_then(|structure| {
            places::apart(items.range(), count, |index| {
                let (context, input, output) = buffers(index)?;
                Ok(([context.range(), input.range()], output.range()))
            })?;
            Ok(structure)
        });
        // What an item says that a panic leaves without an answer.
        let status = checked.as_ref().map_or_else(Failure::status, |_| Status::Panic);
        (0..count).for_each(|index| answer(index, status, 0));
        let structure = checked?;

        let mut batch = Vec::with_capacity(count.min(BATCH));
        let mut first = Ok(());
        for start in (0..count).step_by(BATCH) {
            for index in start..count.min(start.saturating_add(BATCH)) {
                let (context, input, output) = buffers(index)?;
                // SAFETY: the header's promise; the outputs are apart from it.
                let (context, input) = (unsafe { context.bytes() }, unsafe { input.bytes() });
                // SAFETY: the header's promise; it is apart from all inputs, the other outputs and the items.
                batch.push(envelope::Item::new(context, input, unsafe { output.bytes() }));
            }
            // What the call fails with is the answer of each item as well.
            let _ = f(&structure.0, &mut batch);
            for (index, item) in (start..).zip(batch.drain(..)) {
                match item.written {
                    Ok(length) => answer(index, Status::Ok, length),
                    Err(error) => {
                        let needed = if let envelope::Error::OutputTooShort { needed } = error { needed } else { 0 };
                        let failure = Failure::from(error);
                        answer(index, failure.status(), needed);
                        first = first.and(Err(failure));
                    }
                }
            }
        }
        first
    })
}

/// How many items become references at a time.
const BATCH: usize = 64;

impl Item {
    /// Its context, its input, and as much of its output as will be written.
    #[inline]
    fn buffers(&self, size: extern "C" fn(usize) -> usize) -> Result<(Input, Input, Output), Failure> {
        let context = Input::new(self.context, self.context_length)?;
        let input = Input::new(self.input, self.input_length)?;
        let output = Output::new(self.output, self.output_capacity)?;
        // No byte of an output that is too short.
        let written = output.first(size(self.input_length)).or(output.first(0));
        Ok((context, input, written.unwrap_or(output)))
    }
}

const _: () = assert!(OVERHEAD == envelope::OVERHEAD, "the header says another number than the envelope");
