//! What a table says of itself, which tables there are, and the generations of data keys.

#![allow(unsafe_code, reason = "exported functions; the blocks only call boundary.rs")]

use core::ffi::c_char;
use core::ptr::null;
use std::ffi::CString;
use std::time::{SystemTime, UNIX_EPOCH};

use envelope::TableDescription;

use crate::boundary;
use crate::service::Service;
use crate::status::Status;
use crate::table::Table;

/// What a table said of itself when it was asked. Its strings live as long as it does.
pub struct Description {
    table: CString,
    table_id: CString,
    created: i64,
    status: KeyStatus,
    kms_keys: Vec<CString>,
    switching_to: Option<CString>,
    inaccessible_since: i64,
    grace_since: i64,
    locked: bool,
    structures: Vec<CString>,
}

/// SSEDescription.Status, as DynamoDB has it.
#[repr(i32)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyStatus {
    /// All is encrypted under the KMS key named.
    Enabled = 0,
    /// The table moves to another root key: tablecrypt_service_switch_key. A move that was cut off stays so until it is
    /// called again.
    Updating = 1,
}

/// Asks the key file and not the KMS, so nothing proves yet that nobody changed it; and this service, for what it knows of
/// the table's KMS key.
///
/// Errors: NULL_ARGUMENT, INVALID_UTF8, INVALID_NAME, NO_SUCH_TABLE, KEY_FILE_CORRUPT, UNKNOWN_VERSION, IO.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_service_describe_table(
    service: *const Service,
    table: *const c_char,
    description: *mut *mut Description,
) -> Status {
    boundary::call(|| {
        let make = || {
            // SAFETY: the header's promise.
            let service = unsafe { boundary::shared(service) }?;
            // SAFETY: the header's promise.
            let table = unsafe { boundary::text(table) }?;
            Ok(Description::new(service.0.describe_table(table)?))
        };
        // SAFETY: the header's promise.
        unsafe { boundary::give(description, make) }
    })
}

/// Asks the key file, and this table's connection for what it knows of the KMS key.
///
/// Errors: NULL_ARGUMENT, NO_SUCH_TABLE, KEY_FILE_CORRUPT, UNKNOWN_VERSION, IO.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_table_describe(table: *const Table, description: *mut *mut Description) -> Status {
    boundary::call(|| {
        // SAFETY: the header's promise.
        let make = || Ok(Description::new(unsafe { boundary::shared(table) }?.0.describe()?));
        // SAFETY: the header's promise.
        unsafe { boundary::give(description, make) }
    })
}

/// The table's name. NULL for NULL.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_description_table(description: *const Description) -> *const c_char {
    // SAFETY: the header's promise.
    unsafe { string(description, |description| Some(&description.table)) }
}

/// The table's id, 32 hexadecimal digits: another one for a table that was deleted and created again. NULL for NULL.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_description_table_id(description: *const Description) -> *const c_char {
    // SAFETY: the header's promise.
    unsafe { string(description, |description| Some(&description.table_id)) }
}

/// When the table was created, in milliseconds since 1970, UTC. 0 for NULL.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_description_created(description: *const Description) -> i64 {
    // SAFETY: the header's promise.
    unsafe { boundary::optional(description) }.map_or(0, |description| description.created)
}

/// SSEDescription.Status. ENABLED for NULL.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_description_status(description: *const Description) -> KeyStatus {
    // SAFETY: the header's promise.
    unsafe { boundary::optional(description) }.map_or(KeyStatus::Enabled, |description| description.status)
}

/// How many KMS keys the table is under: any of them opens it. 0 for NULL.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_description_kms_key_count(description: *const Description) -> usize {
    // SAFETY: the header's promise.
    unsafe { boundary::optional(description) }.map_or(0, |description| description.kms_keys.len())
}

/// The ARN of a KMS key of the table, from 0, which is asked first. NULL from the count on, and for NULL.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_description_kms_key(
    description: *const Description,
    index: usize,
) -> *const c_char {
    // SAFETY: the header's promise.
    unsafe { string(description, |description| description.kms_keys.get(index)) }
}

/// While the status is UPDATING, the KMS key that the table moves to, as the mover named it; else NULL.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_description_switching_to(description: *const Description) -> *const c_char {
    // SAFETY: the header's promise.
    unsafe { string(description, |description| description.switching_to.as_ref()) }
}

/// When the KMS key was found inaccessible, so that the table's keys are locked, in milliseconds since 1970, UTC. 0 before
/// that, once it is accessible again, and for NULL.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_description_inaccessible_since(description: *const Description) -> i64 {
    // SAFETY: the header's promise.
    unsafe { boundary::optional(description) }.map_or(0, |description| description.inaccessible_since)
}

/// Since when the table goes on with old keys, by tablecrypt_settings_outage_grace, in milliseconds since 1970, UTC. 0
/// while it does not, and for NULL.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_description_grace_since(description: *const Description) -> i64 {
    // SAFETY: the header's promise.
    unsafe { boundary::optional(description) }.map_or(0, |description| description.grace_since)
}

/// Whether it was locked by hand: 1 or 0. 0 for NULL.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_description_is_locked(description: *const Description) -> i32 {
    // SAFETY: the header's promise.
    unsafe { boundary::optional(description) }.is_some_and(|description| description.locked).into()
}

/// How many structures the table has. 0 for NULL.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_description_structure_count(description: *const Description) -> usize {
    // SAFETY: the header's promise.
    unsafe { boundary::optional(description) }.map_or(0, |description| description.structures.len())
}

/// The name of a structure, from 0, which is "base": "local:NAME" or "global:NAME". NULL from the count on, and for NULL.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_description_structure(
    description: *const Description,
    index: usize,
) -> *const c_char {
    // SAFETY: the header's promise.
    unsafe { string(description, |description| description.structures.get(index)) }
}

/// Frees the description; nothing for NULL.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_description_free(description: *mut Description) {
    // SAFETY: the header's promise.
    unsafe { boundary::take_back(description) };
}

/// A string of a description's.
///
/// # Safety
/// The header's promise.
unsafe fn string(
    description: *const Description,
    find: impl FnOnce(&Description) -> Option<&CString>,
) -> *const c_char {
    // SAFETY: the header's promise.
    let description = unsafe { boundary::optional(description) };
    description.and_then(find).map_or(null(), |text| text.as_ptr())
}

impl Description {
    fn new(said: TableDescription) -> Self {
        let status = match said.status {
            envelope::KeyStatus::Updating => KeyStatus::Updating,
            _ => KeyStatus::Enabled,
        };
        let mut kms_keys = vec![c(said.kms_key)];
        for key in said.other_kms_keys {
            kms_keys.push(c(key));
        }
        let mut structures = Vec::new();
        for name in said.structures {
            structures.push(c(name.to_string()));
        }
        Self {
            table: c(said.table),
            table_id: c(said.table_id),
            created: date(said.created),
            status,
            kms_keys,
            switching_to: said.switching_to.map(c),
            inaccessible_since: said.inaccessible_since.map_or(0, date),
            grace_since: said.grace_since.map_or(0, date),
            locked: said.locked,
            structures,
        }
    }
}

/// A string as C wants it. None of these has a NUL, unless somebody wrote one into a key file: then it is empty.
pub(crate) fn c(text: String) -> CString {
    CString::new(text).unwrap_or_default()
}

/// A date in milliseconds since 1970.
pub(crate) fn date(date: SystemTime) -> i64 {
    let since = date.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
