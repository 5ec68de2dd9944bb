//! The clock's figures, which `admin/envelope` prints: calls, seconds, and operations that a slow KMS did not slow.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use core::fmt::Display;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread;

use common::{World, world_with_flights};
use tablecrypt::core::Key;
use tablecrypt::kms::{EncryptionContext, GeneratedKey, KeyMetadata, Kms, KmsError};
use tablecrypt::{Connection, Error, KeyBox, Scope, Service, ServiceBuilder, Structure};

const HOUR: u64 = 3600;
/// More than any of them takes by itself; not so many that a small machine has no memory for their threads.
const CALLERS: usize = 10_000;

fn figure(what: &str, figure: impl Display) {
    println!("clock: {what}: {figure}");
}

fn base(connection: &Connection) -> Structure {
    connection.open_table("flights").unwrap().base()
}

/// With the jitter that a service has unless it is set.
fn as_built(world: &World, set: impl FnOnce(ServiceBuilder) -> ServiceBuilder) -> Service {
    set(Service::builder(world.kms.clone(), world.store()).clock(world.clock.clone())).build()
}

#[test]
fn an_hour_of_traffic_makes_12_calls_and_an_idle_one_none() {
    let world = world_with_flights();
    let service = as_built(&world, |builder| builder);
    let base = base(&service.connect());
    let record = base.seal(b"key", b"text").unwrap();
    for hour in 1..=3 {
        let before = world.kms.calls();
        for _ in 0..HOUR {
            world.advance(1);
            base.open(b"key", &record).unwrap();
        }
        world.clock.settle();
        assert_eq!(world.kms.calls() - before, 12, "hour {hour}");
    }
    figure("calls in an hour of traffic", 12);
    world.advance(600);
    let before = world.kms.calls();
    world.advance(HOUR);
    assert_eq!((world.kms.calls() - before, base.is_unlocked()), (0, false));
    figure("calls in an idle hour", 0);
}

#[test]
fn cold_callers_on_real_threads_make_one_call_a_permission() {
    for (scope, connections, expected) in [
        (Scope::Connection, 100, 100),
        (Scope::Principal, 100, 10),
        (Scope::Process, 100, 1),
        (Scope::Connection, 1, 1),
    ] {
        let world = world_with_flights();
        let service = as_built(&world, |builder| builder.scope(scope));
        // Ten principals, whose connections take turns.
        let connections: Vec<_> = (0..connections).map(|i| service.connect_as(&format!("{}", i % 10))).collect();
        let bases: Vec<_> = connections.iter().map(base).collect();
        let record = bases[0].seal(b"key", b"text").unwrap();
        world.advance(HOUR);
        let before = world.kms.calls();
        // The KMS does not answer before all have come.
        world.kms.delay(Duration::from_secs(5));
        let arrived = AtomicUsize::new(0);
        thread::scope(|threads| {
            for caller in 0..CALLERS {
                let base = &bases[caller % bases.len()];
                let call = || {
                    arrived.fetch_add(1, Ordering::Relaxed);
                    assert_eq!(base.open(b"key", &record).unwrap(), b"text");
                };
                thread::Builder::new().stack_size(64 << 10).spawn_scoped(threads, call).unwrap();
            }
            while arrived.load(Ordering::Relaxed) < CALLERS || world.kms.calls() - before < expected {
                thread::yield_now();
            }
            world.clock.advance(Duration::from_secs(5));
        });
        assert_eq!(world.kms.calls() - before, expected, "{scope:?}");
        figure(
            &format!(
                "calls for {CALLERS} cold callers, connections of 10 principals: {}, scope {scope:?}",
                bases.len()
            ),
            expected,
        );
    }
}

