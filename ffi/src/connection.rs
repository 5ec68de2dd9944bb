//! One client connection, and the tables that it opens.

#![allow(unsafe_code, reason = "exported functions; the blocks only call boundary.rs")]

use core::ffi::c_char;

use crate::boundary;
use crate::status::Status;
use crate::table::Table;

/// A client connection: what has a permission of its own, which the KMS renews every five minutes while it is used.
pub struct Connection(pub(crate) envelope::Connection);

/// Opens a table. The first time that costs one KMS call, for which it waits. Where the KMS refused, this connection
/// pauses before it asks again, a second at first, and answers meanwhile what it was told.
///
/// Errors: NULL_ARGUMENT, INVALID_UTF8, INVALID_NAME, CLOSED, LOCKED; NO_SUCH_TABLE, KEY_FILE_CORRUPT, UNKNOWN_VERSION,
/// WRONG_CONTEXT, IO for its key file; ACCESS_DENIED, KEY_DISABLED, KEY_NOT_FOUND, KEY_PENDING_DELETION,
/// KEY_UNAVAILABLE for its KMS key.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_connection_open_table(
    connection: *const Connection,
    name: *const c_char,
    table: *mut *mut Table,
) -> Status {
    boundary::call(|| {
        let make = || {
            // SAFETY: the header's promise.
            let connection = unsafe { boundary::shared(connection) }?;
            // SAFETY: the header's promise.
            let name = unsafe { boundary::text(name) }?;
            Ok(Table(connection.0.open_table(name)?))
        };
        // SAFETY: the header's promise.
        unsafe { boundary::give(table, make) }
    })
}

/// Ends the connection's permissions, also for the tables and structures that it gave: they answer CLOSED from then on,
/// and the keys are wiped unless another connection of this process has them too. Calls that run end well. A second
/// close does nothing. The handle is still to be freed.
///
/// Errors: NULL_ARGUMENT.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_connection_close(connection: *const Connection) -> Status {
    boundary::call(|| {
        // SAFETY: the header's promise.
        unsafe { boundary::shared(connection) }?.0.close();
        Ok(())
    })
}

/// Locks all tables that the connection opened by hand, and opens none: their permissions' keys are wiped now, and every
/// operation answers LOCKED until tablecrypt_connection_unlock. What runs at this moment still ends well.
///
/// Errors: NULL_ARGUMENT.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_connection_lock(connection: *const Connection) -> Status {
    boundary::call(|| {
        // SAFETY: the header's promise.
        unsafe { boundary::shared(connection) }?.0.lock();
        Ok(())
    })
}

/// Takes back tablecrypt_connection_lock, and tablecrypt_table_lock for each of its tables. The next operation asks the KMS.
///
/// Errors: NULL_ARGUMENT.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_connection_unlock(connection: *const Connection) -> Status {
    boundary::call(|| {
        // SAFETY: the header's promise.
        unsafe { boundary::shared(connection) }?.0.unlock();
        Ok(())
    })
}

/// Frees the connection; nothing for NULL. Tables and structures that came from it go on until they are freed.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_connection_free(connection: *mut Connection) {
    // SAFETY: the header's promise.
    unsafe { boundary::take_back(connection) };
}
