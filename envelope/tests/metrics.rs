//! What a service says that it has done, beside what was done.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::thread;

use common::{World, world, world_with_flights};
use tablecrypt::kms::KmsError;
use tablecrypt::{Item, KmsCall, Metrics, OVERHEAD, TableSpec};

/// The calls of this kind that ended so.
fn calls(metrics: &Metrics, call: KmsCall, outcome: &str) -> u64 {
    metrics.kms.iter().filter(|calls| (calls.call, calls.outcome) == (call, outcome)).map(|calls| calls.calls).sum()
}

#[test]
fn records_and_bytes_are_counted_by_whatever_call_they_were_sealed_and_opened() {
    let world = world_with_flights();
    let base = world.service.open_table("flights").unwrap().base();
    let text = [7; 100];
    let mut record = [0; 100 + OVERHEAD];
    let mut out = [0; 100];
    base.seal(b"key", &text).unwrap();
    base.seal_into(b"key", &text, &mut record).unwrap();
    base.open(b"key", &record).unwrap();
    base.open_into(b"key", &record, &mut out).unwrap();
    base.open_in_place(b"key", &mut record).unwrap();
    record[32..132].copy_from_slice(&text);
    base.seal_in_place(b"key", &mut record).unwrap();
    let many = [(&b"key"[..], &text[..]); 100];
    let records = base.seal_many(&many).unwrap();
    let records: Vec<_> = records.iter().map(|record| (&b"key"[..], &record[..])).collect();
    base.open_many(&records).unwrap();
    let mut places = [[0; 100 + OVERHEAD]; 3];
    let mut items = places.each_mut().map(|place| Item::new(b"key", &text, place));
    base.seal_many_into(&mut items).unwrap();
    let mut texts = [[0; 100]; 3];
    let mut items: Vec<_> = places.iter().zip(&mut texts).map(|(place, text)| Item::new(b"key", place, text)).collect();
    base.open_many_into(&mut items).unwrap();

    let metrics = world.service.metrics();
    assert_eq!((metrics.sealed, metrics.sealed_bytes), (106, 10_600));
    assert_eq!((metrics.opened, metrics.opened_bytes), (106, 10_600));
    assert_eq!(metrics.refused, 0);
    // Six alone, two batches of two and the halves of 100 that follow 64; the first call of all opened the table.
    assert_eq!((metrics.hits, metrics.misses, metrics.waits), (12, 1, 0));
}

#[test]
fn what_is_refused_is_counted_and_is_no_record() {
    let world = world_with_flights();
    let base = world.service.open_table("flights").unwrap().base();
    let record = base.seal(b"key", b"text").unwrap();
    base.open(b"other", &record).unwrap_err();
    base.open(b"key", &record[..20]).unwrap_err();
    base.open_many(&[(b"key", &record), (b"other", &record)]).unwrap();
    let metrics = world.service.metrics();
    assert_eq!((metrics.sealed, metrics.opened, metrics.opened_bytes, metrics.refused), (1, 1, 4, 3));
}

#[test]
fn threads_that_ended_are_still_counted_and_services_apart() {
    let world = world_with_flights();
    let other = world.another_service();
    let (base, others) =
        (world.service.open_table("flights").unwrap().base(), other.open_table("flights").unwrap().base());
    for _ in 0..3 {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        base.seal(b"key", b"text").unwrap();
                    }
                    others.seal(b"key", b"text").unwrap();
                });
            }
        });
    }
    assert_eq!((world.service.metrics().sealed, other.metrics().sealed), (12_000, 12));
}

#[test]
fn an_hour_of_traffic_is_hits_and_twelve_calls() {
    let world = world_with_flights();
    let base = world.service.open_table("flights").unwrap().base();
    for _ in 0..3600 {
        world.advance(1);
        base.seal(b"key", b"text").unwrap();
    }
    world.clock.settle();
    let metrics = world.service.metrics();
    assert_eq!(calls(&metrics, KmsCall::Decrypt, "ok"), 13, "one to open the table, then twelve");
    assert_eq!(calls(&metrics, KmsCall::EnsureKey, "ok"), 1);
    // The first asked for a default key that was not there.
    assert_eq!(calls(&metrics, KmsCall::GenerateDataKey, "NotFound"), 1);
    assert_eq!(calls(&metrics, KmsCall::GenerateDataKey, "ok"), 1);
    assert_eq!(metrics.kms_calls(), world.kms.calls());
    assert_eq!((metrics.hits, metrics.misses, metrics.stale), (3600, 1, 12));
    // A table of a base and two indexes.
    assert_eq!((metrics.permissions, metrics.generations), (1, 3));
}

#[test]
fn callers_that_wait_for_one_call_are_waits() {
    const CALLERS: usize = 50;
    let world = world_with_flights();
    let base = world.service.open_table("flights").unwrap().base();
    world.advance(3600);
    let before = world.service.metrics();
    assert_eq!((before.permissions, before.generations), (0, 0), "the keys are wiped");
    world.kms.delay(Duration::from_secs(5));
    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                base.seal(b"key", b"text").unwrap();
                done.fetch_add(1, Ordering::Relaxed);
            });
        }
        while world.service.metrics().waits < CALLERS as u64 - 1 || world.kms.calls() == before.kms_calls() {
            thread::yield_now();
        }
        world.clock.advance(Duration::from_secs(5));
    });
    let metrics = world.service.metrics();
    assert_eq!(metrics.misses - before.misses, CALLERS as u64);
    assert_eq!(metrics.waits - before.waits, CALLERS as u64 - 1);
    assert_eq!(metrics.kms_calls() - before.kms_calls(), 1);
    assert_eq!(metrics.hits, before.hits);
    let time = |metrics: &Metrics| metrics.kms.iter().map(|calls| calls.time).sum::<Duration>();
    assert_eq!(time(&metrics) - time(&before), Duration::from_secs(5));
}

#[test]
fn keys_that_are_used_past_their_refresh_are_stale_until_it_lands() {
    let world = world_with_flights();
    let base = world.service.open_table("flights").unwrap().base();
    let idle = world.service.open_table("flights").unwrap();
    let stale_for = |world: &World| world.service.metrics().stale_for;
    world.advance(299);
    base.seal(b"key", b"text").unwrap();
    assert_eq!(stale_for(&world), Duration::ZERO);
    world.kms.fail(Some(KmsError::Throttled));
    world.advance(1);
    base.seal(b"key", b"text").unwrap();
    world.advance(19);
    assert_eq!(stale_for(&world), Duration::from_secs(19));
    world.kms.fail(None);
    world.advance(10);
    assert_eq!(stale_for(&world), Duration::ZERO, "refreshed; the idle one is not used, and not stale");
    assert!(idle.permitted_for().is_some());
    let failed = calls(&world.service.metrics(), KmsCall::Decrypt, "Throttled");
    assert!(failed > 0);
}

#[test]
fn a_service_that_did_nothing_has_nothing_to_say() {
    let world = world();
    assert_eq!(world.service.metrics(), Metrics::default());
    world.kms.fail(Some(KmsError::AccessDenied));
    world.service.create_table(&TableSpec::new("t")).unwrap_err();
    let metrics = world.service.metrics();
    assert_eq!((metrics.kms_calls(), calls(&metrics, KmsCall::GenerateDataKey, "AccessDenied")), (1, 1));
}
