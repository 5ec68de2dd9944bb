//! Administration of the local KMS: what an administrator of a real KMS does in its console.

#![allow(unsafe_code, reason = "exported functions; the blocks only call boundary.rs")]

use core::ffi::c_char;

use envelope::DEFAULT_KEY_ALIAS;
use envelope::kms::{KmsError, LocalKms};

use crate::boundary;
use crate::kms::named;
use crate::service::path;
use crate::status::{Failure, Status};

/// Disables a key of the local KMS of the service in `folder`: tables under it cannot be opened, and those that are open
/// fail at their deadline. `key` is an id, ARN or alias; NULL is the service default key.
///
/// Errors: NULL_ARGUMENT, INVALID_UTF8, IO, KEY_NOT_FOUND, KEY_PENDING_DELETION.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_local_kms_disable_key(folder: *const c_char, key: *const c_char) -> Status {
    // SAFETY: the header's promise.
    unsafe { administer(folder, key, LocalKms::disable_key) }
}

/// Enables it again; tables under it work again without a restart.
///
/// Errors: as tablecrypt_local_kms_disable_key.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_local_kms_enable_key(folder: *const c_char, key: *const c_char) -> Status {
    // SAFETY: the header's promise.
    unsafe { administer(folder, key, LocalKms::enable_key) }
}

/// Does something to a key of the local KMS of a service's folder.
///
/// # Safety
/// The header's promise.
unsafe fn administer(
    folder: *const c_char,
    key: *const c_char,
    f: impl FnOnce(&LocalKms, &str) -> Result<(), KmsError>,
) -> Status {
    boundary::call(|| {
        // SAFETY: the header's promise.
        let folder = unsafe { boundary::string(folder) }?;
        // SAFETY: the header's promise.
        let key = unsafe { boundary::optional_text(key) }?;
        let kms = LocalKms::open(named(path(folder))?.join("kms"))?;
        f(&kms, key.unwrap_or(DEFAULT_KEY_ALIAS)).map_err(Failure::from)
    })
}
