//! What is done to the keys of a table by whoever administers it: its structures, its generations, its KMS keys.

#![allow(unsafe_code, reason = "exported functions; the blocks only call boundary.rs")]

use core::ffi::c_char;

use envelope::Rewrap;

use crate::boundary;
use crate::service::Service;
use crate::status::{Failure, Status};

/// Adds an index, "local:NAME" or "global:NAME", with a data key of its own, which seals at once. This service finds it
/// when the table is opened again, another process at its next refresh.
///
/// Errors: STRUCTURE_EXISTS, NO_SUCH_STRUCTURE for a name that begins otherwise; and as tablecrypt_service_rotate.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_service_add_structure(
    service: *const Service,
    table: *const c_char,
    structure: *const c_char,
) -> Status {
    // SAFETY: the header's promise.
    unsafe {
        change(service, table, structure, &|service, table, name| Ok(service.add_structure(table, &name.parse()?)?))
    }
}

/// Drops an index and destroys its data keys: its records open nowhere any more. Another process that has it open seals
/// and opens until its next refresh. A copy of the key file that was made elsewhere still has the keys.
///
/// Errors: NO_SUCH_STRUCTURE, INDISPENSABLE for "base"; and as tablecrypt_service_rotate but for NO_RANDOM.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_service_drop_structure(
    service: *const Service,
    table: *const c_char,
    structure: *const c_char,
) -> Status {
    // SAFETY: the header's promise.
    unsafe {
        change(service, table, structure, &|service, table, name| Ok(service.drop_structure(table, &name.parse()?)?))
    }
}

/// Deletes all keys of a table: its records open nowhere any more. It asks no KMS. Another process that has the table
/// open seals and opens until its next refresh. A copy of the key file that was made elsewhere still has the keys.
///
/// Errors: NULL_ARGUMENT, INVALID_UTF8, INVALID_NAME, NO_SUCH_TABLE, IO.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_service_delete_table(service: *const Service, table: *const c_char) -> Status {
    // SAFETY: the header's promise.
    unsafe { change(service, table, c"".as_ptr(), &|service, table, _| Ok(service.delete_table(table)?)) }
}

/// Makes a new generation of the data key of a structure, or of each where `structure` is NULL. Former ones still open.
/// It seals in six and a half minutes, or as long as a permission lasts and a minute more, in each process from its
/// next refresh on: by then all that have the table open know it. One KMS call. However it ends, the table opens.
///
/// Errors: NULL_ARGUMENT, INVALID_UTF8, KEY_FILE_BUSY, NO_RANDOM, NO_SUCH_STRUCTURE; and as
/// tablecrypt_connection_open_table but for CLOSED and LOCKED.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_service_rotate(
    service: *const Service,
    table: *const c_char,
    structure: *const c_char,
) -> Status {
    let is_all = structure.is_null();
    let structure = if is_all { c"".as_ptr() } else { structure };
    // SAFETY: the header's promise.
    unsafe {
        change(service, table, structure, &|service, table, name| {
            let rotated = if is_all { service.rotate(table) } else { service.rotate_structure(table, &name.parse()?) };
            rotated.map(drop).map_err(Failure::from)
        })
    }
}

/// Destroys a former generation, by its number: what was sealed with it and not sealed anew opens nowhere any more.
/// tablecrypt_generation_of_record says what that is. A copy of the key file that was made elsewhere still has the key.
///
/// Errors: GENERATION_IN_USE for one that seals, is to seal, or may still seal in another process; UNKNOWN_KEY where
/// the table has no such generation; and as tablecrypt_service_rotate but for NO_RANDOM and NO_SUCH_STRUCTURE.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_service_retire_generation(
    service: *const Service,
    table: *const c_char,
    number: u32,
) -> Status {
    // SAFETY: the header's promise.
    unsafe { change(service, table, c"".as_ptr(), &|service, table, _| Ok(service.retire_generation(table, number)?)) }
}

/// Has the KMS wrap a table's root key anew, under the KMS key `to`, inside the KMS: it comes to nobody, and no Decrypt
/// is asked. `from` is the KMS key that it is under now; NULL is the one that is asked first. Who has the table open
/// does not notice. The root key stays the same one: tablecrypt_service_switch_key makes a new one.
///
/// Errors: NO_SUCH_KMS_KEY where `from` is none of the table's, ALREADY_UNDER_KMS_KEY where `to` is another of them,
/// KMS_REQUEST_INVALID where the KMS cannot take one of the two; and as tablecrypt_service_rotate but for NO_RANDOM and
/// NO_SUCH_STRUCTURE. The table is as before then. NOT_BUILT_IN in a library without the feature full.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_service_rewrap(
    service: *const Service,
    table: *const c_char,
    from: *const c_char,
    to: *const c_char,
) -> Status {
    // SAFETY: the header's promise.
    unsafe {
        rewrap(service, table, from, to, &|service, table, rewrap| {
            full(|| service.rewrap(table, rewrap).map(drop).map_err(Failure::from))
        })
    }
}

