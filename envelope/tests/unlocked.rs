//! Operations that never wait: they find the keys, or there are none to operate with.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use core::time::Duration;

use common::world_with_flights;
use tablecrypt::{Error, Item, OVERHEAD};

#[test]
fn what_is_sealed_without_waiting_opens_and_the_other_way_round() {
    let world = world_with_flights();
    let base = world.service.open_table("flights").unwrap().base();
    let before = world.kms.calls();
    let mut record = [0; 4 + OVERHEAD];
    assert_eq!(base.unlocked().unwrap().seal_into(b"key", b"text", &mut record).unwrap(), record.len());
    assert_eq!(base.open(b"key", &record).unwrap(), b"text");
    let mut text = [0; 4];
    let sealed = base.seal(b"key", b"text").unwrap();
    assert_eq!(base.unlocked().unwrap().open_into(b"key", &sealed, &mut text).unwrap(), 4);
    assert_eq!(&text, b"text");

    let (mut first, mut second) = ([0; 4 + OVERHEAD], [0; 4 + OVERHEAD]);
    let mut items = [Item::new(b"1", b"text", &mut first), Item::new(b"2", b"text", &mut second)];
    base.unlocked().unwrap().seal_many_into(&mut items).unwrap();
    let mut texts = [[0; 4]; 2];
    let [one, two] = &mut texts;
    let mut items = [Item::new(b"1", &first, one), Item::new(b"1", &second, two)];
    base.unlocked().unwrap().open_many_into(&mut items).unwrap();
    assert!(matches!((&items[0].written, &items[1].written), (Ok(4), Err(Error::Unauthentic))));
    assert_eq!(texts, [*b"text", [0; 4]]);
    let metrics = world.service.metrics();
    assert_eq!((metrics.sealed, metrics.opened, metrics.refused), (4, 3, 1));
    assert_eq!(world.kms.calls(), before);
}

#[test]
fn bad_input_has_the_errors_that_it_has_elsewhere() {
    let world = world_with_flights();
    let base = world.service.open_table("flights").unwrap().base();
    let unlocked = base.unlocked().unwrap();
    let short = unlocked.seal_into(b"key", b"text", &mut [0; 51]);
    assert!(matches!(short, Err(Error::OutputTooShort { needed: 52 })));
    assert!(matches!(unlocked.open_into(b"key", &[1; 47], &mut []), Err(Error::Truncated)));
    assert!(matches!(unlocked.open_into(b"key", &[9; 60], &mut [0; 12]), Err(Error::UnknownVersion { .. })));
}

#[test]
fn there_is_nothing_to_operate_with_where_an_operation_would_wait() {
    let world = world_with_flights();
    let connection = world.service.connect();
    let table = connection.open_table("flights").unwrap();
    let base = table.base();
    assert!(base.unlocked().is_some());
    table.lock();
    assert!(base.unlocked().is_none());
    table.unlock();
    let before = world.kms.calls();
    assert!(base.unlocked().is_none(), "unlocking alone asks nobody");
    assert_eq!(world.kms.calls(), before);
    base.seal(b"key", b"text").unwrap();
    assert!(base.unlocked().is_some());
    world.advance(331);
    assert!(base.unlocked().is_none(), "its keys are wiped at the deadline");
    base.seal(b"key", b"text").unwrap();
    assert!(base.unlocked().is_some());
    connection.close();
    assert!(base.unlocked().is_none());
}

#[test]
fn operations_that_never_wait_are_traffic_that_has_the_keys_refreshed() {
    let world = world_with_flights();
    let base = world.service.open_table("flights").unwrap().base();
    let before = world.kms.calls();
    for _ in 0..36 {
        world.advance(100);
        let sealed = base.unlocked().unwrap().seal_into(b"key", b"text", &mut [0; 4 + OVERHEAD]);
        assert_eq!(sealed.unwrap(), 4 + OVERHEAD);
    }
    // The refresh that the last one rang for.
    world.advance(1);
    assert_eq!(world.kms.calls() - before, 12, "an hour of steady traffic");
}

#[test]
fn who_may_wait_gets_the_keys_that_there_were_none_of() {
    let world = world_with_flights();
    let table = world.service.open_table("flights").unwrap();
    let base = table.base();
    world.advance(331);
    assert!(base.unlocked().is_none());
    let before = world.kms.calls();
    let mut record = [0; 4 + OVERHEAD];
    base.wait_to_seal().unwrap().seal_into(b"key", b"text", &mut record).unwrap();
    assert_eq!(base.wait_to_open().unwrap().open_into(b"key", &record, &mut [0; 4]).unwrap(), 4);
    assert_eq!(world.kms.calls() - before, 1);
    table.lock();
    assert!(matches!(base.wait_to_seal(), Err(Error::Locked)) && matches!(base.wait_to_open(), Err(Error::Locked)));
}

#[test]
fn what_drains_is_given_to_seal_with_and_opens_nothing() {
    let world = world_with_flights();
    let service = world.service_with(|builder| builder.drain(Duration::from_secs(60)).unwrap());
    let base = service.open_table("flights").unwrap().base();
    world.disable_key();
    world.advance(300);
    let record = base.seal(b"key", b"text").unwrap();
    world.clock.settle();
    assert!(base.unlocked().is_none());
    assert!(matches!(base.wait_to_open(), Err(Error::KeyDisabled)));
    let to_seal = base.wait_to_seal().unwrap();
    to_seal.seal_into(b"key", b"text", &mut [0; 4 + OVERHEAD]).unwrap();
    assert!(matches!(to_seal.open_into(b"key", &record, &mut [0; 4]), Err(Error::Locked)));
    let mut out = [0; 4];
    assert!(matches!(to_seal.open_many_into(&mut [Item::new(b"key", &record, &mut out)]), Err(Error::Locked)));
    assert_eq!(out, [0; 4]);
}
