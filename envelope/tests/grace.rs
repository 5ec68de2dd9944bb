//! An outage: without a grace the table locks at its deadline; with one, traffic goes on while the KMS fails and says no no.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use core::time::Duration;

use common::{World, world_with_flights};
use tablecrypt::kms::KmsError;
use tablecrypt::{Error, Structure, Table};

const HOUR: u64 = 3600;

/// A warm table of a service with this grace, which has an operation a second.
struct Traffic<'a> {
    world: &'a World,
    table: Table,
    base: Structure,
    record: Vec<u8>,
}

impl<'a> Traffic<'a> {
    fn new(world: &'a World, grace: u64) -> Self {
        let grace = Duration::from_secs(grace);
        let service = world.service_with(|builder| builder.outage_grace(grace).unwrap());
        let table = service.open_table("flights").unwrap();
        let base = table.base();
        let record = base.seal(b"key", b"text").unwrap();
        Self { world, table, base, record }
    }

    fn one(&self) -> Result<(), Error> {
        self.base.open(b"key", &self.record).map(|text| assert_eq!(text, b"text"))
    }

    /// Which of these seconds failed, the first and the last; and with what.
    fn failures(&self, seconds: u64) -> Option<(u64, u64, Error)> {
        let mut failures = None;
        for second in 1..=seconds {
            self.world.advance(1);
            if let Err(error) = self.one() {
                let (first, ..) = *failures.get_or_insert((second, second, error.clone()));
                failures = Some((first, second, error));
            }
        }
        self.world.clock.settle();
        failures
    }
}

#[test]
fn an_outage_of_20_minutes_is_not_noticed_with_a_grace_of_an_hour_and_locks_without_one() {
    for (grace, expected) in [(0, Some((330, 1200))), (HOUR, None)] {
        let world = world_with_flights();
        let traffic = Traffic::new(&world, grace);
        world.kms.fail(Some(KmsError::Unreachable));
        let failures = traffic.failures(1200);
        assert_eq!(failures.as_ref().map(|(first, last, _)| (*first, *last)), expected);
        assert!(failures.is_none_or(|(.., error)| matches!(error, Error::KeyUnavailable { .. })));
        world.kms.fail(None);
        let after = traffic.failures(30);
        assert_eq!(
            after.is_some(),
            expected.is_some(),
            "with a grace nothing fails, without it not for longer than a pause"
        );
        assert!(traffic.one().is_ok());
        assert!(traffic.failures(HOUR).is_none());
    }
}

#[test]
fn each_failure_that_may_pass_has_the_grace() {
    for error in [KmsError::Unreachable, KmsError::Throttled, KmsError::Internal] {
        let world = world_with_flights();
        let traffic = Traffic::new(&world, HOUR);
        world.kms.fail(Some(error.clone()));
        assert!(traffic.failures(1200).is_none(), "{error}");
    }
}

#[test]
fn the_grace_ends_after_its_time_and_the_table_says_so_all_along() {
    let world = world_with_flights();
    let traffic = Traffic::new(&world, HOUR);
    world.kms.fail(Some(KmsError::Throttled));
    assert!(traffic.failures(329).is_none());
    let state = |table: &Table| {
        let description = table.describe().unwrap();
        (description.grace_since, description.inaccessible_since)
    };
    assert_eq!(state(&traffic.table), (None, None));
    let start = world.date();
    assert!(traffic.failures(1).is_none());
    assert_eq!(state(&traffic.table), (Some(start + SECOND), None));
    assert_eq!(traffic.table.permitted_for(), Some(SECOND * 3600));
    assert!(traffic.failures(3599).is_none());
    assert_eq!(traffic.table.permitted_for(), Some(SECOND));
    let (first, last, error) = traffic.failures(1000).unwrap();
    assert_eq!((first, last), (1, 1000));
    assert!(matches!(error, Error::KeyUnavailable { since } if since == start - SECOND * 29), "{error}");
    assert_eq!(state(&traffic.table), (None, Some(start + SECOND * 3601)));
    assert_eq!(traffic.table.permitted_for(), None);
    world.kms.fail(None);
    traffic.failures(30);
    assert_eq!(state(&traffic.table), (None, None));
    assert!(traffic.one().is_ok());
}

