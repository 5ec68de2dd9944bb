//! The settings of a service: what is not set is as in the envelope.

#![allow(unsafe_code, reason = "exported functions; the blocks only call boundary.rs")]

use core::ffi::{c_char, c_int};
use core::time::Duration;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use envelope::audit::AuditLog;
use envelope::core::{KEY, Key};
use envelope::{Error, KeyBox, Listener, RotationPolicy, ServiceBuilder};

use crate::boundary;
use crate::service;
use crate::status::{Failure, Status};

/// The settings of a service, for tablecrypt_service_open, which copies them. All times are in milliseconds.
///
/// One thread sets them: a child of a fork() in the middle of that must not use them.
pub struct Settings(Mutex<Values>);

/// Who shares a permission for a table: one KMS call every five minutes, one deadline, and a refusal.
#[repr(i32)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// Each connection has permissions of its own: so it is unless set.
    Connection = 0,
    /// The connections of a principal share theirs: tablecrypt_service_connect_as.
    Principal = 1,
    /// All connections of a service share theirs. The KMS is asked as the service, whoever connects.
    Process = 2,
}

/// A tablecrypt_scope: C may give any number.
pub type ScopeNumber = i32;

#[derive(Clone, Default)]
pub(crate) struct Values {
    refresh: Option<(Duration, Duration)>,
    jitter: Option<Duration>,
    outage_grace: Duration,
    drain: Duration,
    scope: envelope::Scope,
    subscriber: Option<String>,
    default_key: Option<String>,
    require_default_key: bool,
    names_in_log: bool,
    pub(crate) log: Option<Arc<dyn Listener>>,
    audit: Option<Arc<AuditLog>>,
    rotation: Option<RotationPolicy>,
}

/// Gives settings, none of which is set.
///
/// Errors: NULL_ARGUMENT.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_settings_new(settings: *mut *mut Settings) -> Status {
    // SAFETY: the header's promise.
    boundary::call(|| unsafe { boundary::give(settings, || Ok(Settings(Mutex::default()))) })
}

/// How old a permission is when traffic has it refreshed (300,000 unless set), and how long that may take before the keys
/// are wiped (30,000).
///
/// Errors: NULL_ARGUMENT; INVALID_SETTING unless both are 1 to 86,400,000, a day.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_settings_refresh(settings: *mut Settings, every: u64, within: u64) -> Status {
    let set = |values: &mut Values| {
        let range = 1..=DAY;
        if !range.contains(&every) || !range.contains(&within) {
            return Err(Error::InvalidSetting { setting: "refresh", range: "1 ms to a day" }.into());
        }
        values.refresh = Some((Duration::from_millis(every), Duration::from_millis(within)));
        Ok(())
    };
    // SAFETY: the header's promise.
    unsafe { setting(settings, set) }
}

/// How much earlier than that the first refresh of a permission may be due, so that connections that were opened at once
/// do not call the KMS at once from then on. A tenth of the refresh's age unless set; never more than half of it.
///
/// Errors: NULL_ARGUMENT.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_settings_jitter(settings: *mut Settings, jitter: u64) -> Status {
    let set = |values: &mut Values| {
        values.jitter = Some(Duration::from_millis(jitter));
        Ok(())
    };
    // SAFETY: the header's promise.
    unsafe { setting(settings, set) }
}

/// How much longer than its deadline a table with traffic goes on with its old keys while the KMS fails, but says no no. 0
/// unless set. Somebody who can keep this process from reaching the KMS can so keep a permission that was taken away.
///
/// Errors: NULL_ARGUMENT; INVALID_SETTING above 43,200,000, 12 hours.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_settings_outage_grace(settings: *mut Settings, grace: u64) -> Status {
    let set = |values: &mut Values| {
        if grace > DAY / 2 {
            return Err(Error::InvalidSetting { setting: "outage_grace", range: "0 to 12 hours" }.into());
        }
        values.outage_grace = Duration::from_millis(grace);
        Ok(())
    };
    // SAFETY: the header's promise.
    unsafe { setting(settings, set) }
}

