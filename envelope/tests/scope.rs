//! Who shares a permission: a connection, a principal or the process; and who does not notice when another closes.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use core::time::Duration;
use std::collections::HashMap;
use std::sync::Arc;

use common::{World, world_with_flights};
use tablecrypt::clock::Clock;
use tablecrypt::kms::{FaultKms, Kms, KmsError};
use tablecrypt::{Connection, Error, Scope, Service, Structure};

fn scoped(world: &World, scope: Scope) -> Service {
    world.service_with(|builder| builder.scope(scope))
}

fn base(connection: &Connection) -> Structure {
    connection.open_table("flights").unwrap().base()
}

#[test]
fn each_scope_makes_its_own_number_of_calls() {
    // Two connections each of two principals, and two of nobody in particular.
    for (scope, expected) in [(Scope::Connection, 6), (Scope::Principal, 3), (Scope::Process, 1)] {
        let world = world_with_flights();
        let service = scoped(&world, scope);
        let before = world.kms.calls();
        let connections = [(); 2].map(|()| [service.connect_as("ada"), service.connect_as("bob"), service.connect()]);
        let bases: Vec<_> = connections.as_flattened().iter().map(base).collect();
        assert_eq!(world.kms.calls() - before, expected, "{scope:?}: opened");
        let record = bases[0].seal(b"key", b"text").unwrap();
        for hour in 1..=2 {
            for _ in 0..3600 {
                world.advance(1);
                for base in &bases {
                    assert_eq!(base.open(b"key", &record).unwrap(), b"text");
                }
            }
            world.clock.settle();
            assert_eq!(world.kms.calls() - before, expected * (1 + 12 * hour), "{scope:?}: {hour} h of traffic");
        }
        world.advance(3600);
        assert!(bases.iter().all(|base| !base.is_unlocked()), "{scope:?}: idle");
        let calls = world.kms.calls();
        bases.iter().for_each(|base| drop(base.open(b"key", &record).unwrap()));
        assert_eq!(world.kms.calls() - calls, expected, "{scope:?}: after idleness");
    }
}

#[test]
fn a_shared_permission_has_one_deadline_and_traffic_of_any_connection_renews_it() {
    let world = world_with_flights();
    let service = scoped(&world, Scope::Process);
    let (first, second) = (service.connect(), service.connect());
    let table = first.open_table("flights").unwrap();
    world.advance(200);
    let later = second.open_table("flights").unwrap();
    assert_eq!((table.permitted_for(), later.permitted_for()), (Some(SECOND * 130), Some(SECOND * 130)));
    // The second has the traffic, and the first has its keys from it.
    world.advance(100);
    later.base().seal(b"key", b"text").unwrap();
    world.clock.settle();
    assert_eq!((table.permitted_for(), later.permitted_for()), (Some(SECOND * 330), Some(SECOND * 330)));
    let before = world.kms.calls();
    world.disable_key();
    world.advance(300);
    later.base().seal(b"key", b"text").unwrap();
    world.clock.settle();
    assert_eq!(world.kms.calls(), before + 1);
    assert!(matches!(table.base().seal(b"key", b"text"), Err(Error::KeyDisabled)), "refused to one, refused to all");
}

#[test]
fn closing_one_of_those_who_share_ends_it_alone_and_the_last_wipes_the_keys() {
    for scope in [Scope::Principal, Scope::Process] {
        let world = world_with_flights();
        let service = scoped(&world, scope);
        let (first, second) = (service.connect_as("ada"), service.connect_as("ada"));
        let (closed, open) = (first.open_table("flights").unwrap(), second.open_table("flights").unwrap());
        let record = open.base().seal(b"key", b"text").unwrap();
        let before = world.kms.calls();
        first.close();
        first.close();
        assert!(matches!(closed.base().open(b"key", &record), Err(Error::Closed)));
        assert!(matches!(first.open_table("flights"), Err(Error::Closed)));
        assert_eq!((closed.permitted_for(), closed.base().is_unlocked()), (None, false));
        assert_eq!(open.base().open(b"key", &record).unwrap(), b"text");
        drop(first);
        assert!(open.base().is_unlocked());
        second.close();
        assert!(matches!(open.base().open(b"key", &record), Err(Error::Closed)));
        assert_eq!(world.kms.calls(), before, "{scope:?}");
        // Whoever comes after the last asks again.
        assert_eq!(base(&service.connect_as("ada")).open(b"key", &record).unwrap(), b"text");
        assert_eq!(world.kms.calls(), before + 1, "{scope:?}");
    }
}

#[test]
fn a_dropped_connection_ends_as_a_closed_one_does() {
    let world = world_with_flights();
    let service = scoped(&world, Scope::Process);
    let before = world.kms.calls();
    let kept = base(&service.connect());
    drop(service.connect().open_table("flights").unwrap());
    drop(base(&service.connect()));
    assert_eq!(world.kms.calls(), before + 1);
    kept.seal(b"key", b"text").unwrap();
    drop(kept);
    let again = base(&service.connect());
    assert_eq!(world.kms.calls(), before + 2, "the keys went with the last handle");
    again.seal(b"key", b"text").unwrap();
}

/// Each principal asks with a KMS of its own: what is forbidden to one is not to another.
#[test]
fn each_principal_is_asked_for_by_its_own_credentials() {
    let world = world_with_flights();
    let clock: Arc<dyn Clock> = world.clock.clone();
    let of_name: HashMap<_, _> =
        ["ada", "bob"].map(|name| (name, Arc::new(FaultKms::new(world.local.clone(), clock.clone())))).into();
    let by_name = of_name.clone();
    let kms_of = move |name: &str| -> Arc<dyn Kms> { by_name[name].clone() };
    let service = world.service_with(|builder| builder.scope(Scope::Principal).principals(kms_of));
    let before = world.kms.calls();
    let (ada, bob) = (service.connect_as("ada"), service.connect_as("bob"));
    assert_eq!((ada.principal(), service.connect().principal()), (Some("ada"), None));
    let (adas, bobs) = (base(&ada), base(&bob));
    assert_eq!((of_name["ada"].calls(), of_name["bob"].calls(), world.kms.calls() - before), (1, 1, 0));
    let record = adas.seal(b"key", b"text").unwrap();

    of_name["ada"].fail(Some(KmsError::AccessDenied));
    world.advance(300);
    for base in [&adas, &bobs] {
        let _ = base.open(b"key", &record);
    }
    world.clock.settle();
    // Bob's keys are in the same memory that Ada's were in. She does not get them by that.
    assert!(matches!(adas.open(b"key", &record), Err(Error::AccessDenied)));
    assert!(matches!(service.connect_as("ada").open_table("flights"), Err(Error::AccessDenied)));
    assert_eq!(bobs.open(b"key", &record).unwrap(), b"text");
}

const SECOND: Duration = Duration::from_secs(1);
