//! A KMS that failed is asked again in pauses that grow, with traffic and not without; and the table says how it stands.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use common::{World, world_with_flights};
use tablecrypt::kms::KmsError;
use tablecrypt::store::{FolderStore, KeyStore};
use tablecrypt::{Error, KeyStatus, Service, SseType, Structure, Table};

fn warm(world: &World) -> (Table, Structure, Vec<u8>) {
    let table = world.service.open_table("flights").unwrap();
    let base = table.base();
    let record = base.seal(b"key", b"text").unwrap();
    (table, base, record)
}

#[test]
fn operations_on_a_locked_table_do_not_wait_for_a_silent_kms() {
    let world = world_with_flights();
    let (_, base, record) = warm(&world);
    // As a client that gives up after 10 s. Nobody turns the clock while an operation runs: one that waited would hang.
    world.kms.delay(Duration::from_secs(10));
    world.kms.fail(Some(KmsError::Unreachable));
    let failed = (1..=2000).filter(|_| {
        world.advance(1);
        match base.open(b"key", &record) {
            Ok(_) => false,
            Err(Error::KeyUnavailable { .. }) => true,
            Err(other) => panic!("{other}"),
        }
    });
    assert_eq!(failed.count(), 2000 - 329);
    let metrics = world.service.metrics();
    assert_eq!((metrics.misses, metrics.waits), (1 + 2000 - 329, 0));
    // It is back: found in the background, after the longest pause and its own time.
    world.kms.fail(None);
    world.advance(41);
    assert!(base.is_unlocked());
    assert_eq!(base.open(b"key", &record).unwrap(), b"text");
}

#[test]
fn pauses_double_from_a_second_to_half_a_minute_and_begin_anew_after_a_success() {
    let world = world_with_flights();
    let (_, base, record) = warm(&world);
    for _ in 0..2 {
        world.disable_key();
        let (mut calls, mut times) = (world.kms.calls(), Vec::new());
        for second in 1..=600 {
            world.advance(1);
            let _ = base.open(b"key", &record);
            world.clock.settle();
            let now = world.kms.calls();
            assert!(now - calls <= 1, "two in a second");
            if now > calls {
                (calls, _) = (now, times.push(second));
            }
        }
        let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(pauses[..7], [1, 2, 4, 8, 16, 30, 30]);
        assert!(pauses[7..].iter().all(|pause| *pause == 30), "{pauses:?}");
        world.enable_key();
        world.advance(30);
        base.open(b"key", &record).unwrap();
    }
}

#[test]
fn a_key_that_comes_back_is_found_after_as_long_as_it_was_away_and_half_a_minute_at_most_however_often_one_asks() {
    const SECOND: u64 = 1000;
    for poll in [20, 500] {
        for (away, found) in
            [(500, 500), (5 * SECOND, 2 * SECOND), (20 * SECOND, 11 * SECOND), (70 * SECOND, 21 * SECOND)]
        {
            let world = world_with_flights();
            let (_, base, record) = warm(&world);
            world.disable_key();
            world.advance(300);
            let polled = |world: &World| {
                let opened = base.open(b"key", &record).is_ok();
                world.clock.settle();
                world.clock.advance(Duration::from_millis(poll));
                opened
            };
            // The first has the KMS asked, and the no is there for the next.
            assert!(polled(&world));
            let began = world.date();
            while world.date() < began + Duration::from_millis(away - poll) {
                assert!(!polled(&world));
            }
            world.enable_key();
            let back = world.date();
            while !polled(&world) {}
            let waited = u64::try_from(world.date().duration_since(back).unwrap().as_millis()).unwrap();
            assert!(waited.abs_diff(found) <= 2 * poll, "polled each {poll} ms, {away} ms away: {waited} ms");
            assert!(waited <= (away + SECOND).min(30 * SECOND) + poll);
        }
    }
}

#[test]
fn a_locked_table_without_traffic_is_not_asked_for() {
    let world = world_with_flights();
    let (_, base, record) = warm(&world);
    world.disable_key();
    world.advance(330);
    assert!(base.open(b"key", &record).is_err());
    let before = world.kms.calls();
    assert!(base.open(b"key", &record).is_err());
    world.advance(3600);
    assert_eq!(world.kms.calls() - before, 1, "for the last operation");
    world.advance(3600);
    assert_eq!(world.kms.calls() - before, 1);
    // And the first that comes asks itself, and is not told of yesterday.
    world.enable_key();
    assert_eq!(base.open(b"key", &record).unwrap(), b"text");
}

