//! A drain: what the KMS has refused still seals for a while, so that an engine can write out what it has acknowledged. It
//! opens nothing, and without the setting it seals nothing either.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use core::time::Duration;

use common::{World, world_with_flights};
use tablecrypt::kms::KmsError;
use tablecrypt::{Connection, Error, Item, Structure};

const DRAIN: u64 = 60;

/// A warm table of a service with this drain, and the record of before.
fn warm(world: &World, drain: u64) -> (Connection, Structure, Vec<u8>) {
    let service = world.service_with(|builder| builder.drain(Duration::from_secs(drain)).unwrap());
    let connection = service.connect();
    let base = connection.open_table("flights").unwrap().base();
    let record = base.seal(b"key", b"text").unwrap();
    (connection, base, record)
}

/// Has the KMS asked, as traffic does when a refresh is due; it says no to `base` then.
fn refuse(world: &World, base: &Structure) {
    world.advance(300);
    let _ = base.seal(b"key", b"traffic");
    world.clock.settle();
}

fn seals(base: &Structure) -> bool {
    match base.seal(b"key", b"dirty page") {
        Ok(_) => true,
        Err(error) => {
            assert!(matches!(error, Error::KeyDisabled | Error::Locked | Error::Closed), "{error}");
            false
        }
    }
}

#[test]
fn a_refused_table_seals_for_the_drain_and_opens_nothing() {
    for (drain, sealed) in [(0, 0), (DRAIN, DRAIN - 1)] {
        let world = world_with_flights();
        let (_connection, base, record) = warm(&world, drain);
        world.disable_key();
        refuse(&world, &base);
        let mut count = 0;
        for second in 0..2 * DRAIN {
            assert!(matches!(base.open(b"key", &record), Err(Error::KeyDisabled)), "opened in second {second}");
            assert!(!base.is_unlocked());
            world.advance(1);
            world.clock.settle();
            if seals(&base) {
                count += 1;
                assert_eq!(count, second + 1, "without a gap");
            }
        }
        assert_eq!(count, sealed, "with a drain of {drain} s");
    }
}

#[test]
fn what_was_sealed_while_it_drained_opens_when_the_key_is_back() {
    let world = world_with_flights();
    let (_connection, base, _) = warm(&world, DRAIN);
    world.disable_key();
    refuse(&world, &base);
    let one = base.seal(b"page 1", b"dirty").unwrap();
    let mut out = [[0; 53]; 2];
    let [first, second] = &mut out;
    let mut items = [Item::new(b"page 2", b"dirty", first), Item::new(b"page 3", b"dirty", second)];
    base.seal_many_into(&mut items).unwrap();
    assert!(items.iter().all(|item| matches!(item.written, Ok(53))));
    world.enable_key();
    let cold = world.another_service().open_table("flights").unwrap().base();
    assert_eq!(cold.open(b"page 1", &one).unwrap(), b"dirty");
    assert_eq!(cold.open(b"page 2", &out[0]).unwrap(), b"dirty");
    assert_eq!(cold.open(b"page 3", &out[1]).unwrap(), b"dirty");
}

#[test]
fn the_key_that_is_back_ends_the_drain_and_the_next_refusal_begins_another() {
    let world = world_with_flights();
    let (_connection, base, record) = warm(&world, DRAIN);
    for _ in 0..2 {
        world.disable_key();
        refuse(&world, &base);
        assert!(seals(&base) && base.open(b"key", &record).is_err());
        world.enable_key();
        world.advance(30);
        let _ = seals(&base);
        world.clock.settle();
        assert_eq!(base.open(b"key", &record).unwrap(), b"text");
        world.advance(2 * DRAIN);
        assert!(seals(&base), "nothing of the drain that was is left to end");
        // A refresh that goes well, so that the next round begins as this one did.
        world.advance(300 - 2 * DRAIN);
        assert!(seals(&base));
        world.clock.settle();
    }
}

#[test]
fn another_refusal_does_not_make_it_longer() {
    let world = world_with_flights();
    let (_connection, base, _) = warm(&world, DRAIN);
    world.disable_key();
    refuse(&world, &base);
    for _ in 0..DRAIN {
        world.advance(1);
        let _ = seals(&base);
        world.clock.settle();
    }
    assert!(!seals(&base), "traffic had the KMS asked several times");
    assert!(world.kms.calls() > 3, "{}", world.kms.calls());
}

#[test]
fn a_lock_by_hand_and_a_close_end_it() {
    type End = fn(&Connection);
    for (name, end) in [("lock", (|connection| connection.lock()) as End), ("close", |connection| connection.close())] {
        let world = world_with_flights();
        let (connection, base, _) = warm(&world, DRAIN);
        world.disable_key();
        refuse(&world, &base);
        assert!(seals(&base));
        end(&connection);
        assert!(!seals(&base), "{name}");
    }
}

#[test]
fn an_outage_has_no_drain() {
    let world = world_with_flights();
    let (_connection, base, _) = warm(&world, DRAIN);
    world.kms.fail(Some(KmsError::Unreachable));
    refuse(&world, &base);
    world.advance(30);
    world.clock.settle();
    assert!(matches!(base.seal(b"key", b"text"), Err(Error::KeyUnavailable { .. })));
}

#[test]
fn a_key_file_that_is_damaged_has_no_drain() {
    let world = world_with_flights();
    let (_connection, base, _) = warm(&world, DRAIN);
    world.kms.fail(Some(KmsError::WrongContext));
    refuse(&world, &base);
    assert!(matches!(base.seal(b"key", b"text"), Err(Error::WrongContext)));
}

#[test]
fn more_than_an_hour_is_refused() {
    let world = world_with_flights();
    let builder = || tablecrypt::Service::builder(world.kms.clone(), world.store());
    assert!(builder().drain(Duration::from_secs(3600)).is_ok());
    let refused = builder().drain(Duration::from_millis(3_600_001));
    assert!(matches!(refused, Err(Error::InvalidSetting { setting: "drain", .. })));
}