#[test]
fn what_is_revoked_is_refused_at_the_next_refresh_and_always_within_330_s() {
    let mut longest = 0;
    // At each moment of a period, with much traffic and with little.
    for pause in [1, 45] {
        // Just after a refresh it takes longest.
        for at in (0..330).step_by(30).chain([1, 2, 299, 329]) {
            let world = world_with_flights();
            let service = as_built(&world, |builder| builder);
            let base = base(&service.connect());
            let record = base.seal(b"key", b"text").unwrap();
            let mut second = 0;
            let refused = loop {
                if second == 300 + at {
                    world.disable_key();
                }
                if second % pause == 0
                    && let Err(error) = base.open(b"key", &record)
                {
                    assert!(matches!(error, Error::KeyDisabled), "{error}");
                    break second - 300 - at;
                }
                world.advance(1);
                second += 1;
                // What the timer does needs no operation.
                if second == 300 + at + 330 {
                    assert!(!base.is_unlocked(), "{pause} s, {at} s");
                }
            };
            assert!(refused <= 330 + pause, "{refused} s");
            if pause == 1 {
                longest = longest.max(refused);
            }
        }
    }
    assert!(longest <= 330);
    figure("seconds from revoked to refused, the longest", longest);
}

/// A permission that was taken away is noticed though others have the keys in memory: the KMS decides, not what is there.
/// The control is a KMS client that remembers answers, as somebody might put before a real one: then it is not noticed.
#[test]
fn a_refresh_asks_the_kms_though_the_keys_are_in_memory() {
    let noticed = |remembers: bool| {
        let world = world_with_flights();
        let kms: Arc<dyn Kms> =
            if remembers { Arc::new(RememberingKms::new(world.kms.clone())) } else { world.kms.clone() };
        let service = Service::builder(kms, world.store()).clock(world.clock.clone()).jitter(Duration::ZERO).build();
        let revoked = base(&service.connect());
        let record = revoked.seal(b"key", b"text").unwrap();
        world.advance(200);
        let young = base(&service.connect());
        world.kms.fail(Some(KmsError::AccessDenied));
        world.advance(100);
        let _ = revoked.open(b"key", &record);
        world.clock.settle();
        assert!(young.is_unlocked(), "the same keys are in memory for another connection");
        matches!(revoked.open(b"key", &record), Err(Error::AccessDenied))
    };
    assert!(noticed(false));
    assert!(!noticed(true), "the control: a client that reuses an answer does not notice");
    figure("a revoked permission beside a live copy of its keys", "noticed; with a KMS client that reuses answers not");
}

#[test]
fn a_kms_that_takes_5_s_slows_no_operation_across_100_refreshes() {
    const REFRESHES: u64 = 100;
    const OPERATIONS: u64 = 1000;
    let world = world_with_flights();
    let service = as_built(&world, |builder| builder);
    let base = base(&service.connect());
    let record = base.seal(b"key", b"text").unwrap();
    let (before, cold) = (world.kms.calls(), service.metrics());
    world.kms.delay(Duration::from_secs(5));
    let mut meanwhile = 0;
    for refresh in 1..=REFRESHES {
        world.advance(300);
        // The first sets it off; and nobody turns the clock, so that one that waited for the KMS would wait for ever.
        base.open(b"key", &record).unwrap();
        world.clock.settle();
        assert_eq!(world.kms.calls() - before, refresh, "it is under way");
        for _ in 0..OPERATIONS {
            base.open(b"key", &record).unwrap();
            meanwhile += 1;
        }
        assert_eq!(world.kms.calls() - before, refresh);
        world.advance(5);
    }
    let warm = service.metrics();
    assert_eq!((warm.misses - cold.misses, warm.waits - cold.waits, warm.stale - cold.stale), (0, 0, REFRESHES));
    assert_eq!(warm.hits - cold.hits, meanwhile + REFRESHES);
    figure(
        "operations while a KMS of 5 s was at one of 100 refreshes, and those of them that waited",
        format!("{meanwhile}, 0"),
    );
}

#[test]
fn connections_that_are_opened_at_once_do_not_call_at_once() {
    const CONNECTIONS: usize = 100;
    // The most calls in one second of the first hour.
    let most = |set: fn(ServiceBuilder) -> ServiceBuilder| {
        let world = world_with_flights();
        let service = as_built(&world, set);
        let bases: Vec<_> = (0..CONNECTIONS).map(|_| base(&service.connect())).collect();
        let record = bases[0].seal(b"key", b"text").unwrap();
        let before = world.kms.calls();
        let (mut most, mut last) = (0, before);
        for _ in 0..HOUR {
            world.advance(1);
            bases.iter().for_each(|base| drop(base.open(b"key", &record).unwrap()));
            world.clock.settle();
            let calls = world.kms.calls();
            most = most.max(calls - last);
            last = calls;
        }
        assert_eq!(last - before, 12 * CONNECTIONS as u64, "jitter costs no call");
        most
    };
    let (without, with) = (most(|builder| builder.jitter(Duration::ZERO)), most(|builder| builder));
    assert_eq!(without, CONNECTIONS as u64, "the control: without jitter all call in one second, for ever");
    assert!(with <= 2 * CONNECTIONS as u64 / 30, "{with}");
    figure(
        "most calls a second of 100 connections opened at once, without jitter and with 30 s",
        format!("{without}, {with}"),
    );
}

