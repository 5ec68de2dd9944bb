//! Every fault of a KMS at every call of switch_key, rewrap and rotate: the promised error, the table as it was, nobody who has
//! it open notices, and the same call goes well as soon as the KMS does, without a restart.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use core::time::Duration;
use std::fs;
use std::sync::Arc;

use common::{Failing, Fault, World, world_with_flights};
use tablecrypt::kms::KmsError;
use tablecrypt::store::FolderStore;
use tablecrypt::{Error, KeyStatus, Rewrap, Service};

type Change = fn(&Service, &str) -> Result<(), Error>;

/// Each change, and how many KMS calls it makes.
const CHANGES: &[(&str, usize, Change)] = &[
    ("switch_key", 3, |service, key| service.switch_key("flights", &[key]).map(drop)),
    ("rewrap", 2, |service, key| service.rewrap("flights", &Rewrap::to(key)).map(drop)),
    ("rotate", 1, |service, _| service.rotate("flights").map(drop)),
    ("add_kms_key", 3, |service, key| service.add_kms_key("flights", key).map(drop)),
    ("retire_generation", 1, |service, _| service.retire_generation("flights", 1)),
];

type Promised = fn(&Error) -> bool;

fn faults() -> Vec<(&'static str, Fault, Promised)> {
    let unavailable: Promised = |error| matches!(error, Error::KeyUnavailable { .. });
    vec![
        ("unreachable", Fault::Error(KmsError::Unreachable), unavailable),
        ("throttled", Fault::Error(KmsError::Throttled), unavailable),
        ("internal", Fault::Error(KmsError::Internal), unavailable),
        ("denied", Fault::Error(KmsError::AccessDenied), |error| matches!(error, Error::AccessDenied)),
        ("disabled", Fault::Error(KmsError::Disabled), |error| matches!(error, Error::KeyDisabled)),
        ("pending deletion", Fault::Error(KmsError::PendingDeletion), |error| {
            matches!(error, Error::KeyPendingDeletion)
        }),
        ("gone", Fault::Error(KmsError::NotFound), |error| matches!(error, Error::KeyNotFound)),
        // Of a call that was given no wrapped key it is the request that the KMS does not take.
        ("wrong context", Fault::Error(KmsError::WrongContext), |error| {
            matches!(error, Error::WrongContext | Error::InvalidRequest)
        }),
        ("garbage", Fault::Garbage, |error| matches!(error, Error::KeyFileCorrupt { .. })),
    ]
}

/// A table of two generations that is open, one of which can be retired; and the KMS that fails as it is told.
struct Table {
    world: World,
    kms: Arc<Failing>,
    service: Service,
    new: String,
}

impl Table {
    fn new() -> Self {
        let world = world_with_flights();
        let new = world.local.create_key("new").unwrap().arn;
        let kms = Arc::new(Failing::new(world.local.clone()));
        let store = Arc::new(FolderStore::open(world.folder.path().join("tables")).unwrap());
        let service = Service::builder(kms.clone(), store).clock(world.clock.clone()).build();
        service.rotate("flights").unwrap();
        world.advance(1000);
        Self { world, kms, service, new }
    }

    fn file(&self) -> String {
        fs::read_to_string(self.world.key_file("flights")).unwrap()
    }
}

#[test]
fn each_fault_at_each_call_of_each_change_leaves_the_table_as_it_was() {
    let mut cases = 0;
    for (name, calls, change) in CHANGES {
        let table = Table::new();
        let warm = table.service.open_table("flights").unwrap().base();
        let record = warm.seal(b"key", b"text").unwrap();
        let before = table.file();
        for (fault, how, promised) in faults() {
            for call in 0..*calls {
                if (*name, fault, call) == ("rewrap", "garbage", 1) {
                    // The second call only proves the first: whether it succeeds counts, and its bytes are dropped.
                    continue;
                }
                let case = format!("{name}, {fault} from call {call} on");
                table.kms.fail_after(call, Some(how.clone()));
                let error = change(&table.service, &table.new).expect_err(&case);
                assert!(promised(&error), "{case}: {error}");
                // The same file, to the byte, or one that says the same: no mark is left, without the KMS.
                let said = table.service.describe_table("flights").unwrap();
                assert_eq!((said.status, said.switching_to), (KeyStatus::Enabled, None), "{case}");
                assert_eq!(table.file(), before, "{case}");
                // Who has it open goes on.
                assert_eq!(warm.open(b"key", &record).unwrap(), b"text");
                warm.seal(b"key", b"text").unwrap();
                table.kms.fail_after(0, None);
                let cold = table.world.another_service().open_table("flights").unwrap().base();
                assert_eq!(cold.open(b"key", &record).unwrap(), b"text", "{case}");
                cases += 1;
            }
        }
        // The same call, in the same process, with no more than these calls.
        let counted = table.world.local.audit().unwrap().len();
        change(&table.service, &table.new).unwrap();
        assert_eq!(table.world.local.audit().unwrap().len() - counted, *calls, "{name}: all its calls were failed");
        assert_ne!(table.file(), before, "the control: it changes the file");
        let cold = table.world.another_service().open_table("flights").unwrap().base();
        assert_eq!(cold.open(b"key", &record).unwrap(), b"text");
    }
    println!("{cases} cases");
    assert_eq!(cases, 9 * 10 - 1);
}

#[test]
fn a_slow_kms_makes_a_change_slow_and_nobody_else() {
    for (name, calls, change) in CHANGES {
        let table = Table::new();
        let service = table.world.another_service();
        let warm = table.service.open_table("flights").unwrap().base();
        table.world.kms.delay(Duration::from_secs(20));
        std::thread::scope(|scope| {
            let before = table.world.kms.calls();
            let changing = scope.spawn(|| change(&service, &table.new));
            for call in 1..=*calls as u64 {
                while table.world.kms.calls() < before + call {
                    std::thread::yield_now();
                }
                // A call of this change is under way: nothing waits for it, and the table can be changed meanwhile.
                assert!(!changing.is_finished(), "{name}");
                warm.open(b"key", &warm.seal(b"key", b"text").unwrap()).unwrap();
                if call == 1 {
                    table.service.rotate("flights").unwrap();
                }
                table.world.advance(20);
            }
            // The file was another one than it had read, so some ask the KMS once more.
            while !changing.is_finished() {
                table.world.advance(1);
            }
            changing.join().unwrap().unwrap();
        });
        table.world.kms.delay(Duration::ZERO);
        let said = table.service.describe_table("flights").unwrap();
        assert_eq!(said.status, KeyStatus::Enabled);
        let generations = table.service.generations("flights").unwrap().len();
        assert!(generations >= 8, "{name}: the rotation meanwhile is not lost: {generations}");
        warm.open(b"key", &warm.seal(b"key", b"text").unwrap()).unwrap();
    }
}
