//! The log of a service: a function of the caller's is told each event.

#![allow(unsafe_code, reason = "exported functions; the blocks only call boundary.rs and callbacks.rs")]

use core::ffi::{c_char, c_void};
use std::sync::Arc;

use crate::callbacks::Listener;
use crate::settings::{self, Settings, Values};
use crate::status::Status;

/// How much an event of the log matters. A number never gets another meaning; a later version may have more of them.
#[repr(i32)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogLevel {
    /// Something is lost: a line of the audit log.
    Error = 1,
    /// Somebody may have to act: a key was not refreshed, a table drains or is on its outage grace.
    Warn = 2,
    /// What changed: a table is permitted again, was locked by hand, or its keys were wiped.
    Info = 3,
    /// Each answer of the KMS.
    Debug = 4,
}

/// A function that is told an event in one line: what happened, then the fields, such as "the table's key was not refreshed
/// table=1f8b... error=AccessDenied". The words may change, they are for people. No key, no text and no context is in it.
/// `message` is UTF-8, ends with a NUL, and is there until the function returns. A table is told by its id, unless
/// tablecrypt_settings_names_in_log lets its name be told.
///
/// It may be called from any thread, also from the library's own and several at once, and while the library holds locks: it
/// must not use the service or what came from it, nor take long, and neither throw nor longjmp. In a child of fork() it is
/// called with the same `caller`, so a lock that it takes must be one that the caller makes anew there.
pub type LogCall = Option<unsafe extern "C" fn(caller: *mut c_void, level: LogLevel, message: *const c_char)>;

/// Called once, when nothing will call the function any more: the settings are freed or have another, and all that was
/// opened with them is freed. It may be called from a thread of the library's; in a child of fork() too, if that frees
/// them. It must use neither the settings nor the service. May be NULL.
pub type LogRelease = Option<unsafe extern "C" fn(caller: *mut c_void)>;

/// Has every event of the services that are opened with these settings told to `log`, which is called with `caller`; the
/// library does not look at that. Unless set nobody is told. Where this fails, release is not called.
///
/// Errors: NULL_ARGUMENT, also for `log`.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_settings_log(
    settings: *mut Settings,
    log: LogCall,
    caller: *mut c_void,
    release: LogRelease,
) -> Status {
    let set = |values: &mut Values| {
        let log = log.ok_or(Status::NullArgument)?;
        values.log = Some(Arc::new(Listener { log, caller, release }));
        Ok(())
    };
    // SAFETY: the header's promise.
    unsafe { settings::setting(settings, set) }
}