#[test]
fn a_hundred_connections_are_refreshed_in_time_by_a_kms_that_takes_5_s() {
    let world = world_with_flights();
    let service = as_built(&world, |builder| builder.jitter(Duration::ZERO));
    let bases: Vec<_> = (0..100).map(|_| base(&service.connect())).collect();
    let record = bases[0].seal(b"key", b"text").unwrap();
    let (before, cold) = (world.kms.calls(), service.metrics());
    world.kms.delay(Duration::from_secs(5));
    for _ in 0..1000 {
        world.advance(1);
        bases.iter().for_each(|base| drop(base.open(b"key", &record).unwrap()));
    }
    let warm = service.metrics();
    assert_eq!((world.kms.calls() - before, warm.misses - cold.misses), (300, 0));
    figure("refreshes of 100 connections at once by a KMS of 5 s, and operations that waited", "300, 0");
}

#[test]
fn an_outage_of_20_minutes_costs_nothing_with_a_grace_of_an_hour() {
    for (grace, failed) in [(0, 871), (HOUR, 0)] {
        let world = world_with_flights();
        let service = world.service_with(|builder| builder.outage_grace(Duration::from_secs(grace)).unwrap());
        let base = base(&service.connect());
        let record = base.seal(b"key", b"text").unwrap();
        world.kms.fail(Some(KmsError::Unreachable));
        let one = |_| {
            world.advance(1);
            base.open(b"key", &record).is_err()
        };
        assert_eq!((1..=1200).filter(|second| one(*second)).count(), failed);
        world.kms.fail(None);
        let back = (1..=31).find(|second| !one(*second)).unwrap();
        assert!(back <= 31 && (grace == 0 || back == 1));
        figure(
            &format!("outage of 20 minutes, an operation a second, grace {grace} s: failed; seconds to recover"),
            format!("{failed}; {}", if grace == 0 { back } else { 0 }),
        );
    }
}

/// A KMS client that remembers what was unwrapped, as one must not be.
#[derive(Debug)]
struct RememberingKms {
    kms: Arc<dyn Kms>,
    unwrapped: Mutex<HashMap<Vec<u8>, [u8; 32]>>,
}

impl RememberingKms {
    fn new(kms: Arc<dyn Kms>) -> Self {
        Self { kms, unwrapped: Mutex::default() }
    }
}

impl Kms for RememberingKms {
    fn ensure_key(&self, alias: &str, description: &str) -> Result<KeyMetadata, KmsError> {
        self.kms.ensure_key(alias, description)
    }

    fn describe_key(&self, key: &str) -> Result<KeyMetadata, KmsError> {
        self.kms.describe_key(key)
    }

    fn generate_data_key(&self, key: &str, context: &EncryptionContext) -> Result<GeneratedKey, KmsError> {
        self.kms.generate_data_key(key, context)
    }

    fn decrypt(&self, key: &str, wrapped: &[u8], context: &EncryptionContext) -> Result<KeyBox<Key>, KmsError> {
        let mut unwrapped = self.unwrapped.lock().unwrap();
        if !unwrapped.contains_key(wrapped) {
            let key = self.kms.decrypt(key, wrapped, context)?;
            unwrapped.insert(wrapped.to_vec(), *key.get().unwrap().expose());
        }
        let bytes = unwrapped[wrapped];
        Ok(KeyBox::new(|| Key::from(bytes)))
    }

    fn re_encrypt(
        &self,
        from: &str,
        wrapped: &[u8],
        context: &EncryptionContext,
        to: &str,
    ) -> Result<(String, Vec<u8>), KmsError> {
        self.kms.re_encrypt(from, wrapped, context, to)
    }
}
