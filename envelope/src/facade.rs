//! The numbers of [`Service::metrics`] for whatever recorder the process has installed, by the facade `metrics`.
//!
//! What is rare is told when it happens. What the data path counts is told when [`Service::publish_metrics`] is called, as
//! the difference to what was told before; so several services of a process add up.

use core::time::Duration;
use std::sync::{Mutex, PoisonError};

use ::metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::Service;
use crate::metrics::{Event, KmsCall, Metrics};

impl Service {
    /// Tells the recorder that the process has installed what was not told yet, and describes all there is. Call it
    /// whenever the recorder is read: before a scrape, or every few seconds.
    pub fn publish_metrics(&self) {
        describe();
        let now = self.metrics();
        let mut before = self.inner.published.0.lock().unwrap_or_else(PoisonError::into_inner);
        let add = |name: &'static str, number: fn(&Metrics) -> u64| {
            counter!(name).increment(number(&now).saturating_sub(number(&before)));
        };
        add(RECORDS_SEALED, |told| told.sealed);
        add(BYTES_SEALED, |told| told.sealed_bytes);
        add(RECORDS_OPENED, |told| told.opened);
        add(BYTES_OPENED, |told| told.opened_bytes);
        add(RECORDS_REFUSED, |told| told.refused);
        counter!(KEY_CACHE, "event" => "hit").increment(now.hits.saturating_sub(before.hits));
        let set = |name: &'static str, number: fn(&Metrics) -> f64| {
            gauge!(name).increment(number(&now) - number(&before));
        };
        set(STALE, |told| told.stale_for.as_secs_f64());
        set(PERMISSIONS, |told| told.permissions as f64);
        set(GENERATIONS, |told| told.generations as f64);
        *before = now;
    }
}

/// What a service has told the recorder.
#[derive(Debug, Default)]
pub(crate) struct Published(Mutex<Metrics>);

pub(crate) fn event(event: Event) {
    match event {
        Event::Miss => counter!(KEY_CACHE, "event" => "miss").increment(1),
        Event::Wait => counter!(KEY_CACHE, "event" => "wait").increment(1),
        Event::Stale => counter!(KEY_CACHE, "event" => "stale").increment(1),
        Event::AuditLost => counter!(AUDIT_LOST).increment(1),
        Event::Unlocked | Event::OpenedTable => {}
    }
}

pub(crate) fn call(call: KmsCall, outcome: &'static str, time: Duration) {
    counter!(KMS_CALLS, "op" => call.name(), "outcome" => outcome).increment(1);
    histogram!(KMS_DURATION, "op" => call.name()).record(time);
}

fn describe() {
    describe_counter!(KMS_CALLS, "KMS calls, by what was asked for and how it ended");
    describe_histogram!(KMS_DURATION, Unit::Seconds, "how long KMS calls took");
    describe_counter!(
        KEY_CACHE,
        "operations: found their keys (hit), found none (miss), of these waited for another's KMS call (wait), had a refresh started (stale)"
    );
    describe_gauge!(STALE, Unit::Seconds, "for how long keys in use have been due for a refresh");
    describe_gauge!(PERMISSIONS, "permissions that have their keys: one a connection and table");
    describe_gauge!(GENERATIONS, "data keys that are live, in all their generations");
    describe_counter!(RECORDS_SEALED, "records sealed");
    describe_counter!(BYTES_SEALED, Unit::Bytes, "bytes of text sealed");
    describe_counter!(RECORDS_OPENED, "records opened");
    describe_counter!(BYTES_OPENED, Unit::Bytes, "bytes of text opened");
    describe_counter!(
        RECORDS_REFUSED,
        "records that did not open, and texts that were not sealed, though the keys were there"
    );
    describe_counter!(AUDIT_LOST, "lines that the audit log could not take");
}

const KMS_CALLS: &str = "tablecrypt.kms.calls";
const KMS_DURATION: &str = "tablecrypt.kms.duration";
const KEY_CACHE: &str = "tablecrypt.key_cache.events";
const STALE: &str = "tablecrypt.key_cache.stale";
const PERMISSIONS: &str = "tablecrypt.permissions";
const GENERATIONS: &str = "tablecrypt.generations";
const RECORDS_SEALED: &str = "tablecrypt.records.sealed";
const BYTES_SEALED: &str = "tablecrypt.bytes.sealed";
const RECORDS_OPENED: &str = "tablecrypt.records.opened";
const BYTES_OPENED: &str = "tablecrypt.bytes.opened";
const RECORDS_REFUSED: &str = "tablecrypt.records.refused";
const AUDIT_LOST: &str = "tablecrypt.audit.lost";
