//! Locking by hand: a table, a connection, a service. The keys are gone at once, and everything works again after.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::world_with_flights;
use tablecrypt::kms::KmsError;
use tablecrypt::{Error, Scope, Structure};

fn is_locked(base: &Structure) -> bool {
    let refused = [base.seal(b"key", b"text").map(drop), base.open(b"key", &[0; 64]).map(drop)];
    let is_locked = refused.iter().all(|refused| matches!(refused, Err(Error::Locked)));
    assert_eq!(is_locked, !base.is_unlocked());
    is_locked
}

#[test]
fn a_locked_table_fails_at_once_without_the_kms_and_asks_it_after_unlocking() {
    let world = world_with_flights();
    let connection = world.service.connect();
    let table = connection.open_table("flights").unwrap();
    let base = table.base();
    let record = base.seal(b"key", b"text").unwrap();
    let other = world.service.open_table("flights").unwrap();
    let before = world.kms.calls();
    table.lock();
    table.lock();
    assert!(is_locked(&base) && is_locked(&table.local("by-delay").unwrap()));
    assert!(matches!(connection.open_table("flights"), Err(Error::Locked)));
    assert_eq!(table.permitted_for(), None);
    assert!(table.describe().unwrap().locked && !other.describe().unwrap().locked);
    assert_eq!(other.base().open(b"key", &record).unwrap(), b"text", "another connection's permission is its own");
    world.advance(7200);
    assert!(is_locked(&base), "no time unlocks it");
    assert_eq!(world.kms.calls(), before);
    table.unlock();
    assert!(!table.describe().unwrap().locked);
    assert_eq!(base.open(b"key", &record).unwrap(), b"text");
    assert_eq!(world.kms.calls(), before + 1);
}

#[test]
fn what_is_taken_away_while_a_table_is_locked_stays_away() {
    let world = world_with_flights();
    let table = world.service.open_table("flights").unwrap();
    // A second table of the same keys, which stay in memory.
    let other = world.service.open_table("flights").unwrap();
    table.lock();
    world.disable_key();
    table.unlock();
    assert!(matches!(table.base().seal(b"key", b"text"), Err(Error::KeyDisabled)));
    assert!(other.base().is_unlocked());
}

#[test]
fn unlocking_asks_the_kms_at_once_even_after_a_failure() {
    let world = world_with_flights();
    let table = world.service.open_table("flights").unwrap();
    world.disable_key();
    world.advance(330);
    assert!(matches!(table.base().seal(b"key", b"text"), Err(Error::KeyDisabled)));
    world.enable_key();
    assert!(matches!(table.base().seal(b"key", b"text"), Err(Error::KeyDisabled)), "it pauses");
    table.unlock();
    table.base().seal(b"key", b"text").unwrap();
}

#[test]
fn a_locked_connection_locks_what_it_opened_and_what_it_would_open() {
    let world = world_with_flights();
    world.service.create_table(&tablecrypt::TableSpec::new("planes")).unwrap();
    let (connection, other) = (world.service.connect(), world.service.connect());
    let base = connection.open_table("flights").unwrap().base();
    let others = other.open_table("flights").unwrap().base();
    connection.lock();
    assert!(is_locked(&base));
    assert!(matches!(connection.open_table("planes"), Err(Error::Locked)));
    others.seal(b"key", b"text").unwrap();
    connection.unlock();
    base.seal(b"key", b"text").unwrap();
    connection.open_table("planes").unwrap();
    connection.lock();
    connection.close();
    assert!(matches!(base.seal(b"key", b"text"), Err(Error::Closed)));
}

#[test]
fn a_locked_service_locks_every_connection_and_the_new_ones() {
    let world = world_with_flights();
    let clone = world.service.clone();
    let tables = [(); 3].map(|()| world.service.open_table("flights").unwrap());
    let by_hand = &tables[0];
    by_hand.lock();
    clone.lock();
    assert!(tables.iter().all(|table| is_locked(&table.base()) && table.describe().unwrap().locked));
    assert!(world.service.describe_table("flights").unwrap().locked);
    assert!(matches!(world.service.open_table("flights"), Err(Error::Locked)));
    world.service.unlock();
    assert!(!world.service.describe_table("flights").unwrap().locked);
    tables[1].base().seal(b"key", b"text").unwrap();
    world.service.open_table("flights").unwrap();
    assert!(is_locked(&by_hand.base()), "what was locked by itself stays locked");
}

#[test]
fn under_a_shared_scope_a_lock_is_for_all_who_share_it() {
    let world = world_with_flights();
    let service = world.service_with(|builder| builder.scope(Scope::Principal));
    let open = |name| service.connect_as(name).open_table("flights").unwrap();
    let (first, second, bobs) = (open("ada"), open("ada"), open("bob"));
    first.lock();
    assert!(is_locked(&first.base()) && is_locked(&second.base()) && !is_locked(&bobs.base()));
    second.unlock();
    assert!(!is_locked(&first.base()) || first.base().seal(b"key", b"text").is_ok());
}

#[test]
fn a_refresh_that_is_under_way_does_not_land_on_a_locked_table() {
    let world = world_with_flights();
    let table = world.service.open_table("flights").unwrap();
    world.kms.delay(core::time::Duration::from_secs(10));
    world.advance(300);
    table.base().seal(b"key", b"text").unwrap();
    world.clock.settle();
    table.lock();
    world.advance(10);
    assert!(is_locked(&table.base()));
    assert_eq!(table.describe().unwrap().inaccessible_since, None, "the KMS did not refuse it");
}

#[test]
fn a_lock_ends_an_outage_grace() {
    let world = world_with_flights();
    let hour = core::time::Duration::from_secs(3600);
    let service = world.service_with(|builder| builder.outage_grace(hour).unwrap());
    let table = service.open_table("flights").unwrap();
    world.kms.fail(Some(KmsError::Unreachable));
    for _ in 0..400 {
        world.advance(1);
        table.base().seal(b"key", b"text").unwrap();
    }
    assert!(table.describe().unwrap().grace_since.is_some());
    assert!(service.describe_table("flights").unwrap().grace_since.is_some());
    table.lock();
    table.unlock();
    assert_eq!(table.describe().unwrap().grace_since, None);
    assert!(matches!(table.base().seal(b"key", b"text"), Err(Error::KeyUnavailable { .. })), "its keys are gone");
}