/// What stands in the way of tablecrypt_service_rewrap, as far as it can be seen: asks the KMS for the two keys
/// (describe_key), and changes nothing. OK where nothing does.
///
/// Errors: KEY_DISABLED, KEY_PENDING_DELETION, KEY_NOT_FOUND of either key; and as tablecrypt_service_rewrap but for
/// KEY_FILE_BUSY and WRONG_CONTEXT. NOT_BUILT_IN in a library without the feature full.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_service_plan_rewrap(
    service: *const Service,
    table: *const c_char,
    from: *const c_char,
    to: *const c_char,
) -> Status {
    let plan = |service: &envelope::Service, table: &str, rewrap: &Rewrap| {
        full(|| service.plan_rewrap(table, rewrap)?.obstacle.map_or(Ok(()), |error| Err(error.into())))
    };
    // SAFETY: the header's promise.
    unsafe { rewrap(service, table, from, to, &plan) }
}

/// Moves a table to these KMS keys, ids, ARNs or aliases, the first of which is asked first, under a new root key. The
/// data keys stay and are wrapped anew, no data is touched, and who has the table open goes on. The old KMS keys are
/// needed until this has ended; then no file of the store opens with them. Who had their use and a copy of the key file
/// can have the data keys for ever: against that, rotate, and seal the records anew.
///
/// Errors: LENGTH, INDISPENSABLE where there is no key, KMS_REQUEST_INVALID where the KMS cannot take one; and as
/// tablecrypt_service_rotate but for NO_SUCH_STRUCTURE. The table is as before then. NOT_BUILT_IN in a library without
/// the feature full.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_service_switch_key(
    service: *const Service,
    table: *const c_char,
    kms_keys: *const *const c_char,
    kms_key_count: usize,
) -> Status {
    boundary::call(|| {
        // SAFETY: the header's promise.
        let service = unsafe { boundary::shared(service) }?;
        // SAFETY: the header's promise.
        let table = unsafe { boundary::text(table) }?;
        // SAFETY: the header's promise.
        let keys = unsafe { boundary::texts(kms_keys, kms_key_count) }?;
        full(|| service.0.switch_key(table, &keys).map(drop).map_err(Failure::from))
    })
}

/// Puts a table under one more KMS key, such as one of another region, which is asked after those that it has: any of
/// them opens it. If it is under that key already, nothing changes.
///
/// Errors: KMS_REQUEST_INVALID where the KMS cannot take that key; and as tablecrypt_service_rotate but for
/// NO_SUCH_STRUCTURE. NOT_BUILT_IN in a library without the feature full.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_service_add_kms_key(
    service: *const Service,
    table: *const c_char,
    kms_key: *const c_char,
) -> Status {
    // SAFETY: the header's promise.
    unsafe {
        change(service, table, kms_key, &|service, table, key| {
            full(|| service.add_kms_key(table, key).map(drop).map_err(Failure::from))
        })
    }
}

/// Takes a KMS key, its ARN as the description has it, from a table that has others. One of those opens the table
/// first, as a proof. Then no file of the store opens with the one that is gone.
///
/// Errors: NO_SUCH_KMS_KEY, INDISPENSABLE for the last one; and as tablecrypt_service_rotate but for NO_RANDOM and
/// NO_SUCH_STRUCTURE. NOT_BUILT_IN in a library without the feature full.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_service_remove_kms_key(
    service: *const Service,
    table: *const c_char,
    kms_key: *const c_char,
) -> Status {
    // SAFETY: the header's promise.
    unsafe {
        change(service, table, kms_key, &|service, table, key| {
            full(|| service.remove_kms_key(table, key).map(drop).map_err(Failure::from))
        })
    }
}

/// What only a library with the feature `full` does.
fn full(change: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    if cfg!(feature = "full") { change() } else { Err(Status::NotBuiltIn.into()) }
}

/// Does something to a table, with a name of what it is done to.
///
/// # Safety
/// The header's promise.
unsafe fn change(
    service: *const Service,
    table: *const c_char,
    name: *const c_char,
    change: &dyn Fn(&envelope::Service, &str, &str) -> Result<(), Failure>,
) -> Status {
    boundary::call(|| {
        // SAFETY: the header's promise.
        let service = unsafe { boundary::shared(service) }?;
        // SAFETY: the header's promise.
        let table = unsafe { boundary::text(table) }?;
        // SAFETY: the header's promise.
        let name = unsafe { boundary::text(name) }?;
        change(&service.0, table, name)
    })
}

/// Rewraps a table's root key, or sees whether that goes.
///
/// # Safety
/// The header's promise.
unsafe fn rewrap(
    service: *const Service,
    table: *const c_char,
    from: *const c_char,
    to: *const c_char,
    rewrap: &dyn Fn(&envelope::Service, &str, &Rewrap) -> Result<(), Failure>,
) -> Status {
    boundary::call(|| {
        // SAFETY: the header's promise.
        let service = unsafe { boundary::shared(service) }?;
        // SAFETY: the header's promise.
        let table = unsafe { boundary::text(table) }?;
        // SAFETY: the header's promise.
        let from = unsafe { boundary::optional_text(from) }?;
        // SAFETY: the header's promise.
        let mut wanted = Rewrap::to(unsafe { boundary::text(to) }?);
        if let Some(from) = from {
            wanted = wanted.from(from);
        }
        rewrap(&service.0, table, &wanted)
    })
}