/// How much longer a table whose key the KMS refuses still seals, and opens nothing, with the keys that it had, so that a
/// storage engine can write out what it has acknowledged, and shut down. 0 unless set. Whoever takes a permission away
/// waits this long until the keys are wiped.
///
/// Errors: NULL_ARGUMENT; INVALID_SETTING above 3,600,000, an hour.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_settings_drain(settings: *mut Settings, drain: u64) -> Status {
    let set = |values: &mut Values| {
        if drain > DAY / 24 {
            return Err(Error::InvalidSetting { setting: "drain", range: "0 to 1 hour" }.into());
        }
        values.drain = Duration::from_millis(drain);
        Ok(())
    };
    // SAFETY: the header's promise.
    unsafe { setting(settings, set) }
}

/// Who shares a permission. TABLECRYPT_SCOPE_CONNECTION unless set: nobody.
///
/// Errors: NULL_ARGUMENT; INVALID_SETTING for another number.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_settings_scope(settings: *mut Settings, scope: ScopeNumber) -> Status {
    let set = |values: &mut Values| {
        values.scope = match scope {
            0 => envelope::Scope::Connection,
            1 => envelope::Scope::Principal,
            2 => envelope::Scope::Process,
            _ => return Err(Error::InvalidSetting { setting: "scope", range: "0 to 2" }.into()),
        };
        Ok(())
    };
    // SAFETY: the header's promise.
    unsafe { setting(settings, set) }
}

/// Whose tables they are: the value of tablecrypt:subscriber in every encryption context. "default" unless set.
///
/// Errors: NULL_ARGUMENT, INVALID_UTF8.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_settings_subscriber(settings: *mut Settings, subscriber: *const c_char) -> Status {
    // SAFETY: the header's promise.
    unsafe { naming(settings, subscriber, |values| &mut values.subscriber) }
}

/// The alias of the service default key. "alias/tablecrypt/default" unless set. The KMS says what is an alias, when the key is
/// to be created: KMS_REQUEST_INVALID then.
///
/// Errors: NULL_ARGUMENT, INVALID_UTF8.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_settings_default_key(settings: *mut Settings, alias: *const c_char) -> Status {
    // SAFETY: the header's promise.
    unsafe { naming(settings, alias, |values| &mut values.default_key) }
}

/// Whether the service default key is never created: where it is missing, whoever administers keys makes it, and until
/// then tables under it cannot be created: KEY_NOT_FOUND. 0, which is no, unless set.
///
/// Errors: NULL_ARGUMENT.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_settings_require_default_key(settings: *mut Settings, required: c_int) -> Status {
    let set = |values: &mut Values| {
        values.require_default_key = required != 0;
        Ok(())
    };
    // SAFETY: the header's promise.
    unsafe { setting(settings, set) }
}

/// Whether the log may tell the names of tables, which are values of the encryption context. 0, which is no and tells their
/// ids, unless set.
///
/// Errors: NULL_ARGUMENT.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_settings_names_in_log(settings: *mut Settings, shown: c_int) -> Status {
    let set = |values: &mut Values| {
        values.names_in_log = shown != 0;
        Ok(())
    };
    // SAFETY: the header's promise.
    unsafe { setting(settings, set) }
}

/// Records every KMS call and every change of a table in the file `path`, which is created, before the answer is used: a key
/// that cannot be recorded is not used, unless `best_effort` is not 0. `key` is of 32 bytes, and binds the lines so that only
/// who has it can write a log that is taken for whole; NULL is none. `who` is who this process is, in words of the caller;
/// NULL is none. The caller's copy of the key stays the caller's to wipe.
///
/// Errors: NULL_ARGUMENT, INVALID_UTF8; NOT_BUILT_IN in a library without the feature full.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_settings_audit_log(
    settings: *mut Settings,
    path: *const c_char,
    key: *const u8,
    who: *const c_char,
    best_effort: c_int,
) -> Status {
    let set = |values: &mut Values| {
        if !cfg!(feature = "full") {
            return Err(Status::NotBuiltIn.into());
        }
        // SAFETY: the header's promise.
        let mut log = AuditLog::new(service::path(unsafe { boundary::string(path) }?));
        // SAFETY: the header's promise.
        if let Some(who) = unsafe { boundary::optional_text(who) }? {
            log = log.who(who);
        }
        if !key.is_null() {
            // SAFETY: the header's promise; nothing is written while it lives.
            let key: &[u8; KEY] = unsafe { boundary::array(key) }?;
            log = log.with_key(KeyBox::fill(Key::zeroed(), |own| {
                own.expose_mut().copy_from_slice(key);
                Ok::<_, Failure>(())
            })?);
        }
        if best_effort != 0 {
            log = log.best_effort();
        }
        values.audit = Some(Arc::new(log));
        Ok(())
    };
    // SAFETY: the header's promise.
    unsafe { setting(settings, set) }
}

