//! Each fault of a KMS at each operation that calls it: the promised state, nothing lost, and recovery without a restart.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use core::fmt;
use core::time::Duration;
use std::panic;
use std::{fs, thread};

use common::{World, world_with_flights};
use tablecrypt::kms::KmsError;
use tablecrypt::{Error, Table, TableSpec};

/// Longer than any deadline.
const PATIENCE: u64 = 400;
/// The longest pause between two questions to a KMS that failed.
const PAUSE: u64 = 30;

struct Fault {
    name: &'static str,
    begin: fn(&World),
    end: fn(&World),
    expected: Expected,
}

/// What callers see: of a cold table at once, and of a warm one that has traffic.
#[derive(Clone, Copy)]
enum Expected {
    /// It takes longer, and a warm table does not notice.
    Nothing,
    /// It may pass by itself: a warm table goes on until its deadline.
    Unavailable,
    /// It is definite: a warm table is locked at its next refresh.
    Refused(fn(&Error) -> bool),
}

const FAULTS: [Fault; 11] = [
    failing("unreachable", |world| world.kms.fail(Some(KmsError::Unreachable)), Expected::Unavailable),
    failing("throttled", |world| world.kms.fail(Some(KmsError::Throttled)), Expected::Unavailable),
    failing("internal", |world| world.kms.fail(Some(KmsError::Internal)), Expected::Unavailable),
    failing("denied", |world| world.kms.fail(Some(KmsError::AccessDenied)), {
        Expected::Refused(|error| matches!(error, Error::AccessDenied))
    }),
    failing("not found", |world| world.kms.fail(Some(KmsError::NotFound)), {
        Expected::Refused(|error| matches!(error, Error::KeyNotFound))
    }),
    failing("wrong context", |world| world.kms.fail(Some(KmsError::WrongContext)), {
        Expected::Refused(|error| matches!(error, Error::WrongContext))
    }),
    Fault {
        name: "slow",
        begin: |world| world.kms.delay(Duration::from_secs(20)),
        end: |world| world.kms.delay(Duration::ZERO),
        expected: Expected::Nothing,
    },
    // The key's own states, and not only their errors.
    Fault {
        name: "disabled",
        begin: World::disable_key,
        end: World::enable_key,
        expected: Expected::Refused(|error| matches!(error, Error::KeyDisabled)),
    },
    Fault {
        name: "pending deletion",
        begin: |world| {
            world.local.schedule_key_deletion(tablecrypt::DEFAULT_KEY_ALIAS, 7).unwrap();
        },
        end: |world| {
            world.local.cancel_key_deletion(tablecrypt::DEFAULT_KEY_ALIAS).unwrap();
            world.enable_key();
        },
        expected: Expected::Refused(|error| matches!(error, Error::KeyPendingDeletion)),
    },
    Fault {
        name: "garbage",
        begin: |world| world.kms.garble(true),
        end: |world| world.kms.garble(false),
        expected: Expected::Refused(|error| matches!(error, Error::KeyFileCorrupt { .. })),
    },
    Fault {
        name: "panics",
        begin: |world| world.kms.panic(true),
        end: |world| world.kms.panic(false),
        expected: Expected::Unavailable,
    },
];

type Operation = fn(&Fault);

const OPERATIONS: [(&str, Operation); 3] = [("create", create), ("cold open", cold_open), ("refresh", refresh)];

const fn failing(name: &'static str, begin: fn(&World), expected: Expected) -> Fault {
    Fault { name, begin, end: |world| world.kms.fail(None), expected }
}

#[test]
fn each_fault_at_each_operation_has_the_promised_state_loses_nothing_and_recovers_without_a_restart() {
    quiet();
    for fault in &FAULTS {
        for (name, operation) in OPERATIONS {
            println!("{fault} at {name}");
            operation(fault);
        }
    }
    println!("faults: {} x {} operations held", FAULTS.len(), OPERATIONS.len());
}

fn create(fault: &Fault) {
    let site = Site::new();
    let planes = TableSpec::new("planes").global("by-seats");
    (fault.begin)(&site.world);
    let created = site.in_time(fault, || site.world.service.create_table(&planes));
    // Wrapped bytes that nobody can unwrap are seen when the table is opened, before a record is sealed.
    let is_made = matches!(fault.expected, Expected::Nothing) || fault.name == "garbage";
    match (&created, fault.expected) {
        (Ok(_), _) => assert!(is_made),
        (Err(Error::KeyUnavailable { .. }), Expected::Unavailable) => {}
        // There is no key file yet that could be another table's.
        (Err(Error::InvalidRequest), _) => assert_eq!(fault.name, "wrong context"),
        (Err(error), Expected::Refused(is_expected)) => assert!(is_expected(error), "{error}"),
        (Err(error), _) => panic!("{error}"),
    }
    assert_eq!(site.world.service.tables().unwrap().contains(&"planes".to_owned()), is_made);
    assert_eq!(site.world.key_file("planes").exists(), is_made);
    site.nothing_is_lost();

    (fault.end)(&site.world);
    match fault.name {
        "garbage" => {
            let error = site.world.service.open_table("planes").unwrap_err();
            assert!(matches!(error, Error::KeyFileCorrupt { .. }), "{error}");
        }
        _ if is_made => {}
        _ => drop(site.world.service.create_table(&planes).unwrap()),
    }
    if fault.name != "garbage" {
        site.world.service.open_table("planes").unwrap().global("by-seats").unwrap().seal(b"key", b"text").unwrap();
    }
    site.nothing_is_lost();
}

