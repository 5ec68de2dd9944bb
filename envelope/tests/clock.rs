//! The five-minute clock on a virtual one: how many KMS calls, when the keys are wiped, who waits and who does not.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;

use common::{World, world_with_flights};
use tablecrypt::kms::KmsError;
use tablecrypt::{Error, Structure};

/// A warm base table, and the calls that the world made until then.
fn warm(world: &World) -> (Structure, Vec<u8>, u64) {
    let base = world.service.open_table("flights").unwrap().base();
    let record = base.seal(b"key", b"text").unwrap();
    (base, record, world.kms.calls())
}

#[test]
fn an_hour_of_steady_traffic_makes_12_calls() {
    let world = world_with_flights();
    let (base, record, before) = warm(&world);
    for _ in 0..3600 {
        world.advance(1);
        assert_eq!(base.open(b"key", &record).unwrap(), b"text");
    }
    world.clock.settle();
    assert_eq!(world.kms.calls() - before, 12);
}

#[test]
fn an_idle_hour_makes_no_call_and_the_next_operation_makes_one() {
    let world = world_with_flights();
    let (base, record, before) = warm(&world);
    world.advance(3600);
    assert_eq!(world.kms.calls(), before);
    assert_eq!(base.open(b"key", &record).unwrap(), b"text");
    assert_eq!(world.kms.calls(), before + 1);
}

#[test]
fn traffic_that_ended_before_the_refresh_is_due_makes_no_call() {
    let world = world_with_flights();
    let (base, record, before) = warm(&world);
    for _ in 0..299 {
        world.advance(1);
        base.open(b"key", &record).unwrap();
    }
    world.advance(3600);
    assert_eq!(world.kms.calls(), before);
}

#[test]
fn idle_keys_are_wiped_at_the_deadline_by_the_timer() {
    let world = world_with_flights();
    let table = world.service.open_table("flights").unwrap();
    world.advance(329);
    assert_eq!(table.permitted_for(), Some(Duration::from_secs(1)));
    world.advance(1);
    assert_eq!(table.permitted_for(), None);
}

#[test]
fn ten_thousand_cold_callers_make_one_call() {
    let world = world_with_flights();
    let (base, record, before) = warm(&world);
    world.advance(3600);
    // Real threads, all of which find no keys; the KMS does not answer before all have come.
    world.kms.delay(Duration::from_secs(5));
    let arrived = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..10_000 {
            let caller = || {
                arrived.fetch_add(1, Ordering::Relaxed);
                assert_eq!(base.open(b"key", &record).unwrap(), b"text");
            };
            std::thread::Builder::new().stack_size(64 << 10).spawn_scoped(scope, caller).unwrap();
        }
        while arrived.load(Ordering::Relaxed) < 10_000 || world.kms.calls() == before {
            std::thread::yield_now();
        }
        world.clock.advance(Duration::from_secs(5));
    });
    assert_eq!(world.kms.calls(), before + 1);
}

#[test]
fn no_operation_waits_for_a_refresh_under_traffic() {
    let world = world_with_flights();
    let (base, record, before) = warm(&world);
    // A KMS that takes 20 of the 30 seconds: a call that waited for it would hang here, for nobody turns the clock.
    world.kms.delay(Duration::from_secs(20));
    world.advance(300);
    for _ in 0..10_000 {
        base.open(b"key", &record).unwrap();
    }
    world.clock.settle();
    assert_eq!(world.kms.calls(), before + 1);
    for _ in 0..25 {
        world.advance(1);
        base.open(b"key", &record).unwrap();
    }
    // It landed, so the old deadline passes unnoticed. The permission counts from when the call began.
    world.advance(20);
    assert_eq!(base.open(b"key", &record).unwrap(), b"text");
    assert_eq!(world.kms.calls(), before + 1);
}