/// Has data keys rotated by themselves, as soon as the newest generation is as old as `age`, or one process has sealed about
/// so many records or so many bytes of text with it; 0 is no limit. Not unless set. Each rotation is one KMS call more, in
/// the background.
///
/// Errors: NULL_ARGUMENT; NOT_BUILT_IN in a library without the feature full.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_settings_rotate_after(
    settings: *mut Settings,
    age: u64,
    records: u64,
    bytes: u64,
) -> Status {
    let set = |values: &mut Values| {
        if !cfg!(feature = "full") {
            return Err(Status::NotBuiltIn.into());
        }
        let mut policy = RotationPolicy::default();
        if age > 0 {
            policy = policy.age(Duration::from_millis(age));
        }
        if records > 0 {
            policy = policy.records(records);
        }
        if bytes > 0 {
            policy = policy.bytes(bytes);
        }
        values.rotation = (policy != RotationPolicy::default()).then_some(policy);
        Ok(())
    };
    // SAFETY: the header's promise.
    unsafe { setting(settings, set) }
}

/// Frees the settings; nothing for NULL. Services that were opened with them go on.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_settings_free(settings: *mut Settings) {
    // SAFETY: the header's promise.
    unsafe { boundary::take_back(settings) };
}

/// Sets something.
///
/// # Safety
/// The header's promise.
pub(crate) unsafe fn setting(settings: *mut Settings, set: impl FnOnce(&mut Values) -> Result<(), Failure>) -> Status {
    boundary::call(|| {
        // SAFETY: the header's promise.
        set(&mut unsafe { boundary::shared(settings) }?.values())
    })
}

/// Sets a name.
///
/// # Safety
/// The header's promise.
#[inline(never)]
unsafe fn naming(
    settings: *mut Settings,
    name: *const c_char,
    place: fn(&mut Values) -> &mut Option<String>,
) -> Status {
    let set = |values: &mut Values| {
        // SAFETY: the header's promise.
        *place(values) = Some(unsafe { boundary::text(name) }?.to_owned());
        Ok(())
    };
    // SAFETY: the header's promise.
    unsafe { setting(settings, set) }
}

impl Settings {
    /// What a service is built with.
    pub(crate) fn apply(&self, builder: ServiceBuilder) -> envelope::Result<ServiceBuilder> {
        let values = self.values().clone();
        let builder = match values.log {
            Some(listener) => builder.log(listener),
            None => builder,
        };
        let mut builder = builder
            .outage_grace(values.outage_grace)?
            .drain(values.drain)?
            .scope(values.scope)
            .names_in_log(values.names_in_log);
        if let Some((every, within)) = values.refresh {
            builder = builder.refresh(every, within);
        }
        if let Some(jitter) = values.jitter {
            builder = builder.jitter(jitter);
        }
        if let Some(subscriber) = values.subscriber {
            builder = builder.subscriber(subscriber);
        }
        if let Some(alias) = values.default_key {
            builder = builder.default_key(alias);
        }
        if values.require_default_key {
            builder = builder.require_default_key();
        }
        if cfg!(feature = "full") {
            if let Some(audit) = values.audit {
                builder = builder.audit(audit);
            }
            if let Some(policy) = values.rotation {
                builder = builder.rotate_after(policy);
            }
        }
        Ok(builder)
    }

    fn values(&self) -> MutexGuard<'_, Values> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The longest refresh, in milliseconds.
const DAY: u64 = 24 * 3600 * 1000;