fn cold_open(fault: &Fault) {
    let site = Site::new();
    let service = site.world.another_service();
    let connection = service.connect();
    (fault.begin)(&site.world);
    let opened = site.in_time(fault, || connection.open_table("flights"));
    let since = site.world.date();
    let state = || service.describe_table("flights").unwrap().inaccessible_since;
    match (&opened, fault.expected) {
        (Ok(_), Expected::Nothing) => assert_eq!(state(), None),
        (Err(Error::KeyUnavailable { .. }), Expected::Unavailable) => assert_eq!(state(), Some(since)),
        (Err(error), Expected::Refused(is_expected)) if is_expected(error) => assert_eq!(state(), Some(since)),
        (answer, _) => panic!("{answer:?}"),
    }
    site.nothing_is_lost();

    (fault.end)(&site.world);
    site.world.advance(PAUSE);
    // The same connection, which was refused.
    let base = connection.open_table("flights").unwrap().base();
    assert_eq!(base.open(b"key", &site.record).unwrap(), b"text");
    assert_eq!(state(), None);
    site.nothing_is_lost();
}

fn refresh(fault: &Fault) {
    let site = Site::new();
    (fault.begin)(&site.world);
    let (mut first, mut last) = (None, None);
    for second in 1..=PATIENCE {
        site.world.advance(1);
        if let Err(error) = site.one() {
            first.get_or_insert(second);
            last = Some((second, error));
        }
    }
    let is_expected = |error: &Error| match fault.expected {
        Expected::Nothing => false,
        Expected::Unavailable => matches!(error, Error::KeyUnavailable { .. }),
        Expected::Refused(is_expected) => is_expected(error),
    };
    let locks = match fault.expected {
        Expected::Nothing => None,
        // The operation of second 300 is the one that sets the refresh off.
        Expected::Refused(_) => Some(301),
        Expected::Unavailable => Some(330),
    };
    assert_eq!(first, locks);
    if let Some((second, error)) = last {
        assert_eq!(second, PATIENCE, "locked is locked");
        assert!(is_expected(&error), "{error}");
        assert_eq!(site.table.permitted_for(), None);
        let since = site.table.describe().unwrap().inaccessible_since.unwrap();
        let locked_for = site.world.date().duration_since(since).unwrap().as_secs();
        assert!((PATIENCE - 330..=PATIENCE - 300).contains(&locked_for), "{locked_for}");
    }

    (fault.end)(&site.world);
    let recovered = (0..=PAUSE).find(|_| {
        let is_back = site.one().is_ok();
        site.world.advance(1);
        is_back
    });
    assert!(recovered.is_some(), "not within the longest pause");
    assert_eq!(site.table.describe().unwrap().inaccessible_since, None);
    site.nothing_is_lost();
    // Over the next refresh and the old deadline.
    for _ in 0..PATIENCE {
        site.world.advance(1);
        site.one().unwrap();
    }
}

/// A table with a record and a warm connection.
struct Site {
    world: World,
    table: Table,
    record: Vec<u8>,
    key_file: Vec<u8>,
}

impl Site {
    fn new() -> Self {
        let world = world_with_flights();
        let table = world.service.open_table("flights").unwrap();
        let record = table.base().seal(b"key", b"text").unwrap();
        let key_file = fs::read(world.key_file("flights")).unwrap();
        Self { world, table, record, key_file }
    }

    fn one(&self) -> Result<(), Error> {
        self.table.base().open(b"key", &self.record).map(|text| assert_eq!(text, b"text"))
    }

    /// A call that waits for a slow KMS; the clock is turned on another thread.
    fn in_time<T: Send>(&self, fault: &Fault, call: impl FnOnce() -> T + Send) -> T {
        if !matches!(fault.expected, Expected::Nothing) {
            return call();
        }
        let before = self.world.kms.calls();
        thread::scope(|scope| {
            let caller = scope.spawn(call);
            while self.world.kms.calls() == before {
                thread::yield_now();
            }
            self.world.advance(20);
            caller.join().unwrap()
        })
    }

    /// The warm connection works, and the key file is as it was.
    fn nothing_is_lost(&self) {
        self.one().unwrap();
        assert_eq!(fs::read(self.world.key_file("flights")).unwrap(), self.key_file);
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Says nothing of panics that were asked for.
fn quiet() {
    let told = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref::<String>().is_none_or(|text| text != "the KMS was told to panic") {
            told(info);
        }
    }));
}
