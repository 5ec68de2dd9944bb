//! Rotation by itself, on a virtual clock: when it comes, that nobody waits for it, and what it does when the KMS fails.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use core::time::Duration;
use std::sync::Arc;

use common::{World, world_with_flights};
use tablecrypt::kms::KmsError;
use tablecrypt::store::FolderStore;
use tablecrypt::{RotationPolicy, Service, Structure, generation_of_record};

const DAY: Duration = Duration::from_secs(86_400);

fn service(world: &World, policy: RotationPolicy) -> Service {
    let store = Arc::new(FolderStore::open(world.folder.path().join("tables")).unwrap());
    Service::builder(world.kms.clone(), store)
        .clock(world.clock.clone())
        .jitter(Duration::ZERO)
        .rotate_after(policy)
        .build()
}

fn base(service: &Service) -> Structure {
    service.open_table("flights").unwrap().base()
}

/// How many generations the base table has, and each index.
fn generations(world: &World) -> [usize; 3] {
    let all = world.service.generations("flights").unwrap();
    let of = |kind: &str| all.iter().filter(|one| one.structure.to_string().starts_with(kind)).count();
    [of("base"), of("local"), of("global")]
}

fn traffic(world: &World, seconds: u64, base: &Structure) {
    for _ in 0..seconds {
        world.advance(1);
        base.seal(b"key", b"text").unwrap();
    }
    world.clock.settle();
}

#[test]
fn data_keys_are_rotated_when_they_are_old_and_once_however_many_processes_look() {
    let world = world_with_flights();
    let policy = RotationPolicy::default().age(30 * DAY);
    let services: Vec<_> = (0..5).map(|_| service(&world, policy)).collect();
    let bases: Vec<_> = services.iter().map(base).collect();
    world.clock.advance(30 * DAY - Duration::from_secs(1));
    bases.iter().for_each(|base| drop(base.seal(b"key", b"text").unwrap()));
    world.clock.settle();
    assert_eq!(generations(&world), [1, 1, 1], "a second too young");
    world.advance(331);
    bases.iter().for_each(|base| drop(base.seal(b"key", b"text").unwrap()));
    world.clock.settle();
    assert_eq!(generations(&world), [2, 2, 2]);
    for base in &bases {
        traffic(&world, 700, base);
    }
    assert_eq!(generations(&world), [2, 2, 2]);
    let record = bases[0].seal(b"key", b"text").unwrap();
    assert_eq!(generation_of_record(&record).unwrap(), 4);
}

#[test]
fn an_hour_of_traffic_with_a_rotation_makes_one_call_more() {
    let world = world_with_flights();
    let base = base(&service(&world, RotationPolicy::default().age(Duration::from_secs(2000))));
    base.seal(b"key", b"text").unwrap();
    let before = world.kms.calls();
    traffic(&world, 3600, &base);
    assert_eq!((generations(&world), world.kms.calls() - before), ([2, 2, 2], 12 + 1));
}

#[test]
fn nobody_waits_for_a_rotation() {
    let world = world_with_flights();
    let service = service(&world, RotationPolicy::default().age(DAY));
    let base = base(&service);
    world.clock.advance(DAY);
    // This one waits for the key, as it has none; the rotation hangs in its own call.
    base.seal(b"key", b"text").unwrap();
    world.clock.settle();
    assert_eq!(generations(&world), [2, 2, 2]);
    traffic(&world, 1000, &base);
    world.clock.advance(DAY - Duration::from_secs(1200));
    base.seal(b"key", b"text").unwrap();
    world.clock.settle();
    let before = world.kms.calls();
    world.kms.delay(Duration::from_secs(20));
    // The refresh takes 20 s, and the rotation that it finds due 20 s more: a seal that waited would hang here.
    world.advance(301);
    for _ in 0..100 {
        base.seal(b"key", b"text").unwrap();
    }
    traffic(&world, 25, &base);
    assert_eq!((generations(&world), world.kms.calls()), ([2, 2, 2], before + 2));
    traffic(&world, 25, &base);
    assert_eq!((generations(&world), world.kms.calls()), ([3, 3, 3], before + 2));
}

#[test]
fn a_rotation_that_fails_is_tried_again_after_the_next_refresh() {
    let world = world_with_flights();
    let failing = Arc::new(common::Failing::new(world.local.clone()));
    let store = Arc::new(FolderStore::open(world.folder.path().join("tables")).unwrap());
    let policy = RotationPolicy::default().age(DAY);
    let service = Service::builder(failing.clone(), store).clock(world.clock.clone()).rotate_after(policy).build();
    let base = base(&service);
    world.clock.advance(DAY);
    // The refresh is well, and the call of the rotation fails.
    failing.fail_after(1, Some(common::Fault::Error(KmsError::Throttled)));
    base.seal(b"key", b"text").unwrap();
    world.clock.settle();
    assert_eq!(generations(&world), [1, 1, 1]);
    failing.fail_after(0, None);
    traffic(&world, 310, &base);
    assert_eq!(generations(&world), [2, 2, 2]);
}

#[test]
fn data_keys_are_rotated_by_records_and_bytes_and_keys_that_were_wiped_go_on_counting() {
    let by_records = RotationPolicy::default().records(4 << 10);
    let by_bytes = RotationPolicy::default().bytes(1 << 30);
    for (policy, records, text) in [(by_records, 1000, 1), (by_bytes, 200, 1 << 20)] {
        let world = world_with_flights();
        let base = base(&service(&world, policy));
        let text = vec![0; text];
        let records = vec![(&b"key"[..], &text[..]); records];
        for round in 0.. {
            assert!(round < 12, "{policy:?}");
            drop(base.seal_many(&records).unwrap());
            // Idle past the deadline: the keys are wiped, and come back with new sessions.
            world.advance(400);
            base.seal(b"key", b"text").unwrap();
            world.clock.settle();
            if generations(&world) != [1, 1, 1] {
                assert!(round >= 3, "{policy:?}: round {round} is too early");
                break;
            }
        }
        assert_eq!(generations(&world), [2, 1, 1], "the structure that was used, and no other");
    }
}

#[test]
fn without_a_policy_nothing_is_rotated() {
    let world = world_with_flights();
    let base = base(&world.service);
    world.clock.advance(1000 * DAY);
    base.seal(b"key", b"text").unwrap();
    world.clock.settle();
    assert_eq!(generations(&world), [1, 1, 1]);
}
