//! An opened table, and its structures.

#![allow(unsafe_code, reason = "exported functions; the blocks only call boundary.rs")]

use core::ffi::c_char;

use crate::boundary;
use crate::status::{Failure, Status};
use crate::structure::Structure;

/// An opened table.
pub struct Table(pub(crate) envelope::Table);

/// Gives the base table.
///
/// Errors: NULL_ARGUMENT.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_table_base(table: *const Table, structure: *mut *mut Structure) -> Status {
    boundary::call(|| {
        // SAFETY: the header's promise.
        let make = || Ok(Structure(unsafe { boundary::shared(table) }?.0.base()));
        // SAFETY: the header's promise.
        unsafe { boundary::give(structure, make) }
    })
}

/// Gives the local secondary index of this name.
///
/// Errors: NULL_ARGUMENT, INVALID_UTF8, NO_SUCH_STRUCTURE.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_table_local(
    table: *const Table,
    name: *const c_char,
    structure: *mut *mut Structure,
) -> Status {
    // SAFETY: the header's promise.
    unsafe { named(table, name, structure, |table, name| table.local(name)) }
}

/// Gives the global secondary index of this name.
///
/// Errors: NULL_ARGUMENT, INVALID_UTF8, NO_SUCH_STRUCTURE.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_table_global(
    table: *const Table,
    name: *const c_char,
    structure: *mut *mut Structure,
) -> Status {
    // SAFETY: the header's promise.
    unsafe { named(table, name, structure, |table, name| table.global(name)) }
}

/// Gives the structure that one string names: "base", "local:NAME" or "global:NAME".
///
/// Errors: NULL_ARGUMENT, INVALID_UTF8, INVALID_NAME, NO_SUCH_STRUCTURE.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_table_structure(
    table: *const Table,
    name: *const c_char,
    structure: *mut *mut Structure,
) -> Status {
    // SAFETY: the header's promise.
    unsafe { named(table, name, structure, |table, name| table.structure(&name.parse()?)) }
}

/// Locks the table by hand: its permission's keys are wiped now, and every operation answers LOCKED until
/// tablecrypt_table_unlock. What runs at this moment still ends well. Where a tablecrypt_settings_scope is shared it locks
/// the table for all connections that share it; others go on.
///
/// Errors: NULL_ARGUMENT.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_table_lock(table: *const Table) -> Status {
    boundary::call(|| {
        // SAFETY: the header's promise.
        unsafe { boundary::shared(table) }?.0.lock();
        Ok(())
    })
}

/// Takes back tablecrypt_table_lock. The next operation asks the KMS.
///
/// Errors: NULL_ARGUMENT.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_table_unlock(table: *const Table) -> Status {
    boundary::call(|| {
        // SAFETY: the header's promise.
        unsafe { boundary::shared(table) }?.0.unlock();
        Ok(())
    })
}

/// For how many milliseconds the keys stay usable if the KMS does not answer again; 0 while they are locked, and for NULL.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_table_permitted_for(table: *const Table) -> u64 {
    // SAFETY: the header's promise.
    let table = unsafe { boundary::optional(table) };
    let left = table.and_then(|table| table.0.permitted_for()).unwrap_or_default();
    left.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(u64::MAX)
}

/// Frees the table; nothing for NULL. Structures that came from it go on.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_table_free(table: *mut Table) {
    // SAFETY: the header's promise.
    unsafe { boundary::take_back(table) };
}

/// A structure that is found by a name.
///
/// # Safety
/// The header's promise.
unsafe fn named(
    table: *const Table,
    name: *const c_char,
    structure: *mut *mut Structure,
    find: impl FnOnce(&envelope::Table, &str) -> envelope::Result<envelope::Structure>,
) -> Status {
    boundary::call(|| {
        let make = || {
            // SAFETY: the header's promise.
            let table = unsafe { boundary::shared(table) }?;
            // SAFETY: the header's promise.
            let name = unsafe { boundary::text(name) }?;
            find(&table.0, name).map(Structure).map_err(Failure::from)
        };
        // SAFETY: the header's promise.
        unsafe { boundary::give(structure, make) }
    })
}
