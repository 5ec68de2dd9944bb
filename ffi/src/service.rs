//! The front door: a service, from which tables are created and connections made. And what the library says of itself.

#![allow(unsafe_code, reason = "exported functions; the blocks only call boundary.rs")]

use core::ffi::{CStr, c_char};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use envelope::TableSpec;

use crate::boundary;
use crate::connection::Connection;
use crate::kms::{Kms, Provider, named};
use crate::settings::Settings;
use crate::status::{Failure, Status};

/// The interface that this header describes. Another number is an interface that old programs cannot use.
pub const ABI: u32 = 1;

/// Tables under a KMS.
pub struct Service(pub(crate) envelope::Service);

/// The interface that the library has: it should be the TABLECRYPT_ABI that the program was compiled with.
#[unsafe(no_mangle)]
pub extern "C" fn tablecrypt_abi() -> u32 {
    ABI
}

/// The version of the library, such as "0.1.0". Static.
#[unsafe(no_mangle)]
pub extern "C" fn tablecrypt_version() -> *const c_char {
    const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!("a version without NUL"),
    };
    VERSION.as_ptr()
}

/// Opens a service on embedded defaults: a local KMS in `folder`/kms, key files in `folder`/tables. What is missing is
/// created. Any number of processes may share a folder.
///
/// Errors: NULL_ARGUMENT, IO.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_service_open_local(folder: *const c_char, service: *mut *mut Service) -> Status {
    boundary::call(|| {
        let make = || {
            // SAFETY: the header's promise.
            let folder = named(path(unsafe { boundary::string(folder) }?))?;
            Provider::local(&folder.join("kms"))?.open(&folder.join("tables"), None).map(Service)
        };
        // SAFETY: the header's promise.
        unsafe { boundary::give(service, make) }
    })
}

/// Opens a service over a KMS, with key files in `key_files`, a folder that is created if it is missing. Any number of
/// processes may share it. `settings` may be NULL: then nothing is set. The KMS is not asked yet.
///
/// Errors: NULL_ARGUMENT, IO.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_service_open(
    kms: *const Kms,
    key_files: *const c_char,
    settings: *const Settings,
    service: *mut *mut Service,
) -> Status {
    boundary::call(|| {
        let make = || {
            // SAFETY: the header's promise.
            let kms = unsafe { boundary::shared(kms) }?;
            // SAFETY: the header's promise.
            let folder = path(unsafe { boundary::string(key_files) }?);
            // SAFETY: the header's promise.
            let settings = unsafe { boundary::optional(settings) };
            kms.0.open(folder, settings).map(Service)
        };
        // SAFETY: the header's promise.
        unsafe { boundary::give(service, make) }
    })
}

/// Creates a table with a base table and these local and global secondary indexes, each encrypted under a data key of
/// its own from then on. `kms_key` is the id, ARN or alias of its KMS key; NULL is the service default key, which is
/// created if it is missing. However the call ends, the table is there or is not.
///
/// Errors: NULL_ARGUMENT, LENGTH, INVALID_UTF8, INVALID_NAME, TABLE_EXISTS, IO, NO_RANDOM; ACCESS_DENIED,
/// KEY_DISABLED, KEY_NOT_FOUND, KEY_PENDING_DELETION, KEY_UNAVAILABLE; KMS_REQUEST_INVALID where the KMS cannot take its
/// KMS key, or is to create the service default key and was given no alias for it.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_service_create_table(
    service: *const Service,
    table: *const c_char,
    locals: *const *const c_char,
    local_count: usize,
    globals: *const *const c_char,
    global_count: usize,
    kms_key: *const c_char,
) -> Status {
    let keys = &raw const kms_key;
    let count = usize::from(!kms_key.is_null());
    // SAFETY: the header's promise; an array of none or of this one.
    unsafe {
        tablecrypt_service_create_table_under(service, table, locals, local_count, globals, global_count, keys, count)
    }
}

