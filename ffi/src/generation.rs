//! Lists: the generations of a table's data keys, and the names of all tables.

#![allow(unsafe_code, reason = "exported functions; the blocks only call boundary.rs")]

use core::ffi::c_char;
use core::ptr::null;
use std::ffi::CString;

use crate::boundary::{self, Array, Input};
use crate::description::{c, date};
use crate::service::Service;
use crate::status::{Failure, Status};

/// The generations of all data keys of a table, when they were asked for. Its strings live as long as it does.
pub struct Generations(Vec<Known>);

/// The names of all tables of a service, when they were asked for. Its strings live as long as it does.
pub struct Names(Vec<CString>);

struct Known {
    structure: CString,
    created: i64,
    seals_from: i64,
    number: u32,
    seals: bool,
}

/// One generation of a structure's data key.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Generation {
    /// Set by the caller: sizeof(tablecrypt_generation). A later version may have more members at the end.
    pub size: usize,
    /// Whose it is: "base", "local:NAME" or "global:NAME". It lives as long as the list.
    pub structure: *const c_char,
    /// When it was made, in milliseconds since 1970, UTC.
    pub created: i64,
    /// From when on it seals; until then it only opens.
    pub seals_from: i64,
    /// What its records begin with: tablecrypt_generation_of_record. Unique in the table, and never given again.
    pub number: u32,
    /// Whether new records are sealed with it, by now: 1 or 0.
    pub seals: i32,
}

/// Gives the generations of a table's data keys, as the key file says, without asking the KMS.
///
/// Errors: as tablecrypt_service_describe_table.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_service_generations(
    service: *const Service,
    table: *const c_char,
    generations: *mut *mut Generations,
) -> Status {
    boundary::call(|| {
        let make = || {
            // SAFETY: the header's promise.
            let service = unsafe { boundary::shared(service) }?;
            // SAFETY: the header's promise.
            let table = unsafe { boundary::text(table) }?;
            let mut known = Vec::new();
            for generation in service.0.generations(table)? {
                known.push(Known::new(&generation));
            }
            Ok(Generations(known))
        };
        // SAFETY: the header's promise.
        unsafe { boundary::give(generations, make) }
    })
}

/// How many they are. 0 for NULL.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_generations_count(generations: *const Generations) -> usize {
    // SAFETY: the header's promise.
    unsafe { boundary::optional(generations) }.map_or(0, |generations| generations.0.len())
}

/// Fills `generation` with the one at this index, from 0: those of one structure stand together, the oldest first.
///
/// Errors: NULL_ARGUMENT; LENGTH from the count on, and for a size that cannot be.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_generations_at(
    generations: *const Generations,
    index: usize,
    generation: *mut Generation,
) -> Status {
    boundary::call(|| {
        // SAFETY: the header's promise.
        let generations = unsafe { boundary::shared(generations) }?;
        let known = generations.0.get(index).ok_or(Status::Length)?;
        let value = Generation {
            size: size_of::<Generation>(),
            structure: known.structure.as_ptr(),
            created: known.created,
            seals_from: known.seals_from,
            number: known.number,
            seals: known.seals.into(),
        };
        // SAFETY: the header's promise; it has no padding.
        unsafe { boundary::fill_sized(generation, &value) }
    })
}

/// Frees the list; nothing for NULL.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_generations_free(generations: *mut Generations) {
    // SAFETY: the header's promise.
    unsafe { boundary::take_back(generations) };
}

/// Gives the number of the generation that a record was sealed with. Its first eight bytes are enough, and nothing proves
/// them.
///
/// Errors: NULL_ARGUMENT, LENGTH, TRUNCATED, UNKNOWN_VERSION.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_generation_of_record(
    record: *const u8,
    record_length: usize,
    number: *mut u32,
) -> Status {
    boundary::call(|| {
        let record = Input::new(record, record_length)?;
        let number = Array::new(number, 1)?;
        // SAFETY: the header's promise; the number is read before anything is written.
        let found = envelope::generation_of_record(unsafe { record.bytes() });
        // SAFETY: the header's promise; the reference is gone.
        unsafe { number.write(0, *found.as_ref().unwrap_or(&0)) };
        found.map(drop).map_err(Failure::from)
    })
}

/// Gives the names of all tables of a service, sorted.
///
/// Errors: NULL_ARGUMENT, IO.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_service_tables(service: *const Service, names: *mut *mut Names) -> Status {
    boundary::call(|| {
        let make = || {
            // SAFETY: the header's promise.
            let tables = unsafe { boundary::shared(service) }?.0.tables()?;
            let mut names = Vec::new();
            for table in tables {
                names.push(c(table));
            }
            Ok(Names(names))
        };
        // SAFETY: the header's promise.
        unsafe { boundary::give(names, make) }
    })
}

/// How many they are. 0 for NULL.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_names_count(names: *const Names) -> usize {
    // SAFETY: the header's promise.
    unsafe { boundary::optional(names) }.map_or(0, |names| names.0.len())
}

/// The name at this index, from 0. NULL from the count on, and for NULL.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_names_at(names: *const Names, index: usize) -> *const c_char {
    // SAFETY: the header's promise.
    let name = unsafe { boundary::optional(names) }.and_then(|names| names.0.get(index));
    name.map_or(null(), |name| name.as_ptr())
}

/// Frees the list; nothing for NULL.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_names_free(names: *mut Names) {
    // SAFETY: the header's promise.
    unsafe { boundary::take_back(names) };
}

impl Known {
    fn new(generation: &envelope::Generation) -> Self {
        Self {
            structure: c(generation.structure.to_string()),
            created: date(generation.created),
            seals_from: date(generation.seals_from),
            number: generation.number,
            seals: generation.seals,
        }
    }
}