#[test]
fn the_first_refresh_of_a_permission_is_spread_and_those_after_it_keep_their_distance() {
    for (jitter, earliest) in [(None, 270), (Some(10), 290), (Some(0), 300), (Some(100_000), 150)] {
        let world = world_with_flights();
        let builder = Service::builder(world.kms.clone(), world.store()).clock(world.clock.clone());
        let service = match jitter {
            Some(jitter) => builder.jitter(Duration::from_secs(jitter)).build(),
            None => builder.build(),
        };
        let bases: Vec<_> = (0..20).map(|_| service.open_table("flights").unwrap().base()).collect();
        let mut times = Vec::new();
        for second in 1..=900 {
            world.advance(1);
            for (number, base) in bases.iter().enumerate() {
                let before = world.kms.calls();
                base.seal(b"key", b"text").unwrap();
                world.clock.settle();
                if world.kms.calls() > before {
                    times.push((number, second));
                }
            }
        }
        let of =
            |number| times.iter().filter(move |(of, _)| *of == number).map(|(_, second)| *second).collect::<Vec<_>>();
        let mut firsts = Vec::new();
        for number in 0..bases.len() {
            let times = of(number);
            assert!((earliest..=300).contains(&times[0]), "{times:?}");
            assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 300), "{times:?}");
            firsts.push(times[0]);
        }
        firsts.sort_unstable();
        firsts.dedup();
        assert_eq!(firsts.len() > 1, jitter != Some(0), "{firsts:?}");
    }
}

#[test]
fn a_table_says_how_it_stands_and_so_does_the_service() {
    let world = world_with_flights();
    let (table, base, record) = warm(&world);
    let arn = world.service.default_key().unwrap();
    for description in [table.describe().unwrap(), world.service.describe_table("flights").unwrap()] {
        assert_eq!(
            (description.status, description.sse_type, &description.kms_key),
            (KeyStatus::Enabled, SseType::Kms, &arn)
        );
        assert_eq!(description.sse_type.to_string(), "KMS");
        assert_eq!((description.inaccessible_since, description.grace_since, description.locked), (None, None, false));
    }
    world.disable_key();
    world.advance(300);
    let _ = base.open(b"key", &record);
    world.clock.settle();
    let since = Some(world.date());
    world.advance(100);
    let _ = base.open(b"key", &record);
    world.clock.settle();
    assert_eq!(
        table.describe().unwrap().inaccessible_since,
        since,
        "when it was found, and not when it was found again"
    );
    assert_eq!(world.service.describe_table("flights").unwrap().inaccessible_since, since);
    world.enable_key();
    // Another connection's answer is news for the service, and not for this one's permission.
    world.service.open_table("flights").unwrap();
    assert_eq!(world.service.describe_table("flights").unwrap().inaccessible_since, None);
    assert_eq!(table.describe().unwrap().inaccessible_since, since);
    world.advance(30);
    base.open(b"key", &record).unwrap();
    assert_eq!(table.describe().unwrap().inaccessible_since, None);
}

#[test]
fn times_that_no_clock_reaches_and_none_at_all_are_settings_like_others() {
    for (every, within) in [(Duration::MAX, Duration::MAX), (Duration::ZERO, Duration::ZERO)] {
        let world = world_with_flights();
        let grace = Duration::from_secs(12 * 3600);
        let service = world.service_with(|builder| builder.refresh(every, within).outage_grace(grace).unwrap());
        let table = service.open_table("flights").unwrap();
        let record = table.base().seal(b"key", b"text").unwrap();
        for _ in 0..10 {
            world.advance(1000);
            assert_eq!(table.base().open(b"key", &record).unwrap(), b"text");
        }
        world.clock.settle();
        assert_eq!(table.permitted_for().is_some(), every > Duration::ZERO);
    }
}

#[test]
fn a_store_that_panics_ends_no_worker() {
    let world = world_with_flights();
    let store = Arc::new(PanickingStore { inner: world.store(), panics: AtomicBool::new(false) });
    let service = Service::builder(world.kms.clone(), store.clone()).clock(world.clock.clone()).build();
    let base = service.open_table("flights").unwrap().base();
    let record = base.seal(b"key", b"text").unwrap();
    store.panics.store(true, Ordering::Relaxed);
    for _ in 0..400 {
        world.advance(1);
        let _ = base.open(b"key", &record);
    }
    assert!(matches!(base.open(b"key", &record), Err(Error::KeyUnavailable { .. })));
    store.panics.store(false, Ordering::Relaxed);
    world.advance(30);
    for _ in 0..400 {
        base.open(b"key", &record).unwrap();
        world.advance(1);
    }
}

#[derive(Debug)]
struct PanickingStore {
    inner: Arc<FolderStore>,
    panics: AtomicBool,
}

impl KeyStore for PanickingStore {
    fn read(&self, table: &str) -> io::Result<Option<Vec<u8>>> {
        assert!(!self.panics.load(Ordering::Relaxed), "asked for by this test");
        self.inner.read(table)
    }

    fn create(&self, table: &str, file: &[u8]) -> io::Result<()> {
        self.inner.create(table, file)
    }

    fn replace(&self, table: &str, before: &[u8], file: &[u8]) -> io::Result<()> {
        self.inner.replace(table, before, file)
    }

    fn supersede(&self, table: &str, before: &[u8], file: &[u8]) -> io::Result<()> {
        self.inner.supersede(table, before, file)
    }

    fn remove(&self, table: &str) -> io::Result<()> {
        self.inner.remove(table)
    }

    fn tables(&self) -> io::Result<Vec<String>> {
        self.inner.tables()
    }

    fn path(&self, table: &str) -> PathBuf {
        self.inner.path(table)
    }
}
