//! Who listens to a service hears each event, in words, with its level, and can do it no harm.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use core::time::Duration;
use std::sync::{Arc, Mutex};

use tablecrypt::kms::KmsError;
use tablecrypt::{Listener, LogLevel, Table};

const CONTEXT: &[u8] = b"2013-01-01/UA/1545/EWR";
const TEXT: &[u8] = b"eleven minutes late";

type Heard = Arc<Mutex<Vec<(LogLevel, String)>>>;

/// Someone who listens, and what they hear.
fn listener() -> (Arc<dyn Listener>, Heard) {
    let heard = Heard::default();
    let hears = heard.clone();
    (Arc::new(move |level, event: &str| hears.lock().unwrap().push((level, event.to_owned()))), heard)
}

/// An outage that is longer than the deadline, its end, a refusal, and a lock by hand, all under traffic.
fn troubles(names: bool) -> (Vec<(LogLevel, String)>, String) {
    let world = common::world_with_flights();
    let (listener, heard) = listener();
    let grace = Duration::from_secs(600);
    let service = world.service_with(|builder| {
        builder.outage_grace(grace).unwrap().drain(grace).unwrap().names_in_log(names).log(listener)
    });
    let table = service.open_table("flights").unwrap();
    let traffic = |table: &Table, seconds| {
        for _ in 0..seconds {
            let _ = table.base().seal(CONTEXT, TEXT);
            world.advance(1);
        }
        world.clock.settle();
    };
    world.kms.fail(Some(KmsError::Unreachable));
    traffic(&table, 400);
    world.kms.fail(None);
    traffic(&table, 40);
    world.kms.fail(Some(KmsError::AccessDenied));
    traffic(&table, 400);
    table.lock();
    let id = service.describe_table("flights").unwrap().table_id;
    let heard = heard.lock().unwrap().clone();
    (heard, id)
}

#[test]
fn an_outage_its_end_a_refusal_and_a_lock_are_told_in_order_with_their_levels_and_the_tables_id() {
    let (heard, id) = troubles(false);
    let expected = [
        (LogLevel::Debug, format!("the KMS permits the table's key table={id}")),
        (LogLevel::Warn, format!("the table's key was not refreshed table={id} error=KeyUnavailable")),
        (LogLevel::Warn, format!("the KMS fails past the deadline; the table is on its outage grace table={id}")),
        (LogLevel::Info, format!("the KMS permits the table's key again table={id}")),
        (LogLevel::Warn, format!("the table's key was not refreshed table={id} error=AccessDenied")),
        (LogLevel::Warn, format!("the table drains: it seals a while, and opens nothing table={id}")),
        (LogLevel::Info, format!("the table is locked by hand table={id}")),
    ];
    let mut at = heard.iter();
    for event in &expected {
        assert!(at.any(|heard| heard == event), "{event:?} was not told, or not after those before it: {heard:#?}");
    }
    let answers: Vec<_> = heard.iter().filter(|(_, event)| event.starts_with("the KMS has answered")).collect();
    assert!(answers.len() > 3, "each call of the KMS is told");
    assert!(answers.iter().all(|(level, _)| *level == LogLevel::Debug));
    let first = "the KMS has answered call=Decrypt outcome=ok time=0us request=";
    assert!(answers[0].1.starts_with(first), "{}", answers[0].1);
    for (_, event) in &heard {
        assert!(!event.contains("flights"), "a name was told: {event}");
        assert!(!event.contains('?'), "it is not said of which table: {event}");
    }
}

#[test]
fn names_and_whole_sentences_are_told_where_they_were_asked_for() {
    let (heard, id) = troubles(true);
    let refused = "the table's key was not refreshed table=flights error=the KMS denies the use of the table's key; \
                   ask whoever writes the key's policy";
    assert!(heard.contains(&(LogLevel::Warn, refused.to_owned())), "{heard:#?}");
    assert!(heard.iter().all(|(_, event)| !event.contains(&id)));
}

#[test]
fn a_table_whose_first_call_is_refused_is_told_by_its_id() {
    let world = common::world_with_flights();
    let (listener, heard) = listener();
    let service = world.service_with(|builder| builder.log(listener));
    world.disable_key();
    service.open_table("flights").unwrap_err();
    let id = service.describe_table("flights").unwrap().table_id;
    let refused = format!("the table's key was not refreshed table={id} error=KeyDisabled");
    assert_eq!(heard.lock().unwrap().last(), Some(&(LogLevel::Warn, refused)));
}

/// Also on the service's own threads: the timer still wipes at the deadline, and the workers still refresh.
#[test]
fn a_listener_that_panics_stops_nothing() {
    let world = common::world_with_flights();
    let told = Arc::new(Mutex::new(0));
    let counts = told.clone();
    let service = world.service_with(|builder| {
        builder.log(Arc::new(move |_, _: &str| {
            *counts.lock().unwrap() += 1;
            panic!("as this test wants");
        }))
    });
    let table = service.open_table("flights").unwrap();
    let base = table.base();
    let record = base.seal(CONTEXT, TEXT).unwrap();
    let traffic = |seconds| {
        (0..seconds).for_each(|_| {
            world.advance(1);
            let _ = base.open(CONTEXT, &record);
        });
        world.clock.settle();
    };
    for _ in 0..2 {
        world.kms.fail(Some(KmsError::Unreachable));
        traffic(340);
        base.open(CONTEXT, &record).unwrap_err();
        world.kms.fail(None);
        traffic(60);
        assert_eq!(base.open(CONTEXT, &record).unwrap(), TEXT);
    }
    assert!(*told.lock().unwrap() > 10);
}