#[test]
fn a_kms_that_fails_past_the_deadline_locks_the_table_and_recovery_needs_no_restart() {
    let world = world_with_flights();
    let (base, record, _) = warm(&world);
    world.kms.fail(Some(KmsError::Unreachable));
    let mut locked_after = 0;
    for second in 1..=400 {
        world.advance(1);
        match base.open(b"key", &record) {
            Ok(text) => assert_eq!(text, b"text"),
            Err(Error::KeyUnavailable { .. }) if locked_after == 0 => locked_after = second,
            Err(Error::KeyUnavailable { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(locked_after, 330);
    world.kms.fail(None);
    world.advance(30);
    assert_eq!(base.open(b"key", &record).unwrap(), b"text");
}

#[test]
fn a_short_failure_is_not_noticed() {
    let world = world_with_flights();
    let (base, record, before) = warm(&world);
    world.kms.fail(Some(KmsError::Throttled));
    for second in 1..=600 {
        if second == 320 {
            world.kms.fail(None);
        }
        world.advance(1);
        base.open(b"key", &record).unwrap();
    }
    let calls = world.kms.calls() - before;
    assert!((2..=8).contains(&calls), "{calls} calls: the pauses between failed ones double");
}

#[test]
fn a_definite_no_locks_at_once_and_enabling_needs_no_restart() {
    type Change = fn(&World);
    type Expected = fn(&Error) -> bool;
    let cases: [(Change, Change, Expected); 2] = [
        (World::disable_key, World::enable_key, |error| matches!(error, Error::KeyDisabled)),
        (
            |world| world.kms.fail(Some(KmsError::AccessDenied)),
            |world| world.kms.fail(None),
            |error| matches!(error, Error::AccessDenied),
        ),
    ];
    for (forbid, permit, is_expected) in cases {
        let world = world_with_flights();
        let table = world.service.open_table("flights").unwrap();
        let base = table.base();
        let record = base.seal(b"key", b"text").unwrap();
        forbid(&world);
        assert!(is_expected(&world.another_service().open_table("flights").unwrap_err()), "a cold open is refused");
        world.advance(299);
        assert_eq!(base.open(b"key", &record).unwrap(), b"text", "the warm connection works until its refresh");
        assert_eq!(table.describe().unwrap().inaccessible_since, None);
        world.advance(1);
        // The first operation is the traffic that the refresh waits for.
        let _ = base.open(b"key", &record);
        world.clock.settle();
        assert!(is_expected(&base.open(b"key", &record).unwrap_err()));
        assert!(is_expected(&base.seal(b"key", b"text").unwrap_err()));
        assert_eq!(table.permitted_for(), None);
        assert!(table.describe().unwrap().inaccessible_since.is_some());

        permit(&world);
        world.advance(30);
        assert_eq!(base.open(b"key", &record).unwrap(), b"text");
        assert_eq!(table.describe().unwrap().inaccessible_since, None);
    }
}

#[test]
fn a_locked_table_does_not_ask_the_kms_at_every_operation() {
    let world = world_with_flights();
    let (base, record, _) = warm(&world);
    world.disable_key();
    world.advance(3600);
    let before = world.kms.calls();
    for _ in 0..3600 {
        world.advance(1);
        for _ in 0..10 {
            assert!(base.open(b"key", &record).is_err());
        }
    }
    let calls = world.kms.calls() - before;
    assert!((100..=130).contains(&calls), "{calls} calls in an hour: the pause is 30 s at the most");
}

#[test]
fn each_connection_has_a_permission_of_its_own() {
    let world = world_with_flights();
    let before = world.kms.calls();
    let (first, second) = (world.service.connect(), world.service.connect());
    let table = first.open_table("flights").unwrap();
    first.open_table("flights").unwrap();
    assert_eq!(world.kms.calls(), before + 1, "a connection opens a table once");
    world.advance(100);
    let later = second.open_table("flights").unwrap();
    assert_eq!(world.kms.calls(), before + 2, "another connection asks for itself");
    world.advance(230);
    assert_eq!((table.permitted_for(), later.permitted_for()), (None, Some(Duration::from_secs(100))));
    let record = later.base().seal(b"key", b"text").unwrap();
    assert_eq!(world.kms.calls(), before + 2);
    assert_eq!(table.base().open(b"key", &record).unwrap(), b"text");
    assert_eq!(world.kms.calls(), before + 3, "the permission that ran out is not another's to lend");
}

#[test]
fn a_closed_connection_is_locked_for_what_came_from_it() {
    let world = world_with_flights();
    let connection = world.service.connect();
    let table = connection.open_table("flights").unwrap();
    let base = table.base();
    let record = base.seal(b"key", b"text").unwrap();
    connection.close();
    assert!(matches!(base.open(b"key", &record), Err(Error::Closed)));
    assert!(matches!(connection.open_table("flights"), Err(Error::Closed)));
    assert_eq!(table.permitted_for(), None);
    assert_eq!(world.service.open_table("flights").unwrap().base().open(b"key", &record).unwrap(), b"text");
}

#[test]
fn a_key_file_that_vanished_locks_at_the_next_refresh() {
    let world = world_with_flights();
    let (base, record, _) = warm(&world);
    std::fs::remove_file(world.key_file("flights")).unwrap();
    world.advance(300);
    let _ = base.open(b"key", &record);
    world.clock.settle();
    assert!(matches!(base.open(b"key", &record), Err(Error::NoSuchTable { .. })));
}

#[test]
fn a_structure_tells_whether_it_would_wait() {
    let world = world_with_flights();
    let (base, record, _) = warm(&world);
    assert!(base.is_unlocked());
    world.advance(330);
    assert!(!base.is_unlocked());
    base.open(b"key", &record).unwrap();
    assert!(base.is_unlocked());
}

#[test]
fn an_outage_is_told_with_its_date() {
    let world = world_with_flights();
    world.kms.fail(Some(KmsError::Unreachable));
    let error = world.another_service().open_table("flights").unwrap_err();
    assert!(error.to_string().starts_with("the KMS has failed since 2026-01-01T00:00:00Z and"), "{error}");
}
