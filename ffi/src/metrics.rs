//! What a service has done up to now, in numbers, and where keys stand in memory.

#![allow(unsafe_code, reason = "exported functions; the blocks only call boundary.rs")]

use envelope::KmsCall;

use crate::boundary;
use crate::service::Service;
use crate::status::Status;

/// What a service has done since it was opened, in this process, and how it stands now. A forked child begins at zero.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Metrics {
    /// Set by the caller: sizeof(tablecrypt_metrics). A later version may have more members at the end.
    pub size: usize,
    /// Records sealed.
    pub sealed: u64,
    /// Bytes of their texts.
    pub sealed_bytes: u64,
    /// Records opened.
    pub opened: u64,
    /// Bytes of their texts.
    pub opened_bytes: u64,
    /// Records that did not open, and texts that were not sealed, though the keys were there.
    pub refused: u64,
    /// Operations that found their keys.
    pub hits: u64,
    /// Operations that found none, whatever came of it.
    pub misses: u64,
    /// Those of them that waited for a KMS call of another.
    pub waits: u64,
    /// Operations that found keys that were due for a refresh, and had it started.
    pub stale: u64,
    /// For how many milliseconds keys that are in use now have been due for a refresh: the longest.
    pub stale_for: u64,
    /// Permissions that have their keys now: one a connection and table.
    pub permissions: u64,
    /// Data keys that are live now, in all their generations.
    pub generations: u64,
    /// Lines that the audit log could not take.
    pub audit_lost: u64,
    /// KMS calls: decrypt.
    pub decrypt: KmsCount,
    /// KMS calls: describe_key.
    pub describe_key: KmsCount,
    /// KMS calls: ensure_key.
    pub ensure_key: KmsCount,
    /// KMS calls: generate_data_key.
    pub generate_data_key: KmsCount,
    /// KMS calls: re_encrypt.
    pub re_encrypt: KmsCount,
}

/// The KMS calls that asked for the same.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct KmsCount {
    /// How many there were.
    pub calls: u64,
    /// How many of them gave nothing: refused, or failed.
    pub failures: u64,
    /// How many nanoseconds they took together.
    pub time: u64,
}

/// What holds the keys of this process, all services together.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct KeyMemory {
    /// Set by the caller: sizeof(tablecrypt_key_memory_use). A later version may have more members at the end.
    pub size: usize,
    /// Keys in memory that no other process can reach: memfd_secret.
    pub secret: u64,
    /// Keys in locked memory.
    pub locked: u64,
    /// Keys in memory that could not be locked: the system has neither, or RLIMIT_MEMLOCK is used up.
    pub unlocked: u64,
}

/// Fills `metrics`. It costs the data path nothing, and asks neither the KMS nor the store.
///
/// Errors: NULL_ARGUMENT; LENGTH for a size that cannot be.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_service_metrics(service: *const Service, metrics: *mut Metrics) -> Status {
    boundary::call(|| {
        // SAFETY: the header's promise.
        let found = unsafe { boundary::shared(service) }?.0.metrics();
        let mut value = Metrics {
            size: size_of::<Metrics>(),
            sealed: found.sealed,
            sealed_bytes: found.sealed_bytes,
            opened: found.opened,
            opened_bytes: found.opened_bytes,
            refused: found.refused,
            hits: found.hits,
            misses: found.misses,
            waits: found.waits,
            stale: found.stale,
            stale_for: found.stale_for.as_millis().try_into().unwrap_or(u64::MAX),
            permissions: found.permissions,
            generations: found.generations,
            audit_lost: found.audit_lost,
            ..Metrics::default()
        };
        for calls in &found.kms {
            let count = match calls.call {
                KmsCall::Decrypt => &mut value.decrypt,
                KmsCall::DescribeKey => &mut value.describe_key,
                KmsCall::EnsureKey => &mut value.ensure_key,
                KmsCall::GenerateDataKey => &mut value.generate_data_key,
                KmsCall::ReEncrypt => &mut value.re_encrypt,
                _ => continue,
            };
            count.calls = count.calls.saturating_add(calls.calls);
            if calls.outcome != "ok" {
                count.failures = count.failures.saturating_add(calls.calls);
            }
            count.time = count.time.saturating_add(calls.time.as_nanos().try_into().unwrap_or(u64::MAX));
        }
        // SAFETY: the header's promise; it is words only, without padding.
        unsafe { boundary::fill_sized(metrics, &value) }
    })
}

/// Fills `memory` with how many keys stand in which kind of memory now.
///
/// Errors: NULL_ARGUMENT; LENGTH for a size that cannot be.
///
/// # Safety
/// The header's promise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tablecrypt_key_memory(memory: *mut KeyMemory) -> Status {
    boundary::call(|| {
        let found = envelope::key_memory();
        let value = KeyMemory {
            size: size_of::<KeyMemory>(),
            secret: found.secret.keys as u64,
            locked: found.locked.keys as u64,
            unlocked: found.unlocked.keys as u64,
        };
        // SAFETY: the header's promise; it is words only, without padding.
        unsafe { boundary::fill_sized(memory, &value) }
    })
}