/// As tablecrypt_service_create_table, under several KMS keys, the first of which is asked first: any of them opens the
/// table, so whoever is to be locked out must be refused by all of them. No key is the service default key.
///
/// Errors: as tablecrypt_service_create_table.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_service_create_table_under(
    service: *const Service,
    table: *const c_char,
    locals: *const *const c_char,
    local_count: usize,
    globals: *const *const c_char,
    global_count: usize,
    kms_keys: *const *const c_char,
    kms_key_count: usize,
) -> Status {
    boundary::call(|| {
        // SAFETY: the header's promise.
        let service = unsafe { boundary::shared(service) }?;
        // SAFETY: the header's promise.
        let mut spec = TableSpec::new(unsafe { boundary::text(table) }?);
        // SAFETY: the header's promise.
        for name in unsafe { boundary::texts(locals, local_count) }? {
            spec = spec.local(name);
        }
        // SAFETY: the header's promise.
        for name in unsafe { boundary::texts(globals, global_count) }? {
            spec = spec.global(name);
        }
        // SAFETY: the header's promise.
        for (index, key) in unsafe { boundary::texts(kms_keys, kms_key_count) }?.into_iter().enumerate() {
            spec = if index == 0 { spec.kms_key(key) } else { spec.also_under(key) };
        }
        service.0.create_table(&spec).map(drop).map_err(Failure::from)
    })
}

/// Writes the ARN of the service default key, with its NUL, and says in `length`, which may be NULL, how long it is without
/// that. The key is created if it is missing. tablecrypt_service_create_table does this by itself when it has to.
///
/// Errors: NULL_ARGUMENT, LENGTH, OVERLAP; OUTPUT_TOO_SHORT, and nothing was written but `length`; ACCESS_DENIED, IO,
/// KEY_UNAVAILABLE; KMS_REQUEST_INVALID where it is to be created, and what tablecrypt_settings_default_key named is no
/// alias to the KMS; KEY_NOT_FOUND after tablecrypt_settings_require_default_key. From a KMS of the caller's also
/// KEY_DISABLED and KEY_PENDING_DELETION.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_service_default_key(
    service: *const Service,
    arn: *mut c_char,
    capacity: usize,
    length: *mut usize,
) -> Status {
    boundary::call(|| {
        // SAFETY: the header's promise.
        let key = unsafe { boundary::shared(service) }?.0.default_key()?;
        // SAFETY: the header's promise.
        unsafe { boundary::copy_text(&key, arn, capacity, length) }
    })
}

/// Makes a client connection. It costs nothing before it opens a table.
///
/// Errors: NULL_ARGUMENT.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_service_connect(
    service: *const Service,
    connection: *mut *mut Connection,
) -> Status {
    boundary::call(|| {
        // SAFETY: the header's promise.
        let make = || Ok(Connection(unsafe { boundary::shared(service) }?.0.connect()));
        // SAFETY: the header's promise.
        unsafe { boundary::give(connection, make) }
    })
}

/// Makes a client connection of somebody: of a user or a role, by a name that the caller has authenticated. By
/// tablecrypt_settings_scope it shares the permissions of that principal, and a KMS of the caller's is told who asks.
///
/// Errors: NULL_ARGUMENT, INVALID_UTF8.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_service_connect_as(
    service: *const Service,
    principal: *const c_char,
    connection: *mut *mut Connection,
) -> Status {
    boundary::call(|| {
        let make = || {
            // SAFETY: the header's promise.
            let service = unsafe { boundary::shared(service) }?;
            // SAFETY: the header's promise.
            Ok(Connection(service.0.connect_as(unsafe { boundary::text(principal) }?)))
        };
        // SAFETY: the header's promise.
        unsafe { boundary::give(connection, make) }
    })
}

/// Locks all tables of all connections of the service by hand: all their keys are wiped now, and every operation answers
/// LOCKED until tablecrypt_service_unlock. What runs at this moment still ends well. No key of theirs is left in this
/// process then. Tables can be created and described.
///
/// Errors: NULL_ARGUMENT.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_service_lock(service: *const Service) -> Status {
    boundary::call(|| {
        // SAFETY: the header's promise.
        unsafe { boundary::shared(service) }?.0.lock();
        Ok(())
    })
}

/// Takes back tablecrypt_service_lock; what was locked by itself stays locked. The next operation asks the KMS.
///
/// Errors: NULL_ARGUMENT.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_service_unlock(service: *const Service) -> Status {
    boundary::call(|| {
        // SAFETY: the header's promise.
        unsafe { boundary::shared(service) }?.0.unlock();
        Ok(())
    })
}

/// Frees the service; nothing for NULL. Connections, tables and structures that came from it go on.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_service_free(service: *mut Service) {
    // SAFETY: the header's promise.
    unsafe { boundary::take_back(service) };
}

/// A path is bytes, not necessarily UTF-8.
pub(crate) fn path(folder: &CStr) -> &Path {
    Path::new(OsStr::from_bytes(folder.to_bytes()))
}