#[test]
fn a_definite_no_ends_the_grace_at_the_next_answer() {
    type Case = (KmsError, fn(&Error) -> bool);
    let cases: [Case; 6] = [
        (KmsError::AccessDenied, |error| matches!(error, Error::AccessDenied)),
        (KmsError::Disabled, |error| matches!(error, Error::KeyDisabled)),
        (KmsError::PendingDeletion, |error| matches!(error, Error::KeyPendingDeletion)),
        (KmsError::NotFound, |error| matches!(error, Error::KeyNotFound)),
        (KmsError::WrongContext, |error| matches!(error, Error::WrongContext)),
        (KmsError::Invalid, |error| matches!(error, Error::KeyFileCorrupt { .. })),
    ];
    for (refusal, is_expected) in cases {
        let world = world_with_flights();
        let traffic = Traffic::new(&world, 12 * HOUR);
        world.kms.fail(Some(KmsError::Unreachable));
        assert!(traffic.failures(1000).is_none());
        assert!(traffic.table.describe().unwrap().grace_since.is_some());
        world.kms.fail(Some(refusal.clone()));
        let (first, last, error) = traffic.failures(100).unwrap();
        assert!(first <= 31 && last == 100, "{refusal}: {first} to {last}");
        assert!(is_expected(&error), "{error}");
        let description = traffic.table.describe().unwrap();
        assert_eq!(description.grace_since, None);
        assert!(description.inaccessible_since.is_some());
        // And where the refusal comes first there is no grace to end.
        let world = world_with_flights();
        let traffic = Traffic::new(&world, 12 * HOUR);
        world.kms.fail(Some(refusal));
        assert_eq!(traffic.failures(400).map(|(first, ..)| first), Some(301));
    }
}

#[test]
fn an_idle_table_has_no_grace_and_one_that_becomes_idle_loses_it() {
    let world = world_with_flights();
    let traffic = Traffic::new(&world, 12 * HOUR);
    world.kms.fail(Some(KmsError::Unreachable));
    world.advance(330);
    assert_eq!(traffic.table.permitted_for(), None, "nobody asked the KMS, so nothing says that it fails");
    assert!(matches!(traffic.one(), Err(Error::KeyUnavailable { .. })));

    let world = world_with_flights();
    let traffic = Traffic::new(&world, 12 * HOUR);
    world.kms.fail(Some(KmsError::Unreachable));
    assert!(traffic.failures(1000).is_none());
    let before = world.kms.calls();
    // Which comes within the pause of 30 s, and 330 s after it the keys go.
    world.advance(361);
    assert!(world.kms.calls() <= before + 1, "an idle table makes no call: one may follow the last operation");
    assert_eq!(traffic.table.permitted_for(), None);
    assert!(matches!(traffic.one(), Err(Error::KeyUnavailable { .. })));
}

#[test]
fn little_traffic_is_enough_for_the_grace() {
    let world = world_with_flights();
    let traffic = Traffic::new(&world, HOUR);
    world.kms.fail(Some(KmsError::Unreachable));
    world.advance(310);
    for minutes in 0..60 {
        assert!(traffic.one().is_ok(), "{minutes}");
        world.advance(60);
    }
}

#[test]
fn a_kms_that_does_not_answer_at_all_has_the_grace_too() {
    let world = world_with_flights();
    let traffic = Traffic::new(&world, HOUR);
    world.kms.delay(Duration::from_secs(60));
    world.kms.fail(Some(KmsError::Unreachable));
    assert!(traffic.failures(1200).is_none());
    // Without a grace the same silence locks: an operation waits for the answer then, and nobody turns the clock for it.
    let world = world_with_flights();
    let traffic = Traffic::new(&world, 0);
    world.kms.delay(Duration::from_secs(60));
    assert!(traffic.failures(329).is_none());
    world.advance(1);
    assert!(!traffic.base.is_unlocked());
    world.advance(31);
    assert!(traffic.one().is_ok(), "the answer was yes in the end");
}

#[test]
fn a_key_file_that_cannot_be_read_has_no_grace() {
    let world = world_with_flights();
    let traffic = Traffic::new(&world, HOUR);
    world.kms.fail(Some(KmsError::Unreachable));
    assert!(traffic.failures(1000).is_none());
    std::fs::remove_file(world.key_file("flights")).unwrap();
    std::fs::create_dir(world.key_file("flights")).unwrap();
    let (first, last, error) = traffic.failures(100).unwrap();
    assert!(first <= 31 && last == 100 && matches!(error, Error::Io { .. }), "{first} to {last}: {error}");
}

#[test]
fn the_kms_is_asked_in_pauses_that_grow_to_half_a_minute() {
    let world = world_with_flights();
    let traffic = Traffic::new(&world, 12 * HOUR);
    world.kms.fail(Some(KmsError::Unreachable));
    assert!(traffic.failures(330).is_none());
    let before = world.kms.calls();
    assert!(traffic.failures(HOUR).is_none());
    let calls = world.kms.calls() - before;
    assert!((115..=125).contains(&calls), "{calls} calls in an hour on grace");
}

#[test]
fn a_grace_of_more_than_12_hours_is_an_error() {
    let world = world_with_flights();
    let builder = |grace| tablecrypt::Service::builder(world.kms.clone(), world.store()).outage_grace(grace);
    assert!(builder(Duration::from_secs(12 * HOUR)).is_ok());
    let error = builder(Duration::from_secs(12 * HOUR) + Duration::from_nanos(1)).unwrap_err();
    assert!(matches!(error, Error::InvalidSetting { setting: "outage_grace", .. }));
    assert_eq!(error.to_string(), "the setting outage_grace is out of its range: 0 to 12 hours");
}

const SECOND: Duration = Duration::from_secs(1);
