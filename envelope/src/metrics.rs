//! What a service has done up to now, in numbers: [`Service::metrics`], and on request the facade `metrics`.
//!
//! The data path counts for itself, a thread at a time (counters.rs). What is rare is counted here: calls of the KMS, and
//! operations that did not find their keys.

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Service;

/// What a service has done since it was built, in this process, and how it stands now.
///
/// Nothing in it is secret, and no name is in it. A forked child begins at zero.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Metrics {
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
    /// Operations that found keys that were due for a refresh, and had it started: one a refresh under traffic.
    pub stale: u64,
    /// For how long keys that are in use now have been due for a refresh: the longest.
    pub stale_for: Duration,
    /// Permissions that have their keys now: one a connection and table.
    pub permissions: u64,
    /// Data keys that are live now, in all their generations.
    pub generations: u64,
    /// KMS calls, by what was asked for and how it ended.
    pub kms: Vec<KmsCalls>,
    /// Lines that the audit log could not take.
    pub audit_lost: u64,
}

impl Metrics {
    /// KMS calls in all.
    #[must_use]
    pub fn kms_calls(&self) -> u64 {
        self.kms.iter().map(|calls| calls.calls).sum()
    }
}

/// The KMS calls that asked for the same and ended in the same way.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct KmsCalls {
    /// What was asked for.
    pub call: KmsCall,
    /// `ok`, or the name of the [`KmsError`](crate::kms::KmsError).
    pub outcome: &'static str,
    /// How many there were.
    pub calls: u64,
    /// How long they took together.
    pub time: Duration,
}

/// What a KMS is asked for: the calls of the trait [`Kms`](crate::kms::Kms).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum KmsCall {
    /// [`Kms::decrypt`](crate::kms::Kms::decrypt).
    Decrypt,
    /// [`Kms::describe_key`](crate::kms::Kms::describe_key).
    DescribeKey,
    /// [`Kms::ensure_key`](crate::kms::Kms::ensure_key).
    EnsureKey,
    /// [`Kms::generate_data_key`](crate::kms::Kms::generate_data_key).
    GenerateDataKey,
    /// [`Kms::re_encrypt`](crate::kms::Kms::re_encrypt).
    ReEncrypt,
}

impl KmsCall {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Decrypt, Self::DescribeKey, Self::EnsureKey, Self::GenerateDataKey, Self::ReEncrypt];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Decrypt => "Decrypt",
            Self::DescribeKey => "DescribeKey",
            Self::EnsureKey => "EnsureKey",
            Self::GenerateDataKey => "GenerateDataKey",
            Self::ReEncrypt => "ReEncrypt",
        }
    }
}

impl fmt::Display for KmsCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Service {
    /// What the service has done up to now, and how it stands. Costs the data path nothing; asks neither the KMS nor the
    /// store.
    #[must_use]
    #[inline(never)]
    pub fn metrics(&self) -> Metrics {
        let inner = &self.inner;
        let counts = inner.counters.sum();
        let [sealed, sealed_bytes, opened, opened_bytes, refused, batched] = counts;
        let tally = &*inner.tally;
        let opened_tables = tally.opened_tables.load(Ordering::Relaxed);
        let operations = (sealed + opened + refused + opened_tables).saturating_sub(batched);
        let now = inner.clock.now();
        let standing: Vec<_> = inner.refresher.permissions().iter().filter_map(|one| one.stale_for(now)).collect();
        Metrics {
            sealed,
            sealed_bytes,
            opened,
            opened_bytes,
            refused,
            hits: operations.saturating_sub(tally.unlocked.load(Ordering::Relaxed)),
            misses: tally.misses.load(Ordering::Relaxed),
            waits: tally.waits.load(Ordering::Relaxed),
            stale: tally.stale.load(Ordering::Relaxed),
            stale_for: standing.iter().copied().max().unwrap_or_default(),
            permissions: standing.len() as u64,
            generations: inner.generations(),
            kms: tally.calls().clone(),
            audit_lost: tally.audit_lost.load(Ordering::Relaxed),
        }
    }
}

/// What is counted outside the data path. A forked child's is its own.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    misses: AtomicU64,
    waits: AtomicU64,
    stale: AtomicU64,
    /// Operations that found no keys and got them.
    unlocked: AtomicU64,
    /// Tables opened: operations that no record stands for.
    opened_tables: AtomicU64,
    audit_lost: AtomicU64,
    calls: Mutex<Vec<KmsCalls>>,
}

/// What happened to an operation, or to the log of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// It found no keys.
    Miss,
    /// It waited for another's KMS call.
    Wait,
    /// It had a refresh started.
    Stale,
    /// It found no keys, and got them.
    Unlocked,
    /// It opened a table.
    OpenedTable,
    /// The audit log could not take a line.
    AuditLost,
}

impl Tally {
    pub(crate) fn count(&self, event: Event) {
        let count = match event {
            Event::Miss => &self.misses,
            Event::Wait => &self.waits,
            Event::Stale => &self.stale,
            Event::Unlocked => &self.unlocked,
            Event::OpenedTable => &self.opened_tables,
            Event::AuditLost => &self.audit_lost,
        };
        count.fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        crate::facade::event(event);
    }

    /// A KMS call that ended.
    pub(crate) fn call(&self, call: KmsCall, outcome: &'static str, time: Duration) {
        let mut calls = self.calls();
        match calls.iter_mut().find(|calls| (calls.call, calls.outcome) == (call, outcome)) {
            Some(calls) => (calls.calls, calls.time) = (calls.calls + 1, calls.time + time),
            None => calls.push(KmsCalls { call, outcome, calls: 1, time }),
        }
        drop(calls);
        #[cfg(feature = "metrics")]
        crate::facade::call(call, outcome, time);
    }

    fn calls(&self) -> MutexGuard<'_, Vec<KmsCalls>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
